"""What the features of switches and ports may hold.

Value maps come from the class catalogue; ranges and combinations stand here, from the class pages and hyperv-ops 4.
That a value outside of them is an invalid parameter (32773): hyperv-ops 0; for each single one an assumption.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from compute_hyperv.cim.schema import CimClass
from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused

ACL = "Msvm_EthernetSwitchPortAclSettingData"
EXTENDED_ACL = "Msvm_EthernetSwitchPortExtendedAclSettingData"
ROUTING_DOMAIN = "Msvm_EthernetSwitchPortRoutingDomainSettingData"
BANDWIDTH = "Msvm_EthernetSwitchPortBandwidthSettingData"
TEAM_MAPPING = "Msvm_EthernetSwitchPortTeamMappingSettingData"
# A port has at most one of each feature, these excepted.
MANY = frozenset({ACL, EXTENDED_ACL, ROUTING_DOMAIN})

_VLANS = (0, 4094)
_WEIGHT = (0, 100)
# Property -> smallest and largest value, of each item where it is an array; 0 stands for "none".
_RANGES: Mapping[str, tuple[int, int]] = {
    "AccessVlanId": _VLANS,
    "NativeVlanId": _VLANS,
    "PrimaryVlanId": _VLANS,
    "SecondaryVlanId": _VLANS,
    "TrunkVlanIdArray": (1, 4094),
    "PruneVlanIdArray": (1, 4094),
    "SecondaryVlanIdArray": (1, 4094),
    "VMQOffloadWeight": _WEIGHT,
    "IOVOffloadWeight": _WEIGHT,
    "RdmaOffloadWeight": _WEIGHT,
    "DefaultFlowWeight": _WEIGHT,
    "VirtualSubnetId": (0, 2**24 - 1),
    "RemoteAddressPrefixLength": (0, 128),
    "LocalAddressPrefixLength": (0, 128),
}
# The bandwidth that a port may claim depends on the switch's BandwidthReservationMode: 1 weight, 2 absolute, 3 none.
_CLAIMS: Mapping[str, int] = {"Weight": 1, "Reservation": 2}


def check(feature: CimInstance, cls: CimClass) -> None:
    """A feature by itself. Raises Refused (32773)."""
    for name, value in feature.items():
        typed = cls.property(name)
        limits = _WEIGHT if name == "Weight" and cls.name == BANDWIDTH else _RANGES.get(typed.name)
        for item in value if isinstance(value, list) else [value]:
            if limits is not None and isinstance(item, int) and not limits[0] <= item <= limits[1]:
                raise Refused(INVALID_PARAMETER, f"{name} {item!r}")
            stated = item is not None and item not in (0, typed.default)  # 0: templates say nothing by it
            if stated and _is_enumerated(typed.values) and str(item) not in typed.values:
                raise Refused(INVALID_PARAMETER, f"{name} {item!r}")


def check_among(feature: CimInstance, others: Sequence[CimInstance]) -> None:
    """A feature among those that its port has besides. Raises Refused (32773)."""
    if feature.class_name not in MANY and any(item.class_name == feature.class_name for item in others):
        raise Refused(INVALID_PARAMETER, f"the port has {feature.class_name}")
    if feature.class_name == EXTENDED_ACL:  # weights are unique per direction (hyperv-ops 4)
        place = _values(feature, "Direction", "Weight")
        if any(item.class_name == EXTENDED_ACL and _values(item, "Direction", "Weight") == place for item in others):
            raise Refused(INVALID_PARAMETER, f"weight {feature.get('Weight')!r} is taken")


def check_on_switch(feature: CimInstance, switch: CimInstance | None, team: Iterable[str]) -> None:
    """A port's feature against the settings of the switch that it is plugged into. Raises Refused (32773).

    :param switch: Msvm_VirtualEthernetSwitchSettingData; None for a cable that hangs.
    :param team: the names of the adapters that the switch teams.
    """
    if switch is None:
        return
    mode = switch.get("BandwidthReservationMode", 0)
    if feature.class_name == BANDWIDTH and mode != 0:
        for name, needed in _CLAIMS.items():
            if feature.get(name) and mode != needed:
                raise Refused(INVALID_PARAMETER, f"{name} on a switch with BandwidthReservationMode {mode!r}")
    adapter = feature.get("NetAdapterName")
    if feature.class_name == TEAM_MAPPING and adapter and adapter not in set(team):
        raise Refused(INVALID_PARAMETER, f"{adapter!r} is in no team of the switch")


def _is_enumerated(values: Mapping[str, str]) -> bool:
    return bool(values) and all(text.isdigit() for text in values)


def _values(feature: CimInstance, *names: str) -> tuple[CimValue, ...]:
    return tuple(feature.get(name, 0) for name in names)
