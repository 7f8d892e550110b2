"""The facts of a recorded host, as a table of hosts.toml.

Only what hosts.toml has a key for; what it can't tell (all other instances) is served from the recording itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.config.reading import Reader
from hyperv_simulator.operating_system.edition import edition_of_sku
from hyperv_simulator.operating_system.feature_table import FEATURES
from hyperv_simulator.operating_system.service_table import SERVICES
from hyperv_simulator.recordings.errors import RecordingError
from hyperv_simulator.recordings.recording import Recording
from hyperv_simulator.repository.instances import owner_in
from hyperv_simulator.windows import RELEASES

_CIMV2, _V2, _NET = "root/cimv2", "root/virtualization/v2", "root/standardcimv2"
_MIB, _GIB = 1024**2, 1024**3
# Numbers that hosts.toml checks against each other: processors with two kinds of cores do not fit.
_TOGETHER = ("sockets", "cores", "threads", "numa_nodes")
_IPV4 = 2


def host_values(recording: Recording, *, name: str = "") -> tuple[dict[str, Any], tuple[str, ...]]:
    """The keys of ``[[host]]``, and what could not be taken over because hosts.toml does not allow it.

    :param name: another computer name than the recorded one.
    :raises RecordingError: the recording lacks root/cimv2, so it does not tell what the host is.
    """
    values: dict[str, Any] = {"name": name or recording.host}
    values |= _windows(recording) | _processors(recording)
    values["numa_nodes"] = max(1, len(recording.of(_V2, "Msvm_NumaNode")))
    values["features"] = _features(recording)
    values["nic"] = [values_of for _, values_of in nics(recording)]
    values["switch"] = list(_switches(recording))
    values["volume"] = list(_volumes(recording))
    values["service"] = list(_services(recording))
    return _allowed({key: value for key, value in values.items() if value not in ("", [])})


def as_toml(values: Mapping[str, Any]) -> str:
    """``[[host]]`` with these keys."""
    return "\n".join(_table("[[host]]", "host", values)) + "\n"


def nics(recording: Recording) -> list[tuple[str, dict[str, Any]]]:
    """Each physical adapter: its GUID, and the keys of ``[[host.nic]]``; in the order of their interface indexes."""
    adapters = [item for item in recording.of(_NET, "MSFT_NetAdapter") if item.get("HardwareInterface") is True]
    found = []
    for adapter in sorted(adapters, key=lambda item: item.integer("InterfaceIndex", 0)):
        name = adapter.text("Name")
        found.append(
            (
                owner_in(adapter.text("InterfaceGuid", "") or adapter.text("DeviceID", "")).upper(),
                {
                    "name": name,
                    "description": adapter.text("InterfaceDescription", ""),
                    "mac": re.sub("[^0-9A-Fa-f]", "", adapter.text("PermanentAddress", "")),
                    "speed_gbps": max(1, adapter.integer("Speed", 0) // 10**9),
                    "connected": adapter.get("MediaConnectState") in (1, None),
                    "address": _address(recording, adapter),
                    "rdma": _enabled(recording, "MSFT_NetAdapterRdmaSettingData", name),
                    "sriov": _enabled(recording, "MSFT_NetAdapterSriovSettingData", name),
                },
            )
        )
    return found


def _windows(recording: Recording) -> dict[str, Any]:
    systems, computers = recording.of(_CIMV2, "Win32_OperatingSystem"), recording.of(_CIMV2, "Win32_ComputerSystem")
    if not systems or not computers:
        raise RecordingError("the recording has no Win32_OperatingSystem or Win32_ComputerSystem; dump root/cimv2 too")
    system, computer = systems[0], computers[0]
    build = int(system.text("BuildNumber", "0"))
    older = [release for release in RELEASES.values() if int(release.build) <= build]
    bios = next(iter(recording.of(_CIMV2, "Win32_BIOS")), None)
    hardware = {
        "manufacturer": computer.text("Manufacturer", ""),
        "model": computer.text("Model", ""),
        "serial_number": bios.text("SerialNumber", "") if bios is not None else "",
    }
    disk = next((item for item in recording.of(_CIMV2, "Win32_LogicalDisk") if item.get("DeviceID") == "C:"), None)
    return {
        "version": (older[-1] if older else RELEASES["2012r2"]).name,
        "edition": edition_of_sku(system.integer("OperatingSystemSKU", 8)),
        "domain": computer.text("Domain", "") if computer.get("PartOfDomain") is True else "",
        "memory_mb": computer.integer("TotalPhysicalMemory", 64 * _GIB) // _MIB,
        "disk_gb": disk.integer("Size", 0) // _GIB if disk is not None else "",
        "hardware": {key: value for key, value in hardware.items() if value},
    }


def _processors(recording: Recording) -> dict[str, Any]:
    processors = recording.of(_CIMV2, "Win32_Processor")
    if not processors:
        return {}
    return {
        "sockets": len(processors),
        "cores": sum(item.integer("NumberOfCores", 1) for item in processors),
        "threads": sum(item.integer("NumberOfLogicalProcessors", 1) for item in processors),
    }


def _features(recording: Recording) -> list[str]:
    """By their ids; those without one by the optional features that they deploy."""
    ids = {item.get("ID") for item in recording.of(_CIMV2, "Win32_ServerFeature")}
    optional = {
        item.text("Name") for item in recording.of(_CIMV2, "Win32_OptionalFeature") if item.get("InstallState") == 1
    }
    return [
        entry.name
        for entry in FEATURES
        if (entry.feature_id in ids if entry.feature_id else bool(entry.deploys) and optional.issuperset(entry.deploys))
    ]


def _address(recording: Recording, adapter: CimInstance) -> str:
    for item in recording.of(_NET, "MSFT_NetIPAddress"):
        if item.get("InterfaceIndex") == adapter.get("InterfaceIndex") and item.get("AddressFamily") == _IPV4:
            return f"{item.text('IPAddress', item.text('IPv4Address', ''))}/{item.integer('PrefixLength', 24)}"
    return ""


def _enabled(recording: Recording, class_name: str, adapter: str) -> bool:
    return any(item.get("Name") == adapter and item.get("Enabled") is True for item in recording.of(_NET, class_name))


def _switches(recording: Recording) -> Iterator[dict[str, Any]]:
    names = {guid: values["name"] for guid, values in nics(recording)}
    wires = recording.of(_V2, "Msvm_EthernetPortAllocationSettingData")
    for switch in recording.of(_V2, "Msvm_VirtualEthernetSwitch"):
        guid = owner_in(switch.text("Name"))
        own = [wire for wire in wires if owner_in(wire.text("InstanceID", "")) == guid]
        paths = [path for wire in own for path in wire.texts("HostResource")]
        external = next((path for path in paths if "Msvm_ExternalEthernetPort" in path), "")
        values = {"name": switch.text("ElementName")}
        if external:
            values |= {"type": "external", "adapter": names.get(owner_in(external).upper(), "Ethernet")}
        else:
            values["type"] = "internal" if any("Msvm_ComputerSystem" in path for path in paths) else "private"
        yield values


def _volumes(recording: Recording) -> Iterator[dict[str, Any]]:
    for volume in recording.of(_CIMV2, "Win32_Volume"):
        letter = volume.text("DriveLetter", "").rstrip(":")
        if volume.get("DriveType") == 3 and letter and letter != "C":
            yield {
                "letter": letter,
                "label": volume.text("Label", ""),
                "size_gb": max(1, volume.integer("Capacity", 0) // _GIB),
                "file_system": volume.text("FileSystem", "NTFS"),
            }


def _services(recording: Recording) -> Iterator[dict[str, Any]]:
    """Those that are not as a host has them by default."""
    known = {entry.name.lower(): entry for entry in SERVICES}
    for service in recording.of(_CIMV2, "Win32_Service"):
        name, mode, running = (
            service.text("Name"),
            service.text("StartMode", "Manual"),
            service.get("State") == "Running",
        )
        entry = known.get(name.lower())
        if entry is not None and (entry.mode, entry.mode == "Auto" or entry.triggered) == (mode, running):
            continue
        values = {"name": name, "start_mode": mode, "running": running}
        yield values if entry is not None else {**values, "display_name": service.text("DisplayName", name)}


def _allowed(values: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What of this hosts.toml takes, and what is wrong with the rest.

    :raises RecordingError: nothing more can be left out.
    """
    left_out: list[str] = []
    while True:
        reader = Reader()
        if reader.table(HostConfig, values, ("host", 0)) is not None:
            return values, tuple(left_out)
        problem = reader.problems[0]
        fewer = _without(values, problem.path[2:])
        if fewer == values:
            raise RecordingError(f"the recorded host can't be described: {problem.text}")
        left_out.append(problem.text)
        values = fewer


def _without(values: dict[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    """The keys without the one at the path: one entry of an array, a key, or those that belong together."""
    match path:
        case (str(key), int(entry), *_):
            return {**values, key: [each for number, each in enumerate(values[key]) if number != entry]}
        case (str(key), *_) if key not in _TOGETHER:
            return {name: value for name, value in values.items() if name != key}
    return {name: value for name, value in values.items() if name not in _TOGETHER}


def _table(header: str, name: str, values: Mapping[str, Any]) -> Iterator[str]:
    """A table with its own keys first: TOML takes what follows a table within as that table's."""
    yield header
    for key, value in values.items():
        if not _tables(value):
            yield f"{key} = {json.dumps(value, ensure_ascii=False)}"
    for key, value in values.items():
        if isinstance(value, dict):
            yield ""
            yield from _table(f"[{name}.{key}]", f"{name}.{key}", value)
        elif _tables(value):
            for each in value:
                yield ""
                yield from _table(f"[[{name}.{key}]]", f"{name}.{key}", each)


def _tables(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value))
