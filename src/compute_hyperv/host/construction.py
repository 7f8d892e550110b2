"""Putting a new machine together, step by step, in as few requests as the host allows.

Each step trusts what it reads, not what it sent: DefineSystem takes processor, memory, controllers and ports along
with the machine where the host accepts that (its page allows it; no recorded host shows it), and what did not take is
seen in the one query that the controllers' paths need anyway.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from compute_hyperv.cim.errors import MethodFailed
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar
from compute_hyperv.host import jobs
from compute_hyperv.host import machine_definition as definition
from compute_hyperv.host.adapters import Adapters, connections_of, new_adapter
from compute_hyperv.host.components import Components
from compute_hyperv.host.machine_settings import MachineSettings, changes, path_of, same_id
from compute_hyperv.host.model import Bus, Drive, MachineSpec, Nic
from compute_hyperv.host.provisioning import Provisioning
from compute_hyperv.host.security import Security
from compute_hyperv.host.services import MANAGEMENT, setting_path, system_settings_reference
from compute_hyperv.host.switches import switch_path
from compute_hyperv.host.versions import Version

LOG = logging.getLogger(__name__)


class Construction:
    def __init__(self, session: CimSession, components: Components, adapters: Adapters) -> None:
        self._session = session
        self._components = components
        self._adapters = adapters
        self._security = Security(session)
        self._provisioning = Provisioning(session)

    def define(self, spec: MachineSpec, version: Version, *, with_resources: bool) -> str | None:
        """Make the machine; its id, or None where the host does not say.

        :param with_resources: processor, memory, SCSI controllers and serial ports in the same request.
        """
        resources: list[CimScalar] = [
            definition.processor_settings(spec, version),
            definition.memory_settings(spec),
            *definition.scsi_controllers(definition.scsi_controllers_needed(spec.drives)),
            *definition.serial_ports(spec.serial_ports, version),
        ]
        result = jobs.run(
            self._session,
            MANAGEMENT,
            "DefineSystem",
            {
                "SystemSettings": definition.system_settings(spec, version),
                "ResourceSettings": resources if with_resources else [],
            },
            what=f"Defining machine {spec.name}",
        )
        reference = result.reference("ResultingSystem")
        return reference.key("Name").upper() if reference else None

    def equip(
        self,
        machine_id: str,
        spec: MachineSpec,
        version: Version,
        switch_ids: Mapping[str, str],
        pci_devices: Sequence[CimInstance],
    ) -> None:
        """Give a machine that was just defined all that its spec asks for.

        :param switch_ids: id of each switch that the spec names.
        :param pci_devices: settings of the devices that the spec names.
        """
        settings = self._complete(machine_id, spec, version)
        drive_ids, adapter_ids = self._add_devices(machine_id, spec, settings)
        self._fill_devices(machine_id, spec, drive_ids, adapter_ids, switch_ids)
        self._adapters.set_features(machine_id, connections_of(adapter_ids, spec.nics))
        host_devices = [*pci_devices, *(definition.gpu_partition_settings() for _ in range(spec.gpu_partitions))]
        if host_devices:
            self._components.add(machine_id, host_devices, f"Giving devices of the host to machine {spec.name}")
        if spec.tpm:
            self._security.add_tpm(machine_id)
        if spec.generation == 2:
            self._settle_firmware(machine_id, spec, definition.firmware_settings(spec, drive_ids, adapter_ids))
        if spec.shielding:
            # Last: it needs secure boot, and nothing else is changed in a machine that keeps its host out.
            self._provisioning.shield(machine_id, spec.shielding)

    def add_drive(self, machine_id: str, drive: Drive, controller: CimInstance) -> None:
        """Add a drive with its medium to a machine; when the medium cannot be added, the drive is removed again."""
        what = f"Adding a drive for {drive.path}"
        self._components.add(machine_id, [definition.drive_settings(drive, path_of(controller))], what)
        drive_id = drive_id_at(controller, drive.slot)
        try:
            self._components.add(machine_id, [_medium(drive, drive_id)], f"Attaching {drive.path}")
        except BaseException:
            self._components.remove([_drive_reference(drive_id)], f"Removing the drive of {drive.path}")
            raise

    def _complete(self, machine_id: str, spec: MachineSpec, version: Version) -> MachineSettings:
        """Read what the machine got and set what it did not get, and what DefineSystem has no way to set."""
        settings = MachineSettings.read(self._session, machine_id)
        missing = definition.scsi_controllers_needed(spec.drives) - len(settings.controllers(Bus.SCSI))
        if missing > 0:
            what = f"Adding SCSI controllers to machine {spec.name}"
            self._components.add(machine_id, definition.scsi_controllers(missing), what)
            settings = MachineSettings.read(self._session, machine_id)
        wanted = [
            (settings.processor, definition.processor_settings(spec, version)),
            (settings.memory, definition.memory_settings(spec)),
        ]
        for port in spec.serial_ports:
            current = settings.serial_port(port.number)
            wanted.append((current, CimInstance(current.class_name, {"Connection": [port.pipe]})))
        changed = [change for current, target in wanted if (change := changes(current, target)) is not None]
        if changed:
            self._components.modify(changed, f"Setting processor, memory and serial ports of machine {spec.name}")
        return settings

    def _settle_firmware(self, machine_id: str, spec: MachineSpec, wanted: CimInstance) -> None:
        """Modify the firmware's settings only where they are not as they shall be: a host puts each new device at the
        end of the boot order by itself (facts: real-instances 2.1), which often is the right order."""
        change = changes(self._session.get(system_settings_reference(machine_id)), wanted)
        if change is not None:
            self._components.modify_system(change, f"Setting the boot order of machine {spec.name}")

    def _add_devices(
        self, machine_id: str, spec: MachineSpec, settings: MachineSettings
    ) -> tuple[list[str], list[str]]:
        """Add all drives and adapters in one request; their InstanceIDs, in the spec's order."""
        controllers = [settings.controller_for(drive) for drive in spec.drives]
        drives = [
            definition.drive_settings(drive, path_of(controller))
            for drive, controller in zip(spec.drives, controllers, strict=True)
        ]
        devices = {"drive": drives, "nic": [new_adapter(nic) for nic in spec.nics]}
        # In this order the host puts them into its boot order by itself.
        ordered = [devices[kind][position] for kind, position in definition.boot_sequence(spec)]
        if not ordered:
            return [], []
        made = self._components.add(machine_id, ordered, f"Adding drives and adapters to machine {spec.name}")
        drive_ids = [
            drive_id_at(controller, drive.slot) for drive, controller in zip(spec.drives, controllers, strict=True)
        ]
        return drive_ids, self._adapter_ids(machine_id, spec.nics, made)

    def _adapter_ids(self, machine_id: str, nics: Sequence[Nic], made: Sequence[CimReference]) -> list[str]:
        """Which new adapter is which. One speaks for itself; several are told apart by reading them, because a mix-up
        would put machines into each other's networks."""
        adapters = [item.key("InstanceID") for item in made if same_id(item.class_name, definition.ADAPTER)]
        if len(nics) == len(adapters) <= 1:
            return adapters
        settings = MachineSettings.read(self._session, machine_id)
        found = [settings.adapter_of(nic) for nic in nics]
        lacking = [nic.name for nic, adapter in zip(nics, found, strict=True) if adapter is None]
        if lacking:
            raise MethodFailed(f"Adding adapters failed: the host does not list {', '.join(lacking)}.")
        return [adapter.text("InstanceID") for adapter in found if adapter is not None]

    def _fill_devices(
        self,
        machine_id: str,
        spec: MachineSpec,
        drive_ids: Sequence[str],
        adapter_ids: Sequence[str],
        switch_ids: Mapping[str, str],
    ) -> None:
        """Add all media and connections in one request."""
        contents = [_medium(drive, drive_id) for drive, drive_id in zip(spec.drives, drive_ids, strict=True)]
        contents += [
            definition.connection_settings(
                nic, setting_path(definition.ADAPTER, adapter_id), switch_path(switch_ids[nic.switch_name])
            )
            for nic, adapter_id in zip(spec.nics, adapter_ids, strict=True)
            if nic.switch_name is not None
        ]
        if contents:
            self._components.add(machine_id, contents, f"Attaching disks and networks to machine {spec.name}")


def drive_id_at(controller: CimInstance, slot: int) -> str:
    """InstanceID of the drive in a slot: the controller's, the slot, ``D`` (facts: real-instances 1.2)."""
    return f"{controller.text('InstanceID')}\\{slot}\\D"


def _medium(drive: Drive, drive_id: str) -> CimInstance:
    return definition.medium_settings(drive, setting_path(definition.RASD, drive_id))


def _drive_reference(drive_id: str) -> CimReference:
    return CimReference(definition.RASD, {"InstanceID": drive_id})
