"""Reference points: moments of a machine's disks, from which changes are counted.

The simulator remembers them; the changes themselves are not tracked (GetVirtualDiskChanges refuses).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.repository.records import instance_of, record_of

REFERENCE_POINT = "Msvm_VirtualSystemReferencePoint"
_SECTION = "reference_points"
_CHANGE_TRACKING = 1
_APPLICATION_CONSISTENT = 2  # what a host showed for a machine that was off (HVWMI reference_point)


class ReferencePoints:
    """Those of one host; a machine's go with it. Safe for threads."""

    def __init__(self, repository: Repository, machines: Machines, kept: KeptState) -> None:
        self._repository = repository
        self._machines = machines
        self._kept = kept
        self._lock = threading.Lock()
        self._all = [instance_of(record) for record in kept.section(_SECTION) or ()]
        if repository.catalogue.version.release >= 2016:
            repository.add_source(REFERENCE_POINT, self.of)

    def of(self, owner: str) -> Iterator[CimInstance]:
        """A machine's, or all."""
        with self._lock:
            known = list(self._all)
        for point in known:
            machine_id = point.text("VirtualSystemIdentifier")
            if owner in ("", machine_id.lower(), ids.system_of(point.text("InstanceID")).lower()) and (
                self._machines.find(machine_id) is not None
            ):
                yield point

    def create(self, machine: Machine) -> CimReference:
        """One of all disks that the machine has now."""
        disks: list[CimScalar] = [
            drive.medium.text("InstanceID")
            for drive in machine.reader.drives()
            if drive.medium is not None and not drive.is_dvd
        ]
        marks: list[CimScalar] = [f"rctX:{ids.new_guid().lower().replace('-', ':')}:00000000" for _ in disks]
        point = new_instance(
            self._repository.catalogue,
            REFERENCE_POINT,
            {
                "InstanceID": ids.settings_id(ids.new_guid()),
                "VirtualSystemIdentifier": machine.machine_id,
                "ElementName": machine.reader.name,
                "ReferencePointType": _CHANGE_TRACKING,
                "ConsistencyLevel": _APPLICATION_CONSISTENT,
                "HasAssociatedData": False,
                "VirtualDiskIdentifiers": disks,
                "ResilientChangeTrackingIdentifiers": marks,
            },
        )
        with self._lock:
            self._all.append(point)
            self._keep()
        return self._repository.reference_of(point)

    def destroy(self, point: CimInstance) -> None:
        with self._lock:
            self._all = [item for item in self._all if item.get("InstanceID") != point.get("InstanceID")]
            self._keep()

    def _keep(self) -> None:
        records: list[Any] = [record_of(item) for item in self._all]
        self._kept.keep(_SECTION, records)
