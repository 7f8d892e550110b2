"""What a client asks of the migration service: one value from a call's five parameters.

Numbers: value maps of Msvm_VirtualSystemMigrationSettingData.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.jobs import JobKind
from hyperv_simulator.machines.embedded import read_embedded
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused
from hyperv_simulator.providers.base import Call

SETTINGS = "Msvm_VirtualSystemMigrationSettingData"
_UNMANAGED = "Msvm_MoveUnmanagedVhd"
_RESOURCES = "CIM_ResourceAllocationSettingData"
#: The second OperationalStatus of a machine that moves (hyperv-ops 6).
MIGRATING = 32774
_TRANSPORTS = (0, 5, 32768)  # unknown (the host chooses), TCP, SMB


class MigrationType(IntEnum):
    MACHINE = 32768
    STORAGE = 32769
    STAGED = 32770
    MACHINE_AND_STORAGE = 32771
    STORAGE_DEEP_CHECK = 32772


# Name and description of a move with its storage: real-instances 3.5; the others follow the value map of JobType.
MOVING: dict[MigrationType, JobKind] = {
    kind: JobKind(text, text, number, "Msvm_MigrationJob")
    for kind, text, number in (
        (MigrationType.MACHINE, "Moving Virtual Machine", 305),
        (MigrationType.STORAGE, "Moving Storage", 307),
        (MigrationType.STAGED, "Creating Remote Virtual Machine", 300),
        (MigrationType.MACHINE_AND_STORAGE, "Moving Virtual Machine and Storage", 306),
        (MigrationType.STORAGE_DEEP_CHECK, "Checking Storage Migration", 304),
    )
}
CHECKING: dict[MigrationType, JobKind] = {
    kind: JobKind(text, text, number, "Msvm_MigrationJob")
    for kind, text, number in (
        (MigrationType.MACHINE, "Checking Virtual Machine Compatibility", 301),
        (MigrationType.STORAGE, "Checking Storage Compatibility", 303),
        (MigrationType.STAGED, "Checking Virtual Machine Compatibility", 301),
        (MigrationType.MACHINE_AND_STORAGE, "Checking Virtual Machine and Storage Compatibility", 302),
        (MigrationType.STORAGE_DEEP_CHECK, "Checking Storage Migration", 304),
    )
}


@dataclass(frozen=True, slots=True)
class MigrationRequest:
    """One migration.

    :param destination: name or address; empty for the host itself.
    :param system: the machine's own settings that shall be other there.
    :param resources: its resources that shall be: with another file, on another switch.
    :param planned_id: a planned machine at the destination that shall receive this one.
    :param addresses: where the destination listens; empty: anywhere.
    :param unmanaged: more files that shall go along, parents of differencing disks: source path to target path.
    :param removes_unmanaged: they do not stay at the source.
    :param keeps_source_disks: the source's disks stay as copies.
    :param avoids_removing: neither these go, nor what a failed migration has copied.
    :param overwrites: files that are in the way are replaced.
    :param has_credentials: the source can go on to the destination as whoever asks (CredSSP).
    """

    kind: MigrationType
    destination: str = ""
    system: CimInstance | None = None
    resources: tuple[CimInstance, ...] = ()
    planned_id: str = ""
    addresses: tuple[str, ...] = ()
    unmanaged: Mapping[str, str] = field(default_factory=dict)
    removes_unmanaged: bool = False
    keeps_source_disks: bool = False
    avoids_removing: bool = False
    overwrites: bool = False
    has_credentials: bool = False

    @property
    def moves_storage(self) -> bool:
        return self.kind in (MigrationType.STORAGE, MigrationType.MACHINE_AND_STORAGE)

    @property
    def is_local(self) -> bool:
        """Storage on one host; everything else goes to another one."""
        return self.kind in (MigrationType.STORAGE, MigrationType.STORAGE_DEEP_CHECK)


def read(call: Call) -> MigrationRequest:
    """:raises Refused: 32773.
    :raises OperationFailed: an embedded instance is malformed, see ``machines.embedded``.
    """
    given = call.embedded("MigrationSettingData", SETTINGS)
    try:
        kind = MigrationType(given.integer("MigrationType", 0))
    except ValueError:
        raise Refused(INVALID_PARAMETER, f"MigrationType {given.get('MigrationType')!r}") from None
    if given.integer("TransportType", 0) not in _TRANSPORTS:
        raise Refused(INVALID_PARAMETER, f"TransportType {given.get('TransportType')!r}")
    unmanaged = [read_embedded(text, _UNMANAGED, call.catalogue) for text in given.texts("UnmanagedVhds")]
    avoids_removing = given.boolean("AvoidRemovingVHDs", False)
    destination = call.text("DestinationHost", "")
    request = MigrationRequest(
        kind=kind,
        destination=destination,
        system=call.embedded("NewSystemSettingData", VSSD) if call.given("NewSystemSettingData") else None,
        resources=tuple(call.all_embedded("NewResourceSettingData", _RESOURCES)),
        planned_id=given.text("DestinationPlannedVirtualSystemId", ""),
        addresses=tuple(given.texts("DestinationIPAddressList")),
        unmanaged={item.text("VhdSourcePath", ""): item.text("VhdDestinationPath", "") for item in unmanaged},
        removes_unmanaged=given.boolean("RemoveSourceUnmanagedVhds", False),
        keeps_source_disks=avoids_removing or given.boolean("RetainVhdCopiesOnSource", False),
        avoids_removing=avoids_removing,
        overwrites=given.boolean("AllowOverwriteExistingFile", False),
        has_credentials=call.caller.has_credentials,
    )
    if not all(request.unmanaged) or not all(request.unmanaged.values()):
        raise Refused(INVALID_PARAMETER, "UnmanagedVhds without paths")
    if not request.is_local and not destination:
        raise Refused(INVALID_PARAMETER, "no DestinationHost")
    return request
