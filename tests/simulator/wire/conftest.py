"""A host of which only the wire is real: listeners, codec, service and repository, with instances made for the tests.

What Hyper-V's providers do is tested elsewhere; here every instance and every answer of a method is in sight.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.fault_rules import FaultRules
from hyperv_simulator.operating_system.accounts import Accounts
from hyperv_simulator.operating_system.shell.context import Output
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider
from hyperv_simulator.repository.associations import Association, Associations
from hyperv_simulator.repository.catalogue import HostCatalogue
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.request_log import RequestLog
from hyperv_simulator.server.eventing.source import EventSource
from hyperv_simulator.server.tls import Authority
from hyperv_simulator.server.winrm import WinRm
from hyperv_simulator.server.wsman import HostIdentity, WsManService
from hyperv_simulator.service import CimService
from hyperv_simulator.windows import RELEASES
from tests.simulated import free_address
from tests.simulator.wire.raw import RawClient

CREATED = dt.datetime(2026, 1, 2, 3, 4, 5, 678900, dt.UTC)
MACHINES = ("AAAAAAAA-0000-4000-8000-000000000001", "AAAAAAAA-0000-4000-8000-000000000002")
SERVICE = "Msvm_VirtualSystemManagementService"


def machine(name: str, element_name: str, **properties: object) -> CimInstance:
    values = {
        "CreationClassName": "Msvm_ComputerSystem",
        "Name": name,
        "ElementName": element_name,
        "EnabledState": 2,
        "OperationalStatus": [2],
        **properties,
    }
    return CimInstance("Msvm_ComputerSystem", values)


def settings(name: str) -> CimInstance:
    return CimInstance(
        "Msvm_VirtualSystemSettingData",
        {"InstanceID": f"Microsoft:{name}", "VirtualSystemIdentifier": name, "ElementName": 'a<&>"b', "Notes": []},
    )


class Recorder(Provider):
    """A service that notes what it was called with and answers as told."""

    class_name = SERVICE

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.outputs: Outputs = {"ReturnValue": 0}
        self.error: Exception | None = None

    def methods(self) -> Mapping[str, Method]:
        return {"DefineSystem": self._record, "ModifySystemSettings": self._record, "RequestStateChange": self._record}

    def _record(self, call: Call) -> Outputs:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        return self.outputs


@dataclass
class WireHost:
    config: HostConfig
    repository: Repository
    recorder: Recorder
    faults: FaultRules
    requests: RequestLog
    ca_file: Path
    events: EventSource
    stopping: threading.Event = field(default_factory=threading.Event)

    def machine(self, element_name: str) -> CimInstance:
        """The machine of that name."""
        found = self.repository.instances("Msvm_ComputerSystem")
        return next(each for each in found if each.text("ElementName") == element_name)


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[WireHost]:
    with serving(tmp_path) as host:
        yield host


@contextlib.contextmanager
def serving(folder: Path, **fields: object) -> Iterator[WireHost]:
    """Such a host with other settings than the usual ones (fields of ``HostConfig``)."""
    usual = {"name": "HV1", "address": free_address(), "allow_basic": True, "allow_unencrypted": True}
    config = HostConfig(**{**usual, **fields})
    version = RELEASES[config.version]
    repository = Repository(HostCatalogue(version))
    repository.add(
        CimInstance(
            "Msvm_ComputerSystem",
            {"CreationClassName": "Msvm_ComputerSystem", "Name": "HV1", "ElementName": "HV1", "InstallDate": CREATED},
        )
    )
    for number, name in enumerate(MACHINES, start=1):
        repository.add(machine(name, f"vm{number}", OnTimeInMilliseconds=number * 1000))
        repository.add(settings(name))
    for class_name, name in ((SERVICE, "vmms"), ("Msvm_ImageManagementService", "vhdsvc")):
        keys = {"SystemCreationClassName": "Msvm_ComputerSystem", "SystemName": "HV1", "CreationClassName": class_name}
        repository.add(CimInstance(class_name, {**keys, "Name": name}))
    repository.add(
        CimInstance(
            "Msvm_ConcreteJob",
            {"InstanceID": "JOB-1", "ElapsedTime": dt.timedelta(seconds=1, microseconds=500000), "JobState": 4},
        )
    )

    def machine_of(setting: CimInstance) -> list[CimInstance]:
        name = setting.text("VirtualSystemIdentifier")
        keys = {"CreationClassName": "Msvm_ComputerSystem", "Name": name}
        return [repository.get(CimReference("Msvm_ComputerSystem", keys))]

    def settings_of(system: CimInstance) -> list[CimInstance]:
        name = system.text("Name")
        return repository.owned("Msvm_VirtualSystemSettingData", name) if name in MACHINES else []

    state_of = Association(
        "Msvm_SettingsDefineState",
        left_class="Msvm_ComputerSystem",
        left_role="ManagedElement",
        right_class="Msvm_VirtualSystemSettingData",
        right_role="SettingData",
        rights_of=settings_of,
        lefts_of=machine_of,
    )
    recorder, faults, log = Recorder(), FaultRules(), RequestLog()
    service = CimService(repository, Associations(repository, [state_of]), [recorder], host_name=config.name)
    authority = Authority(folder)
    stopping = threading.Event()
    events = EventSource(repository)
    soap = WsManService(
        HostIdentity(config.name, version.version),
        service,
        events,
        faults=faults,
        requests=log,
        quotas=config.quotas,
        pause=stopping.wait,
        run_line=lambda _line, _user: Output(),
        rights=Accounts(config),
    )
    certificate = authority.certificate_for(config.name, config.address, folder)
    winrm = WinRm(config, certificate, soap, lambda: None)
    winrm.start()
    try:
        yield WireHost(config, repository, recorder, faults, log, authority.ca_file, events, stopping)
    finally:
        stopping.set()
        soap.close()
        winrm.stop()


@pytest.fixture
def raw(wire: WireHost) -> Iterator[RawClient]:
    client = RawClient(wire.config)
    yield client
    client.close()
