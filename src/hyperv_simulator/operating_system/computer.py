"""root/cimv2: the operating system, the computer, its processors, its clock.

Values: real-instances 4. Free memory is computed at every read; the rest does not change.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.machines.host_memory import HostMemory
from hyperv_simulator.operating_system import processes
from hyperv_simulator.operating_system.clock import HostClock
from hyperv_simulator.operating_system.edition import edition_facts
from hyperv_simulator.operating_system.processor_models import manufacturer_of, model_of
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

CIMV2 = "root/cimv2"
_KIB = 1024


def populate(
    repository: Repository, facts: HostFacts, memory: HostMemory, clock: HostClock, *, hypervisor: bool
) -> None:
    """Puts in the instances named above.

    :param hypervisor: it runs, and hides from Windows what the processors can do for it (real-instances 4.2).
    """
    _operating_system(repository, facts, memory, clock)
    _computer(repository, facts, hypervisor=hypervisor)
    _processors(repository, facts, hypervisor=hypervisor)
    _clocks(repository, clock)


def _operating_system(repository: Repository, facts: HostFacts, memory: HostMemory, clock: HostClock) -> None:
    version, config = facts.version, facts.config
    edition = edition_facts(config.edition, version)
    total_kib = config.memory_mb * _KIB
    page_file_kib = min(config.memory_mb // 4, 8192) * _KIB
    repository.add(
        new_instance(
            repository.catalogue,
            "Win32_OperatingSystem",
            {
                "Name": rf"{edition.caption}|C:\Windows|\Device\Harddisk0\Partition4",
                "Caption": edition.caption,
                "Version": version.version,
                "BuildNumber": version.build,
                "BuildType": "Multiprocessor Free",
                "BootDevice": r"\Device\HarddiskVolume1",
                "SystemDevice": r"\Device\HarddiskVolume4",
                "SystemDirectory": r"C:\Windows\system32",
                "SystemDrive": "C:",
                "WindowsDirectory": r"C:\Windows",
                "CSName": facts.name,
                "CSCreationClassName": "Win32_ComputerSystem",
                "CreationClassName": "Win32_OperatingSystem",
                "CodeSet": "1252",
                "CountryCode": "1",
                "Locale": "0409",
                "OSLanguage": 1033,
                "MUILanguages": ["en-US"],
                "CurrentTimeZone": 0,
                "Manufacturer": "Microsoft Corporation",
                "OperatingSystemSKU": edition.sku,
                "DataExecutionPrevention_Available": config.hardware.dep,
                "DataExecutionPrevention_32BitApplications": config.hardware.dep,
                "DataExecutionPrevention_Drivers": config.hardware.dep,
                "DataExecutionPrevention_SupportPolicy": 3,  # OptOut, the default of servers
                "EncryptionLevel": 256,
                "ForegroundApplicationBoost": 2,
                "OSArchitecture": "64-bit",
                "OSProductSuite": 400,
                "SuiteMask": 400,
                "OSType": 18,
                "ProductType": 3,
                "Primary": True,
                "PortableOperatingSystem": False,
                "Distributed": False,
                "Debug": False,
                "NumberOfUsers": 1,
                "NumberOfLicensedUsers": 0,
                "MaxNumberOfProcesses": 4294967295,
                "MaxProcessMemorySize": 137438953344,
                "RegisteredUser": "Windows User",
                "Organization": "",
                "SerialNumber": "00454-40000-00001-AA000",
                "ServicePackMajorVersion": 0,
                "ServicePackMinorVersion": 0,
                "Status": "OK",
                "InstallDate": facts.installed_at,
                "TotalVisibleMemorySize": total_kib,
                "TotalVirtualMemorySize": total_kib + page_file_kib,
                "SizeStoredInPagingFiles": page_file_kib,
                "FreeSpaceInPagingFiles": page_file_kib,
            },
            CIMV2,
        )
    )

    def changing(_: CimInstance) -> Mapping[str, CimValue]:
        free_kib = max(0, memory.free_mb) * _KIB
        return {
            "FreePhysicalMemory": free_kib,
            "FreeVirtualMemory": free_kib + page_file_kib,
            "LocalDateTime": clock.now(),
            "LastBootUpTime": clock.now() - dt.timedelta(seconds=time.monotonic() - facts.started),
            "NumberOfProcesses": processes.count(repository),
        }

    names = ("FreePhysicalMemory", "FreeVirtualMemory", "LocalDateTime", "LastBootUpTime", "NumberOfProcesses")
    repository.add_dynamic("Win32_OperatingSystem", names, changing, CIMV2)


def _computer(repository: Repository, facts: HostFacts, *, hypervisor: bool) -> None:
    config = facts.config
    domain = config.domain
    repository.add(
        new_instance(
            repository.catalogue,
            "Win32_ComputerSystem",
            {
                "Name": facts.name,
                "Caption": facts.name,
                "DNSHostName": config.name,
                "Description": "AT/AT COMPATIBLE",
                "CreationClassName": "Win32_ComputerSystem",
                "Domain": domain or "WORKGROUP",
                "Workgroup": None if domain else "WORKGROUP",
                "PartOfDomain": bool(domain),
                "DomainRole": 3 if domain else 2,
                "HypervisorPresent": hypervisor,
                "Manufacturer": config.hardware.manufacturer,
                "Model": config.hardware.model,
                "SystemType": "x64-based PC",
                "PCSystemType": 4,
                "PCSystemTypeEx": 4,
                "NumberOfProcessors": config.sockets,
                "NumberOfLogicalProcessors": config.threads,
                "TotalPhysicalMemory": config.memory_mb * _KIB * _KIB,
                "PrimaryOwnerName": "Windows User",
                "UserName": None,
                "BootupState": "Normal boot",
                "Status": "OK",
                "CurrentTimeZone": 0,
                "DaylightInEffect": False,
                "EnableDaylightSavingsTime": True,
                "AutomaticManagedPagefile": True,
                "NetworkServerModeEnabled": True,
            },
            CIMV2,
        )
    )


def _processors(repository: Repository, facts: HostFacts, *, hypervisor: bool) -> None:
    """One per socket. Once the hypervisor runs the virtualization flags read false (real-instances 4.2)."""
    config, hardware = facts.config, facts.config.hardware
    model = model_of(config.migration)
    for socket in range(config.sockets):
        repository.add(
            new_instance(
                repository.catalogue,
                "Win32_Processor",
                {
                    "DeviceID": f"CPU{socket}",
                    "SocketDesignation": f"CPU{socket}",
                    "Name": model.name,
                    "Caption": model.description,
                    "Description": model.description,
                    "CreationClassName": "Win32_Processor",
                    "SystemCreationClassName": "Win32_ComputerSystem",
                    "SystemName": facts.name,
                    "Manufacturer": manufacturer_of(config.migration),
                    "Architecture": 9,
                    "AddressWidth": 64,
                    "DataWidth": 64,
                    "Family": 179,
                    "ProcessorType": 3,
                    "ProcessorId": model.processor_id,
                    "Role": "CPU",
                    "CpuStatus": 1,
                    "Availability": 3,
                    "Status": "OK",
                    "StatusInfo": 3,
                    "NumberOfCores": config.cores // config.sockets,
                    "NumberOfEnabledCore": config.cores // config.sockets,
                    "NumberOfLogicalProcessors": config.threads // config.sockets,
                    "ThreadCount": config.threads // config.sockets,
                    "MaxClockSpeed": PROCESSOR_MHZ,
                    "CurrentClockSpeed": PROCESSOR_MHZ,
                    "LoadPercentage": 1,
                    "L2CacheSize": 1024 * config.cores // config.sockets,
                    "L3CacheSize": 22528,
                    "PowerManagementSupported": False,
                    "SecondLevelAddressTranslationExtensions": hardware.slat and not hypervisor,
                    "VirtualizationFirmwareEnabled": hardware.virtualization_enabled and not hypervisor,
                    "VMMonitorModeExtensions": hardware.vm_monitor_extensions and not hypervisor,
                },
                CIMV2,
            )
        )


PROCESSOR_MHZ = 2095


def _clocks(repository: Repository, clock: HostClock) -> None:
    """The time zone is UTC, so both clocks show the same."""

    def reading(class_name: str) -> list[CimInstance]:
        now = clock.now()
        values: dict[str, CimValue] = {
            "Year": now.year,
            "Month": now.month,
            "Day": now.day,
            "DayOfWeek": now.isoweekday() % 7,
            "Hour": now.hour,
            "Minute": now.minute,
            "Second": now.second,
            "Quarter": (now.month + 2) // 3,
            "WeekInMonth": (now.day + 6) // 7,
        }
        return [new_instance(repository.catalogue, class_name, values, CIMV2)]

    repository.add_source("Win32_LocalTime", lambda _owner: reading("Win32_LocalTime"), CIMV2)
    repository.add_source("Win32_UTCTime", lambda _owner: reading("Win32_UTCTime"), CIMV2)
