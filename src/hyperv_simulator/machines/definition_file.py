r"""A machine's definition as a file: what an export writes and an import reads, ``Virtual Machines\<id>.vmcx``.

Rule: the content is the simulator's own (a line that says so, then JSON). What a real .vmcx holds is not documented, so
definitions travel between simulated hosts only; a file from a real host is refused as corrupt.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.repository.records import instance_of, record_of

_HEAD = b"hyperv-simulator virtual machine definition 1\n"


class NotADefinition(Exception):
    """The file holds no definition that the simulator wrote."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A machine, or one of its checkpoints, without a host.

    :param host_name: whose paths stand in the settings.
    :param settings: everything that belongs to it, its own settings among them.
    """

    machine_id: str
    host_name: str
    state: State
    settings: tuple[CimInstance, ...]

    @property
    def system(self) -> CimInstance:
        return next(item for item in self.settings if item.class_name == VSSD)

    @property
    def name(self) -> str:
        return self.system.text("ElementName", "")


def to_bytes(definition: Definition) -> bytes:
    document = {
        "machine": definition.machine_id,
        "host": definition.host_name,
        "state": int(definition.state),
        "settings": [record_of(item) for item in definition.settings],
    }
    return _HEAD + json.dumps(document, separators=(",", ":")).encode()


def from_bytes(data: bytes) -> Definition:
    """:raises NotADefinition: see the rule above."""
    if not data.startswith(_HEAD):
        raise NotADefinition
    try:
        document = json.loads(data[len(_HEAD) :])
        settings = tuple(instance_of(record) for record in document["settings"])
        definition = Definition(document["machine"], document["host"], State(document["state"]), settings)
    except (ValueError, KeyError, TypeError) as error:
        raise NotADefinition from error
    if not any(item.class_name == VSSD for item in settings):
        raise NotADefinition
    return definition
