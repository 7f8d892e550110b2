"""The screen of a guest without an inside: a text console that shows what is typed."""

from __future__ import annotations

from hyperv_simulator.guests import keys
from hyperv_simulator.guests.console import Console
from hyperv_simulator.guests.picture import Picture

SIZE = (1024, 768)
_GREY, _BLACK, _WHITE, _BLUE = (192, 192, 192), (0, 0, 0), (255, 255, 255), (0, 120, 215)
_SHIFT_KEYS = frozenset({keys.SHIFT, 0x36})


class NoneConsole(Console):
    """:ivar typed: what has been typed so far.
    :ivar crashed: the guest got a non-maskable interrupt and stands still until it is reset, as Windows does (bug
        check 0x80).
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.typed = ""
        self.crashed = False
        self._name = name
        self._characters = keys.characters()

    def reset(self) -> None:
        """The machine starts anew."""
        self.typed, self.crashed = "", False

    @property
    def size(self) -> tuple[int, int]:
        return SIZE

    def picture(self) -> Picture:
        if self.crashed:
            return Picture.of_text(["Stop code: NMI_HARDWARE_FAILURE"], *SIZE, ink=_WHITE, paper=_BLUE)
        lines = ["Guest of hyperv-simulator", "", *f"{self._name} login: {self.typed}_".split("\n")]
        return Picture.of_text(lines, *SIZE, ink=_GREY, paper=_BLACK)

    def interrupt(self) -> None:
        self.crashed = True

    def _key(self, key: int, down: bool) -> None:
        character = self._characters.get((key, bool(self.pressed & _SHIFT_KEYS)), "")
        if not down or self.crashed:
            return
        self.typed = self.typed[:-1] if character == "\b" else self.typed + character

    def _point(self, x: int, y: int) -> None:
        """Nothing on this screen follows the mouse."""

    def _move(self, right: int, down: int) -> None:
        """As `_point`."""

    def _button(self, index: int, down: bool) -> None:
        """As `_point`."""

    def _scroll(self, delta: int) -> None:
        """As `_point`."""
