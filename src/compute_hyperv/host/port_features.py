"""The features of a switch port that an adapter asks for: what they are, and what must change so that they are there.

Pure. A port has at most one setting of each class, or none, which means the class's defaults. VLAN and bandwidth cannot
be modified on a real host: they are removed and added; security and offload are modified in place, and keep what others
have set in them (facts: old-driver 7). A fresh port has an offload setting already (real-instances 3.13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compute_hyperv.cim.values import CimInstance, CimScalar, CimValue
from compute_hyperv.host.machine_settings import same_id
from compute_hyperv.host.model import Nic

#: All features of ports; a query for it gives the instances of every class below it.
ANY = "Msvm_EthernetSwitchPortFeatureSettingData"

_ACCESS, _TRUNK = 1, 2  # OperationMode
_KBIT = 1000
_IOV_WEIGHT = 100


@dataclass(frozen=True, slots=True)
class _Kind:
    """:param fields: of Nic that it decides.
    :param read: their values in a setting, or in none.
    :param write: the setting that has them.
    """

    class_name: str
    what: str
    fields: tuple[str, ...]
    read: Callable[[CimInstance | None], tuple[Any, ...]]
    write: Callable[[Nic], Mapping[str, CimValue]]
    modifiable: bool

    def wanted(self, nic: Nic) -> tuple[Any, ...]:
        return tuple(getattr(nic, name) for name in self.fields)


@dataclass(slots=True)
class Changes:
    """What must be done to one port."""

    add: list[CimInstance] = field(default_factory=list)
    modify: list[CimInstance] = field(default_factory=list)
    remove: list[CimInstance] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.add or self.modify or self.remove)


def changes(nic: Nic, present: Sequence[CimInstance]) -> Changes:
    """:param present: the features that the port has."""
    found = Changes()
    for kind in _KINDS:
        current = _of_class(present, kind.class_name)
        wanted = kind.wanted(nic)
        if kind.read(current) == wanted:
            continue
        if current is not None and kind.modifiable:
            found.modify.append(
                CimInstance(current.class_name, {"InstanceID": current.text("InstanceID"), **kind.write(nic)})
            )
            continue
        if current is not None:
            found.remove.append(current)
        if wanted != kind.read(None):
            found.add.append(CimInstance(kind.class_name, kind.write(nic)))
    return found


def differences(nic: Nic, present: Sequence[CimInstance]) -> list[str]:
    """What of a port is not as it shall be, in words."""
    return [
        f"{nic.name} has {kind.what} {_words(is_now)}, not {_words(kind.wanted(nic))}"
        for kind in _KINDS
        if (is_now := kind.read(_of_class(present, kind.class_name))) != kind.wanted(nic)
    ]


def as_fields(present: Sequence[CimInstance]) -> dict[str, Any]:
    """What a port is now, as fields of Nic."""
    found: dict[str, Any] = {}
    for kind in _KINDS:
        found |= zip(kind.fields, kind.read(_of_class(present, kind.class_name)), strict=True)
    return found


def fresh_is_known(nic: Nic) -> bool:
    """Whether what ``nic`` asks for can be added to a fresh port without looking at it first."""
    return not nic.sriov


def _of_class(present: Iterable[CimInstance], class_name: str) -> CimInstance | None:
    return next((item for item in present if same_id(item.class_name, class_name)), None)


def _words(values: tuple[Any, ...]) -> str:
    return ", ".join("on" if value is True else str(value) for value in values if value) or "none"


def _read_vlan(vlan: CimInstance | None) -> tuple[int | None, tuple[int, ...]]:
    """Private VLANs are not ours: they read as none, so that a port that shall have none keeps them."""
    mode = vlan.integer("OperationMode", 0) if vlan else 0
    if vlan is not None and mode == _ACCESS:
        return vlan.integer("AccessVlanId", 0) or None, ()
    if vlan is not None and mode == _TRUNK:
        allowed = vlan.get("TrunkVlanIdArray")
        numbers = sorted(int(item) for item in allowed if isinstance(item, int)) if isinstance(allowed, list) else []
        return vlan.integer("NativeVlanId", 0) or None, tuple(numbers)
    return None, ()


def _write_vlan(nic: Nic) -> Mapping[str, CimValue]:
    if not nic.trunk_vlans:
        return {"OperationMode": _ACCESS, "AccessVlanId": nic.vlan_id or 0}
    allowed: list[CimScalar] = list(nic.trunk_vlans)
    return {"OperationMode": _TRUNK, "NativeVlanId": nic.vlan_id or 0, "TrunkVlanIdArray": allowed}


def _read_security(security: CimInstance | None) -> tuple[bool]:
    return (security is not None and security.boolean("AllowMacSpoofing", False),)


def _read_bandwidth(bandwidth: CimInstance | None) -> tuple[int]:
    """Bits a second; what a machine sends (the switch shapes no other direction)."""
    return (bandwidth.integer("Limit", 0) // _KBIT if bandwidth else 0,)


def _read_offload(offload: CimInstance | None) -> tuple[bool]:
    return (offload is not None and offload.integer("IOVOffloadWeight", 0) > 0,)


_KINDS = (
    _Kind(
        "Msvm_EthernetSwitchPortVlanSettingData",
        "VLAN",
        ("vlan_id", "trunk_vlans"),
        _read_vlan,
        _write_vlan,
        modifiable=False,
    ),
    _Kind(
        "Msvm_EthernetSwitchPortSecuritySettingData",
        "MAC spoofing",
        ("mac_spoofing",),
        _read_security,
        lambda nic: {"AllowMacSpoofing": nic.mac_spoofing},
        modifiable=True,
    ),
    _Kind(
        "Msvm_EthernetSwitchPortBandwidthSettingData",
        "bandwidth",
        ("limit_kbps",),
        _read_bandwidth,
        lambda nic: {"Limit": nic.limit_kbps * _KBIT},
        modifiable=False,
    ),
    _Kind(
        "Msvm_EthernetSwitchPortOffloadSettingData",
        "SR-IOV",
        ("sriov",),
        _read_offload,
        lambda nic: {"IOVOffloadWeight": _IOV_WEIGHT if nic.sriov else 0},
        modifiable=True,
    ),
)
