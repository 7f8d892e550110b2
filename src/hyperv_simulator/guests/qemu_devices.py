"""Disks and network adapters of one QEMU process: opened for it, connected, and changed while it runs."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hyperv_simulator.guests.base import UNSPECIFIED, GuestDiskSpec, GuestError, GuestNicSpec, GuestSpec
from hyperv_simulator.guests.network import Wires
from hyperv_simulator.guests.qemu_command import Layout, disk_device, disk_id, nic_backend, nic_device, nic_id
from hyperv_simulator.guests.qemu_exports import Export
from hyperv_simulator.guests.qmp import Qmp, QmpError
from hyperv_simulator.storage.guest_disks import GuestDisk
from hyperv_simulator.storage.vhd import DiskStore

# A guest has to agree to lose a PCI device; one without an operating system never does.
UNPLUG_TIMEOUT_S = 10.0


class Devices:
    """What a `QemuGuest` has besides processors and memory."""

    def __init__(self, spec: GuestSpec, store: DiskStore, wires: Wires, layout: Layout, folder: Path) -> None:
        self._generation = spec.generation
        self._store = store
        self._wires = wires
        self._layout = layout
        self._folder = folder
        self._disks: dict[str, GuestDiskSpec] = {}
        self._wanted_disks = spec.disks
        self._open: dict[str, GuestDisk] = {}
        self._overlays: dict[str, list[str]] = {}  # nodes that came while the guest ran, in their order
        self._exports: dict[str, Export] = {}
        self._nics: dict[str, GuestNicSpec] = {nic_id(nic): nic for nic in spec.nics}
        self._ports: dict[str, str] = dict(layout.ports)
        self._connected: dict[str, tuple[str, str]] = {}  # adapter to group and id of its wire
        self._counter = 0
        self._qmp: Qmp | None = None
        self._deletions = threading.Condition()
        self._deleted: set[str] = set()

    @property
    def blockdevs(self) -> dict[str, dict[str, Any]]:
        return {name: export.blockdev for name, export in self._exports.items()}

    @property
    def layout(self) -> Layout:
        """Where everything sits now."""
        return dataclasses.replace(self._layout, ports=dict(self._ports))

    def open_disks(self) -> None:
        """:raises DiskError: what Windows says; nothing stays open then."""
        try:
            for disk in self._wanted_disks:
                self._open_disk(disk)
        except BaseException:
            self.close()
            raise

    def _open_disk(self, disk: GuestDiskSpec) -> None:
        name = disk_id(disk)
        if disk.path:
            self._open[name] = opened = self._store.guest_view(disk.path, read_only=disk.kind == "dvd")
            try:
                self._exports[name] = Export(opened.blockdev, self._folder, name)
            except GuestError:
                self._close_disk(name)
                raise
        self._disks[name] = disk

    def _close_disk(self, name: str) -> None:
        export, disk = self._exports.pop(name, None), self._open.pop(name)
        if export is not None:
            export.close()
        disk.close()

    def close(self) -> None:
        """QEMU is gone: give the disks back, all of them.

        :raises DiskError: the last that could not be brought up to date.
        """
        failures: list[Exception] = []
        for name in list(self._open):
            try:
                self._close_disk(name)
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[-1]

    def connect(self, qmp: Qmp) -> None:
        """QEMU is there: hang its adapters on their wires."""
        self._qmp = qmp
        for nic in self._nics.values():
            self._wire(qmp, nic)

    # ---------------------------------------------------------------- network adapters

    def _wire(self, qmp: Qmp, nic: GuestNicSpec) -> None:
        """Hang an adapter on the wire that it should be on."""
        name, group = nic_id(nic), self._wires.group(nic)
        now = self._connected.get(name)
        if now is not None and now[0] == group:
            return
        if now is not None:
            del self._connected[name]
            qmp.execute("netdev_del", id=now[1] + "-hub")
            qmp.execute("netdev_del", id=now[1])
        if group is not None:
            self._counter += 1
            wire = f"wire{self._counter}"
            qmp.execute("netdev_add", type="socket", id=wire, mcast=group, localaddr="127.0.0.1")
            hub = nic_backend(nic)["hubid"]
            qmp.execute("netdev_add", type="hubport", id=wire + "-hub", hubid=hub, netdev=wire)
            self._connected[name] = (group, wire)
        qmp.execute("set_link", name=name, up=group is not None)

    def change_nics(self, nics: tuple[GuestNicSpec, ...]) -> None:
        """:raises GuestError: QEMU or the guest does not agree."""
        qmp = self._running()
        wanted = {nic_id(nic): nic for nic in nics}
        try:
            for name in [name for name in self._nics if name not in wanted]:
                self._unplug_nic(qmp, name)
            for name, nic in wanted.items():
                if name not in self._nics:
                    self._plug_nic(qmp, nic)
                self._nics[name] = nic
                self._wire(qmp, nic)
        except QmpError as error:
            raise GuestError(UNSPECIFIED, str(error)) from error

    def _plug_nic(self, qmp: Qmp, nic: GuestNicSpec) -> None:
        taken = set(self._ports.values())
        free = (f"port{number}" for number in range(self._layout.port_count) if f"port{number}" not in taken)
        port = next(free, None)
        if port is None:
            raise QmpError("no PCIe port is free: the simulator keeps two for adapters that come while a guest runs")
        bus = port if self._generation == 2 else "pci.0"
        qmp.send({"execute": "netdev_add", "arguments": nic_backend(nic)})
        qmp.send({"execute": "device_add", "arguments": nic_device(nic, bus, None)})
        self._ports[nic_id(nic)] = port

    def _unplug_nic(self, qmp: Qmp, name: str) -> None:
        nic = self._nics[name]
        self._remove_device(qmp, name)
        del self._nics[name], self._ports[name]
        wire = self._connected.pop(name, None)
        if wire is not None:
            qmp.execute("netdev_del", id=wire[1] + "-hub")
            qmp.execute("netdev_del", id=wire[1])
        qmp.execute("netdev_del", id=nic_backend(nic)["id"])

    # ---------------------------------------------------------------- disks

    def change_disks(self, disks: tuple[GuestDiskSpec, ...]) -> None:
        """:raises GuestError: QEMU does not agree.  :raises DiskError: a disk does not open."""
        qmp = self._running()
        wanted = {disk_id(disk): disk for disk in disks}
        try:
            for name, disk in list(self._disks.items()):
                new = wanted.get(name)
                if new == disk:
                    continue
                if new is not None and new.kind == disk.kind == "dvd":
                    self._change_medium(qmp, name, new)
                else:
                    self._unplug_disk(qmp, name)
            for name, disk in wanted.items():
                if name not in self._disks:
                    self._plug_disk(qmp, disk)
        except QmpError as error:
            raise GuestError(UNSPECIFIED, str(error)) from error

    def branch(self, qmp: Qmp) -> None:
        """Let the guest write to new overlays, one on each of its writable disks.

        :raises QmpError: some disks may have theirs; they go on as they are.
        """
        for name in self._disks:
            if name not in self._open or not self._open[name].is_virtual:
                continue
            node = {**self._store.branch(self._open[name]), "node-name": self._next_node(name)}
            try:
                qmp.send({"execute": "blockdev-add", "arguments": node})
                qmp.execute("blockdev-snapshot", node=self._nodes(name)[-1], overlay=node["node-name"])
            except QmpError:
                self._open[name].branch = None
                raise
            self._overlays.setdefault(name, []).append(node["node-name"])

    def switch_disks(self, change: Callable[[], tuple[GuestDiskSpec, ...]]) -> None:
        """After `branch`, see `base.Guest.switch_disks`."""
        branched = {name: disk for name, disk in self._open.items() if disk.branch is not None}
        wanted = dict(self._disks)
        try:
            for opened in branched.values():
                opened.settle()
            wanted |= {disk_id(disk): disk for disk in change()}
        finally:
            for name, opened in branched.items():
                self._store.go_on(opened, wanted[name].path)
                self._disks[name] = wanted[name]

    def resize_disk(self, disk: GuestDiskSpec, size_bytes: int) -> None:
        """:raises GuestError: QEMU does not agree."""
        qmp = self._running()
        try:
            qmp.execute("block_resize", node_name=self._nodes(disk_id(disk))[-1], size=size_bytes)
        except QmpError as error:
            raise GuestError(UNSPECIFIED, str(error)) from error

    def _nodes(self, name: str) -> list[str]:
        """A disk's nodes in QEMU, the one that the device uses last."""
        return [f"node-{name}", *self._overlays.get(name, ())]

    def _next_node(self, name: str) -> str:
        self._counter += 1
        return f"node-{name}-{self._counter}"

    def _plug_disk(self, qmp: Qmp, disk: GuestDiskSpec) -> None:
        self._open_disk(disk)
        node = self._add_node(qmp, disk_id(disk))
        try:
            qmp.send({"execute": "device_add", "arguments": disk_device(disk, node)})
        except QmpError:
            self._drop_node(qmp, disk_id(disk))
            del self._disks[disk_id(disk)]
            raise

    def _unplug_disk(self, qmp: Qmp, name: str) -> None:
        self._remove_device(qmp, name)
        del self._disks[name]
        self._drop_node(qmp, name)

    def _change_medium(self, qmp: Qmp, name: str, disk: GuestDiskSpec) -> None:
        qmp.execute("blockdev-open-tray", id=name, force=True)
        qmp.execute("blockdev-remove-medium", id=name)
        self._drop_node(qmp, name)
        self._open_disk(disk)
        node = self._add_node(qmp, name)
        if node is not None:
            qmp.execute("blockdev-insert-medium", id=name, node_name=node)
        qmp.execute("blockdev-close-tray", id=name)

    def _add_node(self, qmp: Qmp, name: str) -> str | None:
        if name not in self._exports:
            return None
        node = {**self._exports[name].blockdev, "node-name": f"node-{name}"}
        qmp.send({"execute": "blockdev-add", "arguments": node})
        return f"node-{name}"

    def _drop_node(self, qmp: Qmp, name: str) -> None:
        if name in self._open:
            try:
                for node in reversed(self._nodes(name)):
                    qmp.execute("blockdev-del", node_name=node)
            finally:
                self._overlays.pop(name, None)
                self._close_disk(name)

    # ---------------------------------------------------------------- both

    def deleted(self, device: str | None) -> None:
        """In the monitor's thread: the guest has let go of a device."""
        if device is not None:
            with self._deletions:
                self._deleted.add(device)
                self._deletions.notify_all()

    def _remove_device(self, qmp: Qmp, name: str) -> None:
        with self._deletions:
            self._deleted.discard(name)
        qmp.execute("device_del", id=name)
        with self._deletions:
            if not self._deletions.wait_for(lambda: name in self._deleted, UNPLUG_TIMEOUT_S):
                raise QmpError(f"the guest does not let go of {name}")

    def _running(self) -> Qmp:
        if self._qmp is None:
            raise GuestError(UNSPECIFIED, "The machine is not running.")
        return self._qmp
