"""``hostname``, ``systeminfo``, ``ver``, ``whoami``: what is printed comes from the host's instances.

What no instance tells (hotfixes' numbers, a page file's place) is left out of systeminfo.
"""

from __future__ import annotations

from hyperv_simulator.operating_system.shell.context import Command, Output, Windows, lines, moment, said

_DOMAIN_ROLES = (
    "Standalone Workstation",
    "Member Workstation",
    "Standalone Server",
    "Member Server",
    "Backup Domain Controller",
    "Primary Domain Controller",
)
_DETECTED = "A hypervisor has been detected. Features required for Hyper-V will not be displayed."


def hostname(windows: Windows, _: Command) -> Output:
    system = windows.one("Win32_ComputerSystem")
    return said(system.text("DNSHostName", "") or system.text("Name"))


def ver(windows: Windows, _: Command) -> Output:
    return said("", f"Microsoft Windows [Version {windows.facts.version.version}.1]")


def whoami(windows: Windows, command: Command) -> Output:
    domain, _, name = command.user.rpartition("\\")
    return said(f"{domain or windows.facts.config.name}\\{name}".lower())


def systeminfo(windows: Windows, _: Command) -> Output:
    system, running = windows.one("Win32_ComputerSystem"), windows.one("Win32_OperatingSystem")
    processors = [
        f"{each.text('Description')} {each.text('Manufacturer')} ~{each.integer('MaxClockSpeed', 0)} Mhz"
        for each in windows.all("Win32_Processor")
    ]
    total_mb, free_mb = (running.integer(name) // 1024 for name in ("TotalVisibleMemorySize", "FreePhysicalMemory"))
    most_mb, left_mb = (running.integer(name) // 1024 for name in ("TotalVirtualMemorySize", "FreeVirtualMemory"))
    facts: list[tuple[str, list[str]]] = [
        ("Host Name", [system.text("Name").upper()]),
        ("OS Name", [running.text("Caption")]),
        ("OS Version", [f"{running.text('Version')} N/A Build {running.text('BuildNumber')}"]),
        ("OS Manufacturer", [running.text("Manufacturer")]),
        ("OS Configuration", [_DOMAIN_ROLES[system.integer("DomainRole", 2)]]),
        ("OS Build Type", [running.text("BuildType", "")]),
        ("Registered Owner", [running.text("RegisteredUser", "")]),
        ("Registered Organization", [running.text("Organization", "")]),
        ("Product ID", [running.text("SerialNumber", "")]),
        ("Original Install Date", [moment(running["InstallDate"], ", ")]),
        ("System Boot Time", [moment(running["LastBootUpTime"], ", ")]),
        ("System Manufacturer", [system.text("Manufacturer", "")]),
        ("System Model", [system.text("Model", "")]),
        ("System Type", [system.text("SystemType", "")]),
        ("Processor(s)", _numbered(f"{len(processors)} Processor(s) Installed.", processors)),
        ("Windows Directory", [running.text("WindowsDirectory", "")]),
        ("System Directory", [running.text("SystemDirectory", "")]),
        ("Boot Device", [running.text("BootDevice", "")]),
        ("System Locale", ["en-us;English (United States)"]),
        ("Input Locale", ["en-us;English (United States)"]),
        ("Total Physical Memory", [f"{total_mb:,} MB"]),
        ("Available Physical Memory", [f"{free_mb:,} MB"]),
        ("Virtual Memory: Max Size", [f"{most_mb:,} MB"]),
        ("Virtual Memory: Available", [f"{left_mb:,} MB"]),
        ("Virtual Memory: In Use", [f"{most_mb - left_mb:,} MB"]),
        ("Domain", [system.text("Domain", "WORKGROUP")]),
        ("Hyper-V Requirements", _requirements(windows)),
    ]
    printed = [""]
    for name, values in facts:
        printed.append(f"{name + ':':<27}{values[0]}")
        printed.extend(f"{'':<27}{value}" for value in values[1:])
    return Output(lines(*printed))


def _numbered(first: str, items: list[str]) -> list[str]:
    return [first, *(f"[{number:02}]: {item}" for number, item in enumerate(items, 1))]


def _requirements(windows: Windows) -> list[str]:
    """Whether the machine is fit for Hyper-V; once the hypervisor runs that can't be told (real-instances 4.2)."""
    if windows.one("Win32_ComputerSystem").boolean("HypervisorPresent", False):
        return [_DETECTED]
    processor, running = windows.one("Win32_Processor"), windows.one("Win32_OperatingSystem")
    found = (
        ("VM Monitor Mode Extensions", processor.boolean("VMMonitorModeExtensions", False)),
        ("Virtualization Enabled In Firmware", processor.boolean("VirtualizationFirmwareEnabled", False)),
        ("Second Level Address Translation", processor.boolean("SecondLevelAddressTranslationExtensions", False)),
        ("Data Execution Prevention Available", running.boolean("DataExecutionPrevention_Available", False)),
    )
    return [f"{name}: {'Yes' if there else 'No'}" for name, there in found]
