"""Which machine on the host is which instance in Nova, and in which state.

A machine is an instance's where its name is the instance's and its first note is the instance's UUID. A machine that
only has the name belongs to somebody else (another cloud, an administrator) and is left alone by everything in this
package.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nova import exception
from nova.compute import power_state
from nova.objects.instance import Instance
from nova.virt.hardware import InstanceInfo

from compute_hyperv.host.model import MachineState, MachineSummary
from compute_hyperv.nova import names
from compute_hyperv.nova.errors import in_novas_words

if TYPE_CHECKING:
    from compute_hyperv.host.host import HyperVHost

# Every state that is not here is on its way to another one, or unknown: NOSTATE, the one that Nova never acts on.
POWER_STATES: Mapping[MachineState, int] = {
    MachineState.RUNNING: power_state.RUNNING,
    MachineState.OFF: power_state.SHUTDOWN,
    MachineState.PAUSED: power_state.PAUSED,
    MachineState.SAVED: power_state.SUSPENDED,
    MachineState.FAST_SAVED: power_state.SUSPENDED,
}

# Nova asks for the state right after each change of it. What the host has confirmed this short a time ago is the
# answer: it saves two requests for each, and a build that has succeeded cannot fail any more.
CONFIRMED_FOR_S = 5.0

# How old the state of all machines may be for get_info(use_cache=True). Nova's periodic task asks for all its instances
# one by one within a few seconds: one query answers all of them.
STATE_AGE_S = 5.0


# What a machine whose storage is lost is reported as all the same; it keeps these states while it waits for its disks.
_TRUE_WITHOUT_STORAGE = frozenset({MachineState.RUNNING, MachineState.PAUSED})


def nova_power_state(state: MachineState, *, healthy: bool = True) -> int:
    """What Nova calls the state.

    Nova stops an active instance that is reported as off or suspended (bug 1660978). A machine that is so only because
    it has lost its storage, or that is on its way to another state, is reported as NOSTATE: of that Nova only warns.
    """
    if not healthy and state not in _TRUE_WITHOUT_STORAGE:
        return int(power_state.NOSTATE)
    return POWER_STATES.get(state, power_state.NOSTATE)


class Instances:
    def __init__(self, host: HyperVHost) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._seen: dict[str, MachineSummary] = {}  # by UUID of the instance
        self._seen_at = float("-inf")
        self._confirmed: dict[str, tuple[float, InstanceInfo]] = {}  # by UUID, with the time

    def find(self, instance: Instance) -> MachineSummary | None:
        """The instance's machine; None where there is none, or only a foreign one of that name."""
        machine = self._host.machines.find(instance.name)
        return machine if machine and names.owner(machine.notes) == instance.uuid else None

    def require(self, instance: Instance) -> MachineSummary:
        """:raises nova.exception.InstanceNotFound: it has no machine."""
        machine = self.find(instance)
        if machine is None:
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        return machine

    def machine_id(self, instance: Instance) -> str:
        return self.require(instance).machine_id

    def ours(self) -> dict[str, MachineSummary]:
        """All machines that Nova made, by the UUID of their instance."""
        found = {}
        for machine in self._host.machines.list(with_notes=True):
            uuid = names.owner(machine.notes)
            if uuid:
                found[uuid] = machine
        return found

    @in_novas_words
    def list_names(self) -> list[str]:
        return [machine.name for machine in self.ours().values()]

    @in_novas_words
    def list_uuids(self) -> list[str]:
        return list(self.ours())

    @in_novas_words
    def exists(self, instance: Instance) -> bool:
        return self.find(instance) is not None

    @in_novas_words
    def info(self, instance: Instance, *, use_cache: bool) -> InstanceInfo:
        """:raises nova.exception.InstanceNotFound: it has no machine."""
        confirmed_at, confirmed = self._confirmed.pop(instance.uuid, (float("-inf"), None))
        if confirmed and time.monotonic() - confirmed_at < CONFIRMED_FOR_S:
            return confirmed
        machine = self._recently_seen(instance) if use_cache else None
        machine = machine or self.require(instance)
        state = nova_power_state(machine.state, healthy=machine.healthy)
        return InstanceInfo(state, internal_id=machine.machine_id)

    def confirm(self, instance: Instance, machine_id: str, state: MachineState) -> None:
        """The host has just said so: the next question for the state is answered with it, if it comes soon."""
        now = time.monotonic()
        with self._lock:
            for uuid, (confirmed_at, _) in list(self._confirmed.items()):
                if now - confirmed_at > CONFIRMED_FOR_S:
                    self._confirmed.pop(uuid, None)
            self._confirmed[instance.uuid] = (now, InstanceInfo(nova_power_state(state), internal_id=machine_id))

    def forget(self, instance_uuid: str) -> None:
        """The host has told of a change: what it confirmed or was seen before counts no more."""
        with self._lock:
            self._confirmed.pop(instance_uuid, None)
            self._seen_at = float("-inf")

    def _recently_seen(self, instance: Instance) -> MachineSummary | None:
        with self._lock:
            if time.monotonic() - self._seen_at > STATE_AGE_S:
                self._seen = self.ours()
                self._seen_at = time.monotonic()
            return self._seen.get(instance.uuid)
