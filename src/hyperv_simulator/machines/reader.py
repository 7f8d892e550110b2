r"""A machine's settings, read as what they mean: its drives, adapters, ports, and the hardware a guest gets from them.

Rule: nothing is changed here. What a settings id says about a device's place (``<controller>\<slot>\D``) is read in
this file only; ids are written in ``resources``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from compute_hyperv.cim.cimxml import text_to_instance
from compute_hyperv.cim.errors import InvalidRequest
from compute_hyperv.cim.paths import parse_path
from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator import identifiers as ids
from hyperv_simulator.guests.base import GuestDiskSpec, GuestNicSpec, GuestSpec
from hyperv_simulator.machines.device_kinds import CONNECTION, LEGACY_NIC, MEMORY, NIC, PREFIX, PROCESSOR, RASD, SASD
from hyperv_simulator.machines.settings import GENERATION_2, VSSD
from hyperv_simulator.repository.instances import Repository, first
from hyperv_simulator.storage.luns import lun_path

VLAN = "Msvm_EthernetSwitchPortVlanSettingData"
_ACCESS = 1
_TRUNK = 2
_ENABLED = 2


@dataclass(frozen=True, slots=True)
class Drive:
    """One drive and what is in it.

    :param bus: IDE or SCSI.
    :param controller: number of the controller on its bus.
    :param path: the medium's file; empty where there is none.
    """

    settings: CimInstance
    medium: CimInstance | None
    bus: Literal["IDE", "SCSI"]
    controller: int
    slot: int
    is_dvd: bool

    @property
    def path(self) -> str:
        return host_resource(self.medium) if self.medium is not None else ""

    @property
    def guest_path(self) -> str:
        """What a guest opens: the medium, or the disk of the host that is passed through."""
        if self.settings.get("ResourceSubType") != f"{PREFIX}Physical Disk Drive":
            return self.path
        device_id = parse_path(host_resource(self.settings)).key("DeviceID")
        return lun_path(int(device_id.rpartition("\\")[2]))


class MachineReader:
    """Reads one machine's settings out of the repository."""

    def __init__(self, repository: Repository, machine_id: str) -> None:
        self._repository = repository
        self.machine_id = machine_id

    @property
    def system(self) -> CimInstance:
        return self._repository.get(CimReference(VSSD, {"InstanceID": ids.settings_id(self.machine_id)}))

    @property
    def generation(self) -> Literal[1, 2]:
        return 2 if self.system.get("VirtualSystemSubType") == GENERATION_2 else 1

    @property
    def name(self) -> str:
        return self.system.text("ElementName", "")

    def all(self, class_name: str) -> list[CimInstance]:
        return self._repository.owned(class_name, self.machine_id)

    def of_kind(self, sub_type: str) -> list[CimInstance]:
        """The allocation settings of one ResourceSubType (without its prefix)."""
        wanted = (PREFIX + sub_type).lower()
        return [
            item
            for item in self.all("CIM_ResourceAllocationSettingData")
            if str(item.get("ResourceSubType", "")).lower() == wanted
        ]

    @property
    def memory(self) -> CimInstance:
        return self.all(MEMORY)[0]

    @property
    def processor(self) -> CimInstance:
        return self.all(PROCESSOR)[0]

    def controllers(self, bus: Literal["IDE", "SCSI"]) -> list[CimInstance]:
        """In order: that is what numbers SCSI controllers, which have no address of their own (hyperv-ops 3)."""
        return self.of_kind("Emulated IDE Controller" if bus == "IDE" else "Synthetic SCSI Controller")

    def drives(self) -> list[Drive]:
        """Disk and DVD drives with their media, in the order of their controllers and slots."""
        media = {self._drive_id_of(medium): medium for medium in self.all(SASD)}
        scsi = [item.text("InstanceID") for item in self.controllers("SCSI")]
        found: list[Drive] = []
        for settings in self.all(RASD):
            sub_type = str(settings.get("ResourceSubType", "")).removeprefix(PREFIX)
            if sub_type not in ("Synthetic Disk Drive", "Synthetic DVD Drive", "Physical Disk Drive"):
                continue
            drive_id = settings.text("InstanceID")
            controller_id, _, slot = drive_id.removesuffix("\\D").rpartition("\\")
            is_ide = ids.IDE_CONTROLLER in controller_id
            number = int(controller_id.rpartition("\\")[2]) if is_ide else scsi.index(controller_id)
            found.append(
                Drive(
                    settings=settings,
                    medium=media.get(drive_id),
                    bus="IDE" if is_ide else "SCSI",
                    controller=number,
                    slot=int(slot),
                    is_dvd=sub_type == "Synthetic DVD Drive",
                )
            )
        return sorted(found, key=lambda drive: (drive.bus, drive.controller, drive.slot))

    def nics(self) -> list[CimInstance]:
        return [*self.all(NIC), *self.all(LEGACY_NIC)]

    def connection_of(self, nic: CimInstance) -> CimInstance | None:
        wanted = nic.text("InstanceID") + "\\C"
        return first(item for item in self.all(CONNECTION) if item.get("InstanceID") == wanted)

    def features_of(self, connection: CimInstance, class_name: str = "CIM_SettingData") -> list[CimInstance]:
        """The port features under a connection."""
        prefix = connection.text("InstanceID").lower() + "\\"
        return [item for item in self.all(class_name) if item.text("InstanceID").lower().startswith(prefix)]

    def switch_of(self, connection: CimInstance | None) -> CimInstance | None:
        """The switch that a connection is plugged into; None for a cable that hangs."""
        if connection is None or connection.get("EnabledState") != _ENABLED:
            return None
        return switch_at(self._repository, host_resource(connection))

    @property
    def security(self) -> CimInstance | None:
        """Its security settings; None before Windows Server 2016."""
        return first(self.all("Msvm_SecuritySettingData"))

    @property
    def is_shielded(self) -> bool:
        """Its host is kept out: no serial ports, no key-value exchange (Microsoft: "Guarded fabric and shielded VMs
        overview")."""
        return self.security is not None and self.security.get("ShieldingRequested") is True

    def serial_pipes(self) -> tuple[tuple[int, str], ...]:
        """(COM number, pipe) of the ports that are connected; none of a shielded machine."""
        if self.is_shielded:
            return ()
        found = []
        for number, port in enumerate(self.of_kind("Serial Port"), start=1):
            pipes = [pipe for pipe in port.texts("Connection") if pipe]
            if pipes:
                found.append((number, pipes[0]))
        return tuple(found)

    @property
    def has_key_value_exchange(self) -> bool:
        return any(settings.get("EnabledState") == _ENABLED for settings in self._key_value_exchange())

    def host_exchange_items(self) -> dict[str, str]:
        """What the host has for the guest's key-value exchange; nothing where that is turned off."""
        found: dict[str, str] = {}
        for settings in self._key_value_exchange():
            if settings.get("EnabledState") == _ENABLED:
                items = map(text_to_instance, settings.texts("HostExchangeItems"))
                found |= {item.text("Name"): item.text("Data", "") for item in items}
        return found

    def _key_value_exchange(self) -> list[CimInstance]:
        return [] if self.is_shielded else self.all("Msvm_KvpExchangeComponentSettingData")

    def files(self) -> tuple[list[str], list[str]]:
        """The files that the machine writes (disks) and only reads (DVD images)."""
        drives = [drive for drive in self.drives() if drive.path]
        return [drive.path for drive in drives if not drive.is_dvd], [drive.path for drive in drives if drive.is_dvd]

    # What a guest gets

    def guest_spec(self, host_name: str) -> GuestSpec:
        """The hardware at this moment."""
        system = self.system
        drives, nics = self._guest_drives(), self.nics()
        return GuestSpec(
            machine_id=self.machine_id,
            name=self.name,
            generation=self.generation,
            processors=self.processor.integer("VirtualQuantity", 1),
            memory_mb=self.memory.integer("VirtualQuantity", 512),
            disks=self.guest_disks(),
            nics=self.guest_nics(host_name),
            serial=self.serial_pipes(),
            boot_order=tuple(self._boot_order(system, drives, nics)),
            secure_boot=system.boolean("SecureBootEnabled", False),
            secure_boot_template=system.text("SecureBootTemplateId", ""),
            tpm=self.security is not None and self.security.get("TpmEnabled") is True,
            numa_nodes=self._numa_nodes(system),
            scsi_controllers=len(self.controllers("SCSI")),
        )

    def _numa_nodes(self, system: CimInstance) -> int:
        """As few as the limits of one node allow; dynamic memory has no virtual NUMA."""
        memory, processor = self.memory, self.processor
        if not system.boolean("VirtualNumaEnabled", False) or memory.boolean("DynamicMemoryEnabled", False):
            return 1
        needed = (
            (processor.integer("VirtualQuantity", 1), processor.integer("MaxProcessorsPerNumaNode", 0)),
            (memory.integer("VirtualQuantity", 512), memory.integer("MaxMemoryBlocksPerNumaNode", 0)),
        )
        return max(-(-total // most) if most else 1 for total, most in needed)

    def guest_disks(self) -> tuple[GuestDiskSpec, ...]:
        return tuple(
            GuestDiskSpec(drive.guest_path, drive.bus, drive.controller, drive.slot, "dvd" if drive.is_dvd else "disk")
            for drive in self._guest_drives()
        )

    def _guest_drives(self) -> list[Drive]:
        """Without disk drives that nothing is in: only a DVD drive can be empty."""
        return [drive for drive in self.drives() if drive.is_dvd or drive.guest_path]

    def guest_nics(self, host_name: str) -> tuple[GuestNicSpec, ...]:
        return tuple(self._guest_nic(nic, host_name) for nic in self.nics())

    def _guest_nic(self, nic: CimInstance, host_name: str) -> GuestNicSpec:
        mac = nic.text("Address", "")
        connection = self.connection_of(nic)
        switch = self.switch_of(connection)
        if connection is None or switch is None:
            return GuestNicSpec(mac, "", connected=False)
        name = switch.text("ElementName", "")
        # An external switch hangs on the wire that bears its name, so that hosts with equal switches meet.
        external = any(
            "Msvm_ExternalEthernetPort" in host_resource(port)
            for port in self._repository.owned(CONNECTION, switch.text("Name"))
        )
        return GuestNicSpec(mac, name, self._vlan(connection), True, name if external else f"{host_name}/{name}")

    def _vlan(self, connection: CimInstance) -> int | None:
        for vlan in self.features_of(connection, VLAN):
            mode = vlan.get("OperationMode")
            name = {_ACCESS: "AccessVlanId", _TRUNK: "NativeVlanId"}.get(mode if isinstance(mode, int) else 0)
            if name is not None:
                return vlan.integer(name, 0) or None
        return None

    def _boot_order(
        self, system: CimInstance, drives: list[Drive], nics: list[CimInstance]
    ) -> Iterator[tuple[Literal["disk", "nic"], int]]:
        if self.generation == 2:
            places: dict[str, tuple[Literal["disk", "nic"], int]] = {}
            for index, drive in enumerate(drives):
                places[drive.settings.text("InstanceID").lower() + "\\b"] = ("disk", index)
            for index, nic in enumerate(nics):
                places[nic.text("InstanceID").lower() + "\\b"] = ("nic", index)
            for path in system.texts("BootSourceOrder"):
                place = places.get(parse_path(path).key("InstanceID").lower())
                if place is not None:
                    yield place
            return
        for entry in system.integers("BootOrder"):  # 0 floppy, 1 CD, 2 IDE, 3 network, 4 SCSI
            if entry == 3:
                yield from (("nic", index) for index in range(len(nics)))
                continue
            for index, drive in enumerate(drives):
                group = 1 if drive.is_dvd else 2 if drive.bus == "IDE" else 4
                if group == entry:
                    yield ("disk", index)

    @staticmethod
    def _drive_id_of(medium: CimInstance) -> str:
        return medium.text("InstanceID").removesuffix("L") + "D"


def host_resource(settings: CimInstance | None) -> str:
    """The first HostResource; empty where there is none."""
    return next((text for text in settings.texts("HostResource") if text), "") if settings is not None else ""


def switch_at(repository: Repository, path: str) -> CimInstance | None:
    """The virtual switch at a WMI path."""
    try:
        reference = parse_path(path)
    except InvalidRequest:
        return None
    if reference.class_name.lower() != "msvm_virtualethernetswitch":
        return None
    return repository.find(reference)
