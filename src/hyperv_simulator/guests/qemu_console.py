"""Screen, keyboard and mouse of a QEMU guest, through its monitor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hyperv_simulator.guests.base import UNSPECIFIED, GuestError
from hyperv_simulator.guests.console import BUTTONS, Console
from hyperv_simulator.guests.picture import Picture
from hyperv_simulator.guests.qmp import QmpError

# How far a wheel turns for one click of it (Windows' WHEEL_DELTA).
_NOTCH = 120
# QEMU's absolute axes reach from 0 to here, whatever the screen's size.
_AXIS_END = 0x7FFF


class QemuConsole(Console):
    """:param execute: runs a command of the monitor.  :param folder: for pictures."""

    def __init__(self, execute: Callable[..., Any], folder: Path) -> None:
        super().__init__()
        self._execute = execute
        self._file = folder / "screen.ppm"

    @property
    def size(self) -> tuple[int, int]:
        picture = self.picture()
        return picture.width, picture.height

    def picture(self) -> Picture:
        with self._lock:
            self._tell("screendump", filename=str(self._file))
            return Picture.read(self._file)

    def interrupt(self) -> None:
        self._tell("inject-nmi")

    def _key(self, key: int, down: bool) -> None:
        self._send({"type": "key", "data": {"down": down, "key": {"type": "number", "data": key}}})

    def _point(self, x: int, y: int) -> None:
        width, height = self.size
        self._send(_axis("abs", "x", x * _AXIS_END // width), _axis("abs", "y", y * _AXIS_END // height))

    def _move(self, right: int, down: int) -> None:
        self._send(_axis("rel", "x", right), _axis("rel", "y", down))

    def _button(self, index: int, down: bool) -> None:
        self._send({"type": "btn", "data": {"down": down, "button": BUTTONS[index]}})

    def _scroll(self, delta: int) -> None:
        button = "wheel-up" if delta > 0 else "wheel-down"
        for _ in range(-(-abs(delta) // _NOTCH)):
            for down in (True, False):
                self._send({"type": "btn", "data": {"down": down, "button": button}})

    def _send(self, *events: dict[str, Any]) -> None:
        self._tell("input-send-event", events=list(events))

    def _tell(self, command: str, **arguments: Any) -> None:
        try:
            self._execute(command, **arguments)
        except QmpError as error:
            raise GuestError(UNSPECIFIED, str(error)) from error


def _axis(kind: str, name: str, value: int) -> dict[str, Any]:
    return {"type": kind, "data": {"axis": name, "value": value}}
