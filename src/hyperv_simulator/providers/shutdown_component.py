"""Msvm_ShutdownComponent: asking a guest to shut down or reboot. There only while the guest listens.

Codes: hyperv-ops 6 and R10. Which release has which method: HVWMI graceful_shutdown.
"""

from __future__ import annotations

from collections.abc import Mapping

from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.outcomes import (
    INVALID_STATE,
    METHOD_NOT_SUPPORTED,
    NOT_READY,
    NOT_SUPPORTED,
    SHUTDOWN_IN_PROGRESS,
    Refused,
)
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done


class ShutdownComponentProvider(Provider):
    class_name = "Msvm_ShutdownComponent"

    def __init__(self, machines: Machines, release: int) -> None:
        self._machines = machines
        self._release = release

    def methods(self) -> Mapping[str, Method]:
        methods: dict[str, Method] = {
            "InitiateShutdown": self._shut_down,
            "RequestStateChange": lambda _call: {"ReturnValue": NOT_SUPPORTED},
            "Reset": lambda _call: {"ReturnValue": NOT_SUPPORTED},
        }
        later: dict[str, tuple[int, Method]] = {
            "InitiateReboot": (2016, self._reboot),
            "InitiateHibernate": (2019, self._hibernate),
        }
        return methods | {name: method for name, (since, method) in later.items() if self._release >= since}

    def _shut_down(self, call: Call) -> Outputs:
        machine = self._ready(call)
        if not machine.shut_down():
            raise Refused(SHUTDOWN_IN_PROGRESS)
        return done()

    def _reboot(self, call: Call) -> Outputs:
        self._ready(call).reboot()
        return done()

    def _hibernate(self, call: Call) -> Outputs:
        """Undocumented: a machine that hibernates is off, and goes on from its disk at the next start. It has to be
        allowed (EnableHibernation), and no guest of QEMU does it.
        """
        machine = self._ready(call)
        guest = machine.guest
        if guest is None or not guest.hibernates or not machine.reader.system.boolean("EnableHibernation", False):
            raise Refused(METHOD_NOT_SUPPORTED)
        if not machine.shut_down():
            raise Refused(SHUTDOWN_IN_PROGRESS)
        return done()

    def _ready(self, call: Call) -> Machine:
        machine = self._machines.of(call.reference)
        if machine.state is not State.RUNNING or machine.is_changing:
            raise Refused(INVALID_STATE)
        if not machine.integration_ready:
            raise Refused(NOT_READY)
        return machine
