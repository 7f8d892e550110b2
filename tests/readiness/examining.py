"""Checks against simulated hosts, and against answers that no simulated host gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimValue
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.smb.endpoint import SmbEndpoint
from compute_hyperv.readiness.checks import BY_NAME, selected
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.expectations import Expectations
from compute_hyperv.readiness.model import Finding
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.runner import Subject, judge, run
from compute_hyperv.readiness.sources import Instances
from tests.simulated import endpoint_of

# The budget of a full check of one host.
REQUESTS = 40

if TYPE_CHECKING:
    from hyperv_simulator.host import SimulatedHost


def readings_of(host: SimulatedHost, **settings: Any) -> Readings:
    """The host as ``compute-hyperv check`` sees it; ``settings`` are those of the endpoint."""
    config = host.config
    # Negotiate would look for a domain first, which takes its time where the name service does not answer
    endpoint = endpoint_of(host, **{"connections": 4, "auth": "ntlm", **settings})
    smb = SmbEndpoint(
        config.address, port=config.smb_port, username=endpoint.username, password=endpoint.password, timeout_s=10.0
    )
    return Readings(config.address, HyperVHost(endpoint, smb), endpoint.username or "")


def examine(
    host: SimulatedHost, *names: str, wanted: Expectations | None = None, **settings: Any
) -> dict[str, Finding]:
    """What these checks or sections find, by name; all of them for none."""
    readings = readings_of(host, **settings)
    with readings.host:
        results = run([Subject(readings, wanted or Expectations())], selected(names))
    return {result.check.name: result.finding for result in results}


def examine_together(hosts: Sequence[SimulatedHost], name: str, wanted: Expectations | None = None) -> list[Finding]:
    """What one check that compares hosts finds, host by host."""
    subjects = [Subject(readings_of(host), wanted or Expectations()) for host in hosts]
    try:
        return [result.finding for result in run(subjects, selected([name])) if result.check.name == name]
    finally:
        for subject in subjects:
            subject.host.host.close()


# What a check may know of the connection to a host that is not there
_BY_HTTP = SimpleNamespace(cim=SimpleNamespace(endpoint=Endpoint("told", scheme="http")))


class Told(Readings):
    """A host that is known by what it said only."""

    def __init__(self, said: Mapping[Any, Any], name: str = "told", account: str = "") -> None:
        super().__init__(name, _BY_HTTP, account)  # type: ignore[arg-type]
        self._said = dict(said)

    @property
    def session(self) -> CimSession:
        raise AssertionError("the check asked the host")

    def of(self, source: Any) -> Any:
        return self._said[source]


def judged(name: str, said: Mapping[Any, Any], wanted: Expectations | None = None, account: str = "") -> Finding:
    """What a check says of these answers."""
    return judge(BY_NAME[name], Context(Told(said, account=account), wanted or Expectations())).finding


def rows(source: Instances, *values: Mapping[str, CimValue]) -> tuple[CimInstance, ...]:
    """An answer of a source: instances with these properties."""
    return tuple(CimInstance(source.class_name, dict(each), source.namespace) for each in values)
