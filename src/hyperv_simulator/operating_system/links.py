"""Associations of root/cimv2 whose ends follow from the instances alone: what belongs to the computer, and which
configuration an adapter has.
"""

from __future__ import annotations

from collections.abc import Iterator

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.operating_system.accounts import CIMV2
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.repository.instances import Repository

_COMPUTER = "Win32_ComputerSystem"
# Class of links, and what it ties to the computer; GroupComponent is the computer, PartComponent the other.
_PARTS = (
    ("Win32_ComputerSystemProcessor", "Win32_Processor"),
    ("Win32_SystemServices", "Win32_Service"),
    ("Win32_SystemOperatingSystem", "Win32_OperatingSystem"),
    ("Win32_SystemBIOS", "Win32_BIOS"),
)


def rows(repository: Repository) -> Iterator[Association]:
    for class_name, part in _PARTS:
        yield Association(
            class_name,
            "GroupComponent",
            _COMPUTER,
            "PartComponent",
            part,
            lambda _computer, part=part: repository.instances(part, CIMV2),  # type: ignore[misc]  # bound at definition
            lambda _part: repository.instances(_COMPUTER, CIMV2),
            namespace=CIMV2,
        )

    def of_index(class_name: str, other: CimInstance) -> list[CimInstance]:
        return [item for item in repository.instances(class_name, CIMV2) if item.get("Index") == other.get("Index")]

    yield Association(
        "Win32_NetworkAdapterSetting",
        "Element",
        "Win32_NetworkAdapter",
        "Setting",
        "Win32_NetworkAdapterConfiguration",
        lambda adapter: of_index("Win32_NetworkAdapterConfiguration", adapter),
        lambda setting: of_index("Win32_NetworkAdapter", setting),
        namespace=CIMV2,
    )
