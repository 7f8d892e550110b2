"""Automatic checkpoints: a machine that has them switched on gets one at each start, and loses it when it is off again.

AutomaticSnapshotsEnabled is off on servers unless somebody sets it (real-instances 2.3). A machine with checkpoints of
its user's gets none (Microsoft's description of the feature). That it is taken before the start, and of a machine that
is off, is an assumption.
"""

from __future__ import annotations

import logging

from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.machines.checkpoints.operations import Checkpoints, Wish
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.outcomes import OperationFailed

_LOG = logging.getLogger(__name__)
_DELETING = JobKind("Deleting Snapshot", "Deleting Snapshot", 72)
_SYSTEM_USER = "NT AUTHORITY\\SYSTEM"


class AutomaticCheckpoints:
    """What ``Machines`` tells of a machine's start and end."""

    def __init__(self, checkpoints: Checkpoints, jobs: Jobs) -> None:
        self._checkpoints = checkpoints
        self._jobs = jobs

    def before_start(self, machine: Machine) -> None:
        """In the thread that starts it. A checkpoint that can't be taken keeps no machine from starting."""
        if machine.reader.system.get("AutomaticSnapshotsEnabled") is not True:
            return
        if self._checkpoints.tree.all(machine.machine_id):
            return
        try:
            self._checkpoints.take(machine, Wish(is_automatic=True))
        except OperationFailed as failure:
            _LOG.warning("no automatic checkpoint of %s: %s", machine.machine_id, failure.summary)

    def after_stop(self, machine: Machine) -> None:
        """While the machine's lock is held: what is to be done goes to a job."""
        taken = self._checkpoints.tree.all(machine.machine_id)
        automatic = [item for item in taken if item.get("IsAutomaticSnapshot") is True]
        if not automatic:
            return

        def delete(_: JobControl) -> None:
            self._checkpoints.delete(machine, automatic)
            self._checkpoints.merging.start(machine, _SYSTEM_USER)

        self._jobs.start(_DELETING, delete, user=_SYSTEM_USER, affected=machine.reference)
