"""Children of the simulator end with it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from hyperv_simulator import children

_PARENT = """
import sys, threading, time
from hyperv_simulator import children
def fork():
    print(children.start(["sleep", "60"]).pid, flush=True)
thread = threading.Thread(target=fork)
thread.start()
thread.join()
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_child_lives_on_when_the_thread_that_asked_for_it_ends_and_dies_with_the_process() -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert alive(child)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 5
    while alive(child) and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert not alive(child)


def test_end_kills_what_does_not_obey() -> None:
    child = children.start(
        ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    children.end(child, timeout_s=0.1)
    assert child.returncode == -signal.SIGKILL
    children.end(child)
