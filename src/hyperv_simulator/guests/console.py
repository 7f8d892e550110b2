"""A machine's screen, keyboard and mouse, whatever runs in it.

What is pressed and where the pointer is, is known here; what a guest makes of it is up to the class derived from
`Console`.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from hyperv_simulator.guests import keys
from hyperv_simulator.guests.picture import Picture

BUTTONS = ("left", "right", "middle", "side", "extra")


class Console(ABC):
    """Methods that reach the guest raise `GuestError` where it does not take what it is given. Safe for threads."""

    def __init__(self) -> None:
        self.pressed: set[int] = set()
        self.buttons: set[int] = set()
        self.position = (0, 0)
        self.scrolled = 0
        self._lock = threading.RLock()

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Of the screen now, pixels."""

    @abstractmethod
    def picture(self) -> Picture: ...

    @abstractmethod
    def interrupt(self) -> None:
        """A non-maskable interrupt."""

    @abstractmethod
    def _key(self, key: int, down: bool) -> None: ...

    @abstractmethod
    def _point(self, x: int, y: int) -> None: ...

    @abstractmethod
    def _move(self, right: int, down: int) -> None: ...

    @abstractmethod
    def _button(self, index: int, down: bool) -> None: ...

    @abstractmethod
    def _scroll(self, delta: int) -> None: ...

    # Keyboard; keys as `keys` numbers them

    def set_key(self, key: int, down: bool) -> None:
        with self._lock:
            self._key(key, down)
            (self.pressed.add if down else self.pressed.discard)(key)

    def type_key(self, *chord: int) -> None:
        """Keys that go down one after the other, and up again."""
        with self._lock:
            for key in chord:
                self.set_key(key, True)
            for key in reversed(chord):
                self.set_key(key, False)

    def type_text(self, text: str) -> None:
        """:raises KeyError: a character that no key types; nothing has been typed."""
        with self._lock:
            for key, shifted in list(keys.strokes(text)):
                self.type_key(*((keys.SHIFT, key) if shifted else (key,)))

    def type_scan_codes(self, codes: bytes) -> None:
        with self._lock:
            for key, down in keys.events(codes):
                self.set_key(key, down)

    # Mouse

    def point_at(self, x: int, y: int) -> None:
        """Pixels from the left and from the top; beyond the screen is its edge."""
        width, height = self.size
        x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
        with self._lock:
            self._point(x, y)
            self.position = (x, y)

    def move_by(self, right: int, down: int) -> None:
        with self._lock:
            self._move(right, down)

    def set_button(self, index: int, down: bool) -> None:
        """:param index: 0 is the left one, see `BUTTONS`."""
        with self._lock:
            self._button(index, down)
            (self.buttons.add if down else self.buttons.discard)(index)

    def click(self, index: int) -> None:
        with self._lock:
            self.set_button(index, True)
            self.set_button(index, False)

    def scroll(self, delta: int) -> None:
        with self._lock:
            self._scroll(delta)
            self.scrolled += delta
