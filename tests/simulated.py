"""Simulated hosts in tests: started with any settings, at an address of their own, ended with the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compute_hyperv.cim.endpoint import Endpoint
from hyperv_simulator.testing import Simulate, free_address, simulating

if TYPE_CHECKING:
    from hyperv_simulator.host import SimulatedHost

__all__ = ["Simulate", "endpoint_of", "free_address", "simulating"]


def endpoint_of(host: SimulatedHost, **settings: Any) -> Endpoint:
    """How a client reaches a simulated host: by HTTPS and Negotiate, unless ``settings`` say otherwise."""
    config = host.config
    ports = {"https": config.https_port, "http": config.http_port}
    defaults = {
        "port": ports[settings.get("scheme", "https")],
        "username": config.username,
        "password": config.password,
        "ca_file": str(host.ca_file),
    }
    return Endpoint(config.address, **{**defaults, **settings})
