"""Virtual switches of a host, by name."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from compute_hyperv.cim.errors import InvalidRequest
from compute_hyperv.cim.paths import format_path, parse_path
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimReference
from compute_hyperv.cim.wql import any_of, escape_like, like, select
from compute_hyperv.host.model import Switch

_SWITCH = "Msvm_VirtualEthernetSwitch"
_PORT = "Msvm_EthernetPortAllocationSettingData"
_ADAPTER = "msvm_externalethernetport"


class Switches:
    def __init__(self, session: CimSession) -> None:
        self._session = session
        self._ids: dict[str, str] = {}
        self._lock = threading.Lock()

    def list(self) -> list[Switch]:
        """All switches: two requests, one for the switches and one for what they are connected to."""
        rows = self._session.query(select(_SWITCH, ["Name", "ElementName"]))
        external = self._external([row.text("Name") for row in rows])
        switches = [
            Switch(row.text("Name").upper(), row.text("ElementName"), row.text("Name").upper() in external)
            for row in rows
        ]
        with self._lock:
            self._ids = {switch.name.lower(): switch.switch_id for switch in switches}
        return switches

    def find(self, name: str) -> Switch | None:
        """The switch of that name (letter case ignored)."""
        return next((switch for switch in self.list() if switch.name.lower() == name.lower()), None)

    def id_of(self, name: str) -> str:
        """The id of a switch. Known switches are not asked for again; see :meth:`forget`.

        :raises InvalidRequest: there is no such switch.
        """
        with self._lock:
            switch_id = self._ids.get(name.lower())
        if switch_id is None:
            found = self.find(name)
            if found is None:
                raise InvalidRequest(
                    f"The host has no virtual switch {name!r}.",
                    remedy="Create it, or correct [hyperv] physical_network_vswitch_mappings.",
                )
            switch_id = found.switch_id
        return switch_id

    def forget(self) -> None:
        """Ask again next time: a switch that was made anew has another id."""
        with self._lock:
            self._ids = {}

    def _external(self, switch_ids: Sequence[str]) -> set[str]:
        """Ids of the switches with a port on a physical adapter: ``Microsoft:<switch>\\<port>`` are the ids of a
        switch's own ports (facts: real-instances 1.6), and HostResource names the adapter."""
        if not switch_ids:
            return set()
        own = any_of(*(like("InstanceID", f"{escape_like(f'Microsoft:{switch_id}')}%") for switch_id in switch_ids))
        return {
            port.text("InstanceID").removeprefix("Microsoft:").partition("\\")[0].upper()
            for port in self._session.query(select(_PORT, ["InstanceID", "HostResource"]).where(own))
            if any(parse_path(path).class_name.lower() == _ADAPTER for path in port.texts("HostResource"))
        }


def switch_path(switch_id: str) -> str:
    """The WMI path of a switch, for HostResource."""
    return format_path(CimReference(_SWITCH, {"CreationClassName": _SWITCH, "Name": switch_id}))
