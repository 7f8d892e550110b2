"""The real ``openstack`` client, as a user would run it; each command is shown."""

import json
import shlex
import threading
from collections.abc import Mapping
from itertools import count
from typing import Any

from demo.cloud.config import client_environment
from demo.cloud.processes import Processes
from demo.settings import VENV, State

LOG = "openstack-client"


class OpenStackClient:
    """Safe to use from several threads."""

    def __init__(self, processes: Processes, state: State) -> None:
        self._processes = processes
        self._state = state
        self._env: Mapping[str, str] = client_environment(state)
        self._numbers = count()
        self._lock = threading.Lock()

    def run(self, *words: str, timeout_s: float = 180) -> str:
        """Runs ``openstack WORDS`` and returns what it prints. Raises DemoError with its complaint if it fails."""
        output = self._state.run / f"client-{next(self._numbers)}"
        try:
            argv = [VENV / "bin" / "openstack", *words]
            self._processes.run(argv, env=self._env, log=LOG, output=output, timeout_s=timeout_s)
            text = output.read_text(errors="replace")
        finally:
            output.unlink(missing_ok=True)
        with self._lock, (self._state.log / f"{LOG}.log").open("a") as log:
            log.write(f"$ {shlex.join(['openstack', *words])}\n{text}")
        return text

    def show(self, *words: str) -> str:
        """Runs the command and returns it as one would type it."""
        self.run(*words)
        return f"$ {shlex.join(['openstack', *words])}"

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "-f", "json"))
