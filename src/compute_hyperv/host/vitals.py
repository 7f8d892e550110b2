"""What machines take of their host and how they do: one call for any number of them.

GetSummaryInformation fills what it is asked for and nothing else (facts: real-instances 3.10); its numbers are the
value map of ``RequestedInformation``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from compute_hyperv.cim.errors import InvalidRequest, NotFound, Unreachable
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from compute_hyperv.cim.wql import associators_of, eq, like, select
from compute_hyperv.host import jobs, paths
from compute_hyperv.host.machine_settings import MachineSettings, reference_of
from compute_hyperv.host.model import DiskTraffic, MachineState, MachineUse, MachineVitals, NicTraffic
from compute_hyperv.host.power import state_of
from compute_hyperv.host.services import CIMV2, MANAGEMENT, system_settings_reference

# A machine in one of these holds neither processors nor memory.
_AT_REST = frozenset({MachineState.OFF, MachineState.SAVED, MachineState.FAST_SAVED})

# Metric definitions of a disk (facts: real-instances 3.9); the first two count in MB.
_READ, _WRITTEN = "A9DFBC22-E05F-438D-9405-22E2078353D6", "534FA8D7-9875-4FAB-BAA6-2424DF29B31E"
_OPERATIONS = "4E1D459F-7861-46A4-887C-B64397C97E1B"
_MIB = 1024**2

# Windows' performance counters of adapters. Raw ones called "…/sec" count up (windows_exporter reads them so); an
# instance is named ``<machine>_<adapter>_<machine's id>--<adapter's id>`` (so do Nagios checks expect it).
_NIC_COUNTERS = "Win32_PerfRawData_NvspNicStats_HyperVVirtualNetworkAdapter"
_NIC_TRAFFIC = {
    "received_bytes": "BytesReceivedPersec",
    "received_packets": "PacketsReceivedPersec",
    "received_dropped": "DroppedPacketsIncomingPersec",
    "sent_bytes": "BytesSentPersec",
    "sent_packets": "PacketsSentPersec",
    "sent_dropped": "DroppedPacketsOutgoingPersec",
}


class _Field(enum.IntEnum):
    NAME = 0
    NOTES = 3
    PROCESSORS = 4
    STATE = 100
    MEMORY = 103
    UPTIME = 105


def uses(session: CimSession) -> tuple[MachineUse, ...]:
    """What each machine of the host takes of it."""
    fields = (_Field.NAME, _Field.NOTES, _Field.PROCESSORS, _Field.STATE, _Field.MEMORY)
    return tuple(_use(row) for row in _summaries(session, (), fields))


class Vitals:
    """How single machines do."""

    def __init__(self, session: CimSession) -> None:
        self._session = session

    def of(self, machine_id: str) -> MachineVitals:
        """How a machine does: two requests.

        :raises CimError: also where there is no such machine.
        """
        fields = (_Field.MEMORY, _Field.UPTIME)
        found = _summaries(self._session, (system_settings_reference(machine_id),), fields)
        if not found:
            raise NotFound(f"There is no machine {machine_id} on the host.")
        uptime_ms = found[0].get("UpTime")
        return MachineVitals(
            processor_loads=self._processor_loads(machine_id),
            memory_mb=found[0].integer("MemoryUsage", 0),
            uptime_s=uptime_ms // 1000 if isinstance(uptime_ms, int) else None,
        )

    def disk_traffic(self, machine_id: str) -> dict[str, DiskTraffic | None]:
        """What went through each disk of a machine, by its path; None where its metrics are off. One request, and one
        more for each disk."""
        settings = MachineSettings.read(self._session, machine_id)
        return {path: self._traffic(settings.media_of(path)[0]) for path in settings.files if not _is_optical(path)}

    def nic_traffic(self, machine_id: str) -> dict[str, NicTraffic | None]:
        """What went through each adapter of a machine, by its MAC address; None where Windows does not count it: the
        machine is off, or Windows has lost its counters (``lodctr /R`` brings them back). Two requests."""
        settings = MachineSettings.read(self._session, machine_id)
        found = {}
        for adapter in settings.adapters:
            found[adapter.text("Address", "").upper()] = adapter.text("InstanceID").rpartition("\\")[2].upper()
        counted = self._counted_at_nics(machine_id) if found else {}
        return {address: counted.get(adapter_id) for address, adapter_id in found.items()}

    def _counted_at_nics(self, machine_id: str) -> dict[str, NicTraffic]:
        """By the adapter's id."""
        query = select(_NIC_COUNTERS, ["Name", *_NIC_TRAFFIC.values()]).where(like("Name", f"%{machine_id}--%"))
        try:
            rows = self._session.query(query, namespace=CIMV2)
        except (InvalidRequest, NotFound):  # no such class
            return {}
        return {
            row.text("Name").rpartition("--")[2].upper(): NicTraffic(
                **{field: row.integer(counter, 0) for field, counter in _NIC_TRAFFIC.items()}
            )
            for row in rows
        }

    def _processor_loads(self, machine_id: str) -> tuple[int, ...]:
        rows = self._session.query(
            select("Msvm_Processor", ["DeviceID", "LoadPercentage"]).where(eq("SystemName", machine_id))
        )
        rows.sort(key=lambda row: int(row.text("DeviceID").rpartition("\\")[2]))
        return tuple(row.integer("LoadPercentage", 0) for row in rows)

    def _traffic(self, medium: CimInstance) -> DiskTraffic | None:
        rows = self._session.query(
            associators_of(reference_of(medium), assoc_class="Msvm_MetricForME", result_class="Msvm_BaseMetricValue")
        )
        values = {
            row.text("MetricDefinitionId", "").removeprefix("Microsoft:").upper(): int(row.text("MetricValue", "0"))
            for row in rows
        }
        if _READ not in values or _WRITTEN not in values:
            return None
        return DiskTraffic(values[_READ] * _MIB, values[_WRITTEN] * _MIB, values.get(_OPERATIONS))


def _is_optical(path: str) -> bool:
    return paths.extension(path) == "iso"


def _summaries(session: CimSession, machines: tuple[CimReference, ...], fields: Iterable[_Field]) -> list[CimInstance]:
    """:param machines: none is all of them."""
    wanted: dict[str, CimValue] = {"RequestedInformation": list(map(int, fields))}
    if machines:
        wanted["SettingData"] = list(machines)
    what = "Reading what machines take"
    try:
        result = jobs.run(session, MANAGEMENT, "GetSummaryInformation", wanted, what=what)
    except Unreachable:  # a kept connection that the host has closed; it only reads, so it may be repeated
        result = jobs.run(session, MANAGEMENT, "GetSummaryInformation", wanted, what=what)
    found = result["SummaryInformation"]
    return [row for row in found if isinstance(row, CimInstance)] if isinstance(found, list) else []


def _use(row: CimInstance) -> MachineUse:
    awake = state_of(row) not in _AT_REST
    return MachineUse(
        machine_id=row.text("Name").upper(),
        notes=tuple(filter(None, row.text("Notes", "").splitlines())),
        processors=row.integer("NumberOfProcessors", 0) if awake else 0,
        memory_mb=row.integer("MemoryUsage", 0) if awake else 0,
    )
