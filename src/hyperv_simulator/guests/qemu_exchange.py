"""The exchange with a QEMU guest: lines over a virtio port, which the guest image answers (`guest_image/exchange.sh`).

========================================  ========================================================================
from the host                             the guest's answer
========================================  ========================================================================
``report``                                ``intrinsic <name> <value>``, ``item <name> <value>`` …, then ``ok``
``items``, then ``<name> <value>`` … and  ``ok``
``.``
``password <user> <password>``            ``ok`` or ``failed <text>``
``data <part of a file>`` …, then         ``ok`` or ``failed <text>``
``file <flags> <path>``
========================================  ========================================================================

Every request begins with a number, which the last line of its answer repeats behind ``ok`` or ``failed``: what comes
too late, or from before a reset, is known by it. Names, values, paths and data are in base64, an empty one is ``=``.
The host asks, one thing at a time. What encrypts passwords is on this side of the port (`password_exchange`): the guest
image has no RSA.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping

from hyperv_simulator.guests.base import UNSPECIFIED, GuestError
from hyperv_simulator.guests.exchange import Addresses, Report
from hyperv_simulator.guests.password_exchange import PasswordExchange

ANSWER_TIMEOUT_S = 30.0
_PART_BYTES = 3000
_GREETING = 0
_NOT_SUPPORTED = 0x80070032


class QemuExchange:
    """See `exchange.Exchange`.

    :param port: the other end of the port's chardev; closed when QEMU is gone.
    """

    def __init__(self, port: socket.socket) -> None:
        self._port = port
        self._passwords = PasswordExchange(self._set_password)
        self._asking = threading.Lock()
        self._telling = threading.Lock()
        self._answers = threading.Condition()
        self._items: dict[str, str] = {}
        self._number = _GREETING
        self._answer: list[str] | None = None
        self._refusal = ""
        self._listens = False
        self._ended = False
        threading.Thread(target=self._read, name="exchange", daemon=True).start()
        self.greet()

    def report(self) -> Report | None:
        if not self._listens:
            return None
        try:
            lines = self._ask("report")
        except GuestError:
            return None
        found: dict[str, dict[str, str]] = {"intrinsic": {}, "item": {}}
        for line in lines:
            kind, name, value = line.split(" ")
            found[kind][_text(name)] = _text(value)
        return Report(found["intrinsic"], {**found["item"], **self._passwords.items()})

    def greet(self) -> None:
        """The machine starts, or starts anew: whoever will listen is asked for a sign."""
        self._listens = False
        with contextlib.suppress(OSError):  # QEMU is just ending
            self._port.sendall(f"{_GREETING} report\n".encode())  # waits in the socket until somebody reads
        if self._items:
            self.tell(self._items)

    def tell(self, items: Mapping[str, str]) -> None:
        self._items = dict(items)
        threading.Thread(target=self._tell, name="exchange items", daemon=True).start()

    def addresses(self, mac: str) -> Addresses:  # noqa: ARG002  (the protocol's)
        return Addresses()

    def set_addresses(self, mac: str, wanted: Addresses) -> None:  # noqa: ARG002  (the protocol's)
        """:raises GuestError: always: the guest image configures its adapter from the config drive only."""
        raise GuestError(_NOT_SUPPORTED, "The guest image does not take addresses from its host.")

    def copy_file(self, path: str, data: bytes, *, overwrite: bool, create_folders: bool) -> None:
        parts = (data[start : start + _PART_BYTES] for start in range(0, len(data), _PART_BYTES))
        flags = f"{'o' if overwrite else '-'}{'c' if create_folders else '-'}"
        lines = [*(f"data {base64.b64encode(part).decode()}" for part in parts), f"file {flags} {_coded(path)}"]
        self._ask(*lines)

    def close(self) -> None:
        """QEMU is gone: whoever waits for an answer gets none."""
        with contextlib.suppress(OSError):
            self._port.shutdown(socket.SHUT_RDWR)
        self._port.close()

    # Inside

    def _tell(self) -> None:
        """Tells what there is to be told when the guest listens: of several that wait, the last one to come through
        must not tell less than the others."""
        with self._answers:
            self._answers.wait_for(lambda: self._listens or self._ended)
        with self._telling, contextlib.suppress(GuestError):  # it has ended meanwhile: the next start tells it again
            items = self._items
            self._ask("items", *(f"{_coded(name)} {_coded(value)}" for name, value in items.items()), ".")
            self._passwords.take(items)

    def _set_password(self, user: str, password: str) -> None:
        self._ask(f"password {_coded(user)} {_coded(password)}")

    def _ask(self, *lines: str) -> list[str]:
        """What the guest answers, without the last line.

        :raises GuestError: it refuses, or nobody answers.
        """
        with self._asking:
            if not self._listens or self._ended:
                raise GuestError(UNSPECIFIED, "The integration services of the guest do not answer.")
            with self._answers:
                self._number, self._answer, self._refusal = self._number + 1, None, ""
            try:
                self._port.sendall("".join(f"{self._number} {line}\n" for line in lines).encode())
            except OSError as error:
                raise GuestError(UNSPECIFIED, str(error)) from error
            deadline = time.monotonic() + ANSWER_TIMEOUT_S
            with self._answers:
                self._answers.wait_for(lambda: self._answer is not None or self._ended, deadline - time.monotonic())
                answer, refusal = self._answer, self._refusal
        if answer is None:
            raise GuestError(UNSPECIFIED, "The integration services of the guest do not answer.")
        if refusal:
            raise GuestError(UNSPECIFIED, refusal)
        return answer

    def _read(self) -> None:
        lines: list[str] = []
        for line in self._incoming():
            verb, _, rest = line.partition(" ")
            if verb not in ("ok", "failed"):
                lines.append(line)
                continue
            number, _, refusal = rest.partition(" ")
            with self._answers:
                self._listens = True
                if number == str(self._number):
                    self._answer, self._refusal = lines, refusal if verb == "failed" else ""
                self._answers.notify_all()
            lines = []
        with self._answers:
            self._ended = True
            self._answers.notify_all()

    def _incoming(self) -> Iterator[str]:
        with contextlib.suppress(OSError), self._port.makefile("r", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                yield line.rstrip("\r\n")


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode() or "="


def _text(coded: str) -> str:
    return "" if coded == "=" else base64.b64decode(coded).decode(errors="replace")
