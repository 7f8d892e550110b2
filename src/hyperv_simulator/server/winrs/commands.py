"""A command line to what it prints, as a Windows host would answer it from its own state.

``hostname``, ``systeminfo``, ``ipconfig`` and ``w32tm /query /status`` are known, with or without ``.exe``, and behind
``cmd /c``. Anything else ends as cmd ends an unknown command: with 1 and its message. What is printed comes from the
host's instances; what no instance tells (a page file's place, hotfixes) is not made up and left out.

Sources: the output of these commands on Windows Server with English texts, from Microsoft's command reference; lines
and their order are as there, wording that no source shows is an assumption.
"""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.service import CimService

_CIMV2 = "root/cimv2"
_DOMAIN_ROLES = (
    "Standalone Workstation",
    "Member Workstation",
    "Standalone Server",
    "Member Server",
    "Backup Domain Controller",
    "Primary Domain Controller",
)
_NOT_STARTED = 0x80070426 - 2**32  # an exit code is signed


@dataclass(frozen=True, slots=True)
class Output:
    """What a command left behind. Lines end as on Windows."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


class Commands:
    """The commands of one host.

    :param address: the host's address, which no instance holds.
    """

    def __init__(self, service: CimService, address: str) -> None:
        self._service = service
        self._address = address
        self._known: Mapping[str, Callable[[list[str]], Output]] = {
            "hostname": self._hostname,
            "systeminfo": self._systeminfo,
            "ipconfig": self._ipconfig,
            "w32tm": self._w32tm,
        }

    def run(self, line: str) -> Output:
        """The output of a command line."""
        try:
            words = shlex.split(line, posix=False)
        except ValueError:
            words = line.split()
        words = [word.strip('"') for word in words if word.strip('"')]
        if len(words) > 2 and _program(words[0]) == "cmd" and words[1].lower() in ("/c", "/s"):
            return self.run(" ".join(word for word in words[2:] if word.lower() != "/c"))
        if not words:
            return Output()
        known = self._known.get(_program(words[0]))
        return known([word.lower() for word in words[1:]]) if known is not None else _unknown(words[0])

    def _one(self, class_name: str) -> CimInstance:
        return self._service.enumerate(_CIMV2, class_name)[0]

    def _hostname(self, _arguments: list[str]) -> Output:
        system = self._one("Win32_ComputerSystem")
        return Output(_lines(system.text("DNSHostName", "") or system.text("Name")))

    def _systeminfo(self, _arguments: list[str]) -> Output:
        system, windows = self._one("Win32_ComputerSystem"), self._one("Win32_OperatingSystem")
        processors = self._service.enumerate(_CIMV2, "Win32_Processor")
        clock = [
            f"{each.text('Description')} {each.text('Manufacturer')} ~{each.integer('MaxClockSpeed', 0)} Mhz"
            for each in processors
        ]
        total_mb, free_mb = (windows.integer(name) // 1024 for name in ("TotalVisibleMemorySize", "FreePhysicalMemory"))
        most_mb, left_mb = (windows.integer(name) // 1024 for name in ("TotalVirtualMemorySize", "FreeVirtualMemory"))
        facts: list[tuple[str, list[str]]] = [
            ("Host Name", [system.text("Name").upper()]),
            ("OS Name", [windows.text("Caption")]),
            ("OS Version", [f"{windows.text('Version')} N/A Build {windows.text('BuildNumber')}"]),
            ("OS Manufacturer", [windows.text("Manufacturer")]),
            ("OS Configuration", [_DOMAIN_ROLES[system.integer("DomainRole", 2)]]),
            ("OS Build Type", [windows.text("BuildType", "")]),
            ("Registered Owner", [windows.text("RegisteredUser", "")]),
            ("Registered Organization", [windows.text("Organization", "")]),
            ("Product ID", [windows.text("SerialNumber", "")]),
            ("Original Install Date", [_date(windows["InstallDate"], ", ")]),
            ("System Boot Time", [_date(windows["LastBootUpTime"], ", ")]),
            ("System Manufacturer", [system.text("Manufacturer", "")]),
            ("System Model", [system.text("Model", "")]),
            ("System Type", [system.text("SystemType", "")]),
            (
                "Processor(s)",
                [f"{len(clock)} Processor(s) Installed.", *(f"[{n:02}]: {text}" for n, text in enumerate(clock, 1))],
            ),
            ("Windows Directory", [windows.text("WindowsDirectory", "")]),
            ("System Directory", [windows.text("SystemDirectory", "")]),
            ("Boot Device", [windows.text("BootDevice", "")]),
            ("System Locale", ["en-us;English (United States)"]),
            ("Input Locale", ["en-us;English (United States)"]),
            ("Total Physical Memory", [f"{total_mb:,} MB"]),
            ("Available Physical Memory", [f"{free_mb:,} MB"]),
            ("Virtual Memory: Max Size", [f"{most_mb:,} MB"]),
            ("Virtual Memory: Available", [f"{left_mb:,} MB"]),
            ("Virtual Memory: In Use", [f"{most_mb - left_mb:,} MB"]),
            ("Domain", [system.text("Domain", "WORKGROUP")]),
            (
                "Hyper-V Requirements",
                ["A hypervisor has been detected. Features required for Hyper-V will not be displayed."],
            ),
        ]
        lines = [""]
        for name, values in facts:
            lines.append(f"{name + ':':<27}{values[0]}")
            lines.extend(f"{'':<27}{value}" for value in values[1:])
        return Output(_lines(*lines))

    def _ipconfig(self, arguments: list[str]) -> Output:
        system = self._one("Win32_ComputerSystem")
        lines = ["", "Windows IP Configuration", ""]
        everything = "/all" in arguments
        if everything:
            lines += [
                _dotted("Host Name", system.text("DNSHostName", "") or system.text("Name")),
                _dotted("Primary Dns Suffix", system.text("Domain") if system.boolean("PartOfDomain", False) else ""),
                _dotted("Node Type", "Hybrid"),
                _dotted("IP Routing Enabled", "No"),
                _dotted("WINS Proxy Enabled", "No"),
                "",
            ]
        for number, adapter in enumerate(self._service.enumerate("root/StandardCimv2", "MSFT_NetAdapter")):
            lines += [
                "",
                f"Ethernet adapter {adapter.text('Name')}:",
                "",
                _dotted("Connection-specific DNS Suffix", ""),
            ]
            if everything:
                lines += [
                    _dotted("Description", adapter.text("InterfaceDescription", "")),
                    _dotted("Physical Address", _grouped(adapter.text("PermanentAddress", ""))),
                    _dotted("DHCP Enabled", "No"),
                ]
            if number == 0:  # the host has one address, on its first adapter
                lines += [_dotted("IPv4 Address", self._address), _dotted("Subnet Mask", "255.0.0.0")]
                lines += [_dotted("Default Gateway", "")]
        return Output(_lines(*lines))

    def _w32tm(self, arguments: list[str]) -> Output:
        if arguments[:1] != ["/query"] or "/status" not in arguments:
            return _unknown(" ".join(["w32tm", *arguments]))
        services = self._service.query(_CIMV2, "select State from Win32_Service where Name = 'W32Time'")
        if not services or services[0].text("State") != "Running":
            text = "The following error occurred: The service has not been started. (0x80070426)"
            return Output(_lines(text), exit_code=_NOT_STARTED)
        now = self._one("Win32_OperatingSystem")["LocalDateTime"]
        synchronized = now - dt.timedelta(minutes=5) if isinstance(now, dt.datetime) else None
        return Output(
            _lines(
                "Leap Indicator: 0(no warning)",
                "Stratum: 4 (secondary reference - syncd by (S)NTP)",
                "Precision: -23 (119.209ns per tick)",
                "Root Delay: 0.0312500s",
                "Root Dispersion: 0.1010000s",
                "ReferenceId: 0x7F000001 (source IP:  127.0.0.1)",
                f"Last Successful Sync Time: {_date(synchronized, ' ')}",
                "Source: time.windows.com,0x8 ",
                "Poll Interval: 10 (1024s)",
                "",
            )
        )


def _program(word: str) -> str:
    """``C:\\Windows\\System32\\HOSTNAME.EXE`` is ``hostname``."""
    return word.replace("/", "\\").rpartition("\\")[2].lower().removesuffix(".exe")


def _unknown(command: str) -> Output:
    return Output(
        stderr=_lines(
            f"'{command}' is not recognized as an internal or external command,", "operable program or batch file."
        ),
        exit_code=1,
    )


def _lines(*lines: str) -> str:
    return "".join(f"{line}\r\n" for line in lines)


def _dotted(name: str, value: str) -> str:
    """``   Host Name . . . . . . . . . . . . : hv1``: dots in every other column, up to the colon."""
    return f"   {name}{('. ' * 17)[len(name) :]}: {value}"


def _grouped(address: str) -> str:
    plain = address.replace("-", "").replace(":", "").upper()
    return "-".join(plain[at : at + 2] for at in range(0, len(plain), 2))


def _date(value: object, between: str) -> str:
    """As en-US writes it: ``10/8/2026, 3:15:36 PM``."""
    if not isinstance(value, dt.datetime):
        return "unspecified"
    hour, half = value.hour % 12 or 12, "AM" if value.hour < 12 else "PM"
    return f"{value.month}/{value.day}/{value.year}{between}{hour}:{value.minute:02}:{value.second:02} {half}"
