"""The simulator's side of the control endpoint: one thread that listens, one for each client."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hyperv_simulator.control import commands
from hyperv_simulator.control.socket_path import NAME, address_in
from hyperv_simulator.host import SimulatedHost

_log = logging.getLogger(__name__)


class ControlServer:
    """Answers clients from ``start`` to ``stop``.

    :param hosts: gives those that run.
    """

    def __init__(self, hosts: Callable[[], Sequence[SimulatedHost]], state_folder: Path) -> None:
        self._hosts = hosts
        self._file = state_folder / NAME
        self._server: _Server | None = None

    def start(self) -> None:
        self._file.unlink(missing_ok=True)  # of a simulator that was killed; the folder is ours alone
        with address_in(self._file.parent) as address:
            self._server = _Server(address, self._answer)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="control", daemon=True).start()

    def stop(self) -> None:
        """Nothing happens to one that does not listen."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            self._file.unlink(missing_ok=True)

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            return {"result": commands.answer(self._hosts(), json.loads(line))}
        except ValueError as error:
            return {"error": f"not JSON: {error}; write one object a line"}
        except commands.Wrong as wrong:
            return {"error": str(wrong)}
        except Exception as error:  # a client of ours must hear of a defect of ours
            _log.exception("control: %r", line)
            return {"error": f"internal error: {error}"}


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str, answer: Callable[[bytes], dict[str, Any]]) -> None:
        self.answer = answer
        super().__init__(address, _Client, bind_and_activate=False)
        self.server_bind()
        os.chmod(address, 0o600)  # noqa: PTH101  (not a path of ours); nobody can connect before the next line
        self.server_activate()


class _Client(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, socket.timeout):
            for line in self.rfile:
                self.wfile.write(json.dumps(self.server.answer(line)).encode() + b"\n")
