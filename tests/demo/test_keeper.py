"""Nothing that the demo starts may outlive it, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from demo.cloud import keeper
from demo.cloud.processes import DemoError, Processes
from demo.settings import CHECKOUT, State

# Prints its own process id and that of a daemon that it has put into a session of its own; ends when told to.
WITH_DAEMON = """
import os, subprocess, sys, time
daemon = subprocess.Popen(["sleep", "600"], start_new_session=True)
print(os.getpid(), daemon.pid, flush=True)
time.sleep(600)
"""


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def state(tmp_path):
    state = State(tmp_path / "demo")
    state.make_folders()
    yield state
    Processes(state).stop()


def start_with_daemon(processes: Processes, state: State) -> list[int]:
    processes.start("service", [sys.executable, "-c", WITH_DAEMON])
    output = state.log / "service.log"
    wait_until(lambda: output.exists() and output.read_text().endswith("\n"))
    return [int(word) for word in output.read_text().split()]


@pytest.fixture
def processes(state):
    processes = Processes(state)
    processes.take_possession()
    return processes


def test_a_stop_ends_programs_and_the_daemons_they_made(processes, state):
    pids = start_with_daemon(processes, state)
    assert processes.stop()
    assert not any(runs(pid) for pid in pids)
    assert not processes.kept


def test_a_program_that_ignores_the_request_to_end_is_killed(processes, state):
    processes.start("stubborn", ["sh", "-c", "trap '' TERM; echo $$; while :; do sleep 1; done"])
    output = state.log / "stubborn.log"
    wait_until(lambda: output.exists() and output.read_text().endswith("\n"))
    processes.end("stubborn")
    assert not runs(int(output.read_text()))


def test_everything_ends_when_the_owner_is_killed(state):
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"""
import time
from pathlib import Path
from demo.cloud.processes import Processes
from demo.settings import State
processes = Processes(State(Path({str(state.root)!r})))
processes.take_possession()
processes.start("service", [{sys.executable!r}, "-c", {WITH_DAEMON!r}])
time.sleep(600)
""",
        ],
        cwd=CHECKOUT,
    )
    output = state.log / "service.log"
    wait_until(lambda: output.exists() and output.read_text().endswith("\n"))
    owner.kill()
    owner.wait()
    wait_until(lambda: not any(runs(int(pid)) for pid in output.read_text().split()))
    wait_until(lambda: not Processes(state).kept)


def test_a_released_cloud_outlives_its_owner(processes, state):
    pids = start_with_daemon(processes, state)
    processes.release()
    processes._possession.close()
    assert [row.name for row in Processes(state).status()] == ["service"]
    assert all(runs(pid) for pid in pids)


def test_a_killed_keeper_takes_its_programs_along_and_the_next_stop_finds_the_daemons(processes, state):
    pids = start_with_daemon(processes, state)
    (keeper_pid,) = (int(Path(f"/proc/{pids[0]}/stat").read_text().rpartition(")")[2].split()[1]),)
    os.kill(keeper_pid, signal.SIGKILL)
    wait_until(lambda: not runs(pids[0]))
    assert runs(pids[1])
    assert Processes(state).stop()
    assert not runs(pids[1])


def test_a_failing_command_is_reported_with_the_end_of_its_log(processes):
    with pytest.raises(DemoError, match=r"(?s)sh -c echo broken.*failed with status 3.*\nbroken"):
        processes.run(["sh", "-c", "echo broken; exit 3"], log="task")


def test_a_command_that_does_not_end_is_ended(processes):
    with pytest.raises(DemoError, match=r"did not end within 0\.2 s"):
        processes.run(["sleep", "600"], log="task", timeout_s=0.2)
    assert processes.status() == []


def test_a_program_that_is_not_there_is_named(processes):
    with pytest.raises(DemoError, match="no-such-program: No such file"):
        processes.start("missing", ["no-such-program"])


def test_sockets_work_in_deep_folders(tmp_path):
    deep = tmp_path.joinpath(*["a" * 60] * 3)
    deep.mkdir(parents=True)
    state = State(deep)
    state.make_folders()
    processes = Processes(state)
    processes.take_possession()
    assert processes.stop()


def test_what_belongs_to_another_checkouts_cloud_is_not_taken_for_ours(tmp_path):
    other = subprocess.Popen(["sleep", "600"], env={keeper.MARK: str(tmp_path / "other")})
    try:
        assert keeper.marked(str(tmp_path / "mine")) == set()
        assert keeper.marked(str(tmp_path / "other")) == {other.pid}
    finally:
        other.kill()
        other.wait()
