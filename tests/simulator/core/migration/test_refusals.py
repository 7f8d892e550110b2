"""What speaks against a migration, and what the job says then."""

from __future__ import annotations

from typing import Any

import pytest

from compute_hyperv.cim.values import CimReference, CimValue
from hyperv_simulator.config.migration import MigrationConfig
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.migration.hosts import (
    BOTH,
    MACHINE,
    PLANNED,
    RUNNING,
    Hosts,
    machine_names,
    move,
    request,
    service,
    why_not,
)


def test_hosts_that_are_not_ready(hosts: Hosts) -> None:
    """Each case with what stands in the job, and nothing at the destination afterwards."""
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"migration": MigrationConfig()}, {}, "not enabled"),
        ({}, {"migration": MigrationConfig()}, "0x8007274D"),
        ({"migration": MigrationConfig(enabled=True)}, {}, "0x8009030E"),
        ({"migration": MigrationConfig(enabled=True, authentication="kerberos")}, {}, "Constrained Delegation"),
        ({"domain": ""}, {}, "0x8009030E"),
        ({}, {"migration": MigrationConfig(enabled=True)}, "0x8009030C"),
        ({}, {"migration": MigrationConfig(True, "kerberos", networks=("10.0.0.0/8",))}, "0x8007274D"),
    ]
    for number, (here, there, expected) in enumerate(cases):
        source = hosts.add(name=f"s{number}", address=f"127.0.2.{number + 1}", **here)
        target = hosts.add(name=f"d{number}", address=f"127.0.3.{number + 1}", **there)
        machine = source.define()
        assert expected in why_not(source, machine, MACHINE, f"d{number}", ""), expected
        assert target.query(f"select * from {PLANNED}") == []


def test_a_host_that_nobody_knows_and_one_that_is_down(hosts: Hosts, source: Client) -> None:
    machine = source.define()
    assert "No such host is known. (0x80072AF9)" in why_not(source, machine, MACHINE, "nowhere", "")
    down = hosts.add()
    down.inside.close()
    assert "0x8007274C" in why_not(source, machine, MACHINE, "hv2", "")


@pytest.mark.parametrize(
    ("migration", "works"),
    [
        (MigrationConfig(True, "kerberos", ("*",), processor_level=2), False),
        (MigrationConfig(True, "kerberos", ("*",), processor_vendor="amd"), False),
        (MigrationConfig(True, "kerberos", ("*",), processor_level=4), True),
    ],
)
def test_processors_decide_about_running_machines_only(
    hosts: Hosts, source: Client, migration: MigrationConfig, works: bool
) -> None:
    target = hosts.add(migration)
    running, off = source.define("running"), source.define("off")
    source.change_state(running, RUNNING)
    info = source.do(service(source), "GetSystemCompatibilityInfo", ComputerSystem=running)["CompatibilityInfo"]
    outputs = target.call(service(target), "CheckSystemCompatibilityInfo", CompatibilityInfo=info)
    if works:
        assert outputs["ReturnValue"] == 0
        move(source, running, MACHINE)
    else:
        assert outputs["ReturnValue"] == 32784
        assert outputs["Reasons"]
        assert "limit the processor features" in why_not(source, running, MACHINE, disk="")
    move(source, off, MACHINE)


def test_a_machine_with_limited_processors_goes_to_weaker_ones(hosts: Hosts, source: Client) -> None:
    hosts.add(MigrationConfig(True, "kerberos", ("*",), processor_level=1))
    machine = source.define()
    (processor,) = source.settings(machine, "Msvm_ProcessorSettingData")
    text = settings_text(processor.class_name, InstanceID=processor.get("InstanceID"), LimitProcessorFeatures=True)
    source.do(source.management, "ModifyResourceSettings", ResourceSettings=[text])
    source.change_state(machine, RUNNING)
    outputs = source.do(service(source), "GetSystemCompatibilityVectors", ComputerSystem=machine)
    vectors = outputs["CompatibilityVectors"]
    assert isinstance(vectors, list)
    assert len(vectors) == 2
    move(source, machine, MACHINE)


def test_a_newer_machine_does_not_go_to_an_older_host(hosts: Hosts, source: Client) -> None:
    hosts.add(version="2019")
    assert "configuration version '10.0'" in why_not(source, source.define(), MACHINE, disk="")


def test_checks_say_what_the_move_would(source: Client, destination: Client, equipped: CimReference) -> None:
    good, bad = (request(source, equipped, kind, disk=disk) for kind, disk in ((BOTH, r"C:\root.vhdx"), (MACHINE, "")))
    migration = service(source)
    source.do(migration, "CheckVirtualSystemIsMigratable", **good)
    assert source.do(migration, "CheckVirtualSystemIsMigratableToHost", **good)["IsMigratable"] is True
    assert "root.vhdx" in source.failed(migration, "CheckVirtualSystemIsMigratable", **bad).text("ErrorDescription")
    assert source.do(migration, "CheckVirtualSystemIsMigratableToHost", **bad)["IsMigratable"] is False
    assert destination.query(f"select * from {PLANNED}") == []
    assert machine_names(source) == [equipped.key("Name")]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"MigrationType": 5}, 32773),
        ({"MigrationType": MACHINE, "TransportType": 9}, 32773),
        ({"MigrationType": MACHINE, "UnmanagedVhds": [r"C:\base.vhdx"]}, 32773),
    ],
)
def test_requests_that_are_wrong_in_themselves(source: Client, settings: dict[str, Any], code: int) -> None:
    text = settings_text("Msvm_VirtualSystemMigrationSettingData", **settings)
    parameters: dict[str, CimValue] = {
        "ComputerSystem": source.define(),
        "DestinationHost": "hv2",
        "MigrationSettingData": text,
    }
    assert source.refused(service(source), "MigrateVirtualSystemToHost", **parameters) == code
