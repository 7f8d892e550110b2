"""Virtual switches of a host, by name."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from compute_hyperv.cim.errors import InvalidRequest, NotFound
from compute_hyperv.cim.paths import format_path, parse_path
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar
from compute_hyperv.cim.wql import any_of, eq, escape_like, like, select
from compute_hyperv.host import jobs
from compute_hyperv.host.model import Switch
from compute_hyperv.host.power import MACHINE_ID
from compute_hyperv.host.services import MACHINE, service

_MANAGEMENT = service("Msvm_VirtualEthernetSwitchManagementService")
_SWITCH = "Msvm_VirtualEthernetSwitch"
_SETTINGS = "Msvm_VirtualEthernetSwitchSettingData"
_PORT = "Msvm_EthernetPortAllocationSettingData"
_ADAPTER = "Msvm_ExternalEthernetPort"


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

    def create_external(self, name: str, adapter_guid: str, *, for_host: bool) -> None:
        """Make a switch on a physical adapter, as ``New-VMSwitch -NetAdapterName -AllowManagementOS``.

        :param adapter_guid: of the adapter's interface, without braces.
        :param for_host: whether the host goes on using the adapter, through a port of its own on the switch, which
            takes over its addresses. Both are asked for at once: a host between the two would be cut off.
        :raises NotFound: Hyper-V knows no such adapter.
        """
        what = f"Making the virtual switch {name}"
        device = eq("DeviceID", f"Microsoft:{{{adapter_guid}}}")
        adapters = self._session.query_references(select(_ADAPTER).where(device))
        if not adapters:
            raise NotFound(f"{what} failed: Hyper-V knows no adapter {{{adapter_guid}}}.")
        ports: list[CimScalar] = [_port(f"{name}_External", adapters[0])]
        if for_host:
            ports.append(_port(name, self._host_reference()))
        jobs.run(
            self._session,
            _MANAGEMENT,
            "DefineSystem",
            {"SystemSettings": CimInstance(_SETTINGS, {"ElementName": name}), "ResourceSettings": ports},
            what=what,
            finished=lambda: self.find(name) is not None,
        )
        self.forget()

    def remove(self, name: str) -> None:
        """Take a switch away, as ``Remove-VMSwitch``: its adapter gets back the addresses that the host's port on it
        has. One that is gone is fine."""
        found = self.find(name)
        if found is None:
            return
        jobs.run(
            self._session,
            _MANAGEMENT,
            "DestroySystem",
            {"AffectedSystem": _reference(found.switch_id)},
            what=f"Removing the virtual switch {name}",
            finished=lambda: self.find(name) is None,
        )
        self.forget()

    def _host_reference(self) -> CimReference:
        """The host among the machines: the one that is not named by a GUID."""
        for reference in self._session.query_references(select(MACHINE)):
            if not MACHINE_ID.fullmatch(str(reference.keys.get("Name", ""))):
                return reference
        raise NotFound("The host itself is not among its machines.")

    def _external(self, switch_ids: Sequence[str]) -> set[str]:
        """Ids of the switches with a port on a physical adapter: ``Microsoft:<switch>\\<port>`` are the ids of a
        switch's own ports (facts: real-instances 1.6), and HostResource names the adapter."""
        if not switch_ids:
            return set()
        own = any_of(*(like("InstanceID", f"{escape_like(f'Microsoft:{switch_id}')}%") for switch_id in switch_ids))
        return {
            port.text("InstanceID").removeprefix("Microsoft:").partition("\\")[0].upper()
            for port in self._session.query(select(_PORT, ["InstanceID", "HostResource"]).where(own))
            if any(parse_path(path).class_name.lower() == _ADAPTER.lower() for path in port.texts("HostResource"))
        }


def switch_path(switch_id: str) -> str:
    """The WMI path of a switch, for HostResource."""
    return format_path(_reference(switch_id))


def _reference(switch_id: str) -> CimReference:
    return CimReference(_SWITCH, {"CreationClassName": _SWITCH, "Name": switch_id})


def _port(name: str, wired_to: CimReference) -> CimInstance:
    """A port of a switch's own (hyperv-ops 5)."""
    return CimInstance(
        _PORT,
        {
            "ResourceType": 33,
            "ResourceSubType": "Microsoft:Hyper-V:Ethernet Connection",
            "ElementName": name,
            "HostResource": [format_path(wired_to)],
        },
    )
