"""operations: the WS-Man requests that each operation on a server takes, alone on its host and beside 50 machines.

Nova does them, in the cloud of ``cuts``, and the host counts: what Nova asks for besides is in it. Listening to events
is not, nor are looks at jobs, of which there are more the longer the host takes. None may grow with the number of
machines on the host.

A process of its own does it: Nova's fixtures change what they touch.
"""

from __future__ import annotations

import bench.native_threads  # noqa: F401

# isort: split
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.measurements import Budget, Measurement

_OTHERS = 50
# Of so many counts the smallest is the operation's own: a look at all machines, which comes by itself now and then, is
# not.
_REPETITIONS = 2
_JOB = "Msvm_ConcreteJob"
_ROOT = Path(__file__).resolve().parent.parent

# WS-Man requests at most, by the names of cuts/operations.py.
BUDGETS: Mapping[str, int] = {
    "boot": 13,
    "delete": 5,
    "stop": 8,
    "start": 9,
    "soft-reboot": 15,
    "hard-reboot": 13,
    "pause": 3,
    "unpause": 3,
    "suspend": 3,
    "resume": 9,
    "delete-suspended": 4,
    "snapshot": 23,
    "snapshot-stopped": 11,
    "backup": 23,
    "rebuild": 25,
    "shelve": 21,
    "unshelve": 13,
    "rebuild-preserving": 27,
    "crash-dump": 3,
    "set-password": 8,
    "rescue": 27,
    "unrescue": 14,
    "delete-rescued": 5,
    "attach-interface": 11,
    "detach-interface": 7,
}


def measure() -> Iterator[Measurement]:
    command = [sys.executable, "-m", "bench.operations"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=_ROOT)
    alone, beside = json.loads(done.stdout.splitlines()[-1])
    for name, count in alone.items():
        yield Measurement("operations.requests", count, "requests", name, Budget("at most", BUDGETS[name]))
        yield Measurement(
            "operations.requests",
            beside[name],
            "requests",
            f"{name}, {_OTHERS} other machines",
            Budget("at most", count),
        )


def _count() -> tuple[dict[str, int], dict[str, int]]:
    """In the child: requests by operation, without and with other machines."""
    from cuts.stage import new_stage

    with tempfile.TemporaryDirectory(prefix="hyperv-bench-") as folder, new_stage(Path(folder)) as stage:
        alone = _requests(stage)
        for number in range(_OTHERS):
            stage.host.create_foreign_machine(f"other-{number:02}")
        return alone, _requests(stage)


def _requests(stage: Any) -> dict[str, int]:
    from cuts.engine import record
    from cuts.operations import OPERATIONS

    record(stage, OPERATIONS[0])  # the image is in the cache, and the host's facts are known, from here on
    return {
        operation.name: min(_count_of(record(stage, operation)) for _ in range(_REPETITIONS))
        for operation in OPERATIONS
    }


def _count_of(recording: Any) -> int:
    return sum(point.request.class_name != _JOB for point in recording.wsman)


if __name__ == "__main__":
    print(json.dumps(_count()))
