"""What Windows keeps over a restart: one JSON file, ``windows.json``, with a section per area.

Rule: a change is on disk when ``keep`` returns; what is kept are the differences to what hosts.toml describes, so that
a changed hosts.toml shows in everything that nobody has changed since.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from hyperv_simulator.persistence import write_document


class KeptState:
    """Safe for threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._sections: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}

    def section(self, name: str) -> Any:
        """What was kept under this name; an empty object where nothing was."""
        return self._sections.get(name, {})

    def keep(self, name: str, value: Any) -> None:
        with self._lock:
            if self._sections.get(name, {}) == value:
                return
            self._sections[name] = value
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_document(self._path, self._sections)
