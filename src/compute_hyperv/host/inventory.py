"""What a host is and how much of it is in use.

Queries name the properties they want: Win32_Processor.LoadPercentage alone takes a second per socket, and asking a NUMA
node for its associated Msvm_Processor objects crashes vmms, so their *references* are asked for (facts: old-driver 8).
"""

from __future__ import annotations

import datetime as dt
import threading

from compute_hyperv.cim.errors import NotFound, ProtocolError
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference
from compute_hyperv.cim.wql import Query, references_of, select
from compute_hyperv.host import paths, vitals
from compute_hyperv.host.errors import FileMissing
from compute_hyperv.host.files import Files
from compute_hyperv.host.model import HostInfo, HostUsage, NumaNode, VolumeSpace
from compute_hyperv.host.services import CIMV2

_OPERATING_SYSTEM = ["CSName", "Caption", "Version", "LastBootUpTime", "TotalVisibleMemorySize", "FreePhysicalMemory"]
_COMPUTER = ["DNSHostName", "Domain", "PartOfDomain"]
_PROCESSOR = ["Name", "Manufacturer", "NumberOfCores", "NumberOfLogicalProcessors"]

_CONSUMABLE = "CurrentlyConsumableMemoryBlocks"

_DRIFT = dt.timedelta(seconds=5)


class Inventory:
    def __init__(self, session: CimSession, files: Files) -> None:
        self._session = session
        self._files = files
        self._info: HostInfo | None = None
        self._lock = threading.Lock()

    def host_info(self) -> HostInfo:
        """What the host is; read once, and again after the host was started anew."""
        with self._lock:
            if self._info is None:
                self._info = self._read()
            return self._info

    def booted_at(self) -> dt.datetime:
        """When Windows was started last, read anew; accurate to some seconds."""
        booted_at = _moment(self._one(select("Win32_OperatingSystem", ["LastBootUpTime"])), "LastBootUpTime")
        self._notice_restart(booted_at)
        return booted_at

    def usage(self) -> HostUsage:
        """What is in use now, by all machines, whoever made them: three requests."""
        system = self._operating_system()
        self._notice_restart(_moment(system, "LastBootUpTime"))
        return HostUsage(
            free_memory_mb=system.integer("FreePhysicalMemory") // 1024,
            consumable_memory_mb=self._consumable_memory_mb(),
            machines=vitals.uses(self._session),
        )

    def _consumable_memory_mb(self) -> int | None:
        nodes = self._session.query(select("Msvm_NumaNode", [_CONSUMABLE]))
        free = [node.get(_CONSUMABLE) for node in nodes]
        known = [blocks for blocks in free if isinstance(blocks, int)]  # of 1 MiB
        return sum(known) if known else None

    def volume_space(self, path: str) -> VolumeSpace:
        """Size and free space of the volume that holds a path, whether that exists yet or not: a local volume, a
        cluster shared volume, or a share of another server."""
        root = paths.volume_root(path)
        folder = paths.normalise(path)
        while True:
            try:
                return self._files.volume_space(folder)
            except FileMissing:
                if paths.same(folder, root):
                    raise
            folder = paths.parent(folder)

    def _read(self) -> HostInfo:
        system = self._operating_system()
        computer = self._one(select("Win32_ComputerSystem", _COMPUTER))
        sockets = self._session.query(select("Win32_Processor", _PROCESSOR), namespace=CIMV2)
        if not sockets:
            raise ProtocolError("The host lists no Win32_Processor.")
        name = system.text("CSName")
        dns_name = computer.text("DNSHostName", name) or name
        domain = computer.text("Domain", "") if computer.boolean("PartOfDomain", False) else ""
        return HostInfo(
            name=name,
            fqdn=f"{dns_name}.{domain}" if domain else dns_name,
            version=_version(system.text("Version")),
            caption=system.text("Caption", "").strip(),
            sockets=len(sockets),
            cores_per_socket=sockets[0].integer("NumberOfCores"),
            logical_processors=sum(socket.integer("NumberOfLogicalProcessors") for socket in sockets),
            processor_vendor=sockets[0].text("Manufacturer", ""),
            processor_model=" ".join(sockets[0].text("Name", "").split()),
            memory_mb=system.integer("TotalVisibleMemorySize") // 1024,
            booted_at=_moment(system, "LastBootUpTime"),
            numa_nodes=self._numa_nodes(),
        )

    def _numa_nodes(self) -> tuple[NumaNode, ...]:
        nodes = self._session.query(select("Msvm_NumaNode"))
        return tuple(sorted((self._numa_node(node) for node in nodes), key=lambda node: node.number))

    def _numa_node(self, node: CimInstance) -> NumaNode:
        keys = {
            name: node.text(name) for name in ("CreationClassName", "NodeID", "SystemCreationClassName", "SystemName")
        }
        reference = CimReference("Msvm_NumaNode", keys)
        links = self._session.query(references_of(reference, result_class="Msvm_HostedDependency"))
        devices = [device for link in links if isinstance(device := link.get("Dependent"), CimReference)]
        # Ids: Microsoft:B637F347-...\<node>\<processor>, Microsoft:4764334E-...\<node> (facts: real-instances 1.5).
        processors = sorted(_last_number(device) for device in devices if device.class_name == "Msvm_Processor")
        memory_mb = sum(self._size_mb(device) for device in devices if device.class_name == "Msvm_Memory")
        return NumaNode(
            number=int(keys["NodeID"].rpartition("\\")[2]),
            processors=tuple(processors),
            memory_mb=memory_mb,
            free_memory_mb=node.integer(_CONSUMABLE, 0),  # blocks of 1 MiB
        )

    def _size_mb(self, memory: CimReference) -> int:
        try:
            found = self._session.get(memory)
        except NotFound:
            return 0
        return found.integer("NumberOfBlocks", 0) * found.integer("BlockSize", 0) // 1024**2

    def _operating_system(self) -> CimInstance:
        return self._one(select("Win32_OperatingSystem", _OPERATING_SYSTEM))

    def _one(self, query: Query) -> CimInstance:
        rows = self._session.query(query, namespace=CIMV2)
        if len(rows) != 1:
            raise ProtocolError(f"{query}: the host answered with {len(rows)} instances instead of one.")
        return rows[0]

    def _notice_restart(self, booted_at: dt.datetime) -> None:
        with self._lock:
            if self._info and not same_boot(self._info.booted_at, booted_at):
                self._info = None


def same_boot(one: dt.datetime, other: dt.datetime) -> bool:
    """Whether two readings mean the same start of Windows: the time is computed from the uptime, and moves by fractions
    of a second."""
    return abs(one - other) < _DRIFT


def _version(text: str) -> tuple[int, int, int]:
    parts = text.split(".")
    if len(parts) < 3 or not all(part.isdigit() for part in parts[:3]):
        raise ProtocolError(f"The host's Windows version {text!r} is none.")
    return int(parts[0]), int(parts[1]), int(parts[2])


def _moment(instance: CimInstance, name: str) -> dt.datetime:
    value = instance.get(name)
    if not isinstance(value, dt.datetime):
        raise ProtocolError(f"{instance.class_name}.{name} is {value!r}, not a date.")
    return value


def _last_number(device: CimReference) -> int:
    return int(device.key("DeviceID").rpartition("\\")[2])
