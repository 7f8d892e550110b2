"""Integration services, turned on and off as any other resource is modified (HVWMI integration_services).

``ModifyGuestServiceSettings`` does the same under a name of its own.
"""

from __future__ import annotations

from contextlib import suppress

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.guests.base import GuestError
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.resources.rules import ResourceHost
from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused

SWITCHED = (
    "Msvm_GuestServiceInterfaceComponentSettingData",
    "Msvm_HeartbeatComponentSettingData",
    "Msvm_KvpExchangeComponentSettingData",
    "Msvm_ShutdownComponentSettingData",
    "Msvm_TimeSyncComponentSettingData",
    "Msvm_VssComponentSettingData",
)
_ENABLED, _DISABLED = 2, 3


class IntegrationServiceRules:
    """A machine has each of them from the start."""

    def __init__(self, host: ResourceHost) -> None:
        self._host = host

    def add(self, machine: Machine, given: CimInstance) -> CimInstance:
        raise Refused(INVALID_PARAMETER, "a machine has its integration services already")

    def modify(self, machine: Machine, current: CimInstance, given: CimInstance) -> None:
        state = given.get("EnabledState", current.get("EnabledState"))
        if state not in (_ENABLED, _DISABLED):
            raise Refused(INVALID_PARAMETER, f"EnabledState {state!r}")
        self._host.repository.change(self._host.repository.reference_of(current), {"EnabledState": state})
        tell_guest(machine)

    def remove(self, machine: Machine, current: CimInstance) -> None:
        raise Refused(INVALID_PARAMETER, "a machine keeps its integration services")


def tell_guest(machine: Machine) -> None:
    """A guest that runs learns at once what the host has for it."""
    guest = machine.guest
    if guest is not None:
        with suppress(GuestError):  # it is just ending
            guest.exchange.tell(machine.reader.host_exchange_items())
