"""root/cimv2: the operating system, the computer, its processors, its volume, its services, its clock.

Values: real-instances 4. Free memory and free space are computed at every read; the rest does not change.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Mapping

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.machines.host_memory import HostMemory
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage.paths import HostFolder

CIMV2 = "root/cimv2"
STORAGE = "root/microsoft/windows/storage"
_VOLUME_PROVIDER = r"root/Microsoft/Windows/Storage/Providers_v2\WSP_Volume"
_KIB = 1024

# Name, display name, executable, start mode, running
_SERVICES = (
    ("vmms", "Hyper-V Virtual Machine Management", r"C:\Windows\system32\vmms.exe", "Auto", True),
    ("vmcompute", "Hyper-V Host Compute Service", r"C:\Windows\system32\vmcompute.exe", "Manual", True),
    ("WinRM", "Windows Remote Management (WS-Management)", r"svchost.exe -k NetworkService", "Auto", True),
    ("MSiSCSI", "Microsoft iSCSI Initiator Service", r"svchost.exe -k netsvcs", "Manual", False),
    ("W32Time", "Windows Time", r"svchost.exe -k LocalService", "Auto", True),
    ("LanmanServer", "Server", r"svchost.exe -k netsvcs", "Auto", True),
    ("LanmanWorkstation", "Workstation", r"svchost.exe -k NetworkService", "Auto", True),
    ("Winmgmt", "Windows Management Instrumentation", r"svchost.exe -k netsvcs", "Auto", True),
    ("EventLog", "Windows Event Log", r"svchost.exe -k LocalServiceNetworkRestricted", "Auto", True),
    ("RpcSs", "Remote Procedure Call (RPC)", r"svchost.exe -k rpcss", "Auto", True),
    ("Dnscache", "DNS Client", r"svchost.exe -k NetworkService", "Auto", True),
    ("Dhcp", "DHCP Client", r"svchost.exe -k LocalServiceNetworkRestricted", "Auto", True),
)


def populate(repository: Repository, facts: HostFacts, memory: HostMemory, folder: HostFolder) -> None:
    """Puts in the instances named above."""
    _operating_system(repository, facts, memory)
    _computer(repository, facts)
    _processors(repository, facts)
    _volumes(repository, facts, folder)
    _services(repository, facts)
    _features(repository)
    _clocks(repository)


def _operating_system(repository: Repository, facts: HostFacts, memory: HostMemory) -> None:
    version, config = facts.version, facts.config
    total_kib = config.memory_mb * _KIB
    page_file_kib = min(config.memory_mb // 4, 8192) * _KIB
    repository.add(
        new_instance(
            repository.catalogue,
            "Win32_OperatingSystem",
            {
                "Name": rf"{version.caption}|C:\Windows|\Device\Harddisk0\Partition4",
                "Caption": version.caption,
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
                "OperatingSystemSKU": 8,  # Datacenter
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
                "InstallDate": facts.booted_at - dt.timedelta(days=30),
                "LastBootUpTime": facts.booted_at,
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
            "LocalDateTime": dt.datetime.now(dt.UTC),
            "NumberOfProcesses": 60 + 2 * len(repository.instances("Msvm_ComputerSystem")),
        }

    names = ("FreePhysicalMemory", "FreeVirtualMemory", "LocalDateTime", "NumberOfProcesses")
    repository.add_dynamic("Win32_OperatingSystem", names, changing, CIMV2)


def _computer(repository: Repository, facts: HostFacts) -> None:
    config = facts.config
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
                "Domain": "WORKGROUP",
                "Workgroup": "WORKGROUP",
                "PartOfDomain": False,
                "DomainRole": 2,
                "HypervisorPresent": True,
                "Manufacturer": "Contoso",
                "Model": "Simulated Server",
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


def _processors(repository: Repository, facts: HostFacts) -> None:
    """One per socket. Once the hypervisor runs the virtualization flags read false (real-instances 4.2)."""
    config = facts.config
    for socket in range(config.sockets):
        repository.add(
            new_instance(
                repository.catalogue,
                "Win32_Processor",
                {
                    "DeviceID": f"CPU{socket}",
                    "SocketDesignation": f"CPU{socket}",
                    "Name": PROCESSOR_NAME,
                    "Caption": "Intel64 Family 6 Model 85 Stepping 7",
                    "Description": "Intel64 Family 6 Model 85 Stepping 7",
                    "CreationClassName": "Win32_Processor",
                    "SystemCreationClassName": "Win32_ComputerSystem",
                    "SystemName": facts.name,
                    "Manufacturer": "GenuineIntel",
                    "Architecture": 9,
                    "AddressWidth": 64,
                    "DataWidth": 64,
                    "Family": 179,
                    "ProcessorType": 3,
                    "ProcessorId": "BFEBFBFF00050657",
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
                    "SecondLevelAddressTranslationExtensions": False,
                    "VirtualizationFirmwareEnabled": False,
                    "VMMonitorModeExtensions": False,
                },
                CIMV2,
            )
        )


PROCESSOR_NAME = "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz"
PROCESSOR_MHZ = 2095


def _volumes(repository: Repository, facts: HostFacts, folder: HostFolder) -> None:
    """C:, as each of the three interfaces shows it; free space is measured from the folder behind it."""
    volume_id = ids.stable_guid(facts.config.name, "volume", "C").lower()
    path = f"\\\\?\\Volume{{{volume_id}}}\\"
    size = folder.total_bytes("C")
    serial = zlib.crc32(volume_id.encode())
    common: dict[str, CimValue] = {"SystemName": facts.name, "FileSystem": "NTFS", "Compressed": False}
    repository.add(
        new_instance(
            repository.catalogue,
            "Win32_LogicalDisk",
            {
                **common,
                "DeviceID": "C:",
                "Name": "C:",
                "Caption": "C:",
                "Description": "Local Fixed Disk",
                "CreationClassName": "Win32_LogicalDisk",
                "SystemCreationClassName": "Win32_ComputerSystem",
                "DriveType": 3,
                "MediaType": 12,
                "Access": 0,
                "MaximumComponentLength": 255,
                "Size": size,
                "VolumeName": "",
                "VolumeSerialNumber": f"{serial:08X}",
                "SupportsDiskQuotas": False,
                "SupportsFileBasedCompression": True,
            },
            CIMV2,
        )
    )
    repository.add(
        new_instance(
            repository.catalogue,
            "Win32_Volume",
            {
                **common,
                "DeviceID": path,
                "Name": "C:\\",
                "Caption": "C:\\",
                "DriveLetter": "C:",
                "DriveType": 3,
                "BlockSize": 4096,
                "Capacity": size,
                "Label": "",
                "SerialNumber": serial,
                "BootVolume": True,
                "SystemVolume": False,
                "Automount": True,
                "DirtyBitSet": False,
                "MaximumFileNameLength": 255,
                "CreationClassName": None,
            },
            CIMV2,
        )
    )
    repository.add(
        new_instance(
            repository.catalogue,
            "MSFT_Volume",
            {
                "ObjectId": f'{{1}}\\\\{facts.name}\\{_VOLUME_PROVIDER}.ObjectId="{path}"',
                "UniqueId": path,
                "Path": path,
                "DriveLetter": "C",
                "DriveType": 3,
                "FileSystem": "NTFS",
                "FileSystemLabel": "",
                "FileSystemType": 14,
                "AllocationUnitSize": 4096,
                "HealthStatus": 0,
                "OperationalStatus": [2],
                "Size": size,
            },
            STORAGE,
        )
    )

    def free(name: str) -> Mapping[str, CimValue]:
        return {name: folder.free_bytes("C")}

    repository.add_dynamic("Win32_LogicalDisk", ("FreeSpace",), lambda _: free("FreeSpace"), CIMV2)
    repository.add_dynamic("Win32_Volume", ("FreeSpace",), lambda _: free("FreeSpace"), CIMV2)
    repository.add_dynamic("MSFT_Volume", ("SizeRemaining",), lambda _: free("SizeRemaining"), STORAGE)


def _services(repository: Repository, facts: HostFacts) -> None:
    for number, (name, display, path, mode, running) in enumerate(_SERVICES):
        repository.add(
            new_instance(
                repository.catalogue,
                "Win32_Service",
                {
                    "Name": name,
                    "DisplayName": display,
                    "Caption": display,
                    "Description": display,
                    "CreationClassName": "Win32_Service",
                    "SystemCreationClassName": "Win32_ComputerSystem",
                    "SystemName": facts.name,
                    "PathName": path if "\\" in path else f"C:\\Windows\\System32\\{path}",
                    "ServiceType": "Share Process" if "svchost" in path else "Own Process",
                    "ErrorControl": "Normal",
                    "StartMode": mode,
                    "StartName": "LocalSystem",
                    "Started": running,
                    "State": "Running" if running else "Stopped",
                    "Status": "OK",
                    "ProcessId": 1000 + 4 * number if running else 0,
                    "AcceptStop": running,
                    "AcceptPause": False,
                    "DesktopInteract": False,
                    "DelayedAutoStart": False,
                    "ExitCode": 0 if running else 1077,
                    "ServiceSpecificExitCode": 0,
                    "CheckPoint": 0,
                    "WaitHint": 0,
                    "TagId": 0,
                },
                CIMV2,
            )
        )


def _features(repository: Repository) -> None:
    """The Hyper-V role, as both classes for features show it (real-instances 4.3)."""
    repository.add(
        new_instance(repository.catalogue, "Win32_ServerFeature", {"ID": 20, "ParentID": 0, "Name": "Hyper-V"}, CIMV2)
    )
    for name in ("Microsoft-Hyper-V", "Microsoft-Hyper-V-Offline", "Microsoft-Hyper-V-Online"):
        repository.add(
            new_instance(
                repository.catalogue,
                "Win32_OptionalFeature",
                {"Name": name, "Caption": name, "InstallState": 1},
                CIMV2,
            )
        )


def _clocks(repository: Repository) -> None:
    def clock(class_name: str) -> list[CimInstance]:
        now = dt.datetime.now(dt.UTC)
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

    repository.add_source("Win32_LocalTime", lambda _owner: clock("Win32_LocalTime"), CIMV2)
    repository.add_source("Win32_UTCTime", lambda _owner: clock("Win32_UTCTime"), CIMV2)
