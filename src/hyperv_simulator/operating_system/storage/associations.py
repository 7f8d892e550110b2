"""How disks, partitions, volumes, sessions and targets hang together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.operating_system.storage.disks import DISK, Disks
from hyperv_simulator.operating_system.storage.iscsi import Initiator
from hyperv_simulator.operating_system.storage.iscsi_provider import CONNECTION, PORTAL, SESSION, TARGET
from hyperv_simulator.operating_system.storage.names import STORAGE
from hyperv_simulator.repository.associations import Association, Walk
from hyperv_simulator.repository.instances import Repository

_PARTITION, _VOLUME, _PORT, _SUBSYSTEM = "MSFT_Partition", "MSFT_Volume", "MSFT_InitiatorPort", "MSFT_StorageSubSystem"
_ISCSI = 2
Test: TypeAlias = Callable[[CimInstance, CimInstance], bool]


class StorageAssociations:
    """See the module. Links that only rename a property of one end are computed from it."""

    def __init__(self, repository: Repository, disks: Disks, initiator: Initiator) -> None:
        self._repository = repository
        self._disks = disks
        self._initiator = initiator

    def rows(self) -> Iterator[Association]:
        yield self._row(
            "MSFT_DiskToPartition", "Disk", DISK, "Partition", _PARTITION, self._same("Number", "DiskNumber")
        )
        yield self._row(
            "MSFT_PartitionToVolume",
            "Partition",
            _PARTITION,
            "Volume",
            _VOLUME,
            lambda left, right: (
                right.get("Path") in (left.get("AccessPaths") or [])  # type: ignore[operator]  # an array of texts
            ),
        )
        for class_name, role, inner in (
            ("MSFT_StorageSubSystemToDisk", "Disk", DISK),
            ("MSFT_StorageSubSystemToVolume", "Volume", _VOLUME),
            ("MSFT_StorageSubSystemToPartition", "Partition", _PARTITION),
            ("MSFT_StorageSubSystemToPhysicalDisk", "PhysicalDisk", "MSFT_PhysicalDisk"),
        ):
            yield self._row(class_name, "StorageSubSystem", _SUBSYSTEM, role, inner, lambda _left, _right: True)
        yield from self._iscsi_rows()

    def _iscsi_rows(self) -> Iterator[Association]:
        names = {PORTAL: "iSCSITargetPortal", TARGET: "iSCSITarget", SESSION: "iSCSISession"}
        names |= {CONNECTION: "iSCSIConnection", _PORT: "InitiatorPort", DISK: "Disk"}
        tests = (
            (TARGET, SESSION, self._same("NodeAddress", "TargetNodeAddress")),
            (TARGET, PORTAL, self._target_at_portal),
            (TARGET, CONNECTION, self._target_of_connection),
            (SESSION, CONNECTION, self._session_of_connection),
            (SESSION, PORTAL, self._session_at_portal),
            (SESSION, DISK, self._session_of_disk),
            (CONNECTION, PORTAL, self._same("TargetAddress", "TargetPortalAddress")),
            (CONNECTION, DISK, self._connection_of_disk),
            (_PORT, SESSION, self._is_iscsi),
            (_PORT, CONNECTION, self._is_iscsi),
            (_PORT, TARGET, self._is_iscsi),
        )
        for left, right, test in tests:
            class_name = f"MSFT_{names[left]}To{names[right]}"
            yield self._row(class_name, names[left], left, names[right], right, test)

    # Inside: from a test of two instances to both walks

    def _row(self, class_name: str, left_role: str, left: str, right_role: str, right: str, test: Test) -> Association:
        def rights(item: CimInstance) -> list[CimInstance]:
            return [other for other in self._repository.instances(right, STORAGE) if test(item, other)]

        def lefts(item: CimInstance) -> list[CimInstance]:
            return [other for other in self._repository.instances(left, STORAGE) if test(other, item)]

        walks: tuple[Walk, Walk] = (rights, lefts)
        return Association(class_name, left_role, left, right_role, right, *walks, namespace=STORAGE)

    @staticmethod
    def _same(left_name: str, right_name: str) -> Test:
        return lambda left, right: left.get(left_name) == right.get(right_name)

    def _target_at_portal(self, target: CimInstance, portal: CimInstance) -> bool:
        endpoint = (portal.get("TargetPortalAddress"), portal.get("TargetPortalPortNumber"))
        wanted = target.get("NodeAddress")
        return any(item.iqn == wanted and endpoint in item.endpoints for item in self._initiator.targets)

    def _session_of_connection(self, session: CimInstance, connection: CimInstance) -> bool:
        one, other = session.text("SessionIdentifier"), connection.text("ConnectionIdentifier")
        return int(one[-3:], 16) - 1 == int(other[-3:], 16)

    def _target_of_connection(self, target: CimInstance, connection: CimInstance) -> bool:
        sessions = self._repository.instances(SESSION, STORAGE)
        own = (item for item in sessions if item.get("TargetNodeAddress") == target.get("NodeAddress"))
        return any(self._session_of_connection(session, connection) for session in own)

    def _session_at_portal(self, session: CimInstance, portal: CimInstance) -> bool:
        endpoint = (portal.get("TargetPortalAddress"), portal.get("TargetPortalPortNumber"))
        wanted = session.get("SessionIdentifier")
        return any(item.identifier == wanted and item.portal == endpoint for item in self._initiator.sessions)

    def _session_of_disk(self, session: CimInstance, disk: CimInstance) -> bool:
        """Each session has its own path; once MPIO has put them together, every session leads to the one disk."""
        iqn = session.text("TargetNodeAddress")
        own = [item.identifier for item in self._initiator.sessions if item.iqn == iqn]
        for seen in self._disks.seen:
            if seen.number == disk.get("Number") and seen.config.target == iqn:
                return seen.paths > 1 or own.index(session.text("SessionIdentifier")) + 1 == seen.session
        return False

    def _connection_of_disk(self, connection: CimInstance, disk: CimInstance) -> bool:
        sessions = self._repository.instances(SESSION, STORAGE)
        own = (item for item in sessions if self._session_of_connection(item, connection))
        return any(self._session_of_disk(session, disk) for session in own)

    @staticmethod
    def _is_iscsi(port: CimInstance, _other: CimInstance) -> bool:
        return port.get("ConnectionType") == _ISCSI
