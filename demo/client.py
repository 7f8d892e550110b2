"""Real commands (``openstack``, ``compute-hyperv``), as a user would run them; each is shown."""

import json
import shlex
import threading
from collections.abc import Mapping
from itertools import count
from typing import Any

from demo.cloud.processes import Processes
from demo.settings import VENV, State


class Client:
    """Safe to use from several threads.

    :param program: a command of the virtualenv.
    """

    def __init__(self, processes: Processes, state: State, program: str, env: Mapping[str, str]) -> None:
        self._processes = processes
        self._state = state
        self._program = program
        self._log = f"{program}-client"
        self._env = env
        self._numbers = count()
        self._lock = threading.Lock()

    def run(self, *words: str, timeout_s: float = 300) -> str:
        """Runs the program and returns what it prints. Raises DemoError with its complaint if it fails."""
        output = self._state.run / f"{self._log}-{next(self._numbers)}"
        try:
            argv = [VENV / "bin" / self._program, *words]
            self._processes.run(argv, env=self._env, log=self._log, output=output, timeout_s=timeout_s)
            text = output.read_text(errors="replace")
        finally:
            output.unlink(missing_ok=True)
        with self._lock, (self._state.log / f"{self._log}.log").open("a") as log:
            log.write(f"$ {shlex.join([self._program, *words])}\n{text}")
        return text

    def show(self, *words: str) -> str:
        """Runs the command and returns it as one would type it."""
        self.run(*words)
        return f"$ {shlex.join([self._program, *words])}"

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "-f", "json"))
