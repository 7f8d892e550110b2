"""The demo's small rules: steps that need each other, ports, what a console says."""

import io
import os
import socket
import subprocess
import threading
import tomllib

import pytest
from demo.cloud import config, ports
from demo.cloud.processes import DemoError, tail
from demo.display import Display
from demo.graph import Step
from demo.guests import last_boot
from demo.settings import PORTS, State, hosts
from demo.tour.guide import PROGRAM
from demo.tour.names import Servers
from rich.console import Console

from demo import graph
from hyperv_simulator.config.file import load


@pytest.fixture
def state(tmp_path):
    state = State(tmp_path / "demo")
    state.make_folders()
    return state


def run(*steps: Step) -> Display:
    display = Display()
    graph.run(steps, display, workers=4)
    return display


class TestSteps:
    def test_a_step_waits_for_those_it_needs(self):
        done = []
        run(
            Step("roof", lambda: done.append("roof"), ("walls",)),
            Step("walls", lambda: done.append("walls"), ("floor",)),
            Step("floor", lambda: done.append("floor")),
        )
        assert done == ["floor", "walls", "roof"]

    def test_steps_that_need_nothing_run_at_the_same_time(self):
        both = threading.Barrier(2, timeout=5)
        run(Step("one", lambda: both.wait() and None), Step("two", lambda: both.wait() and None))

    def test_a_step_that_is_not_planned_is_not_waited_for(self):
        run(Step("start", lambda: None, ("tables, made long ago",)))

    def test_a_failure_is_raised_and_nothing_more_is_started(self):
        done = []

        def fail():
            raise DemoError("no")

        with pytest.raises(DemoError, match="no"):
            run(Step("first", fail), Step("second", lambda: done.append("second"), ("first",)))
        assert done == []

    def test_checks_are_counted(self):
        display = run(Step("a", lambda: None, check=True), Step("b", lambda: None))
        assert (display.passed, display.failed) == (1, 0)


class TestDisplay:
    @pytest.mark.parametrize("width", [80, 120])
    def test_lines_are_wrapped_behind_the_times_on_a_terminal(self, width):
        display = Display()
        display.console = Console(force_terminal=True, width=width, file=io.StringIO(), color_system=None)
        with display.step(f"rescue {'words ' * 20}") as remarks:
            remarks.append(f"$ openstack {'words ' * 30}\nsecond line")
        lines = display.console.file.getvalue().splitlines()
        assert max(len(line) for line in lines) <= width
        assert {line[:14] for line in lines[1:]} == {" " * 14}
        assert lines[-1].strip() == "second line"

    def test_lines_stay_whole_in_a_file(self):
        display = Display()
        display.console = Console(file=io.StringIO(), soft_wrap=True)
        with display.step("step") as remarks:
            remarks.append(f"$ openstack {'words ' * 30}")
        assert len(display.console.file.getvalue().splitlines()) == 2


class TestTour:
    def test_what_guests_run_is_a_program_for_their_shell(self):
        subprocess.run(["busybox", "sh", "-n", PROGRAM], check=True)

    def test_names_tell_servers_apart(self):
        names = [guest.name for guest in Servers.on(hosts()).all]
        assert len(set(names)) == len(names)


class TestPorts:
    def test_the_holder_of_a_taken_port_is_named(self):
        named = rf"is in use by process {os.getpid()} \(."
        with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(DemoError, match=named):
            ports.require_free([server.getsockname()])

    def test_a_server_on_all_addresses_is_in_the_way_too(self):
        with socket.create_server(("0.0.0.0", 0)) as server:
            port = server.getsockname()[1]
            with pytest.raises(DemoError, match=f"127.9.9.9:{port} is in use by process {os.getpid()}"):
                ports.require_free([("127.9.9.9", port)])

    def test_the_demo_takes_no_port_that_the_kernel_gives_away(self):
        assert max(PORTS.values()) < 32768
        assert len(set(PORTS.values())) == len(PORTS)


class TestConsole:
    LOG = (
        "BdsDxe: starting\r\nGUEST-READY hostname=a address=10.0.0.1 uuid=u-1\r\nPING 10.0.0.2 ok\r\nGUEST-STOPPING\r\n"
        "GUEST-READY hostname=a address=10.0.0.1 uuid=u-1\r\nlogin: PING 10.0.0.2 no answer\r\n"
    )

    def test_the_newest_boot_counts(self):
        boot = last_boot(self.LOG)
        assert boot is not None
        assert (boot.number, boot.hostname, boot.address, boot.uuid) == (2, "a", "10.0.0.1", "u-1")
        assert boot.answers == {"10.0.0.2": False}

    def test_a_line_that_is_still_being_written_does_not_count(self):
        assert last_boot("GUEST-READY hostname=a address=10.0.0.1 uuid=0c5ad") is None

    def test_what_a_guest_sees_is_known_by_its_word(self):
        boot = last_boot(
            "GUEST-READY hostname=a address=none uuid=u-1\r\nSEES disk 0:0:0:0 1024 a-1\r\nSEES tick 1\r\n"
            "SEES disk 0:0:1:0 3 unmarked\r\nSEES tick 2\r\nSEES tick 3"
        )
        assert boot is not None
        assert boot.marks == ["a-1", "unmarked"]
        assert boot.all_of("tick") == ["1", "2"]

    def test_what_was_seen_before_a_reboot_does_not_count(self):
        boot = last_boot(f"GUEST-READY hostname=a address=none uuid=u-1\r\nSEES tick 9\r\n{self.LOG}")
        assert boot is not None
        assert boot.sees == ()

    def test_firmware_alone_is_no_boot(self):
        assert last_boot("BdsDxe: starting Boot0001") is None


class TestConfiguration:
    def test_passwords_are_random_and_kept(self, state, tmp_path):
        assert State(state.root).passwords == state.passwords
        assert len(set(state.passwords.values())) == len(state.passwords)
        other = State(tmp_path / "other")
        other.make_folders()
        assert not set(other.passwords.values()) & set(state.passwords.values())

    def test_nobody_else_can_read_what_holds_passwords(self, state):
        config.write(state, hosts())
        readable = [path for path in state.root.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
        assert all("paste" in path.name for path in readable)
        assert state.root.stat().st_mode & 0o777 == 0o700

    def test_the_simulator_understands_its_hosts(self, state):
        config.save(state.etc / "hosts.toml", config.simulated_hosts(state))
        described = load(state.etc / "hosts.toml")
        assert [(host.name, host.version, host.guests) for host in described] == [
            ("hv1", "2022", "qemu"),
            ("hv2", "2025", "qemu"),
        ]
        assert {host.password for host in described} == {state.passwords["hosts"]}
        assert tomllib.loads((state.etc / "hosts.toml").read_text())

    def test_nova_computes_share_neither_configuration_nor_state(self, state):
        config.write(state, hosts())
        folders = {config.nova_state(state, host.name) for host in hosts()}
        assert len(folders) == len(hosts())
        assert all((state.etc / f"nova-{host.name}" / "nova.conf").is_file() for host in hosts())


def test_a_logs_tail_leaves_out_our_own_polling(tmp_path):
    log = tmp_path / "nova.log"
    log.write_text("the reason\n" + "INFO Get console output\n" * 50)
    assert tail(log).splitlines()[1:] == ["the reason"]
