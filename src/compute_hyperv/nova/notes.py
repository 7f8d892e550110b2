"""What this service must remember about single instances, beyond its own end: one small file for each."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar


class Note(Protocol):
    """A dataclass of texts, numbers, truth values and tuples of them."""

    @property
    def instance_uuid(self) -> str: ...


N = TypeVar("N", bound=Note)


class Notes(Generic[N]):
    """:param folder: where the files are; made when first needed.  :param kind: the class of the notes."""

    def __init__(self, folder: Path, kind: type[N]) -> None:
        self._folder = folder
        self._kind = kind

    def remember(self, note: N) -> None:
        """Replaces what was noted about the instance before."""
        self._folder.mkdir(parents=True, exist_ok=True)
        content: Any = note
        (self._folder / note.instance_uuid).write_text(json.dumps(asdict(content)), encoding="utf-8")

    def forget(self, instance_uuid: str) -> None:
        (self._folder / instance_uuid).unlink(missing_ok=True)

    def all(self) -> list[N]:
        found = []
        with contextlib.suppress(FileNotFoundError):
            for path in sorted(self._folder.iterdir()):
                with contextlib.suppress(FileNotFoundError):  # it is settled meanwhile
                    values = json.loads(path.read_text(encoding="utf-8"))
                    found.append(
                        self._kind(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})
                    )
        return found

    def __contains__(self, instance_uuid: str) -> bool:
        return (self._folder / instance_uuid).exists()
