"""Migrations that end early or wait: the machine is whole at one host."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from compute_hyperv.cim.values import CimReference
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.outcomes import OperationFailed
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.migration.hosts import (
    BOTH,
    MACHINE,
    OFF,
    PLANNED,
    RUNNING,
    STAGED,
    Hosts,
    at,
    files,
    machine_names,
    move,
    request,
    service,
    why_not,
)


def test_a_cancelled_migration_leaves_the_machine_here(
    source: Client, destination: Client, equipped: CimReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.change_state(equipped, RUNNING)
    copying, cancelled = threading.Event(), threading.Event()
    copy = Machine.leave_for

    def slowly(self: Machine, memory: Path) -> Any:
        left = copy(self, memory)
        copying.set()
        assert cancelled.wait(10)
        return left

    monkeypatch.setattr(Machine, "leave_for", slowly)
    outputs = source.call(
        service(source), "MigrateVirtualSystemToHost", **request(source, equipped, BOTH, disk=r"C:\root.vhdx")
    )
    job = outputs["Job"]
    assert isinstance(job, CimReference)
    assert copying.wait(10)
    assert source.service.get(equipped).get("OperationalStatus") == [2, 32774]
    assert source.refused(equipped, "RequestStateChange", RequestedState=OFF) == 32775
    assert source.call(job, "RequestStateChange", RequestedState=4)["ReturnValue"] == 0
    cancelled.set()
    assert source.ended_job(outputs).get("JobState") == 8
    assert source.state(equipped) == RUNNING
    assert at(source, equipped).guest is not None
    assert machine_names(destination) == []
    assert files(destination) == []
    assert files(source) == ["root.vhdx"]
    source.change_state(equipped, OFF)


def test_a_job_that_a_fault_rule_lets_fail_leaves_the_machine_free(hosts: Hosts) -> None:
    class_name = "Msvm_VirtualSystemMigrationService"
    rule = FaultRule("job-error", class_name, "MigrateVirtualSystemToHost", code=32768, message="It fails.")
    source = hosts.add(fault=(rule,))
    hosts.add()
    machine = source.define()
    assert why_not(source, machine, MACHINE, disk="")
    move(source, machine, MACHINE)


def test_a_destination_that_fails_at_the_last_step_gives_the_machine_back(
    source: Client, destination: Client, equipped: CimReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.change_state(equipped, RUNNING)

    def fail(_machine: Machine) -> None:
        raise OperationFailed("The configuration can't be written.")

    monkeypatch.setattr(destination.inside.machines, "realize", fail)
    assert "can't be written" in why_not(source, equipped)
    assert at(source, equipped).guest is not None
    assert machine_names(destination) == []
    assert destination.query(f"select * from {PLANNED}") == []
    assert files(destination) == []
    monkeypatch.undo()
    move(source, equipped, BOTH, disk=r"C:\root.vhdx")


def test_a_machine_is_at_one_host_whenever_the_simulator_is_killed(
    hosts: Hosts, source: Client, destination: Client, equipped: CimReference
) -> None:
    def where() -> list[list[str]]:
        later = hosts.killed()
        try:
            return [machine_names(client) for client in later.clients()]
        finally:
            later.close()

    source.inside.keep()
    name = str(equipped.key("Name"))
    assert where() == [[name], []]
    move(source, equipped, STAGED)
    assert where() == [[name], []]
    move(source, equipped, BOTH, disk=r"C:\there\root.vhdx", DestinationPlannedVirtualSystemId=name)
    assert where() == [[], [name]]


def test_more_migrations_than_allowed_wait(
    source: Client, destination: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = settings_text("Msvm_VirtualSystemMigrationServiceSettingData", MaximumActiveVirtualSystemMigration=1)
    source.do(service(source), "ModifyServiceSettings", ServiceSettingData=text)
    first, second = source.define("first"), source.define("second")
    source.change_state(first, RUNNING)
    moving, on = threading.Event(), threading.Event()
    leave = Machine.leave_for

    def slowly(self: Machine, memory: Path) -> Any:
        moving.set()
        assert on.wait(10)
        return leave(self, memory)

    monkeypatch.setattr(Machine, "leave_for", slowly)
    migrate = "MigrateVirtualSystemToHost"
    one = source.call(service(source), migrate, **request(source, first, MACHINE))
    assert moving.wait(10)
    two = source.call(service(source), migrate, **request(source, second, MACHINE))
    found = source.one("select * from Msvm_VirtualSystemMigrationService")
    assert found.get("ActiveVirtualSystemMigrationCount") == 1
    assert machine_names(destination) == []
    on.set()
    for outputs in (one, two):
        assert source.ended_job(outputs).get("JobState") == 7
    assert len(machine_names(destination)) == 2
