"""The settings of one machine's components, read in one query, and what is found among them.

One query serves because every component hangs on the machine's system settings by the same association; libvirt reads
them this way over WS-Man, and its cost does not grow with the number of machines on the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from compute_hyperv.cim.errors import InvalidRequest, NotFound
from compute_hyperv.cim.paths import parse_path
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from compute_hyperv.cim.wql import Condition, associators_of, escape_like, like
from compute_hyperv.host import machine_definition as definition
from compute_hyperv.host import paths
from compute_hyperv.host.model import Bus, Drive, Nic
from compute_hyperv.host.services import setting_path, system_settings_id, system_settings_reference

_ALL = "CIM_ResourceAllocationSettingData"
_COMPONENT_OF = "Msvm_VirtualSystemSettingDataComponent"
_LEGACY_ADAPTER = "Msvm_EmulatedEthernetPortSettingData"
_DISABLED = 3
_IS_PATH = re.compile(r":Msvm_\w+\.", re.IGNORECASE)

_CONTROLLER_SUBTYPES = {Bus.IDE: definition.IDE_CONTROLLER, Bus.SCSI: definition.SCSI_CONTROLLER}


class MachineSettings:
    """A machine's components as they were when they were read."""

    def __init__(self, machine_id: str, components: Iterable[CimInstance]) -> None:
        self.machine_id = machine_id
        self._components = list(components)

    @staticmethod
    def read(session: CimSession, machine_id: str) -> MachineSettings:
        """:raises NotFound: there is no such machine."""
        components = session.query(
            associators_of(system_settings_reference(machine_id), assoc_class=_COMPONENT_OF, result_class=_ALL)
        )
        if not components:
            raise NotFound(f"There is no machine {machine_id} on the host.")
        return MachineSettings(machine_id, components)

    @property
    def processor(self) -> CimInstance:
        return self._only(definition.PROCESSOR)

    @property
    def memory(self) -> CimInstance:
        return self._only(definition.MEMORY)

    def controllers(self, bus: Bus) -> list[CimInstance]:
        """In the order of their numbers: IDE by Address; SCSI has none, the order of enumeration is the number
        (facts: hyperv-ops 3)."""
        found = self._of_subtype(_CONTROLLER_SUBTYPES[bus])
        return sorted(found, key=lambda item: item.text("Address", "")) if bus is Bus.IDE else found

    def controller_for(self, drive: Drive) -> CimInstance:
        """:raises InvalidRequest: the machine has no such controller."""
        controllers = self.controllers(drive.bus)
        if drive.controller >= len(controllers):
            raise InvalidRequest(
                f"The machine has {len(controllers)} {drive.bus.value} controllers: there is no place for {drive.path}."
            )
        return controllers[drive.controller]

    def drive_at(self, controller_id: str, slot: int) -> CimInstance | None:
        """The drive in a slot, by what it says of its parent."""
        for _, subtype in definition.DRIVE_OF.values():
            for drive in self._of_subtype(subtype):
                if drive.text("AddressOnParent", "") == str(slot) and same_id(parent_id(drive), controller_id):
                    return drive
        return None

    def is_empty(self, drive: CimInstance) -> bool:
        """A drive for hard disks with neither a file nor a disk of the host. A DVD drive may be without a medium."""
        drive_id = drive.text("InstanceID")
        return (
            drive.text("ResourceSubType") == definition.DISK_DRIVE
            and not any(drive.texts("HostResource"))
            and not any(same_id(parent_id(medium), drive_id) for medium in self._of_class(definition.STORAGE))
        )

    def media_of(self, path: str) -> list[CimInstance]:
        """The media (SASD) that are this file."""
        return [
            medium
            for medium in self._of_class(definition.STORAGE)
            if any(paths.same(resource, path) for resource in medium.texts("HostResource"))
        ]

    @property
    def generation(self) -> Literal[1, 2]:
        """Only generation 1 has IDE controllers, and always has them (facts: real-instances 2.1)."""
        return 1 if self.controllers(Bus.IDE) else 2

    @property
    def drives(self) -> tuple[Drive, ...]:
        """Drives that hold a file, with where they are."""
        found = []
        for bus in Bus:
            for number, controller in enumerate(self.controllers(bus)):
                for kind, (_, subtype) in definition.DRIVE_OF.items():
                    for drive in self._of_subtype(subtype):
                        if same_id(parent_id(drive), controller.text("InstanceID")):
                            slot = int(drive.text("AddressOnParent"))
                            found += [
                                Drive(path, bus, number, slot, kind, medium.integer("IOPSLimit", 0))
                                for medium in self._media_in(drive)
                                for path in _files_of(medium)
                            ]
        return tuple(found)

    def drive_of(self, path: str) -> CimInstance | None:
        """The drive that holds a file."""
        holders = {parent_id(medium).lower() for medium in self.media_of(path)}
        for _, subtype in definition.DRIVE_OF.values():
            for drive in self._of_subtype(subtype):
                if drive.text("InstanceID").lower() in holders:
                    return drive
        return None

    def _media_in(self, drive: CimInstance) -> list[CimInstance]:
        media = self._of_class(definition.STORAGE)
        return [medium for medium in media if same_id(parent_id(medium), drive.text("InstanceID"))]

    @property
    def files(self) -> tuple[str, ...]:
        """The files in all drives."""
        return tuple(path for medium in self._of_class(definition.STORAGE) for path in _files_of(medium))

    @property
    def adapters(self) -> list[CimInstance]:
        return self._of_class(definition.ADAPTER) + self._of_class(_LEGACY_ADAPTER)

    def adapter(self, name: str) -> CimInstance | None:
        return next((item for item in self.adapters if item.text("ElementName", "").lower() == name.lower()), None)

    def adapter_of(self, nic: Nic) -> CimInstance | None:
        """The adapter by name and MAC address: what tells two adapters made in one request apart."""
        found = self.adapter(nic.name)
        return found if found and found.text("Address", "").upper() == nic.mac_address.upper() else None

    def connection_of(self, adapter_id: str) -> CimInstance | None:
        """The adapter's connection to a switch; None where it has none."""
        for connection in self._of_class(definition.CONNECTION):
            if same_id(parent_id(connection), adapter_id):
                return connection
        return None

    def serial_port(self, number: int) -> CimInstance:
        """COM ``number``: the ids of the two ports end in ``\\0`` and ``\\1`` (facts: real-instances 1.2).

        :raises InvalidRequest: the machine has no such port.
        """
        for port in self._of_subtype(definition.SERIAL_PORT):
            if port.text("InstanceID").endswith(f"\\{number - 1}"):
                return port
        raise InvalidRequest(f"The machine has no serial port COM{number}.")

    def _only(self, class_name: str) -> CimInstance:
        found = self._of_class(class_name)
        if len(found) != 1:
            raise NotFound(f"Machine {self.machine_id} has {len(found)} instances of {class_name}.")
        return found[0]

    def _of_class(self, class_name: str) -> list[CimInstance]:
        return [item for item in self._components if item.class_name.lower() == class_name.lower()]

    def _of_subtype(self, subtype: str) -> list[CimInstance]:
        return [item for item in self._components if item.get("ResourceSubType") == subtype]


def _files_of(medium: CimInstance) -> list[str]:
    return [path for path in medium.texts("HostResource") if path]


def of_machine(machine_id: str) -> Condition:
    """That a settings object belongs to this machine: its id begins with the machine's (facts: real-instances 1.1)."""
    return like("InstanceID", f"{escape_like(system_settings_id(machine_id))}%")


def reference_of(setting: CimInstance) -> CimReference:
    return CimReference(setting.class_name, {"InstanceID": setting.text("InstanceID")})


def path_of(setting: CimInstance) -> str:
    return setting_path(setting.class_name, setting.text("InstanceID"))


def parent_id(setting: CimInstance) -> str:
    """InstanceID of what ``Parent`` points to; empty where it points nowhere."""
    parent = setting.text("Parent", "")
    return parse_path(parent).key("InstanceID") if parent else ""


def switch_of(connection: CimInstance) -> str:
    """Id of the switch that a connection leads to; empty for one that is disabled or leads nowhere."""
    resources = connection.texts("HostResource")
    if not resources or not resources[0] or connection.integer("EnabledState", 2) == _DISABLED:
        return ""
    return parse_path(resources[0]).key("Name").upper()


def same_id(one: str, other: str) -> bool:
    """Ids mix letter cases on one host (facts: real-instances 1.1)."""
    return one.lower() == other.lower()


def changes(current: CimInstance, wanted: CimInstance) -> CimInstance | None:
    """What must be modified so that ``current`` is as ``wanted`` says; None where it is."""
    different = {name: value for name, value in wanted.items() if not _agree(current.get(name), value)}
    if not different:
        return None
    return CimInstance(current.class_name, {"InstanceID": current.text("InstanceID"), **different})


def _agree(one: CimValue, other: CimValue) -> bool:
    """Whether two values mean the same to Hyper-V: texts whatever their case (ids and template GUIDs come in either),
    paths whatever they begin with."""
    if isinstance(one, str) and isinstance(other, str):
        if _IS_PATH.search(one) and _IS_PATH.search(other):
            return parse_path(one) == parse_path(other)
        return one.lower() == other.lower()
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_agree(mine, theirs) for mine, theirs in zip(one, other, strict=True))
    return one == other
