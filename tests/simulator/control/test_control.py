"""What another process can do to hosts that run: over the socket, and with the command."""

from __future__ import annotations

import json
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compute_hyperv.cim.cimxml import instance_to_text
from compute_hyperv.cim.errors import AccessDenied, Unreachable
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance
from compute_hyperv.cim.wql import select
from hyperv_simulator.cli import main
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.control.client import Control, ControlError
from hyperv_simulator.control.socket_path import NAME
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.host import SimulatedHost
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.simulator import Simulator
from tests.simulated import endpoint_of, free_address


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, Path]]:
    """Two hosts, on a state folder whose path is too long for a Unix socket's address."""
    folder = tmp_path_factory.mktemp("state") / ("long" * 30)
    configs = [HostConfig(name=name, address=free_address(), samba=False) for name in ("HVA", "HVB")]
    with Simulator(configs, folder) as running:
        yield running, folder


@pytest.fixture
def control(simulator: tuple[Simulator, Path]) -> Iterator[Control]:
    with Control(simulator[1]) as connected:
        yield connected
        connected.ask("clear-faults")
        connected.ask("fill-disk", full=False)


@pytest.fixture
def host(simulator: tuple[Simulator, Path]) -> SimulatedHost:
    return simulator[0].hosts[0]


def listed(host: SimulatedHost) -> int:
    session = CimSession(endpoint_of(host))
    try:
        return len(session.query(select("Msvm_ComputerSystem", ["Name"])))
    finally:
        session.close()


def test_only_its_user_may_open_the_socket(simulator: tuple[Simulator, Path]) -> None:
    mode = (simulator[1] / NAME).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_state_tells_what_runs(control: Control, host: SimulatedHost) -> None:
    first, second = control.ask("state")
    assert (first["name"], first["address"], first["version"]) == ("HVA", host.config.address, "2022")
    assert (first["running"], first["machines"], first["disk_full"]) == (True, [], False)
    assert second["name"] == "HVB"
    assert control.ask("state", host="hvb") == [second]


def test_a_rule_added_here_acts_on_the_next_request_of_that_host_only(
    simulator: tuple[Simulator, Path], control: Control, host: SimulatedHost
) -> None:
    rule = {"effect": "fault", "code": 5, "class_name": "Msvm_ComputerSystem", "times": 0}
    (added,) = control.ask("add-fault", host="HVA", rule=rule)
    with pytest.raises(AccessDenied):
        listed(host)
    assert listed(simulator[0].hosts[1]) == 1
    assert control.ask("faults") == [{"host": "HVA", "number": added["number"], "seen": 1, "rule": rule}]
    assert control.ask("remove-fault", number=added["number"]) == 1
    assert listed(host) == 1


def test_rules_for_all_hosts_are_cleared_on_all(control: Control) -> None:
    control.ask("add-fault", rule={"effect": "drop-before"})
    assert [each["host"] for each in control.ask("faults")] == ["HVA", "HVB"]
    control.ask("clear-faults")
    assert control.ask("faults") == []


def test_a_restarting_host_is_away_and_comes_back(control: Control, host: SimulatedHost) -> None:
    control.ask("add-fault", host="HVA", rule={"effect": "reboot", "class_name": "Msvm_ComputerSystem"})
    with pytest.raises(Unreachable):
        listed(host)
    host.join_restart()
    assert listed(host) == 1
    control.ask("reboot", host="HVA")
    host.join_restart()
    assert control.ask("state", host="HVA")[0]["running"]


def test_the_clock_jumps_by_command_and_by_rule(control: Control, host: SimulatedHost) -> None:
    session = CimSession(endpoint_of(host))
    clock = select("Win32_UTCTime", ["Year"])

    def year() -> int:
        return session.query(clock, namespace="root/cimv2")[0].integer("Year")

    now, two_years = year(), 2 * 366 * 86400
    control.ask("jump-clock", host="HVA", seconds=two_years)
    assert year() > now
    control.ask("add-fault", host="HVA", rule={"effect": "time-jump", "jump_s": -two_years})
    assert year() == now
    session.close()


def test_a_full_disk_has_no_room_until_it_is_said_to_have_some(control: Control, host: SimulatedHost) -> None:
    session = CimSession(endpoint_of(host))
    volume = select("Win32_LogicalDisk", ["FreeSpace"])
    control.ask("fill-disk", host="HVA")
    assert session.query(volume, namespace="root/cimv2")[0]["FreeSpace"] == 0
    control.ask("fill-disk", host="HVA", full=False)
    assert session.query(volume, namespace="root/cimv2")[0]["FreeSpace"] != 0
    session.close()


@pytest.mark.parametrize(
    ("command", "arguments", "complaint"),
    [
        ("explode", {}, "no such command; write one of add-fault, clear-faults"),
        ("state", {"host": "hv9"}, "there is no host hv9; write one of HVA, HVB, or none for all"),
        ("add-fault", {}, "rule is missing"),
        ("add-fault", {"rule": {"effect": "boom"}}, "effect is 'boom'; write one of 'delay'"),
        ("add-fault", {"rule": {"effect": "delay"}}, "delay_ms is 0; a delay needs milliseconds"),
        ("remove-fault", {"number": 99}, "there is no fault rule 99"),
        ("fill-disk", {"full": "yes"}, "full is 'yes'; write true or false"),
        ("guest", {"machine": "vm1", "action": "sing"}, "action is 'sing'; write one of power-off, reset, crash, mute"),
        ("guest", {"machine": "vm1", "action": "crash"}, "no machine 'vm1' runs"),
    ],
)
def test_what_is_wrong_is_said(control: Control, command: str, arguments: dict[str, object], complaint: str) -> None:
    with pytest.raises(ControlError, match=complaint):
        control.ask(command, **arguments)
    assert control.ask("faults") == []  # and the connection lives on


def test_what_is_no_json_is_said(simulator: tuple[Simulator, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(simulator[1])
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(NAME)
        client.sendall(b"hello\n")
        assert b"not JSON" in client.makefile("rb").readline()


def test_the_command_adds_lists_and_takes_away(
    simulator: tuple[Simulator, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--state", str(simulator[1])]
    assert main(["faults", "add", "slow-job", "--delay-ms", "500", "--host", "HVB", *where]) == 0
    added = json.loads(capsys.readouterr().out)
    assert main(["faults", "list", *where]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["host"], shown["rule"]) == ("HVB", {"effect": "slow-job", "delay_ms": 500})
    assert main(["faults", "remove", str(added["number"]), *where]) == 0
    assert main(["faults", "remove", str(added["number"]), *where]) == 2
    assert "there is no fault rule" in capsys.readouterr().err


def test_a_guest_does_what_it_is_told(simulator: tuple[Simulator, Path], control: Control, host: SimulatedHost) -> None:
    session = CimSession(endpoint_of(host))
    (service,) = session.query_references(select("Msvm_VirtualSystemManagementService"))
    settings = instance_to_text(CimInstance("Msvm_VirtualSystemSettingData", {"ElementName": "told"}))
    reference = session.invoke(service, "DefineSystem", {"SystemSettings": settings}).reference("ResultingSystem")
    assert reference is not None
    machine = host.inside.machines.of(reference)
    session.invoke(reference, "RequestStateChange", {"RequestedState": 2})
    while (guest := machine.guest) is None:
        time.sleep(0.01)

    for action, integration, crashed in (("mute", False, False), ("answer", True, False), ("crash", False, True)):
        control.ask("guest", machine="TOLD", action=action)
        assert (machine.integration_ready, guest.has_crashed) == (integration, crashed)
    assert main(["guest", "told", "reset", "--state", str(simulator[1])]) == 0
    assert machine.integration_ready
    control.ask("guest", machine=machine.machine_id, action="power-off")

    assert machine.state is State.OFF
    assert session.get(reference)["EnabledState"] == 3
    session.invoke(service, "DestroySystem", {"AffectedSystem": reference})
    session.close()


def test_a_slow_job_runs_while_the_client_waits_and_holds_up_no_end(tmp_path: Path) -> None:
    slow = FaultRule("slow-job", method="DestroySystem", delay_ms=600_000)
    described = HostConfig(address=free_address(), samba=False, fault=(slow,))
    with SimulatedHost(described, tmp_path) as host:
        session = CimSession(endpoint_of(host))
        (service,) = session.query_references(select("Msvm_VirtualSystemManagementService"))
        settings = instance_to_text(CimInstance("Msvm_VirtualSystemSettingData", {"ElementName": "vm1"}))
        machine = session.invoke(service, "DefineSystem", {"SystemSettings": settings}).reference("ResultingSystem")
        job = session.invoke(service, "DestroySystem", {"AffectedSystem": machine}).reference("Job")
        assert job is not None
        assert session.get(job)["JobState"] in (2, 4)  # new, running
        session.close()


def test_the_socket_is_gone_with_the_simulator(tmp_path: Path) -> None:
    with Simulator([HostConfig(address=free_address(), samba=False)], tmp_path):
        pass
    with pytest.raises(ControlError, match=r"no simulator runs .* start one, or name its folder: --state"):
        Control(tmp_path)
