"""Two hosts through their listeners, in the steps in which os-win moves a machine with passed-through disks: a planned
machine first, then the real one onto it (old-driver 5.10)."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from compute_hyperv.cim import wql
from compute_hyperv.cim.cimxml import instance_to_text
from compute_hyperv.cim.session import CimSession, MethodResult
from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.config.migration import MigrationConfig
from hyperv_simulator.testing import Simulate
from tests.simulated import endpoint_of

MIGRATION = CimReference(
    "Msvm_VirtualSystemMigrationService", {"CreationClassName": "Msvm_VirtualSystemMigrationService"}
)
MANAGEMENT = CimReference(
    "Msvm_VirtualSystemManagementService", {"CreationClassName": "Msvm_VirtualSystemManagementService"}
)


@pytest.fixture(params=["kerberos", "credssp"])
def sessions(simulate: Simulate, request: pytest.FixtureRequest) -> Iterator[tuple[CimSession, CimSession]]:
    """Kerberos needs the right to delegate; CredSSP brings the password along, from the client to both hosts."""
    delegates_to = ("*",) if request.param == "kerberos" else ()
    migration = MigrationConfig(True, request.param, delegates_to)
    first, second = (simulate(domain="hv.test", migration=migration, allow_credssp=True) for _ in range(2))
    auth = "negotiate" if request.param == "kerberos" else "credssp"
    pair = CimSession(endpoint_of(first, auth=auth)), CimSession(endpoint_of(second, auth=auth))
    yield pair
    for session in pair:
        session.close()


def request(session: CimSession, kind: int, **values: object) -> str:
    """The host's own instance for this type, changed and sent back whole."""
    (settings,) = session.query(
        wql.select("Msvm_VirtualSystemMigrationSettingData").where(wql.eq("MigrationType", kind))
    )
    for name, value in values.items():
        settings[name] = value  # type: ignore[assignment]
    return instance_to_text(settings)


def finish(session: CimSession, result: MethodResult) -> None:
    """Waits for the job, which must succeed."""
    job = result.reference("Job")
    assert job is not None
    deadline = time.monotonic() + 20
    while (state := session.get(job)).get("JobState") in (2, 3, 4):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert state.get("JobState") == 7, state.get("ErrorDescription")


def test_a_machine_is_staged_and_moved(sessions: tuple[CimSession, CimSession]) -> None:
    source, destination = sessions
    text = instance_to_text(CimInstance("Msvm_VirtualSystemSettingData", {"ElementName": "moves"}))
    machine = source.invoke(MANAGEMENT, "DefineSystem", {"SystemSettings": text}).reference("ResultingSystem")
    assert machine is not None

    (settings,) = destination.query(wql.select("Msvm_VirtualSystemMigrationServiceSettingData"))
    (service,) = destination.query(wql.select("Msvm_VirtualSystemMigrationService"))
    addresses = service.texts("MigrationServiceListenerIPAddressList")
    assert settings.get("EnableVirtualSystemMigration") is True
    assert len(addresses) == 1

    move = {"ComputerSystem": machine, "DestinationHost": addresses[0]}
    staged = request(source, 32770, DestinationIPAddressList=addresses)
    finish(source, source.invoke(MIGRATION, "MigrateVirtualSystemToHost", {**move, "MigrationSettingData": staged}))
    (planned,) = destination.query(wql.select("Msvm_PlannedComputerSystem").where(wql.eq("ElementName", "moves")))

    live = request(
        source, 32768, DestinationIPAddressList=addresses, DestinationPlannedVirtualSystemId=planned.get("Name")
    )
    finish(source, source.invoke(MIGRATION, "MigrateVirtualSystemToHost", {**move, "MigrationSettingData": live}))
    (moved,) = destination.query(wql.select("Msvm_ComputerSystem").where(wql.eq("ElementName", "moves")))
    assert moved.get("Name") == machine.key("Name")
    assert source.query(wql.select("Msvm_ComputerSystem").where(wql.eq("ElementName", "moves"))) == []
