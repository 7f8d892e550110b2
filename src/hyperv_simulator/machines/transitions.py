"""Which state changes a machine can go through: the table that RequestStateChange walks.

States as EnabledState shows them: 2 running, 3 off, 6 saved, 9 paused (real-instances 3.2: the only resting ones seen).
While a change is under way the machine shows ``passing`` instead. Sources: hyperv-ops 6; real-instances 3.2 (saving is
seen as 1 with OtherEnabledState "Saving", starting as OperationalStatus 11 and RequestedState 2) and 3.5 (job texts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from compute_hyperv.cim.values import CimValue
from hyperv_simulator.jobs import JobKind


class State(IntEnum):
    """A resting state, by its EnabledState."""

    RUNNING = 2
    OFF = 3
    SAVED = 6
    PAUSED = 9


@dataclass(frozen=True, slots=True)
class Transition:
    """One way from a state to another.

    :param action: what ``Machine`` does for it.
    :param target: where it ends.
    :param passing: what the machine shows meanwhile.
    """

    action: str
    target: State
    job: JobKind
    passing: Mapping[str, CimValue] = field(default_factory=dict)


_START = Transition(
    "start",
    State.RUNNING,
    JobKind("Starting", "Initializing and Starting Virtual Machine", 12),
    {"EnabledState": 10, "OperationalStatus": [11], "RequestedState": 2},
)
_RESTORE = Transition(
    "restore",
    State.RUNNING,
    JobKind("Restoring", "Initializing and Restoring Virtual Machine", 15),
    {"EnabledState": 10, "OperationalStatus": [11], "RequestedState": 2},
)
_TURN_OFF = Transition(
    "turn off", State.OFF, JobKind("Turning Off", "Turning Off Virtual Machine", 13), {"EnabledState": 4}
)
_DISCARD = Transition("discard", State.OFF, JobKind("Turning Off", "Turning Off Virtual Machine", 13))
_SAVE = Transition(
    "save",
    State.SAVED,
    JobKind("Saving", "Saving Virtual Machine", 14),
    {"EnabledState": 1, "OtherEnabledState": "Saving"},
)
_PAUSE = Transition("pause", State.PAUSED, JobKind("Pausing", "Pausing Virtual Machine", 26), {"EnabledState": 32776})
_RESUME = Transition(
    "resume", State.RUNNING, JobKind("Resuming", "Resuming Virtual Machine", 27), {"EnabledState": 32777}
)
_RESET = Transition("reset", State.RUNNING, JobKind("Resetting", "Resetting Virtual Machine", 28))

# What RequestStateChange takes at all: 2 start, 3 turn off, 6 save, 9 pause, 10 reboot, 11 reset. 4 (shut down) is a
# value of the first WMI namespace only; like everything else it is an invalid parameter here (assumption).
KNOWN_REQUESTS = frozenset({2, 3, 6, 9, 10, 11})

TRANSITIONS: Mapping[tuple[State, int], Transition] = {
    (State.OFF, 2): _START,
    (State.SAVED, 2): _RESTORE,
    (State.SAVED, 3): _DISCARD,
    (State.PAUSED, 2): _RESUME,
    (State.RUNNING, 3): _TURN_OFF,
    (State.PAUSED, 3): _TURN_OFF,
    (State.RUNNING, 6): _SAVE,
    (State.PAUSED, 6): _SAVE,
    (State.RUNNING, 9): _PAUSE,
    (State.RUNNING, 10): _RESET,
    (State.RUNNING, 11): _RESET,
    (State.PAUSED, 11): _RESET,
}
