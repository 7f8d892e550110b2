"""The other side of the control endpoint: the command line's, and that of tests in other processes."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any

from hyperv_simulator.control.socket_path import address_in

_TIMEOUT_S = 60


class ControlError(Exception):
    """The simulator can't be reached or refuses; the message is one line, remedy included."""


class Control:
    """A connection to the simulator that runs on a state folder.

    :raises ControlError: none does, or another user's.
    """

    def __init__(self, state_folder: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_TIMEOUT_S)
        try:
            with address_in(state_folder) as address:
                self._socket.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            self._socket.close()
            raise ControlError(
                f"no simulator runs on the state folder {state_folder}; start one, or name its folder: --state"
            ) from None
        except OSError as error:
            self._socket.close()
            raise ControlError(
                f"the simulator on the state folder {state_folder} can't be reached ({error.strerror}); "
                "be the user who runs it"
            ) from None
        self._file = self._socket.makefile("rwb")

    def ask(self, command: str, **arguments: Any) -> Any:
        """The result of one command; ``control`` says which there are. An argument that is None is left out.

        :raises ControlError: with what the simulator says.
        """
        request = {"command": command, **{name: value for name, value in arguments.items() if value is not None}}
        try:
            self._file.write(json.dumps(request).encode() + b"\n")
            self._file.flush()
            line = self._file.readline()
        except OSError as error:
            raise ControlError(f"the simulator did not answer ({error}); look whether it still runs") from None
        if not line:
            raise ControlError("the simulator ended before it answered; look whether it still runs")
        answer = json.loads(line)
        if "error" in answer:
            raise ControlError(str(answer["error"]))
        return answer["result"]

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Control:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
