"""The virtual switches of a host, with what they are connected to.

What a switch is connected to stands in the settings of its own ports, whose ids begin with the switch's
(``Microsoft:<switch>\\<port>``, real-instances 1.6): HostResource names a physical adapter, or the host itself where
the management OS has a port.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from compute_hyperv.cim.paths import parse_path
from compute_hyperv.cim.values import CimInstance
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.sources import VIRTUALIZATION, Instances

SWITCHES = Instances(VIRTUALIZATION, "Msvm_VirtualEthernetSwitch", ("Name", "ElementName"), optional=True)
PORTS = Instances(
    VIRTUALIZATION, "Msvm_EthernetPortAllocationSettingData", ("InstanceID", "HostResource"), optional=True
)

_PHYSICAL, _HOST = "msvm_externalethernetport", "msvm_computersystem"
_GUID = re.compile(r"\{([0-9A-Fa-f-]{36})\}")


@dataclass(frozen=True, slots=True)
class Switch:
    """:param adapters: interface GUIDs of the physical adapters (or team) that it is on.
    :param managed: the management OS has a port on it."""

    switch_id: str
    name: str
    adapters: tuple[str, ...]
    managed: bool

    @property
    def is_external(self) -> bool:
        return bool(self.adapters)


def switches(host: Readings) -> tuple[Switch, ...]:
    ports: dict[str, list[str]] = {}
    for port in host.of(PORTS):
        owner = port.text("InstanceID").removeprefix("Microsoft:").partition("\\")[0].upper()
        ports.setdefault(owner, []).extend(port.texts("HostResource"))
    return tuple(_switch(row, ports.get(row.text("Name").upper(), [])) for row in host.of(SWITCHES))


def _switch(row: CimInstance, resources: Sequence[str]) -> Switch:
    connected = [parse_path(path) for path in resources]
    device_ids = [each.key("DeviceID") for each in connected if each.class_name.lower() == _PHYSICAL]
    adapters = tuple(found[1].upper() for text in device_ids if (found := _GUID.search(text)))
    managed = any(each.class_name.lower() == _HOST for each in connected)
    return Switch(row.text("Name").upper(), row.text("ElementName"), adapters, managed)
