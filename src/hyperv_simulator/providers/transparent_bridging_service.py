"""Msvm_TransparentBridgingService: stands for what learns addresses inside a switch, and can't be controlled."""

from __future__ import annotations

from collections.abc import Mapping

from hyperv_simulator.providers.base import Method, Provider
from hyperv_simulator.providers.unsupported import service_control


class TransparentBridgingProvider(Provider):
    class_name = "Msvm_TransparentBridgingService"

    def methods(self) -> Mapping[str, Method]:
        return service_control()
