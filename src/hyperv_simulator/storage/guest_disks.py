"""A machine's disks while it runs: what QEMU opens, and what becomes of the guest's writes when it stops.

A disk without parent is opened as it is. A differencing one becomes a chain of QEMU block devices::

    overlay.qcow2          what the guest writes (only for a writable disk)
      view-0.qcow2         tables over the differencing file (`views`)
        view-1.qcow2       … over its parent, if that is a differencing file too
          base.vhdx

When the guest has stopped, the overlay's content is written into the differencing file as its own payload blocks and
the overlay is gone: at rest there are only true VHD and VHDX files. If the simulator dies, so do its guests, and the
next start finds the overlay with its ``record.json`` and does the same then (a file that moved is found by its inode;
one that is gone takes its overlay with it).

While the guest runs its files can change hands (a checkpoint is taken, or merged away): `GuestDisks.branch` makes one
more overlay, QEMU puts it on top, `GuestDisk.settle` writes what is below into the file and gives the files back, and
`GuestDisks.go_on` says which file the new overlay belongs to. What QEMU has of the old files below the overlays are
copies, or a base in which whatever changes meanwhile is covered by them: it may be written to.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from pathlib import Path
from typing import Any

from hyperv_simulator.storage import errors, qemu_img
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.holds import Hold, Holds
from hyperv_simulator.storage.layers import Layer, parse_disk, read_chain
from hyperv_simulator.storage.luns import Luns, is_lun
from hyperv_simulator.storage.paths import HostFolder
from hyperv_simulator.storage.views import write_view

BlockDevice = dict[str, Any]
DRIVERS = {"vhd": "vpc", "vhdx": "vhdx"}
# How long guests of a simulator that was killed may take to be gone.
ORPHAN_WAIT_S = 5.0
OVERLAY, RECORD = "overlay.qcow2", "record.json"


class GuestDisk:
    """A disk that a machine has open.

    :ivar blockdev: QEMU's description (``-blockdev``), without a node name.
    """

    def __init__(self, path: str, blockdev: BlockDevice, hold: Hold, overlay: Overlay | None, scratch: Path) -> None:
        self.path = path
        self.blockdev = blockdev
        self.branch: Path | None = None  # the folder of an overlay that belongs to no file yet
        self._hold = hold
        self._overlay = overlay
        self._scratches = [scratch]
        self._is_broken = False

    @property
    def is_virtual(self) -> bool:
        """A VHD or VHDX: its files can change hands."""
        return not is_lun(self.path) and not _is_medium(self.path)

    def close(self) -> None:
        """Give the disk back, its file up to date. Only after QEMU has ended or let go of it; a second time does
        nothing.

        :raises DiskError: DISK_FULL, FILE_CORRUPT: the overlay is kept for a later try at the next start.
        """
        if self._is_broken:
            self._hold.close()
            return
        self.settle()
        for scratch in self._scratches:
            shutil.rmtree(scratch, ignore_errors=True)

    def settle(self) -> None:
        """Bring the file up to date with the overlay and give it back. Only while QEMU does not write to either.

        :raises DiskError: as `close`; nothing of this disk is stored then before the next start.
        """
        overlay, self._overlay = self._overlay, None
        try:
            if overlay is not None:
                overlay.fold()
        except DiskError:
            self._is_broken = True
            raise
        finally:
            self._hold.close()

    def go_on(self, path: str, hold: Hold, overlay: Overlay) -> None:
        """From now on the overlay on top belongs to this file."""
        if self.branch is not None:
            self._scratches.append(self.branch)
        self.path, self._hold, self._overlay, self.branch = path, hold, overlay, None

    def __enter__(self) -> GuestDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Overlay:
    """What a guest has written to one differencing file, which stays open: renaming it changes nothing."""

    def __init__(self, file: Path, target_fd: int, name: str) -> None:
        self.file = file
        self._target_fd = target_fd
        self._name = name

    def fold(self) -> None:
        """Write the content into the differencing file and close it. What was folded before is folded again: no
        harm."""
        try:
            if os.fstat(self._target_fd).st_nlink == 0:
                return  # deleted while the guest ran: nobody can ask for its content
            node: BlockDevice = {"driver": "qcow2", "file": _file_node(self.file, read_only=True), "backing": None}
            ranges = [found for found in qemu_img.node_map(node) if found.get("present", found["data"])]
            if not ranges:
                return
            disk = parse_disk(self._target_fd, self._name)
            with self.file.open("rb") as source:
                for found in ranges:
                    start, length = found["start"], min(found["length"], disk.virtual_size - found["start"])
                    if found["zero"] or "offset" not in found:
                        disk.write_zeros(start, length)
                        continue
                    for part in range(0, length, 4 * 1024**2):
                        size = min(4 * 1024**2, length - part)
                        data = os.pread(source.fileno(), size, found["offset"] + part)
                        disk.write(start + part, data.ljust(size, b"\0"))
            os.fsync(self._target_fd)
            (self.file.parent / RECORD).unlink(missing_ok=True)
        except OSError as error:
            raise DiskError(errors.DISK_FULL, self._name, str(error)) from error
        finally:
            os.close(self._target_fd)


class GuestDisks:
    """Opens disks for machines; knows the folder of overlays."""

    def __init__(self, folder: HostFolder, work: Path, holds: Holds) -> None:
        self._folder = folder
        self._work = work
        self._holds = holds
        self.luns: Luns | None = None
        self._recover()

    def hold(self, path: str, *, read_only: bool) -> Hold:
        """As `open`, without making anything that QEMU could open."""
        if is_lun(path):
            return self._holds.take(exclusive=[self._lun_file(path)])
        if _is_medium(path):
            return self._holds.take(shared=[self._folder.existing(path)])
        return self._hold_chain(read_chain(self._folder, path), read_only=read_only)

    def _hold_chain(self, chain: list[Layer], *, read_only: bool) -> Hold:
        files = [layer.local for layer in chain]
        return self._holds.take(shared=files) if read_only else self._holds.take(exclusive=files[:1], shared=files[1:])

    def open(self, path: str, *, read_only: bool) -> GuestDisk:
        """:raises DiskError: what Windows says when a machine that starts can't open its disk."""
        scratch = self._work / str(uuid.uuid4())
        if is_lun(path):
            file = self._lun_file(path)
            raw: BlockDevice = {"driver": "raw", "read-only": read_only, "file": _file_node(file, read_only=read_only)}
            return GuestDisk(path, raw, self._holds.take(exclusive=[file]), None, scratch)
        if _is_medium(path):
            local = self._folder.existing(path)
            node: BlockDevice = {"driver": "raw", "read-only": True, "file": _file_node(local, read_only=True)}
            return GuestDisk(path, node, self._holds.take(shared=[local]), None, scratch)
        chain = read_chain(self._folder, path)
        if chain[0].disk.logical_sector != 512:
            raise DiskError(errors.NOT_SUPPORTED, path, "QEMU reads no disks with 4096-byte logical sectors")
        hold = self._hold_chain(chain, read_only=read_only)
        try:
            for layer in chain:
                self.replay_log(layer)
            overlay = None
            if len(chain) == 1:
                node = _base_node(chain[0], read_only=read_only)
            else:
                scratch.mkdir()
                node = _views(chain, scratch)
                if not read_only:
                    _make_overlay(chain[0], scratch)
                    overlay = self._attach(chain[0], scratch)
                    node = {"driver": "qcow2", "file": _file_node(overlay.file, read_only=False), "backing": node}
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            hold.close()
            raise
        return GuestDisk(path, node, hold, overlay, scratch)

    def _lun_file(self, path: str) -> Path:
        if self.luns is None:
            raise DiskError(errors.FILE_NOT_FOUND, path, "this host has no LUNs")
        return self.luns.file(path)

    def branch(self, disk: GuestDisk) -> BlockDevice:
        """One more overlay for QEMU to put on top of a disk that it has open; `go_on` says what it belongs to.

        :raises DiskError: DISK_FULL.
        """
        layer = read_chain(self._folder, disk.path)[0]
        scratch = self._work / str(uuid.uuid4())
        scratch.mkdir()
        file = _make_overlay(layer, scratch)
        disk.branch = scratch
        return {"driver": "qcow2", "file": _file_node(file, read_only=False), "backing": None}

    def go_on(self, disk: GuestDisk, path: str) -> None:
        """After `branch` and `GuestDisk.settle`: the guest has this file open from now on.

        :raises DiskError: as `open`.
        """
        chain = read_chain(self._folder, path)
        hold = self._hold_chain(chain, read_only=False)
        if disk.branch is None:
            raise ValueError("branch comes first")
        disk.go_on(path, hold, self._attach(chain[0], disk.branch))

    def _attach(self, layer: Layer, scratch: Path) -> Overlay:
        status = layer.local.stat()
        record = {"path": str(layer.path), "device": status.st_dev, "inode": status.st_ino}
        (scratch / RECORD).write_text(json.dumps(record))
        target = os.open(layer.local, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        return Overlay(scratch / OVERLAY, target, str(layer.path))

    def replay_log(self, layer: Layer) -> None:
        """Bring a VHDX that was not closed cleanly up to date, as Windows does on opening ([MS-VHDX] 2.3.3).

        :raises DiskError: FILE_CORRUPT where the log can't be replayed; so for every differencing disk with a log:
            nothing here writes one, and what writes them elsewhere closes them.
        """
        if not layer.disk.log_to_replay or self._in_use_by_others(layer):
            return
        if layer.disk.has_parent:
            raise DiskError(errors.FILE_CORRUPT, str(layer.path), "a differencing disk with a log to replay")
        qemu_img.run("check", "-q", "-r", "all", "-f", "vhdx", str(layer.local), path=str(layer.path))

    def _in_use_by_others(self, layer: Layer) -> bool:
        # A running QEMU keeps a log of its own; for whoever opened the file first it was replayed then.
        return self._holds.count(layer.local) > 1

    def _recover(self) -> None:
        """Fold what a simulator that was killed left; drop what belongs to nothing any more."""
        scratches = [entry for entry in self._work.iterdir() if entry.is_dir()]
        # In the order in which they were made: what was written last wins.
        for scratch in sorted(scratches, key=lambda entry: entry.stat().st_ctime_ns):
            record = scratch / RECORD
            target = self._find(json.loads(record.read_text())) if record.exists() else None
            if target is not None:
                file = scratch / OVERLAY
                _wait_until_free(file)
                Overlay(file, os.open(target, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW), target.name).fold()
            shutil.rmtree(scratch)

    def _find(self, record: dict[str, Any]) -> Path | None:
        def same(path: Path) -> bool:
            status = path.lstat()
            return (status.st_dev, status.st_ino) == (record["device"], record["inode"])

        at_its_place = self._folder.to_local(record["path"])
        if at_its_place.is_file() and same(at_its_place):
            return at_its_place
        return next((path for path in self._folder.root.rglob("*") if path.is_file() and same(path)), None)


def _make_overlay(layer: Layer, scratch: Path) -> Path:
    file = scratch / OVERLAY
    qemu_img.run("create", "-q", "-f", "qcow2", str(file), str(layer.disk.virtual_size), path=str(layer.path))
    return file


def _is_medium(path: str) -> bool:
    return path.lower().endswith(".iso")


def _file_node(path: Path, *, read_only: bool) -> BlockDevice:
    # no-flush: a simulated host need not survive the loss of power of the real one.
    cache = {"direct": False, "no-flush": True}
    return {"driver": "file", "filename": str(path), "read-only": read_only, "cache": cache}


def _base_node(layer: Layer, *, read_only: bool) -> BlockDevice:
    file = _file_node(layer.local, read_only=read_only)
    return {"driver": DRIVERS[layer.format], "read-only": read_only, "file": file}


def _views(chain: list[Layer], scratch: Path) -> BlockDevice:
    node = _base_node(chain[-1], read_only=True)
    for number in range(len(chain) - 2, -1, -1):
        layer = chain[number]
        view, data = scratch / f"view-{number}.qcow2", scratch / f"data-{number}"
        with layer.local.open("rb") as file:
            layer.disk.fd = file.fileno()
            write_view(layer.disk, view, data)
        node = {
            "driver": "qcow2",
            "read-only": True,
            "file": _file_node(view, read_only=True),
            "data-file": _file_node(data, read_only=True),
            "backing": node,
        }
    return node


def _wait_until_free(file: Path) -> None:
    deadline = time.monotonic() + ORPHAN_WAIT_S
    while True:
        try:
            qemu_img.run("info", str(file))
            return
        except DiskError as error:
            if error.code != errors.SHARING_VIOLATION or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
