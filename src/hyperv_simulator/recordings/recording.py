"""A recording as a value, and as a JSON file.

::

    {"format": "hyperv-simulator recording 1", "host": "HV1", "taken_at": "2026-01-02T03:04:05+00:00",
     "namespaces": {"root/cimv2": {"instances": {"Win32_Processor": [{"class": …, "properties": {…}}]},
                                   "empty": ["Win32_Battery"],
                                   "faults": {"Win32_Foo": "w:InternalError (0x80041024): …"}}}}
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.recordings.errors import RecordingError
from hyperv_simulator.repository.records import instance_of, record_of

_FORMAT = "hyperv-simulator recording 1"


@dataclass(frozen=True, slots=True)
class RecordedNamespace:
    """What was read of one namespace; names of classes as the schema spells them.

    :param instances: those of a class itself, not of derived ones; only classes that have some.
    :param empty: classes that answered with no instance.
    :param faults: classes that answered with a fault, and which.
    """

    instances: Mapping[str, tuple[CimInstance, ...]]
    empty: tuple[str, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recording:
    """One host as it was at one time.

    :param host: computer name.
    :param namespaces: by name, in lower case.
    """

    host: str
    taken_at: dt.datetime
    namespaces: Mapping[str, RecordedNamespace]

    def of(self, namespace: str, class_name: str) -> tuple[CimInstance, ...]:
        """The instances of one class."""
        recorded = self.namespaces.get(namespace.lower())
        if recorded is None:
            return ()
        return recorded.instances.get(class_name, ())

    def write(self, path: Path) -> None:
        """:raises RecordingError: the file can't be written."""
        document = {
            "format": _FORMAT,
            "host": self.host,
            "taken_at": self.taken_at.isoformat(),
            "namespaces": {name: _namespace_out(each) for name, each in self.namespaces.items()},
        }
        try:
            path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise RecordingError(f"{path} can't be written ({error.strerror}); name another file") from None


def read(path: Path) -> Recording:
    """:raises RecordingError: there is no such file, or it is no recording."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != _FORMAT:
            raise RecordingError(f"{path} is of format {document['format']!r}; make it anew: hyperv-simulator dump")
        return Recording(
            document["host"],
            dt.datetime.fromisoformat(document["taken_at"]),
            {name: _namespace_in(name, each) for name, each in document["namespaces"].items()},
        )
    except OSError as error:
        raise RecordingError(f"{path} can't be read ({error.strerror}); name a file that 'dump' made") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordingError(f"{path} is no recording ({error!r}); name a file that 'dump' made") from None


def _namespace_out(recorded: RecordedNamespace) -> dict[str, Any]:
    return {
        "instances": {name: [record_of(item) for item in items] for name, items in recorded.instances.items()},
        "empty": list(recorded.empty),
        "faults": dict(recorded.faults),
    }


def _namespace_in(namespace: str, document: Mapping[str, Any]) -> RecordedNamespace:
    instances = {
        name: tuple(instance_of(record, namespace) for record in records)
        for name, records in document["instances"].items()
    }
    return RecordedNamespace(instances, tuple(document["empty"]), dict(document["faults"]))
