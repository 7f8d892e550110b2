"""QEMU's monitor protocol: commands with their answers, and events, over one socket.

Source: QEMU's docs/interop/qmp-spec.txt. A thread reads; `execute` may be called from any other thread.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

TIMEOUT_S = 30.0


class QmpError(Exception):
    """QEMU refused the command, or is gone."""


class Qmp:
    """One connection.

    :param connection: QEMU's other end; closed when QEMU closes it.
    :param on_event: called with an event's name and data, in the reading thread: it must not call `execute`.
    :param on_end: called once when QEMU is gone, in the reading thread.
    """

    def __init__(
        self, connection: socket.socket, on_event: Callable[[str, dict[str, Any]], None], on_end: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._on_event = on_event
        self._on_end = on_end
        self._answers = threading.Condition()
        self._answer: dict[str, Any] | None = None
        self._greeted = False
        self._ended = False
        self._one_at_a_time = threading.Lock()
        self._thread = threading.Thread(target=self._read, name="qmp", daemon=True)

    def start(self) -> None:
        """Begin reading; `execute` works when QEMU has greeted."""
        self._thread.start()

    def negotiate(self) -> None:
        """Wait for QEMU's greeting and leave negotiation mode.

        :raises QmpError: QEMU ended instead, or says nothing.
        """
        with self._answers:
            self._answers.wait_for(lambda: self._greeted or self._ended, TIMEOUT_S)
            if not self._greeted:
                raise QmpError("QEMU did not start")
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run a command and return its result; names with ``_`` mean ``-`` where QMP has that.

        :raises QmpError: refused; or QEMU is gone.
        """
        request: dict[str, Any] = {"execute": command}
        if arguments:
            request["arguments"] = {name.replace("_", "-"): value for name, value in arguments.items()}
        return self.send(request)

    def send(self, request: dict[str, Any]) -> Any:
        """As `execute`, with the request as QMP has it."""
        with self._one_at_a_time:
            with self._answers:
                self._answer = None
            try:
                self._connection.sendall(json.dumps(request).encode() + b"\n")
            except OSError as error:
                raise QmpError("QEMU has ended") from error
            with self._answers:
                self._answers.wait_for(lambda: self._answer is not None or self._ended, TIMEOUT_S)
                answer = self._answer
        if answer is None:
            raise QmpError("QEMU has ended" if self._ended else f"QEMU does not answer to {request['execute']}")
        if "error" in answer:
            raise QmpError(answer["error"]["desc"])
        return answer["return"]

    def _read(self) -> None:
        with contextlib.suppress(OSError), self._connection.makefile("rb") as lines:
            for line in lines:
                self._take(json.loads(line))
        with self._answers:
            self._ended = True
            self._answers.notify_all()
        self._connection.close()
        self._on_end()

    def _take(self, message: dict[str, Any]) -> None:
        if "event" in message:
            self._on_event(message["event"], message.get("data", {}))
            return
        with self._answers:
            if "QMP" in message:
                self._greeted = True
            else:
                self._answer = message
            self._answers.notify_all()
