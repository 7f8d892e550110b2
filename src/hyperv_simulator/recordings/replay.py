"""A simulated host that answers as the recorded one did.

What hosts.toml tells of it (``describe``) is made as for any host. Here the rest comes in:

====================================================  ==============================================================
recorded                                              becomes
====================================================  ==============================================================
machines with their settings, switches                machines and switches of the host, at its first start only
classes that the simulator has no instances of        instances as recorded
settings of Hyper-V's services, and classes outside   the recorded values on instances with the same keys; the
root/virtualization/v2 with computed properties       simulator's own instances stay
any other class of root/virtualization/v2 that the    nothing: they follow from machines, switches and hosts.toml
simulator serves
any other class                                       the recorded instances instead of the simulator's own
classes that were empty                               empty, instead of the fault of a class that nobody looks after
associations, jobs                                    nothing: they follow from the instances, or are over
====================================================  ==============================================================

The computer's name and the GUIDs of adapters are those of the simulated host, wherever they stand in a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from compute_hyperv.cim.errors import NotFound
from compute_hyperv.cim.schema import CimClass
from compute_hyperv.cim.values import DEFAULT_NAMESPACE, CimInstance, CimReference, CimScalar, CimValue
from hyperv_simulator import persistence
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.machines.device_kinds import CONNECTION
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.recordings import recording as recordings
from hyperv_simulator.recordings.describe import nics
from hyperv_simulator.recordings.recording import Recording
from hyperv_simulator.repository.emptiness import may_be_empty
from hyperv_simulator.repository.instances import Repository, owner_in
from hyperv_simulator.switches import SWITCH_SETTINGS
from hyperv_simulator.switching.ports import SWITCH


class Replay:
    """One recording for one host.

    :param file: what ``dump`` made.
    :raises RecordingError: it can't be read.
    """

    def __init__(self, file: Path, facts: HostFacts) -> None:
        self._recording = recordings.read(file)
        self._renamed = _renaming(self._recording, facts)
        self._adapters = {adapter.guid.lower() for adapter in facts.adapters}
        self._machines = tuple(
            item for item in self._of(DEFAULT_NAMESPACE, COMPUTER_SYSTEM) if owner_in(item.text("Name"))
        )
        self._switches = tuple(self._of(DEFAULT_NAMESPACE, SWITCH))
        self._owners = {owner_in(item.text("Name")) for item in (*self._machines, *self._switches)}

    def bring_state(self, folder: Path, repository: Repository) -> None:
        """Writes machines and switches into the state of a host that has none yet."""
        if persistence.has_state(folder):
            return
        settings = self._settings_by_owner(repository)
        persistence.seed(
            folder,
            machines=((item, settings.get(owner_in(item.text("Name")), []), _state(item)) for item in self._machines),
            switches=(self._switch(item, settings) for item in self._switches),
        )

    def bring_instances(self, repository: Repository) -> None:
        """Puts in the rest, see above."""
        for namespace, recorded in self._recording.namespaces.items():
            for name in recorded.instances:
                cls = _known(repository, namespace, name)
                if cls is not None and not cls.association and not cls.is_a("CIM_Job"):
                    self._bring(
                        repository, cls, [item for item in self._of(namespace, name) if self._stands_alone(item)]
                    )
            for name in recorded.empty:
                cls = _known(repository, namespace, name)
                if cls is not None and not may_be_empty(cls) and not repository.has_instances_of(namespace, name):
                    repository.serve(name, namespace)

    def _bring(self, repository: Repository, cls: CimClass, items: list[CimInstance]) -> None:
        if repository.is_computed(cls.name, cls.namespace):
            return
        served = repository.has_instances_of(cls.namespace, cls.name)
        hyperv = served and cls.namespace == DEFAULT_NAMESPACE
        if hyperv and not cls.name.endswith("ServiceSettingData"):
            return
        dynamic = repository.dynamic_names(cls.namespace, cls.name)
        lives = hyperv or (served and bool(dynamic))
        references = []
        for item in items:
            reference = repository.reference_of(item)
            references.append(reference)
            if served and repository.find(reference) is not None:
                repository.change(
                    reference, {name: value for name, value in item.items() if name.lower() not in dynamic}
                )
            elif not lives:
                repository.add(item)
        if served and not lives:
            for own in repository.instances(cls.name, cls.namespace):
                if own.class_name == cls.name and repository.reference_of(own) not in references:
                    repository.remove(repository.reference_of(own))

    def _of(self, namespace: str, class_name: str) -> Iterator[CimInstance]:
        return (_rewritten(item, self._renamed) for item in self._recording.of(namespace, class_name))

    def _stands_alone(self, item: CimInstance) -> bool:
        """It is no part of a machine or switch."""
        texts = (item.get(name) for name in ("InstanceID", "SystemName", "Name", "VirtualSystemIdentifier"))
        return not any(isinstance(text, str) and owner_in(text) in self._owners for text in texts)

    def _settings_by_owner(self, repository: Repository) -> dict[str, list[CimInstance]]:
        found: dict[str, list[CimInstance]] = {}
        recorded = self._recording.namespaces.get(DEFAULT_NAMESPACE)
        for name in recorded.instances if recorded is not None else ():
            if name.endswith("SettingData") and not repository.is_computed(name):
                for item in self._of(DEFAULT_NAMESPACE, name):
                    found.setdefault(owner_in(item.text("InstanceID", "")), []).append(item)
        return found

    def _switch(
        self, switch: CimInstance, settings: Mapping[str, list[CimInstance]]
    ) -> tuple[str, CimInstance, list[CimInstance]]:
        switch_id = switch.text("Name")
        own = settings.get(owner_in(switch_id), [])
        chosen = next((item for item in own if item.class_name == SWITCH_SETTINGS), None)
        return (
            switch_id,
            chosen or CimInstance(SWITCH_SETTINGS, {"ElementName": switch.get("ElementName")}),
            [item for item in own if item.class_name == CONNECTION and self._is_there(item)],
        )

    def _is_there(self, wire: CimInstance) -> bool:
        """Whether the host has the adapter that a switch was wired to: a team, say, is none."""
        external = [path for path in wire.texts("HostResource") if "Msvm_ExternalEthernetPort" in path]
        return all(owner_in(path) in self._adapters for path in external)


def _known(repository: Repository, namespace: str, name: str) -> CimClass | None:
    """None for what this Windows version of the simulator lacks."""
    try:
        return repository.catalogue.find(namespace, name)
    except NotFound:
        return None


def _state(machine: CimInstance) -> State:
    """The memory of a saved machine is not recorded: it is off."""
    recorded = machine.get("EnabledState")
    return next((state for state in (State.RUNNING, State.PAUSED) if state == recorded), State.OFF)


def _renaming(recording: Recording, facts: HostFacts) -> Callable[[str], str]:
    names = {recording.host.upper(): facts.name}
    for (guid, _), adapter in zip(nics(recording), facts.adapters, strict=False):
        names[guid] = adapter.guid
    changed = {old: new for old, new in names.items() if old and old != new.upper()}
    if not changed:
        return lambda text: text
    pattern = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, changed))})(?![\w-])", re.IGNORECASE)
    return lambda text: pattern.sub(lambda found: changed[found[0].upper()], text)


def _rewritten(item: CimInstance, renamed: Callable[[str], str]) -> CimInstance:
    return CimInstance(item.class_name, {name: _value(value, renamed) for name, value in item.items()}, item.namespace)


def _value(value: CimValue, renamed: Callable[[str], str]) -> CimValue:
    if isinstance(value, list):
        return list(_items(value, renamed))
    if isinstance(value, str):
        return renamed(value)
    if isinstance(value, CimInstance):
        return _rewritten(value, renamed)
    if isinstance(value, CimReference):
        keys = {name: renamed(key) if isinstance(key, str) else key for name, key in value.keys.items()}
        return CimReference(value.class_name, keys, value.namespace, value.host)
    return value


def _items(values: Iterable[CimScalar], renamed: Callable[[str], str]) -> Iterator[CimScalar]:
    for value in values:
        yield _value(value, renamed)  # type: ignore[misc]  # a scalar stays one
