"""What becomes of the machines when Windows goes down, and which of them come back with it.

AutomaticShutdownAction: 2 turn off, 3 save, 4 shut down the guest. AutomaticStartupAction 3 starts a machine that ran
when Windows went down (4, always, is the business of ``persistence``). How long guests get: an assumption; Hyper-V's
own limit is two minutes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.outcomes import Refused

_LOG = logging.getLogger(__name__)
_SYSTEM_USER = "NT AUTHORITY\\SYSTEM"
_SAVE, _SHUT_DOWN_GUEST = 3, 4
_START_IF_IT_RAN = 3
_REQUEST_START, _REQUEST_SAVE = 2, 6
_PATIENCE_S = 20.0
_LOOK_S = 0.01


def stop_machines(machines: Machines) -> list[str]:
    """Ends every machine as its settings say, but for those that are turned off; gives the ids of those that ran."""
    running = [machine for machine in machines.all() if machine.is_on]
    for machine in running:
        action = machine.reader.system.get("AutomaticShutdownAction")
        try:
            if action == _SAVE:
                machine.request_state(_REQUEST_SAVE, _SYSTEM_USER)
            elif action == _SHUT_DOWN_GUEST:
                machine.shut_down()
        except Refused as refusal:
            _LOG.warning("%s is turned off: %s", machine.machine_id, refusal)
    deadline = time.monotonic() + _PATIENCE_S
    waiting = [
        item for item in running if item.reader.system.get("AutomaticShutdownAction") in (_SAVE, _SHUT_DOWN_GUEST)
    ]
    while any(_is_up(machine) for machine in waiting) and time.monotonic() < deadline:
        threading.Event().wait(_LOOK_S)
    return [machine.machine_id for machine in running]


def resume_machines(machines: Machines, machine_ids: Iterable[str]) -> None:
    """Starts those that ran and shall run again."""
    for machine_id in machine_ids:
        machine = machines.find(machine_id)
        if machine is None or machine.is_on:
            continue
        if machine.reader.system.get("AutomaticStartupAction") == _START_IF_IT_RAN:
            try:
                machine.request_state(_REQUEST_START, _SYSTEM_USER)
            except Refused as refusal:
                _LOG.warning("%s does not start by itself: %s", machine_id, refusal)


def _is_up(machine: Machine) -> bool:
    return machine.is_changing or machine.state in (State.RUNNING, State.PAUSED)
