"""What survives a restart of the simulator: machines with their settings and state, and switches.

::

    <folder>/machines/<id>.json     one machine
    <folder>/switches.json          all switches

Rule 1: a file is written to a temporary name and renamed: it is the old one or the new one, never half of one.
Rule 2: a change is noted at once and written shortly after, by a thread of its own; ``freeze`` writes what is left and
notes nothing more.
Rule 3: a machine that was on comes back as AutomaticStartupAction says: 2 off, 3 on if it was, 4 on.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.config.network import SwitchConfig
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.machines.checkpoints.operations import Checkpoints
from hyperv_simulator.machines.checkpoints.tree import is_checkpoint
from hyperv_simulator.machines.device_kinds import CONNECTION, LEGACY_NIC, NIC
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM, PLANNED_SYSTEM, Machines
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.outcomes import Refused
from hyperv_simulator.repository.instances import ChangeKind, Repository, owner_in
from hyperv_simulator.repository.records import instance_of, record_of
from hyperv_simulator.switches import SWITCH_SETTINGS, Switches
from hyperv_simulator.switching.extensions import EXTENSION
from hyperv_simulator.switching.ports import SWITCH

_LOG = logging.getLogger(__name__)
_DELAY_S = 0.3
_FEATURE = "Msvm_FeatureSettingData"
_MACHINES, _SWITCHES = "machines", "switches.json"
_START, _ALWAYS, _IF_IT_WAS = 2, 4, 3
_SYSTEM_USER = "NT AUTHORITY\\SYSTEM"


class Kept(Protocol):
    """What is kept, and where."""

    @property
    def config(self) -> HostConfig: ...

    @property
    def facts(self) -> HostFacts: ...

    @property
    def state_folder(self) -> Path: ...

    @property
    def repository(self) -> Repository: ...

    @property
    def machines(self) -> Machines: ...

    @property
    def switches(self) -> Switches: ...

    @property
    def checkpoints(self) -> Checkpoints: ...


class Store:
    """Writes and reads one host's state."""

    def __init__(self, host: Kept) -> None:
        self._host = host
        self._machines_folder = host.state_folder / _MACHINES
        self._switches_file = host.state_folder / _SWITCHES
        self._changed: set[str] = set()
        self._switches_changed = False
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._frozen = False
        self._writer: threading.Thread | None = None

    # Life

    def restore(self) -> None:
        """Reads everything back, then begins to note changes, then starts the machines that start by themselves."""
        self._machines_folder.mkdir(parents=True, exist_ok=True)
        self._restore_switches()
        files = sorted(self._machines_folder.glob("*.json"))
        restored = [found for found in map(self._read, files) if found is not None]
        self._host.repository.add_hook(self._note)
        self._writer = threading.Thread(target=self._write_changes, name=f"{self._host.facts.name}-store", daemon=True)
        self._writer.start()
        self._write_switches()
        for machine, was_on in restored:  # in the order of their ids
            action = machine.reader.system.get("AutomaticStartupAction")
            if action == _ALWAYS or (was_on and action == _IF_IT_WAS):
                self._start(machine)

    def freeze(self) -> None:
        """Writes what is noted, and notes nothing more."""
        if self._writer is None:
            return
        self.flush()
        with self._lock:
            self._frozen = True
        self._wake.set()
        self._writer.join()
        self._writer = None

    # Noting

    def _note(self, _kind: ChangeKind, before: CimInstance | None, after: CimInstance | None) -> None:
        instance = after or before
        if instance is None or self._frozen:
            return
        name = instance.class_name
        if name in (SWITCH, SWITCH_SETTINGS, EXTENSION):
            self._switches_changed = True
        elif name in (COMPUTER_SYSTEM, PLANNED_SYSTEM):
            self._changed.add(instance.text("Name", "").lower())
        elif is_checkpoint(instance):
            self._changed.add(instance.text("VirtualSystemIdentifier").lower())
        elif name.endswith("SettingData"):
            owner = owner_in(instance.text("InstanceID", ""))
            if self._host.switches.by_id(owner) is not None:
                self._switches_changed = True
            else:
                self._changed.add(owner)
        else:
            return
        self._wake.set()

    def _write_changes(self) -> None:
        while not self._frozen:
            self._wake.wait()
            self._wake.clear()
            if self._frozen:
                return
            threading.Event().wait(_DELAY_S)  # several changes usually come together
            try:
                self.flush()
            except OSError:
                _LOG.exception("the state of %s could not be written", self._host.facts.name)

    def flush(self) -> None:
        """Writes what is noted now, for who can't wait."""
        with self._writing:
            self._flush()

    def _flush(self) -> None:
        with self._host.repository.lock:  # hooks note under this lock
            changed, self._changed = self._changed, set()
            switches_changed, self._switches_changed = self._switches_changed, False
        for machine_id in changed:
            machine = self._host.machines.find(machine_id)
            if machine is not None:
                self._write_machine(machine)
            elif machine_id:
                (self._machines_folder / f"{machine_id.upper()}.json").unlink(missing_ok=True)
        if switches_changed:
            self._write_switches()

    # Machines

    def _write_machine(self, machine: Machine) -> None:
        repository = self._host.repository
        checkpoints = self._host.checkpoints
        with repository.lock:
            system = repository.find(machine.reference)
            settings = repository.owned("CIM_SettingData", machine.machine_id, computed=False)
            taken = [part for item in checkpoints.tree.all(machine.machine_id) for part in checkpoints.tree.parts(item)]
        if system is None:
            return
        document = {
            **_machine(system, settings, machine.state),
            "checkpoints": [record_of(item) for item in taken],
            "last_applied": checkpoints.last_applied.get(machine.machine_id.lower()),
        }
        write_document(self._machines_folder / f"{machine.machine_id.upper()}.json", document)

    def _read(self, path: Path) -> tuple[Machine, bool] | None:
        try:
            document = json.loads(path.read_text("utf-8"))
            system = instance_of(document["system"])
            settings = [instance_of(record) for record in document["settings"]]
            checkpoints = [instance_of(record) for record in document.get("checkpoints", ())]
            state = State(document["state"])
        except (OSError, ValueError, KeyError) as error:
            _LOG.error("%s is left out: %s", path, error)
            return None
        was_on = state in (State.RUNNING, State.PAUSED)
        if was_on:
            state = State.OFF
        system["EnabledState"] = int(state)
        for name in ("ProcessID", "OtherEnabledState", "HwThreadsPerCoreRealized"):
            if name in system:
                del system[name]
        for item in settings:
            if item.class_name in (NIC, LEGACY_NIC):
                self._host.switches.addresses.note(item.text("Address", ""))
        machine = self._host.machines.adopt(system.text("Name"), settings, system, state)
        for item in checkpoints:
            self._host.repository.add(item)
        if document.get("last_applied"):
            self._host.checkpoints.last_applied[machine.machine_id.lower()] = document["last_applied"]
        return machine, was_on

    def _start(self, machine: Machine) -> None:
        try:
            machine.request_state(_START, _SYSTEM_USER)
        except Refused as refusal:
            _LOG.warning("%s does not start by itself: %s", machine.machine_id, refusal)

    # Switches

    def _write_switches(self) -> None:
        repository = self._host.repository
        with repository.lock:
            document = [self._switch_record(switch) for switch in repository.instances(SWITCH)]
        write_document(self._switches_file, document)

    def _switch_record(self, switch: CimInstance) -> dict[str, Any]:
        repository, switch_id = self._host.repository, switch.text("Name")
        settings = repository.get(CimReference(SWITCH_SETTINGS, {"InstanceID": ids.settings_id(switch_id)}))
        return {
            **_switch(switch_id, settings, repository.owned(CONNECTION, switch_id)),
            "features": [record_of(item) for item in repository.owned(_FEATURE, switch_id)],
            "extensions": self._host.switches.extensions.enabled_on(switch_id),
        }

    def _restore_switches(self) -> None:
        """The switches of the last run; those of the configuration that are not among them are made."""
        switches, facts = self._host.switches, self._host.facts
        known: list[dict[str, Any]] = []
        if self._switches_file.exists():
            known = json.loads(self._switches_file.read_text("utf-8"))
        for record in known:
            wires = [instance_of(wire) for wire in record["wires"]]
            switches.define(
                instance_of(record["settings"]),
                wires,
                switch_id=record["id"],
                extensions=record.get("extensions"),
            )
            for feature in record.get("features", ()):
                self._host.repository.add(instance_of(feature))
        if known:
            return
        for switch in self._host.config.switch:
            wires = []
            if switch.type == "external":
                guids = {adapter.name: adapter.guid for adapter in facts.adapters}
                wires.append(_wire(*(self._external_path(guids[name]) for name in switch.adapters)))
            if switch.type == "internal" or (switch.type == "external" and switch.allow_management_os):
                wires.append(_wire(f'{COMPUTER_SYSTEM}.CreationClassName="{COMPUTER_SYSTEM}",Name="{facts.name}"'))
            switches.define(
                CimInstance(SWITCH_SETTINGS, _switch_values(switch)),
                wires,
                switch_id=ids.stable_guid("switch", facts.name, switch.name),
            )

    def _external_path(self, guid: str) -> str:
        name = self._host.facts.name
        return (
            f'Msvm_ExternalEthernetPort.CreationClassName="Msvm_ExternalEthernetPort",DeviceID="Microsoft:{{{guid}}}",'
            f'SystemCreationClassName="Msvm_ComputerSystem",SystemName="{name}"'
        )


def has_state(folder: Path) -> bool:
    """Whether a host has kept anything in its folder."""
    return (folder / _MACHINES).exists()


def seed(
    folder: Path,
    *,
    machines: Iterable[tuple[CimInstance, list[CimInstance], State]],
    switches: Iterable[tuple[str, CimInstance, list[CimInstance]]],
) -> None:
    """Writes the state of a host that has none, as if it had run.

    :param machines: each Msvm_ComputerSystem with its settings and its state.
    :param switches: each GUID with its settings and its wires.
    """
    (folder / _MACHINES).mkdir(parents=True)
    write_document(folder / _SWITCHES, [_switch(*each) for each in switches])
    for system, settings, state in machines:
        name = f"{system.text('Name').upper()}.json"
        write_document(folder / _MACHINES / name, _machine(system, settings, state))


def _machine(system: CimInstance, settings: Iterable[CimInstance], state: State) -> dict[str, Any]:
    return {"state": int(state), "system": record_of(system), "settings": [record_of(item) for item in settings]}


def _switch(switch_id: str, settings: CimInstance, wires: Iterable[CimInstance]) -> dict[str, Any]:
    return {"id": switch_id, "settings": record_of(settings), "wires": [record_of(item) for item in wires]}


def _switch_values(switch: SwitchConfig) -> dict[str, CimValue]:
    """2012 R2 has no TeamingEnabled, and never needs it."""
    values: dict[str, CimValue] = {"ElementName": switch.name}
    return values | {"TeamingEnabled": True} if switch.teamed_with else values


def _wire(*paths: str) -> CimInstance:
    return CimInstance(CONNECTION, {"HostResource": list(paths)})


def write_document(path: Path, document: object) -> None:
    """Replaces a JSON file (rule 1)."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(document, separators=(",", ":")), "utf-8")
    temporary.replace(path)
