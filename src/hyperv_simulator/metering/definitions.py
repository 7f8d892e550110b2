"""The metrics of a host: one row per quantity, measured at a resource and, aggregated, at its machine.

Ids: read on a 2012 R2 host (real-instances 3.9); which is which: constants of Microsoft's own client. Names: os-win,
and a client that lists those of a host. The plain id is that of one resource, the other that of a whole machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from compute_hyperv.cim.values import CimValue
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

BASE, AGGREGATION = "Msvm_BaseMetricDefinition", "Msvm_AggregationMetricDefinition"
Source = Literal["memory", "processor", "disk", "incoming", "outgoing"]
Function = Literal["sum", "average", "minimum", "maximum"]
_SIMPLE_FUNCTIONS: Mapping[str, int] = {"minimum": 2, "maximum": 3, "average": 4}
_UINT64, _COUNTER, _PERIODIC, _INTERVAL = 13, 3, 3, 3
_SUMMABLE, _NON_SUMMABLE = 2, 3


@dataclass(frozen=True, slots=True)
class Metric:
    """One quantity.

    :param guid: of its definition at a resource.
    :param machine_guid: of its definition at a machine.
    :param function: how values over time become one; a ``sum`` is a base metric, the others are aggregations.
    :param key: what it is called among the measurements (``measurements``).
    """

    key: str
    source: Source
    function: Function
    guid: str
    name: str
    machine_guid: str
    machine_name: str
    units: str
    programmatic_units: str

    @property
    def definition_class(self) -> str:
        return BASE if self.function == "sum" else AGGREGATION

    @property
    def value_class(self) -> str:
        return self.definition_class.replace("Definition", "Value")


_MB = ("MB", "byte * 2^20")
METRICS: tuple[Metric, ...] = (
    Metric(
        "memory_average", "memory", "average",
        "04BDF59E-580D-4441-8828-FFFE44472D2D", "Average Memory Utilization",
        "04BDF59E-580D-4441-8828-FFFE44472D2E", "Aggregated Average Memory Utilization", *_MB,
    ),
    Metric(
        "memory_maximum", "memory", "maximum",
        "394DCE66-458F-4895-AE56-41D7C9602A49", "Maximum for Memory Utilization",
        "394DCE66-458F-4895-AE56-41D7C9602A4A", "Aggregated Maximum for Memory Utilization", *_MB,
    ),
    Metric(
        "memory_minimum", "memory", "minimum",
        "FF85EA46-9933-4436-BE5D-C96827399966", "Minimum for Memory Utilization",
        "FF85EA46-9933-4436-BE5D-C96827399967", "Aggregated Minimum for Memory Utilization", *_MB,
    ),
    Metric(
        "processor_average", "processor", "average",
        "3F6F1051-C8FC-47EF-9821-C07240848748", "Average CPU Utilization",
        "3F6F1051-C8FC-47EF-9821-C07240848749", "Aggregated Average CPU Utilization", "MHz", "hertz * 10^6",
    ),
    Metric(
        "disk_latency", "disk", "average",
        "72544D55-3035-41DA-B9D7-6C5A39BF8F35", "Average Disk Latency",
        "8F5001D9-CAB4-4F85-AC1E-887FBBB07641", "Aggregated Average Disk Latency", "ms", "second * 10^-3",
    ),
    Metric(
        "disk_throughput", "disk", "average",
        "A4BCA0D9-C27D-4BC8-A7E3-7ED13C89E373", "Average Normalized Disk Throughput",
        "7A9EB0A9-28CF-4216-A6CA-F8DE74A5D4A3", "Aggregated Average Normalized Disk Throughput",
        "IOPS", "count / second",
    ),
    Metric(
        "disk_allocation", "disk", "maximum",
        "AD29978B-AAB6-44AE-81CD-0609BF929F18", "Maximum for Disk Allocation",
        "AD29978B-AAB6-44AE-81CD-0609BF929F19", "Aggregated Maximum for Disk Allocations", *_MB,
    ),
    Metric(
        "disk_operations", "disk", "sum",
        "4E1D459F-7861-46A4-887C-B64397C97E1B", "Normalized I/O Operations Completed",
        "DF735A3F-AB45-4368-80CC-E06F73E8A85C", "Aggregated Normalized I/O Operations Completed", "count", "count",
    ),
    Metric(
        "disk_written", "disk", "sum",
        "534FA8D7-9875-4FAB-BAA6-2424DF29B31E", "Disk Data Written",
        "FFD2C1DC-091E-4F2A-95F7-75994CE92046", "Aggregated Disk Data Written", *_MB,
    ),
    Metric(
        "disk_read", "disk", "sum",
        "A9DFBC22-E05F-438D-9405-22E2078353D6", "Disk Data Read",
        "942103D7-A125-4F19-B734-97AEDBF81995", "Aggregated Disk Data Read", *_MB,
    ),
    Metric(
        "network_out", "outgoing", "sum",
        "3C215D49-078B-4D9F-8E2E-0C844642D3BB", "Filtered Outgoing Network Traffic",
        "3C215D49-078B-4D9F-8E2E-0C844642D3BC", "Aggregated Filtered Outgoing Network Traffic", *_MB,
    ),
    Metric(
        "network_in", "incoming", "sum",
        "A6C250B0-867B-4CE7-9C47-A4F00AA6BB15", "Filtered Incoming Network Traffic",
        "A6C250B0-867B-4CE7-9C47-A4F00AA6BB16", "Aggregated Filtered Incoming Network Traffic", *_MB,
    ),
)  # fmt: skip
# A 2012 R2 host has the ids of all others (real-instances 3.9).
_SINCE_2016 = ("disk_operations",)


def metrics_of(repository: Repository) -> tuple[Metric, ...]:
    """Those that the host's release has."""
    recent = repository.catalogue.version.release >= 2016
    return tuple(metric for metric in METRICS if recent or metric.key not in _SINCE_2016)


def populate(repository: Repository) -> None:
    """Puts in the definitions."""
    for metric in metrics_of(repository):
        for guid, name in ((metric.guid, metric.name), (metric.machine_guid, metric.machine_name)):
            values: dict[str, CimValue] = {
                "Id": f"Microsoft:{guid}",
                "InstanceID": f"Microsoft:{guid}",
                "Caption": name,
                "ElementName": name,
                "Name": name,
                "Description": name,
                "Calculable": _SUMMABLE if metric.function == "sum" else _NON_SUMMABLE,
                "DataType": _UINT64,
                "GatheringType": _PERIODIC,
                "IsContinuous": True,
                "ProgrammaticUnits": metric.programmatic_units,
                "TimeScope": _INTERVAL,
                "Units": metric.units,
            }
            if metric.function == "sum":
                values["ChangeType"] = _COUNTER
            else:
                values["SimpleFunction"] = _SIMPLE_FUNCTIONS[metric.function]
            repository.add(new_instance(repository.catalogue, metric.definition_class, values))
