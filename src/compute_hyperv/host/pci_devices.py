"""PCI devices of the host that machines can get for themselves (discrete device assignment).

A device is offered once its operator has disabled and dismounted it (``Dismount-VMHostAssignableDevice``). Hyper-V
knows it by paths; its place on the bus, which Nova knows devices by, is asked of Plug and Play by the numbers that do
not depend on Windows' language. What is where does not change while the host runs, so it is asked once.
"""

from __future__ import annotations

import re
import threading

from compute_hyperv.cim.errors import InvalidRequest, ProtocolError
from compute_hyperv.cim.paths import format_path
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference
from compute_hyperv.cim.wql import like, select
from compute_hyperv.host import machine_definition as definition
from compute_hyperv.host.model import PciDevice
from compute_hyperv.host.services import CIMV2

_DEVICE = "Msvm_PciExpress"
_KEYS = ("SystemCreationClassName", "SystemName", "CreationClassName", "DeviceID")
_IDS = re.compile(r"VEN_(?P<vendor>[0-9A-F]{4})&DEV_(?P<device>[0-9A-F]{4})", re.IGNORECASE)
_BUS, _PLACE = "DEVPKEY_Device_BusNumber", "DEVPKEY_Device_Address"


class PciDevices:
    def __init__(self, session: CimSession) -> None:
        self._session = session
        self._addresses: dict[str, str] = {}
        self._lock = threading.Lock()

    def list(self) -> list[PciDevice]:
        """All dismounted devices, taken by machines or not; one request, and one more for each that is new."""
        return [device for device, _ in self._read()]

    def settings_for(self, addresses: tuple[str, ...]) -> tuple[CimInstance, ...]:
        """What gives a machine the devices with these addresses.

        :raises InvalidRequest: there is none with such an address that is dismounted.
        """
        if not addresses:
            return ()
        by_address = {device.address: path for device, path in self._read()}
        if missing := [address for address in addresses if address not in by_address]:
            raise InvalidRequest(
                f"The host has no dismounted PCI device at {', '.join(missing)}.",
                remedy="Disable and dismount it there (Dismount-VMHostAssignableDevice), or take another host.",
            )
        template = self._template()
        return tuple(definition.pci_device_settings(template, by_address[address]) for address in addresses)

    def _read(self) -> tuple[tuple[PciDevice, str], ...]:
        rows = self._session.query(select(_DEVICE))
        # A device that a machine has shows twice, the second time as the machine's (facts: hyperv-ops 13).
        own = {}
        for row in rows:
            path = row.text("DeviceInstancePath")
            if path not in own or not _is_machine(row):
                own[path] = row
        return tuple((self._device(path, row), _wmi_path(row)) for path, row in own.items())

    def _device(self, instance_path: str, row: CimInstance) -> PciDevice:
        found = _IDS.search(instance_path)
        if found is None:
            raise ProtocolError(f"The PCI device {instance_path} does not say its vendor.")
        return PciDevice(
            address=self._address(instance_path),
            vendor_id=found["vendor"].lower(),
            product_id=found["device"].lower(),
            name=row.text("ElementName", ""),
            location_path=row.text("LocationPath", ""),
        )

    def _address(self, instance_path: str) -> str:
        with self._lock:
            known = self._addresses.get(instance_path)
        if known is None:
            known = self._read_address(instance_path)
            with self._lock:
                self._addresses[instance_path] = known
        return known

    def _read_address(self, instance_path: str) -> str:
        result = self._session.invoke(
            CimReference("Win32_PnPEntity", {"DeviceID": instance_path}, CIMV2),
            "GetDeviceProperties",
            {"devicePropertyKeys": [_BUS, _PLACE]},
        )
        properties = result["deviceProperties"]
        found: dict[str, int] = {}
        for item in properties if isinstance(properties, list) else []:
            data = item.get("Data") if isinstance(item, CimInstance) else None
            if isinstance(item, CimInstance) and isinstance(data, int):
                found[item.text("KeyName", "")] = data
        if not found.keys() >= {_BUS, _PLACE}:
            raise ProtocolError(f"The host does not say where on its bus the PCI device {instance_path} is.")
        # The place is device << 16 | function. Buses of a second segment would need a fact that no source has.
        device, function = found[_PLACE] >> 16, found[_PLACE] & 0xFFFF
        return f"0000:{found[_BUS]:02x}:{device:02x}.{function:x}"

    def _template(self) -> CimInstance:
        wanted = select(definition.PCI_EXPRESS, ["InstanceID", "ResourceType", "ResourceSubType"])
        found = self._session.query(wanted.where(like("InstanceID", "%Default")))
        if not found:
            raise ProtocolError(f"The host has no default for {definition.PCI_EXPRESS}.")
        return found[0]


def _is_machine(row: CimInstance) -> bool:
    return re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", row.text("SystemName"), re.IGNORECASE) is not None


def _wmi_path(row: CimInstance) -> str:
    return format_path(CimReference(_DEVICE, {name: row.text(name) for name in _KEYS}))
