"""Which checkpoints there are, and how they descend from each other.

A checkpoint is a settings object with an id of its own, the machine's in VirtualSystemIdentifier, and the path of the
one before it in ``Parent``; ``Parent`` of the machine's own settings is the checkpoint that its state goes on from
(real-instances 1.4, 2.3). Nothing else is kept, so that whatever is read back from a file is the tree.
"""

from __future__ import annotations

from compute_hyperv.cim.errors import CimError
from compute_hyperv.cim.paths import format_path, parse_path
from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused
from hyperv_simulator.repository.instances import ChangeKind, Repository

REALIZED = "Microsoft:Hyper-V:Snapshot:Realized"
RECOVERY = "Microsoft:Hyper-V:Snapshot:Recovery"
_SNAPSHOT = "microsoft:hyper-v:snapshot:"


def is_checkpoint(settings: CimInstance) -> bool:
    return settings.class_name == VSSD and settings.text("VirtualSystemType", "").lower().startswith(_SNAPSHOT)


class CheckpointTree:
    """The checkpoints of all machines of a host."""

    def __init__(self, repository: Repository, host_name: str) -> None:
        self._repository = repository
        self._host_name = host_name
        self._by_machine: dict[str, dict[str, None]] = {}  # ids in lower case, checkpoints in the order they came
        repository.add_hook(self._note)

    def _note(self, kind: ChangeKind, before: CimInstance | None, after: CimInstance | None) -> None:
        settings = after or before
        if kind == "changed" or settings is None or not is_checkpoint(settings):
            return
        of_machine = self._by_machine.setdefault(settings.text("VirtualSystemIdentifier").lower(), {})
        if kind == "created":
            of_machine[settings.text("InstanceID")] = None
        else:
            of_machine.pop(settings.text("InstanceID"), None)

    def all(self, machine_id: str) -> list[CimInstance]:
        """The settings of a machine's checkpoints, the oldest first."""
        with self._repository.lock:
            known = list(self._by_machine.get(machine_id.lower(), ()))
        found = (self._repository.find(CimReference(VSSD, {"InstanceID": item})) for item in known)
        return [item for item in found if item is not None]

    def find(self, reference: CimReference) -> CimInstance | None:
        """The checkpoint at this address; None where there is nothing, or something else."""
        found = self._repository.find(reference)
        return found if found is not None and is_checkpoint(found) else None

    def of(self, reference: CimReference) -> CimInstance:
        """:raises Refused: 32773: this is no checkpoint."""
        found = self.find(reference)
        if found is None:
            raise Refused(INVALID_PARAMETER, f"no checkpoint at {reference}")
        return found

    def parent(self, settings: CimInstance) -> CimInstance | None:
        """What a checkpoint, or a machine's present state, goes on from."""
        path = settings.get("Parent")
        if not isinstance(path, str) or not path:
            return None
        try:
            return self._repository.find(parse_path(path))
        except CimError:
            return None

    def children(self, checkpoint: CimInstance) -> list[CimInstance]:
        """The checkpoints that go on from this one; the machine itself is not among them."""
        own = checkpoint.get("InstanceID")
        siblings = self.all(checkpoint.text("VirtualSystemIdentifier"))
        return [item for item in siblings if (parent := self.parent(item)) is not None and parent["InstanceID"] == own]

    def subtree(self, checkpoint: CimInstance) -> list[CimInstance]:
        """A checkpoint and all that come after it, those first that nothing depends on."""
        found = [item for child in self.children(checkpoint) for item in self.subtree(child)]
        return [*found, checkpoint]

    def set_parent(self, settings: CimInstance, parent: CimInstance | None) -> None:
        path = self.path(parent) if parent is not None else None
        self._repository.change(self._repository.reference_of(settings), {"Parent": path})

    def path(self, checkpoint: CimInstance) -> str:
        return format_path(self._repository.reference_of(checkpoint), self._host_name)

    def parts(self, checkpoint: CimInstance) -> list[CimInstance]:
        """Everything that belongs to a checkpoint, its own settings included."""
        return self._repository.owned("CIM_SettingData", ids.system_of(checkpoint.text("InstanceID")), computed=False)

    def followers(self, machine: Machine, checkpoint: CimInstance) -> list[CimInstance]:
        """Whatever goes on from a checkpoint: checkpoints, and the machine's own settings."""
        own = checkpoint.get("InstanceID")
        system = machine.reader.system
        parent = self.parent(system)
        current = [system] if parent is not None and parent.get("InstanceID") == own else []
        return [*self.children(checkpoint), *current]
