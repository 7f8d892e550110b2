"""What every change can do.

A change is a value: it says what shall be, not how to get there from something. Applying it twice is as good as once,
and what it found before is plain data, so that a journal can hold it and ``undo`` can restore it.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from compute_hyperv.readiness.readings import Readings

# What a journal can hold: None, bool, int, str, and lists and dicts of them.
State: TypeAlias = Any

#: The feature that most changes need.
HYPERV = "Hyper-V"


class Stage(enum.IntEnum):
    """When a change's turn is: what others stand on first, and what can cost the connection last. Windows is restarted
    after ``BEFORE_RESTART``, so only changes up to there may want it."""

    FEATURES = 1
    BEFORE_RESTART = 2
    SERVICES = 3
    SETTINGS = 4
    NETWORK = 5


@dataclass(frozen=True, slots=True)
class Effects:
    """What a change costs beyond itself.

    :param restarts: names of Windows services that are restarted by it.
    :param reboot: whether Windows has to be restarted before it takes effect.
    :param machines: whether running machines notice it.
    """

    restarts: tuple[str, ...] = ()
    reboot: bool = False
    machines: bool = False


class Change(ABC):
    """A frozen dataclass whose fields are plain values.

    :cvar kind: its name in journals.
    :cvar stage: when its turn is.
    :cvar due: the state of what is done but for the restart of Windows that it wants; None where that can't be told.
    """

    kind: ClassVar[str]
    stage: ClassVar[Stage] = Stage.SETTINGS
    due: ClassVar[State] = None

    @property
    @abstractmethod
    def title(self) -> str:
        """What shall be, for a person: "service MSiSCSI starts automatically"."""

    @property
    @abstractmethod
    def command(self) -> str:
        """The documented command that a person would give on the host instead."""

    @property
    def effects(self) -> Effects:
        return Effects()

    @property
    def needs(self) -> str:
        """The feature without which it can't be done; empty where Windows itself is enough."""
        return ""

    @abstractmethod
    def state(self, host: Readings) -> State:
        """What is. Reads the host anew. Raises CimError."""

    @abstractmethod
    def is_done(self, state: State) -> bool:
        """Whether that is what shall be."""

    @abstractmethod
    def tell(self, state: State) -> str:
        """A state for a person, in a few words."""

    @abstractmethod
    def apply(self, host: Readings) -> None:
        """Makes it so. Raises CimError."""

    @abstractmethod
    def restore(self, host: Readings, previous: State) -> None:
        """Makes it what it was. Raises CimError."""
