"""What every change can do.

A change is a value: it says what shall be, not how to get there from something. Applying it twice is as good as once,
and what it found before is plain data, so that a journal can hold it and ``undo`` can restore it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

from compute_hyperv.readiness.readings import Readings

# What a journal can hold: None, bool, int, str, and lists and dicts of them.
State: TypeAlias = Any


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


class Change(Protocol):
    """A frozen dataclass whose fields are plain values, named by ``kind`` in journals."""

    kind: ClassVar[str]

    @property
    def title(self) -> str:
        """What shall be, for a person: "service MSiSCSI starts automatically"."""

    @property
    def effects(self) -> Effects: ...

    def state(self, host: Readings) -> State:
        """What is. Reads the host anew."""

    def is_done(self, state: State) -> bool:
        """Whether that is what shall be."""

    def apply(self, host: Readings) -> None:
        """Makes it so. Raises CimError."""

    def restore(self, host: Readings, previous: State) -> None:
        """Makes it what it was. Raises CimError."""
