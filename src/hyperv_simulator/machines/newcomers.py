r"""A machine that comes from elsewhere (an import, a migration), as it fits the host that it comes to.

What changes on the way: the host's name in paths, the machine's id where it gets a new one, the switch of a cable
(found by its name, LastKnownSwitchName), classes and properties that this Windows version has another form of or lacks.
What does not fit and can't be made to is left as it is: ``problems`` names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from compute_hyperv.cim.errors import NotFound
from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.machines.checkpoints.operations import Checkpoints
from hyperv_simulator.machines.checkpoints.tree import is_checkpoint
from hyperv_simulator.machines.definition_file import Definition
from hyperv_simulator.machines.device_kinds import CONNECTION, LEGACY_NIC, NIC, DeviceKinds
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.reader import host_resource, switch_at
from hyperv_simulator.machines.resources.rules import ResourceHost, full_path
from hyperv_simulator.machines.resources.storage import sub_type_of
from hyperv_simulator.machines.settings import PLANNED, VSSD
from hyperv_simulator.repository.catalogue import HostCatalogue
from hyperv_simulator.storage.errors import DiskError

_HOST_IN_PATH = re.compile(r"^\\\\[^\\]+\\root\\", re.IGNORECASE)
NO_NEW_IDENTITY: Mapping[str, str] = {}
_NO_SWITCH = "33012"  # Compare-VM's MessageId for a switch that isn't there


class NewcomerHost(ResourceHost, Protocol):
    """What fitting a machine in needs of the host."""

    @property
    def kinds(self) -> DeviceKinds: ...

    @property
    def checkpoints(self) -> Checkpoints: ...


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a planned machine can't be realized as it is.

    :param message_id: what tools tell it by.
    :param path: the file that is missing.
    """

    text: str
    message_id: str = ""
    result: int = 0
    path: str = ""


def settled(
    definition: Definition, host: NewcomerHost, identities: Mapping[str, str] = NO_NEW_IDENTITY
) -> list[CimInstance]:
    """The settings of a machine (planned) or of a checkpoint as this host would hold them.

    :param identities: old ids to new ones, of the machine and its checkpoints; with any, adapters get other dynamic
        addresses (assumption: as they would at their next start).
    """
    fitted = [_fitted(item, host.repository.catalogue, host.kinds) for item in definition.settings]
    found = [_renamed(item, host, identities) for item in fitted if item is not None]
    for item in found:
        if item.class_name == VSSD and not is_checkpoint(item):
            item["VirtualSystemType"] = PLANNED
        elif item.class_name == CONNECTION:
            _plug(item, host)
        elif item.class_name in (NIC, LEGACY_NIC):
            if identities and item.get("StaticMacAddress") is not True:
                item["Address"] = host.switches.addresses.next()
            else:
                host.switches.addresses.note(item.text("Address", ""))
    return found


def problems(machine: Machine, host: NewcomerHost) -> Iterator[Problem]:
    """What a machine needs and this host lacks."""
    reader = machine.reader
    version = reader.system.text("Version", "")
    if version not in host.version.supported_versions:
        yield Problem(f"The configuration version '{version}' of the virtual machine is not supported on this host.")
    for drive in reader.drives():
        if drive.path and (problem := _file_problem(drive.path, host)) is not None:
            yield problem
    for nic in reader.nics():
        connection = reader.connection_of(nic)
        if connection is not None and host_resource(connection) and reader.switch_of(connection) is None:
            name = connection.text("LastKnownSwitchName", "")
            yield Problem(f"Could not find Ethernet switch '{name}'.", _NO_SWITCH)
    processors = reader.processor.integer("VirtualQuantity", 1)
    if processors > host.logical_processors:
        yield Problem(f"The virtual machine has {processors} virtual processors; this host can run at most "
                      f"{host.logical_processors}.")  # fmt: skip


def _file_problem(path: str, host: NewcomerHost) -> Problem | None:
    try:
        host.disks.folder.existing(path)
    except DiskError as error:
        text = f"Failed to open attachment '{path}'. Error: '{error.text}' (0x{error.code:08X})."
        return Problem(text, result=error.code, path=path)
    return None


def _fitted(item: CimInstance, catalogue: HostCatalogue, kinds: DeviceKinds) -> CimInstance | None:
    """The instance in the class that this Windows version has for it; None where it has none."""
    kind = kinds.find(sub_type_of(item)) if item.get("ResourceSubType") else None
    class_name = kind.class_name if kind is not None else item.class_name
    try:
        known = {lower for _, lower in catalogue.property_names(item.namespace, class_name)}
    except NotFound:
        return None
    # What begins with an underscore lies beside the properties (key protectors, ``security``) and comes along.
    kept = {name: value for name, value in item.items() if name.lower() in known or name.startswith("_")}
    return CimInstance(class_name, kept)


def with_identities(text: str, identities: Mapping[str, str]) -> str:
    """A text with every old id replaced by its new one."""
    for old, new in identities.items():
        text = re.sub(re.escape(old), new, text, flags=re.IGNORECASE)
    return text


def _renamed(item: CimInstance, host: NewcomerHost, identities: Mapping[str, str]) -> CimInstance:
    here = f"\\\\{host.host_name}\\root\\"

    def text(value: str) -> str:
        return with_identities(_HOST_IN_PATH.sub(lambda _: here, value), identities)

    renamed = CimInstance(item.class_name)
    for name, value in item.items():
        if isinstance(value, list):
            renamed[name] = [text(part) if isinstance(part, str) else part for part in value]
        else:
            renamed[name] = text(value) if isinstance(value, str) else value
    return renamed


def _plug(connection: CimInstance, host: NewcomerHost) -> None:
    path = host_resource(connection)
    if not path or switch_at(host.repository, path) is not None:
        return
    switch = host.switches.find(connection.text("LastKnownSwitchName", ""))
    if switch is not None:
        connection["HostResource"] = [full_path(host.repository, host.host_name, switch)]
