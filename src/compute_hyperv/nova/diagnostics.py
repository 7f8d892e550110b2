"""How an instance does, for administrators: Nova's standard structure, and the older free form.

Hyper-V counts the traffic of disks only where its metrics are on for them; it is None elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova.compute import power_state
from nova.objects import diagnostics as objects
from nova.objects import fields
from nova.objects.instance import Instance
from nova.virt import configdrive

from compute_hyperv.host.model import DiskTraffic, NicTraffic
from compute_hyperv.nova.errors import in_novas_words
from compute_hyperv.nova.instances import Instances, nova_power_state

if TYPE_CHECKING:
    from compute_hyperv.host.host import HyperVHost


class Diagnostics:
    def __init__(self, host: HyperVHost, instances: Instances) -> None:
        self._host = host
        self._instances = instances

    @in_novas_words
    def standard(self, instance: Instance) -> objects.Diagnostics:
        """:raises nova.exception.InstanceNotFound: it has no machine."""
        machine = self._instances.require(instance)
        vitals = self._host.vitals.of(machine.machine_id)
        found = objects.Diagnostics(
            state=power_state.STATE_MAP[nova_power_state(machine.state, healthy=machine.healthy)],
            driver=fields.HypervisorDriver.HYPERV,
            hypervisor=fields.HVType.HYPERV,
            hypervisor_os="windows",
            uptime=vitals.uptime_s,
            config_drive=configdrive.required_by(instance),
        )
        found.memory_details = objects.MemoryDiagnostics(maximum=instance.flavor.memory_mb, used=vitals.memory_mb)
        for number, load in enumerate(vitals.processor_loads):
            found.add_cpu(id=number, utilisation=load)
        for mac_address, traffic in self._host.vitals.nic_traffic(machine.machine_id).items():
            found.add_nic(mac_address=_with_colons(mac_address), **_nic_counters(traffic))
        for disk in self._host.vitals.disk_traffic(machine.machine_id).values():
            found.add_disk(**_disk_counters(disk))
        return found

    def free_form(self, instance: Instance) -> dict[str, Any]:
        """Before the API's version 2.48: each driver's own names. Ours are those of the structure, with underscores."""
        return dict(_flat("", self.standard(instance).obj_to_primitive()["nova_object.data"]))


def _with_colons(mac_address: str) -> str:
    return ":".join(mac_address[at : at + 2] for at in range(0, 12, 2)).lower()


def _nic_counters(traffic: NicTraffic | None) -> dict[str, int]:
    if traffic is None:
        return {}
    return {
        "rx_octets": traffic.received_bytes,
        "rx_packets": traffic.received_packets,
        "rx_drop": traffic.received_dropped,
        "tx_octets": traffic.sent_bytes,
        "tx_packets": traffic.sent_packets,
        "tx_drop": traffic.sent_dropped,
    }


def _disk_counters(traffic: DiskTraffic | None) -> dict[str, int]:
    return {} if traffic is None else {"read_bytes": traffic.read_bytes, "write_bytes": traffic.written_bytes}


def _flat(prefix: str, data: dict[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in data.items():
        key = f"{prefix}{name.removesuffix('_details')}"
        if isinstance(value, dict):
            found += _flat(f"{key}_", value["nova_object.data"])
        elif isinstance(value, list):
            for number, item in enumerate(value):
                found += _flat(f"{key}{number}_", item["nova_object.data"])
        else:
            found.append((key, value))
    return found
