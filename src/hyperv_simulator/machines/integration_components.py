"""The integration services of machines that are on, as the host sees them: made whenever somebody looks.

Status by what the guest does (hyperv-ops 10, real-instances 3.10 and the value map of OperationalStatus): 2 OK, 12 no
contact before the guest's end answers, 13 lost communication when its system has crashed, 15 paused (heartbeat only).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from compute_hyperv.cim.cimxml import instance_to_text
from compute_hyperv.cim.values import CimInstance, CimScalar, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.guests.exchange import Report
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.machines.virtual_device import virtual_device
from hyperv_simulator.repository.catalogue import HostCatalogue
from hyperv_simulator.repository.defaults import new_instance

COMPONENTS: Mapping[str, str] = {
    "Msvm_HeartbeatComponent": ids.HEARTBEAT,
    "Msvm_KvpExchangeComponent": ids.KVP_EXCHANGE,
    "Msvm_ShutdownComponent": ids.SHUTDOWN,
    "Msvm_TimeSyncComponent": ids.TIME_SYNC,
    "Msvm_VssComponent": ids.VSS,
    "Msvm_RdvComponent": ids.RDV,
    "Msvm_GuestServiceInterfaceComponent": ids.GUEST_SERVICE_INTERFACE,
}
_GUEST, _INTRINSIC = 1, 2


@dataclass(frozen=True, slots=True)
class Status:
    """One value of OperationalStatus with its text."""

    code: int
    text: str


OK, NO_CONTACT = Status(2, "OK"), Status(12, "No Contact")
_LOST, _PAUSED = Status(13, "Lost Communication"), Status(15, "Paused")


def heartbeat(machine: Machine) -> Status | None:
    """How the guest is; None while the machine is off."""
    if machine.guest is None:
        return None
    if machine.state is State.PAUSED:
        return _PAUSED
    return _contact(machine)


def _contact(machine: Machine) -> Status:
    guest = machine.guest
    if guest is not None and guest.has_crashed:
        return _LOST
    return OK if machine.integration_ready else NO_CONTACT


class IntegrationComponents:
    """Makes the instances of `COMPONENTS`."""

    def __init__(self, catalogue: HostCatalogue) -> None:
        self._catalogue = catalogue

    def of(self, machine: Machine, class_name: str) -> Iterator[CimInstance]:
        """None or one: what is turned off in the machine's settings is not there."""
        guid = COMPONENTS[class_name]
        settings = next(
            (
                item
                for item in machine.reader.all(class_name + "SettingData")
                if ids.tail_of(item.text("InstanceID")) == guid
            ),
            None,
        )
        if settings is None or settings.get("EnabledState") != 2:
            return
        # The shutdown service is there only while the guest's end is connected (hyperv-ops 6).
        if class_name == "Msvm_ShutdownComponent" and not machine.integration_ready:
            return
        values: dict[str, CimValue] = {"ElementName": settings.get("ElementName")}
        status = self._status(machine, class_name)
        if class_name == "Msvm_KvpExchangeComponent":
            answers = status is OK and machine.guest is not None and machine.reader.has_key_value_exchange
            report = machine.guest.exchange.report() if answers and machine.guest is not None else None
            status = NO_CONTACT if report is None and status is OK else status
            values |= self._items(report or Report({}, {}))
        values |= {"OperationalStatus": [status.code], "StatusDescriptions": [status.text]}
        yield virtual_device(self._catalogue, machine, class_name, guid, values)

    @staticmethod
    def _status(machine: Machine, class_name: str) -> Status:
        if class_name == "Msvm_RdvComponent":
            return OK  # the class knows no other
        if class_name == "Msvm_HeartbeatComponent":
            return heartbeat(machine) or NO_CONTACT
        return _contact(machine)

    def _items(self, report: Report) -> dict[str, CimValue]:
        return {
            "GuestExchangeItems": self._texts(report.items, _GUEST),
            "GuestIntrinsicExchangeItems": self._texts(report.intrinsic, _INTRINSIC),
        }

    def _texts(self, items: Mapping[str, str], source: int) -> list[CimScalar]:
        return [
            instance_to_text(
                new_instance(
                    self._catalogue, "Msvm_KvpExchangeDataItem", {"Data": data, "Name": name, "Source": source}
                )
            )
            for name, data in items.items()
        ]

    def all(self, machine: Machine) -> Iterable[CimInstance]:
        for class_name in COMPONENTS:
            yield from self.of(machine, class_name)
