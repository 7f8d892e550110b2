r"""Controllers, drives and media.

Slots: IDE 2 controllers of 2, SCSI 4 controllers of 64 (hyperv-ops 3). A drive's id tells where it hangs:
``<controller>\<slot>\D``, its medium's ``\L`` (real-instances 1.2). Generation 2 has no IDE.
"""

from __future__ import annotations

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.device_kinds import PREFIX, SASD
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.reader import host_resource
from hyperv_simulator.machines.resources import boot_sources
from hyperv_simulator.machines.resources.rules import (
    ResourceHost,
    changes_of,
    full_path,
    instance_at,
    own_values,
    parent_in,
)
from hyperv_simulator.outcomes import E_FAIL, INVALID_PARAMETER, INVALID_STATE, OperationFailed, Refused
from hyperv_simulator.storage.errors import NO_SHARING, SHARING_VIOLATION, DiskError

MAX_SCSI_CONTROLLERS = 4
_SLOTS = {"emulated ide controller": 2, "synthetic scsi controller": 64}
_MEDIA = {
    "virtual hard disk": "synthetic disk drive",
    "virtual cd/dvd disk": "synthetic dvd drive",
    "virtual floppy disk": "synthetic diskette drive",
}


def sub_type_of(settings: CimInstance) -> str:
    """ResourceSubType without its prefix, in lower case."""
    return str(settings.get("ResourceSubType", "")).lower().removeprefix(PREFIX.lower())


class ScsiControllerRules:
    def __init__(self, host: ResourceHost) -> None:
        self._host = host

    def add(self, machine: Machine, given: CimInstance) -> CimInstance:
        if len(machine.reader.controllers("SCSI")) >= MAX_SCSI_CONTROLLERS:
            raise Refused(INVALID_PARAMETER, "a machine has four SCSI controllers at most")
        if machine.is_on:
            raise Refused(INVALID_STATE, "a controller can't be added to a machine that is on")
        controller = self._host.factory.device(
            machine.machine_id, "Synthetic SCSI Controller", f"{ids.new_guid()}\\0", own_values(given)
        )
        self._host.repository.add(controller)
        return controller

    def modify(self, machine: Machine, current: CimInstance, given: CimInstance) -> None:
        self._host.repository.change(self._host.repository.reference_of(current), changes_of(given))

    def remove(self, machine: Machine, current: CimInstance) -> None:
        if machine.is_on:
            raise Refused(INVALID_STATE, "a controller can't be removed from a machine that is on")
        prefix = current.text("InstanceID").lower() + "\\"
        if any(drive.settings.text("InstanceID").lower().startswith(prefix) for drive in machine.reader.drives()):
            raise Refused(INVALID_PARAMETER, "drives hang on this controller")
        self._host.repository.remove(self._host.repository.reference_of(current))


class DriveRules:
    """Disk and DVD drives, and passed-through disks."""

    def __init__(self, host: ResourceHost) -> None:
        self._host = host

    def add(self, machine: Machine, given: CimInstance) -> CimInstance:
        repository = self._host.repository
        controller = parent_in(machine, repository, given)
        slots = _SLOTS.get(sub_type_of(controller))
        if slots is None:
            raise Refused(INVALID_PARAMETER, f"{controller.get('ResourceSubType')!r} takes no drives")
        controller_id = controller.text("InstanceID")
        taken = {
            drive.slot
            for drive in machine.reader.drives()
            if drive.settings.text("InstanceID").lower().startswith(controller_id.lower() + "\\")
        }
        slot = self._slot(given, slots, taken)
        if machine.is_on and ids.IDE_CONTROLLER in controller_id:
            raise Refused(INVALID_STATE, "an IDE drive can't be added to a machine that is on")
        kind = sub_type_of(given)
        values: dict[str, CimValue] = own_values(given)
        if kind == "physical disk drive":
            disk = instance_at(repository, host_resource(given))
            if disk is None or disk.class_name != "Msvm_DiskDrive":
                raise Refused(INVALID_PARAMETER, "HostResource is no disk of the host")
            values.pop("ElementName", None)  # ignored on add: a second modify sets it (old-driver 10)
        values |= {
            "Parent": full_path(repository, self._host.host_name, controller),
            "AddressOnParent": str(slot),
        }
        drive = self._host.factory.device(machine.machine_id, kind, f"{ids.tail_of(controller_id)}\\{slot}\\D", values)
        repository.add(drive)
        boot_sources.add(self._host, machine, drive)
        return drive

    def modify(self, machine: Machine, current: CimInstance, given: CimInstance) -> None:
        # A drive does not move by modification (assumption: the console removes and adds it).
        changes = changes_of(given, "parent", "addressonparent")
        self._host.repository.change(self._host.repository.reference_of(current), changes)

    def remove(self, machine: Machine, current: CimInstance) -> None:
        drive = next(
            (item for item in machine.reader.drives() if item.settings.get("InstanceID") == current.get("InstanceID")),
            None,
        )
        if drive is None or drive.medium is not None:
            # The medium first, then the drive: seen on a host (real-instances 3.6).
            raise OperationFailed(
                "Failed to remove device.",
                f"'{machine.reader.name}' failed to remove device '{current.get('ElementName')!r}': Generic failure "
                f"(0x{E_FAIL:08X}).",
                machine_id=machine.machine_id,
            )
        if machine.is_on and drive.bus == "IDE":
            raise Refused(INVALID_STATE, "an IDE drive can't be removed from a machine that is on")
        boot_sources.remove(self._host, machine, current)
        self._host.repository.remove(self._host.repository.reference_of(current))
        machine.refresh_guest("disks")

    @staticmethod
    def _slot(given: CimInstance, slots: int, taken: set[int]) -> int:
        text = given.get("AddressOnParent")
        if text is None or text == "":
            free = next((slot for slot in range(slots) if slot not in taken), None)
            if free is None:
                raise Refused(INVALID_PARAMETER, "every slot of the controller is taken")
            return free
        if not isinstance(text, str) or not text.isascii() or not text.isdigit() or int(text) >= slots:
            raise Refused(INVALID_PARAMETER, f"slot {text!r} of {slots}")
        if int(text) in taken:
            raise Refused(INVALID_PARAMETER, f"slot {text} is taken")
        return int(text)


class MediumRules:
    """Disk images and ISO images in drives."""

    def __init__(self, host: ResourceHost) -> None:
        self._host = host

    def add(self, machine: Machine, given: CimInstance) -> CimInstance:
        repository = self._host.repository
        drive = parent_in(machine, repository, given)
        kind = sub_type_of(given)
        if sub_type_of(drive) != _MEDIA.get(kind):
            raise Refused(INVALID_PARAMETER, f"{kind} does not go into a {sub_type_of(drive)}")
        drive_id = drive.text("InstanceID")
        if any(item.text("InstanceID") == drive_id[:-1] + "L" for item in machine.reader.all(SASD)):
            raise Refused(INVALID_PARAMETER, "the drive has a medium")
        path = self._path(given)
        _check_values(given)
        self._check(machine, path, is_disk=kind == "virtual hard disk")
        self._check_sharing(machine, given, path)
        values: dict[str, CimValue] = {
            **own_values(given),
            "Parent": full_path(repository, self._host.host_name, drive),
            "HostResource": [path],
        }
        medium = self._host.factory.device(machine.machine_id, kind, ids.tail_of(drive_id)[:-1] + "L", values)
        repository.add(medium)
        try:
            machine.refresh_guest("disks")
        except OperationFailed:
            repository.remove(repository.reference_of(medium))
            raise
        return medium

    def modify(self, machine: Machine, current: CimInstance, given: CimInstance) -> None:
        changes = changes_of(given, "parent", "addressonparent")
        wanted = current.copy()
        for name, value in changes.items():
            wanted[name] = value
        _check_values(wanted)
        self._check_sharing(machine, wanted, host_resource(wanted))
        if "hostresource" in {name.lower() for name in changes}:
            path = host_resource(given)
            if not path:
                # Emptying it does not eject (32773, real-instances 3.6); removing the medium does.
                raise Refused(INVALID_PARAMETER, "a medium without a file")
            if path.lower() != host_resource(current).lower():
                if machine.is_on and sub_type_of(current) == "virtual hard disk":
                    raise Refused(INVALID_STATE, "a disk can't be swapped while the machine is on")
                self._check(machine, path, is_disk=sub_type_of(current) == "virtual hard disk")
        self._host.repository.change(self._host.repository.reference_of(current), changes)
        machine.refresh_guest("disks")

    def remove(self, machine: Machine, current: CimInstance) -> None:
        if machine.is_planned and sub_type_of(current) == "virtual hard disk":
            raise Refused(INVALID_STATE, "disks are removed once the machine is realized")  # old-driver 5.9
        if (
            machine.is_on
            and sub_type_of(current) == "virtual hard disk"
            and ids.IDE_CONTROLLER in current.text("InstanceID")
        ):
            raise Refused(INVALID_STATE, "an IDE disk can't be removed from a machine that is on")
        self._host.repository.remove(self._host.repository.reference_of(current))
        machine.refresh_guest("disks")

    @staticmethod
    def _path(given: CimInstance) -> str:
        files = given.get("HostResource")
        if not isinstance(files, list) or len(files) != 1 or not isinstance(files[0], str) or not files[0]:
            raise Refused(INVALID_PARAMETER, "HostResource is not one file")
        return files[0]

    def _check_sharing(self, machine: Machine, medium: CimInstance, path: str) -> None:
        if medium.get("PersistentReservationsSupported") is True and not self._host.disks.folder.can_share(path):
            raise OperationFailed(
                f"'{machine.reader.name}' failed to add device 'Virtual Hard Disk'.",
                NO_SHARING,
                machine_id=machine.machine_id,
            )

    def _check(self, machine: Machine, path: str, *, is_disk: bool) -> None:
        """The file is there, is what it should be, and nobody has it open. Of a planned machine, validation says so."""
        if machine.is_planned:
            return
        disks = self._host.disks
        try:
            if is_disk:
                disks.info(path)
                if disks.in_use(path):
                    raise DiskError(SHARING_VIOLATION, path)
            else:
                disks.folder.existing(path)
        except DiskError as error:
            cause = f"'{error.text}' (0x{error.code:08X})"
            raise OperationFailed(
                "Failed to add device 'Virtual Hard Disk'."
                if is_disk
                else "Failed to add device 'Virtual CD/DVD Disk'.",
                f"'{machine.reader.name}': Attachment '{path}' failed to open because of error: {cause}.",
                machine_id=machine.machine_id,
                result=error.code,
            ) from None


def _check_values(medium: CimInstance) -> None:
    """:raises Refused: 32773: values that the class page does not list, or more reserved than allowed."""
    limit, reserved = medium.integer("IOPSLimit", 0), medium.integer("IOPSReservation", 0)
    if limit and reserved > limit:
        raise Refused(INVALID_PARAMETER, f"IOPSReservation {reserved} above IOPSLimit {limit}")
    for name, allowed in (("CachingMode", (0, 2, 3, 4)), ("WriteHardeningMethod", (0, 1, 2, 3))):
        if medium.integer(name, 0) not in allowed:
            raise Refused(INVALID_PARAMETER, f"{name} {medium.get(name)!r}")
