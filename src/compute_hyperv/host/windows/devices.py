"""Devices of Windows (class page Win32_PnPEntity): finding them, switching them off and on."""

from __future__ import annotations

from dataclasses import dataclass

from compute_hyperv.cim.errors import MethodFailed, NotFound
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimReference
from compute_hyperv.cim.wql import eq, select
from compute_hyperv.host.services import CIMV2

_CLASS = "Win32_PnPEntity"
_DISABLED = 22  # CM_PROB_DISABLED


@dataclass(frozen=True, slots=True)
class DeviceState:
    """:param enabled: not switched off by somebody."""

    device_id: str
    name: str
    enabled: bool


class Devices:
    def __init__(self, session: CimSession) -> None:
        self._session = session

    def state(self, device_id: str) -> DeviceState | None:
        """:param device_id: its instance path, ``PCI\\VEN_...``. None where Windows has no such device."""
        query = select(_CLASS, ["DeviceID", "Name", "ConfigManagerErrorCode"]).where(eq("DeviceID", device_id))
        rows = self._session.query(query, namespace=CIMV2)
        if not rows:
            return None
        problem = rows[0].integer("ConfigManagerErrorCode", 0)
        return DeviceState(rows[0].text("DeviceID"), rows[0].text("Name", ""), problem != _DISABLED)

    def disable(self, device_id: str) -> None:
        """:raises NotFound: there is no such device."""
        self._switch(device_id, "Disable")

    def enable(self, device_id: str) -> None:
        """:raises NotFound: there is no such device."""
        self._switch(device_id, "Enable")

    def _switch(self, device_id: str, method: str) -> None:
        if self.state(device_id) is None:
            raise NotFound(f"The host has no device {device_id}.")
        result = self._session.invoke(CimReference(_CLASS, {"DeviceID": device_id}, CIMV2), method)
        if result.return_value:
            raise MethodFailed(f"{method} of the device {device_id} failed.", code=result.return_value)
