"""root/cimv2: what the firmware tells of the machine: product, board, BIOS, memory modules; and the page file.

Values: forms as Windows gives them for SMBIOS tables; the names are hosts.toml's (``[host.hardware]``).
"""

from __future__ import annotations

import datetime as dt

from compute_hyperv.cim.values import CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.operating_system.accounts import CIMV2
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

_MIB = 1024**2
_LARGEST_MODULE_MB = 32 * 1024
_DDR4 = 26
_FIRMWARE_DATE = dt.datetime(2025, 6, 2, tzinfo=dt.UTC)


def populate(repository: Repository, facts: HostFacts) -> None:
    """Puts in the instances named above."""
    hardware = facts.config.hardware
    made_by = {"Manufacturer": hardware.manufacturer, "SerialNumber": hardware.serial_number}

    def add(class_name: str, values: dict[str, CimValue]) -> None:
        repository.add(new_instance(repository.catalogue, class_name, values, CIMV2))

    add(
        "Win32_ComputerSystemProduct",
        {
            "Name": hardware.model,
            "Caption": "Computer System Product",
            "Description": "Computer System Product",
            "IdentifyingNumber": hardware.serial_number,
            "UUID": ids.stable_guid(facts.config.name, "product"),
            "Vendor": hardware.manufacturer,
            "Version": "1.0",
        },
    )
    add(
        "Win32_BIOS",
        {
            **made_by,
            "Name": "1.0.0",
            "Caption": "1.0.0",
            "Description": "1.0.0",
            "Version": "CONTSO - 1",
            "SoftwareElementID": "1.0.0",
            "SoftwareElementState": 3,
            "TargetOperatingSystem": 0,
            "BIOSVersion": ["CONTSO - 1", "1.0.0"],
            "SMBIOSBIOSVersion": "1.0.0",
            "SMBIOSMajorVersion": 3,
            "SMBIOSMinorVersion": 2,
            "SMBIOSPresent": True,
            "PrimaryBIOS": True,
            "ReleaseDate": _FIRMWARE_DATE,
            "Status": "OK",
        },
    )
    board: dict[str, CimValue] = {
        **made_by,
        "Tag": "Base Board",
        "Name": "Base Board",
        "Caption": "Base Board",
        "Description": "Base Board",
        "CreationClassName": "Win32_BaseBoard",
        "Product": hardware.model,
        "Version": "A01",
        "HostingBoard": True,
        "PoweredOn": True,
        "Status": "OK",
    }
    add("Win32_BaseBoard", board)
    add(
        "Win32_SystemEnclosure",
        {
            **made_by,
            "Tag": "System Enclosure 0",
            "Name": "System Enclosure",
            "Caption": "System Enclosure",
            "CreationClassName": "Win32_SystemEnclosure",
            "ChassisTypes": [23],  # rack mount chassis
            "Status": "OK",
        },
    )
    for number, size_mb in enumerate(_modules(facts.config.memory_mb)):
        add(
            "Win32_PhysicalMemory",
            {
                "Tag": f"Physical Memory {number}",
                "Name": "Physical Memory",
                "Caption": "Physical Memory",
                "CreationClassName": "Win32_PhysicalMemory",
                "BankLabel": f"BANK {number}",
                "DeviceLocator": f"DIMM {number}",
                "Capacity": size_mb * _MIB,
                "DataWidth": 64,
                "TotalWidth": 72,
                "FormFactor": 8,
                "SMBIOSMemoryType": _DDR4,
                "Speed": 2933,
                "ConfiguredClockSpeed": 2933,
                "Manufacturer": hardware.manufacturer,
                "SerialNumber": f"{number + 1:08X}",
            },
        )
    page_file_mb = min(facts.config.memory_mb // 4, 8192)
    add(
        "Win32_PageFileUsage",
        {
            "Name": r"C:\pagefile.sys",
            "Caption": r"C:\pagefile.sys",
            "AllocatedBaseSize": page_file_mb,
            "CurrentUsage": 0,
            "PeakUsage": 0,
            "InstallDate": facts.installed_at,
            "TempPageFile": False,
        },
    )
    add(
        "Win32_TimeZone",
        {
            "StandardName": "Coordinated Universal Time",
            "Caption": "(UTC) Coordinated Universal Time",
            "Description": "(UTC) Coordinated Universal Time",
            "SettingID": "(UTC) Coordinated Universal Time",
            "DaylightName": "Coordinated Universal Time",
            "Bias": 0,
            "DaylightBias": 0,
            "StandardBias": 0,
        },
    )


def _modules(memory_mb: int) -> list[int]:
    """The sizes of the modules that make up so much memory."""
    full, rest = divmod(memory_mb, _LARGEST_MODULE_MB)
    return [_LARGEST_MODULE_MB] * full + ([rest] if rest else [])
