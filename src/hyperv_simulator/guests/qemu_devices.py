"""Disks and network adapters of one QEMU process: opened for it, connected, and changed while it runs."""

from __future__ import annotations

import threading
from typing import Any

from hyperv_simulator.guests.base import UNSPECIFIED, GuestDiskSpec, GuestError, GuestNicSpec, GuestSpec
from hyperv_simulator.guests.network import Wires
from hyperv_simulator.guests.qemu_command import disk_device, disk_id, nic_backend, nic_device, nic_id
from hyperv_simulator.guests.qmp import Qmp, QmpError
from hyperv_simulator.storage.guest_disks import GuestDisk
from hyperv_simulator.storage.vhd import DiskStore

# A guest has to agree to lose a PCI device; one without an operating system never does.
UNPLUG_TIMEOUT_S = 10.0


class Devices:
    """What a `QemuGuest` has besides processors and memory."""

    def __init__(self, spec: GuestSpec, store: DiskStore, wires: Wires) -> None:
        self._generation = spec.generation
        self._store = store
        self._wires = wires
        self._disks: dict[str, GuestDiskSpec] = {}
        self._wanted_disks = spec.disks
        self._open: dict[str, GuestDisk] = {}
        self._nics: dict[str, GuestNicSpec] = {nic_id(nic): nic for nic in spec.nics}
        self._ports: dict[str, str] = {nic_id(nic): f"port{number}" for number, nic in enumerate(spec.nics)}
        self._connected: dict[str, tuple[str, str]] = {}  # adapter to group and id of its wire
        self._counter = 0
        self._qmp: Qmp | None = None
        self._deletions = threading.Condition()
        self._deleted: set[str] = set()

    @property
    def blockdevs(self) -> dict[str, dict[str, Any]]:
        return {name: disk.blockdev for name, disk in self._open.items()}

    def open_disks(self) -> None:
        """:raises DiskError: what Windows says; nothing stays open then."""
        try:
            for disk in self._wanted_disks:
                self._open_disk(disk)
        except BaseException:
            self.close()
            raise

    def _open_disk(self, disk: GuestDiskSpec) -> None:
        if disk.path:
            self._open[disk_id(disk)] = self._store.guest_view(disk.path, read_only=disk.kind == "dvd")
        self._disks[disk_id(disk)] = disk

    def close(self) -> None:
        """QEMU is gone: give the disks back, all of them.

        :raises DiskError: the last that could not be brought up to date.
        """
        opened, self._open = self._open, {}
        failures: list[Exception] = []
        for disk in opened.values():
            try:
                disk.close()
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
        port = next(f"port{number}" for number in range(len(taken) + 1) if f"port{number}" not in taken)
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
        if name not in self._open:
            return None
        node = {**self._open[name].blockdev, "node-name": f"node-{name}"}
        qmp.send({"execute": "blockdev-add", "arguments": node})
        return f"node-{name}"

    def _drop_node(self, qmp: Qmp, name: str) -> None:
        disk = self._open.pop(name, None)
        if disk is not None:
            try:
                qmp.execute("blockdev-del", node_name=f"node-{name}")
            finally:
                disk.close()

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
