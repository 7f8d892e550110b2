"""A machine's hardware as QEMU's command line: a pure function from `GuestSpec`.

Generation 2: q35 with OVMF and virtio-scsi. Generation 1: i440fx (pc) with SeaBIOS and IDE, virtio-scsi for its SCSI
controllers. Each network adapter sits on a hub of its own, so that the wire behind it can be changed while it runs.
Adapters of generation 2 are behind PCIe root ports, some of which are left free for adapters that come later. Screen,
tablet and the exchange's port come before the drives, so that these do not move when there are more of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperv_simulator.guests import qemu_firmware, swtpm
from hyperv_simulator.guests.base import GuestDiskSpec, GuestNicSpec, GuestSpec
from hyperv_simulator.guests.network import mac_with_colons

SPARE_NIC_PORTS = 2
# How a guest finds its end of the exchange: the name of a virtio port, in place of Hyper-V's VMBus channels.
EXCHANGE_PORT = "hyperv-simulator.exchange"

BlockDevice = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where devices sit that may come and go while a guest runs: a saved guest goes on only with the same.

    :param ports: PCIe root port by adapter (`nic_id`), generation 2.
    :param port_count: root ports, the free ones among them.
    :param scsi_controllers: how many.
    """

    ports: Mapping[str, str]
    port_count: int
    scsi_controllers: int

    @classmethod
    def fresh(cls, spec: GuestSpec) -> Layout:
        """Of a guest that is turned on."""
        used = [disk.controller + 1 for disk in spec.disks if disk.bus == "SCSI"]
        return cls(
            ports={nic_id(nic): f"port{number}" for number, nic in enumerate(spec.nics)},
            port_count=len(spec.nics) + SPARE_NIC_PORTS,
            scsi_controllers=max([spec.scsi_controllers, int(spec.generation == 2), *used]),
        )


@dataclass(frozen=True, slots=True)
class Connections:
    """What QEMU inherits: file descriptors of socket pairs."""

    qmp: int
    serial: tuple[int, ...]
    exchange: int
    tpm: int | None = None


def disk_id(disk: GuestDiskSpec) -> str:
    """The device's id in QEMU, the same as long as the drive is at its place."""
    return f"{disk.bus.lower()}-{disk.controller}-{disk.slot}"


def nic_id(nic: GuestNicSpec) -> str:
    return "nic-" + mac_with_colons(nic.mac).replace(":", "")


def hub_id(nic: GuestNicSpec) -> int:
    """A number that is the adapter's own: the last 24 bits of its MAC address and what tells it from zero."""
    return int(mac_with_colons(nic.mac).replace(":", "")[-7:], 16) + 1


def command_line(
    spec: GuestSpec,
    blockdevs: Mapping[str, BlockDevice],
    connections: Connections,
    variables: Path,
    layout: Layout,
    *,
    accelerator: str,
) -> list[str]:
    """:param blockdevs: by `disk_id`.  :param variables: the machine's copy of OVMF's variables."""
    arguments = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"]
    arguments += ["-name", spec.name.replace(",", ",,"), "-uuid", spec.machine_id]
    # Without 5-level page tables: walking them in software costs a translated processor a tenth of its time.
    machine = f"q35,smm={'on' if spec.secure_boot else 'off'}" if spec.generation == 2 else "pc"
    arguments += ["-machine", machine, "-cpu", "max,la57=off", "-accel", accelerator, *_processors_and_memory(spec)]
    arguments += ["-chardev", f"socket,id=qmp,fd={connections.qmp}", "-mon", "chardev=qmp,mode=control"]
    for number, descriptor in enumerate(connections.serial, start=1):
        arguments += ["-chardev", f"socket,id=com{number},fd={descriptor}", "-serial", f"chardev:com{number}"]
    if spec.generation == 2:
        arguments += qemu_firmware.arguments(spec, variables)
        for port in range(layout.port_count):
            arguments += ["-device", f"pcie-root-port,id=port{port},chassis={port + 1}"]
    else:
        arguments += ["-boot", "strict=on"]
    if connections.tpm is not None:
        arguments += swtpm.arguments(connections.tpm)
    arguments += ["-device", "VGA,xres=1024,yres=768", "-device", "virtio-tablet-pci"]
    arguments += [
        "-chardev",
        f"socket,id=exchange,fd={connections.exchange}",
        "-device",
        "virtio-serial-pci,max_ports=2",
    ]
    arguments += ["-device", f"virtserialport,chardev=exchange,name={EXCHANGE_PORT}"]
    arguments += _drives(spec, blockdevs, layout)
    for position, nic in enumerate(spec.nics):
        arguments += ["-netdev", json.dumps(nic_backend(nic))]
        bus = layout.ports[nic_id(nic)] if spec.generation == 2 else "pci.0"
        arguments += ["-device", json.dumps(nic_device(nic, bus, _boot_index(spec, "nic", position)))]
    return arguments


def _processors_and_memory(spec: GuestSpec) -> list[str]:
    nodes = min(spec.numa_nodes, spec.processors)
    arguments = ["-m", str(spec.memory_mb), "-smp"]
    if nodes < 2:
        return [*arguments, str(spec.processors)]
    arguments.append(f"{spec.processors},sockets={nodes}" if spec.processors % nodes == 0 else str(spec.processors))
    for node in range(nodes):
        processors = _share(spec.processors, nodes, node)
        memory = _share(spec.memory_mb, nodes, node)
        arguments += ["-object", f"memory-backend-ram,id=node{node},size={len(memory)}M"]
        arguments += ["-numa", f"node,nodeid={node},memdev=node{node},cpus={processors[0]}-{processors[-1]}"]
    return arguments


def _share(total: int, parts: int, number: int) -> range:
    return range(total * number // parts, total * (number + 1) // parts)


def _drives(spec: GuestSpec, blockdevs: Mapping[str, BlockDevice], layout: Layout) -> list[str]:
    arguments: list[str] = []
    for number in range(layout.scsi_controllers):
        arguments += ["-device", f"virtio-scsi-pci,id=scsi{number}"]
    for position, disk in enumerate(spec.disks):
        name = disk_id(disk)
        if name in blockdevs:
            arguments += ["-blockdev", json.dumps({**blockdevs[name], "node-name": f"node-{name}"})]
        device = disk_device(disk, f"node-{name}" if name in blockdevs else None)
        index = _boot_index(spec, "disk", position)
        arguments += ["-device", json.dumps(device | ({} if index is None else {"bootindex": index}))]
    return arguments


def disk_device(disk: GuestDiskSpec, node: str | None) -> dict[str, Any]:
    """The drive as ``-device`` and ``device_add`` take it; without a node it is an empty DVD drive."""
    kind = "cd" if disk.kind == "dvd" else "hd"
    device: dict[str, Any] = {"id": disk_id(disk)}
    if disk.bus == "IDE":
        device |= {"driver": f"ide-{kind}", "bus": f"ide.{disk.controller}", "unit": disk.slot}
    else:
        device |= {"driver": f"scsi-{kind}", "bus": f"scsi{disk.controller}.0", "scsi-id": disk.slot}
    if node is not None:
        device["drive"] = node
    return device


def nic_backend(nic: GuestNicSpec) -> dict[str, Any]:
    return {"type": "hubport", "id": nic_id(nic) + "-hub", "hubid": hub_id(nic)}


def nic_device(nic: GuestNicSpec, bus: str, boot_index: int | None) -> dict[str, Any]:
    device: dict[str, Any] = {
        "driver": "virtio-net-pci",
        "id": nic_id(nic),
        "netdev": nic_id(nic) + "-hub",
        "mac": mac_with_colons(nic.mac),
        "bus": bus,
    }
    # Firmware looks at network boot code only where it may boot from the network.
    return device | ({"romfile": ""} if boot_index is None else {"bootindex": boot_index})


def _boot_index(spec: GuestSpec, kind: str, position: int) -> int | None:
    order = spec.boot_order or tuple(("disk", number) for number in range(len(spec.disks)))
    return order.index((kind, position)) if (kind, position) in order else None
