"""MSFT_NetOffloadGlobalSetting: what the stack leaves to adapters. Defaults: Get-NetOffloadGlobalSetting's page."""

from __future__ import annotations

from compute_hyperv.cim.values import CimValue
from hyperv_simulator.operating_system.network_stack import STANDARD
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository


def populate(repository: Repository) -> None:
    """Puts the only instance in."""
    values: dict[str, CimValue] = {
        "InstanceID": "MSFT_NetOffloadGlobalSetting",
        "ReceiveSideScaling": 1,
        "ReceiveSegmentCoalescing": 1,
        "Chimney": 0,
        "TaskOffload": 1,
        "NetworkDirect": 1,
        "NetworkDirectAcrossIPSubnets": 0,
        "PacketCoalescingFilter": 0,
    }
    repository.add(new_instance(repository.catalogue, "MSFT_NetOffloadGlobalSetting", values, STANDARD))
