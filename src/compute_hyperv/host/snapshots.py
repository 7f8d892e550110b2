"""Checkpoints of a machine: what it had on its disks at one moment, kept while it goes on.

They are recovery checkpoints, the kind that backups are made of: disks only, without memory, shown apart from those
that an administrator takes (SnapshotType 32768 of CreateSnapshot; public clients that back up machines use it so).
Windows Server 2012 R2 takes only standard ones, which hold the memory of a running machine as well.

Whether one was taken or removed is seen by looking, never concluded from an answer that did not come. The files that a
removed checkpoint held apart are merged by the host afterwards, in a job that nobody is told of (facts: hyperv-ops 7).
"""

from __future__ import annotations

import contextlib
import enum
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from compute_hyperv.cim.errors import InvalidRequest, MethodFailed, NotFound, TimedOut, Unreachable
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from compute_hyperv.cim.wql import eq, select
from compute_hyperv.host import jobs, versions
from compute_hyperv.host.jobs import Progress
from compute_hyperv.host.machine_settings import MachineSettings
from compute_hyperv.host.model import Checkpoint, HostInfo
from compute_hyperv.host.services import (
    MANAGEMENT,
    SYSTEM,
    machine_reference,
    service,
)
from compute_hyperv.host.versions import Feature

LOG = logging.getLogger(__name__)

_Checkpoints = list[Checkpoint]  # inside the class, list is a method

_SERVICE = service("Msvm_VirtualSystemSnapshotService")
_SETTINGS = "Msvm_VirtualSystemSnapshotSettingData"
_FULL, _RECOVERY = 2, 32768  # SnapshotType
# VirtualSystemType of checkpoints, hyperv-ops 0; in lower case
_KIND_PREFIX = "microsoft:hyper-v:snapshot:"
_RECOVERY_KIND, _REALIZED_KIND = f"{_KIND_PREFIX}recovery", f"{_KIND_PREFIX}realized"
_ID_PREFIX = "Microsoft:"

# OperationalStatus[1] of a machine that is busy with a checkpoint or with merging what one has held (hyperv-ops 6):
# creating, applying, deleting, merging.
_BUSY = frozenset({32768, 32769, 32770, 32772})

# A guest gets a minute or so to bring its files into order.
_TAKE_TIMEOUT_S = 600.0
# Merging takes as long as the bytes that were written meanwhile.
_MERGE_TIMEOUT_S = 4 * 3600.0
_MERGE_BEGINS_WITHIN_S = 60.0
_FIRST_LOOK_S, _LOOK_GROWTH, _LONGEST_PAUSE_S = 0.05, 2.0, 2.0


class Consistency(enum.Enum):
    """Msvm_VirtualSystemSnapshotSettingData.ConsistencyLevel."""

    APPLICATION = 1  # a production checkpoint: the guest brings its files into order first
    CRASH = 2  # as if the plug was pulled


class Snapshots:
    """:param host_info: reads what the host is; it should remember."""

    def __init__(self, session: CimSession, host_info: Callable[[], HostInfo]) -> None:
        self._session = session
        self._host_info = host_info

    def list(self, machine_id: str) -> _Checkpoints:
        """The machine's checkpoints of any kind, whoever took them."""
        return self._list(machine_id, (_KIND_PREFIX,))

    def since(self, machine_id: str, known: Collection[str]) -> _Checkpoints:
        """Checkpoints of the kind that ``create`` takes, but for those whose ids are known."""
        kinds = (_RECOVERY_KIND,) if self._has_recovery_kind() else (_REALIZED_KIND,)
        return [found for found in self._list(machine_id, kinds) if found.checkpoint_id not in known]

    def create(
        self,
        machine_id: str,
        name: str,
        consistency: Sequence[Consistency],
        *,
        known: Collection[str],
        progress: Progress | None = None,
    ) -> Checkpoint:
        """Take a checkpoint.

        :param consistency: what to try, in this order. Windows Server 2012 R2 has no choice.
        :param known: ids of the checkpoints that were there before.
        :param progress: called while the host is at it; what it raises ends that.
        :raises MethodFailed: none of these can be had; nothing is left.
        """
        if not self._has_recovery_kind():
            self._take(machine_id, {"SnapshotSettings": "", "SnapshotType": _FULL}, known, progress)
        else:
            self._take_first_possible(machine_id, consistency, known, progress)
        taken = self._new(machine_id, known)
        if taken is None:
            raise MethodFailed(f"Taking a checkpoint of machine {machine_id} failed: the host does not list it.")
        with contextlib.suppress(MethodFailed, InvalidRequest):  # a courtesy to whoever looks at the host
            self._rename(taken, name)
        return Checkpoint(taken.checkpoint_id, name)

    def disks(self, checkpoint_id: str) -> tuple[str, ...]:
        """The files that hold what the checkpoint keeps, one for each disk. :raises NotFound: it is gone."""
        return MachineSettings.read(self._session, checkpoint_id).files

    def remove(self, machine_id: str, checkpoint_id: str) -> None:
        """Remove a checkpoint and wait until the machine's disks are whole again; one that is gone is fine."""
        children = self._children(machine_id, checkpoint_id)
        try:
            self._destroy(machine_id, checkpoint_id)
        except (Unreachable, TimedOut, MethodFailed) as exc:
            # It may be gone all the same, or the machine was busy with something else.
            LOG.info("Removing checkpoint %s is looked after: %s", checkpoint_id, exc)
            self.settle(machine_id)
            if self._is_there(machine_id, checkpoint_id):
                self._destroy(machine_id, checkpoint_id)
        self._wait_for_merge(machine_id, children)

    def settle(self, machine_id: str) -> None:
        """Wait until the host is not at work at the machine's checkpoints or disks. One that is gone is settled."""
        self._wait(machine_id, lambda: not self._busy(machine_id))

    # --- how

    def _list(self, machine_id: str, kinds: tuple[str, ...]) -> _Checkpoints:
        wanted = ["InstanceID", "ElementName", "VirtualSystemType", "VirtualSystemIdentifier"]
        rows = self._session.query(select(SYSTEM, wanted).where(eq("VirtualSystemIdentifier", machine_id)))
        return [
            Checkpoint(row.text("InstanceID").removeprefix(_ID_PREFIX), row.text("ElementName", ""))
            for row in rows
            if row.text("VirtualSystemType", "").lower().startswith(kinds)
        ]

    def _has_recovery_kind(self) -> bool:
        return versions.has(self._host_info().version, Feature.PRODUCTION_CHECKPOINTS)

    def _take_first_possible(
        self, machine_id: str, consistency: Sequence[Consistency], known: Collection[str], progress: Progress | None
    ) -> None:
        for position, level in enumerate(consistency, 1):
            # GuestBackupType stays out: what the guest does with its logs is its own affair.
            settings = CimInstance(_SETTINGS, {"ConsistencyLevel": level.value})
            try:
                self._take(machine_id, {"SnapshotSettings": settings, "SnapshotType": _RECOVERY}, known, progress)
            except MethodFailed as exc:
                if position == len(consistency) or self._new(machine_id, known) is not None:
                    raise
                LOG.info("Machine %s: %s Trying a checkpoint without the guest.", machine_id, exc)
            else:
                return

    def _take(
        self, machine_id: str, how: Mapping[str, CimValue], known: Collection[str], progress: Progress | None
    ) -> None:
        try:
            jobs.run(
                self._session,
                _SERVICE,
                "CreateSnapshot",
                {"AffectedSystem": machine_reference(machine_id), **how},
                what=f"Taking a checkpoint of machine {machine_id}",
                timeout_s=_TAKE_TIMEOUT_S,
                progress=progress,
                finished=lambda: self._new(machine_id, known) is not None,
            )
        except (Unreachable, TimedOut):
            # The host goes on with what it has begun.
            self.settle(machine_id)
            if self._new(machine_id, known) is None:
                raise

    def _new(self, machine_id: str, known: Collection[str]) -> Checkpoint | None:
        return next(iter(self.since(machine_id, known)), None)

    def _rename(self, checkpoint: Checkpoint, name: str) -> None:
        settings = CimInstance(SYSTEM, {"InstanceID": f"{_ID_PREFIX}{checkpoint.checkpoint_id}", "ElementName": name})
        jobs.run(
            self._session,
            MANAGEMENT,
            "ModifySystemSettings",
            {"SystemSettings": settings},
            what=f"Naming checkpoint {checkpoint.checkpoint_id}",
        )

    def _is_there(self, machine_id: str, checkpoint_id: str) -> bool:
        return any(found.checkpoint_id == checkpoint_id for found in self.list(machine_id))

    def _destroy(self, machine_id: str, checkpoint_id: str) -> None:
        with contextlib.suppress(NotFound):
            jobs.run(
                self._session,
                _SERVICE,
                "DestroySnapshot",
                {"AffectedSnapshot": CimReference(SYSTEM, {"InstanceID": f"{_ID_PREFIX}{checkpoint_id}"})},
                what=f"Removing checkpoint {checkpoint_id}",
                finished=lambda: not self._is_there(machine_id, checkpoint_id),
            )

    def _children(self, machine_id: str, checkpoint_id: str) -> frozenset[str]:
        """The files in which the machine has gone on since the checkpoint: they go away when it is merged."""
        try:
            kept = {path.lower() for path in self.disks(checkpoint_id)}
            return frozenset(path.lower() for path in self.disks(machine_id)) - kept
        except NotFound:
            return frozenset()

    def _uses(self, machine_id: str, files: Collection[str]) -> bool:
        try:
            return bool(files) and any(path.lower() in files for path in self.disks(machine_id))
        except NotFound:
            return False

    def _wait_for_merge(self, machine_id: str, children: Collection[str]) -> None:
        """Wait until the machine uses none of these files any more.

        :raises MethodFailed: the host does nothing about it.
        """
        idle_since = time.monotonic()

        def merged() -> bool:
            nonlocal idle_since
            if self._busy(machine_id):
                idle_since = time.monotonic()
                return False
            if not self._uses(machine_id, children):
                return True
            if time.monotonic() - idle_since > _MERGE_BEGINS_WITHIN_S:
                raise MethodFailed(
                    f"The host does not merge the disks of machine {machine_id}.",
                    remedy="See that their volume has space. Turning the machine off makes Hyper-V try again.",
                )
            return False

        self._wait(machine_id, merged)

    def _busy(self, machine_id: str) -> bool:
        try:
            status = self._session.get(machine_reference(machine_id)).integers("OperationalStatus")
        except NotFound:
            return False
        return bool(_BUSY & set(status[1:]))

    def _wait(self, machine_id: str, settled: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _MERGE_TIMEOUT_S
        pause_s = _FIRST_LOOK_S
        while not settled():
            if time.monotonic() > deadline:
                raise TimedOut(
                    f"The disks of machine {machine_id} were not merged within {_MERGE_TIMEOUT_S / 3600:.0f} h.",
                    remedy="Look for a merge that was suspended, or a full volume, on the host.",
                )
            time.sleep(pause_s)
            pause_s = min(pause_s * _LOOK_GROWTH, _LONGEST_PAUSE_S)
