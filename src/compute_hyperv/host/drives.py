"""The drives of a machine that is off: what is in them, other files in their place, and which of them boots first."""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim.errors import InvalidRequest
from compute_hyperv.cim.paths import parse_path
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimScalar
from compute_hyperv.host import machine_definition as definition
from compute_hyperv.host import paths
from compute_hyperv.host.components import Components
from compute_hyperv.host.machine_settings import MachineSettings, changes, same_id
from compute_hyperv.host.model import Bus, DriveKind, DriveLayout
from compute_hyperv.host.services import SYSTEM, setting_path, system_settings_reference


class Drives:
    def __init__(self, session: CimSession) -> None:
        self._session = session
        self._components = Components(session)

    def layout(self, owner_id: str) -> DriveLayout:
        """One request.

        :param owner_id: a machine's id, or a checkpoint's: what was in the drives then.
        :raises NotFound: there is no such machine or checkpoint.
        """
        settings = MachineSettings.read(self._session, owner_id)
        return DriveLayout(settings.generation, settings.drives)

    def exchange(self, machine_id: str, files: Mapping[str, str]) -> None:
        """Put other files into drives, all in one request; drives, their places and their boot order stay.

        :param files: new file by the one that is there now; those that are not there are left out.
        """
        settings = MachineSettings.read(self._session, machine_id)
        changed = [
            CimInstance(
                medium.class_name,
                {"InstanceID": medium.text("InstanceID"), "HostResource": [paths.normalise(new)]},
            )
            for old, new in files.items()
            for medium in settings.media_of(old)
        ]
        if changed:
            self._components.modify(changed, f"Exchanging the disks of machine {machine_id}")

    def boot_from(self, machine_id: str, path: str) -> None:
        """Have the machine try the drive with this file first, and leave the order of the others.

        :raises InvalidRequest: there is no such drive, or a machine of generation 1 cannot boot from it: its BIOS knows
            kinds of devices only, and the first IDE disk.
        """
        settings = MachineSettings.read(self._session, machine_id)
        drive = settings.drive_of(path)
        if drive is None:
            raise InvalidRequest(f"Machine {machine_id} has no drive with {path}.")
        system = self._session.get(system_settings_reference(machine_id))
        if settings.generation == 1:
            wanted = _kinds_with_first(system, settings, path)
        else:
            wanted = _sources_with_first(system, drive.text("InstanceID"))
        change = changes(system, wanted)
        if change is not None:
            self._components.modify_system(change, f"Setting the boot order of machine {machine_id}")


def _sources_with_first(system: CimInstance, drive_id: str) -> CimInstance:
    first = f"{drive_id}\\B"  # a device's boot source: facts real-instances 1.4
    rest: list[CimScalar] = [
        source for source in system.texts("BootSourceOrder") if not same_id(parse_path(source).key("InstanceID"), first)
    ]
    return CimInstance(SYSTEM, {"BootSourceOrder": [setting_path(definition.BOOT_SOURCE, first), *rest]})


def _kinds_with_first(system: CimInstance, settings: MachineSettings, path: str) -> CimInstance:
    drive = next(drive for drive in settings.drives if paths.same(drive.path, path))
    same_kind = [other for other in settings.drives if other.kind is drive.kind and other.bus is Bus.IDE]
    before = [other for other in same_kind if (other.controller, other.slot) < (drive.controller, drive.slot)]
    if drive.bus is not Bus.IDE or before:
        raise InvalidRequest(
            f"A machine of generation 1 cannot boot from {path} at {drive.bus.value} {drive.controller}:{drive.slot}: "
            "its BIOS takes the first IDE drive of a kind."
        )
    first = definition.BOOT_DVD if drive.kind is DriveKind.DVD else definition.BOOT_DISK
    order: list[CimScalar] = [first, *(code for code in system.integers("BootOrder") if code != first)]
    return CimInstance(SYSTEM, {"BootOrder": order})
