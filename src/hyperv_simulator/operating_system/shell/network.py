"""``ipconfig``."""

from __future__ import annotations

from hyperv_simulator.operating_system.shell.context import Command, Output, Windows, said


def ipconfig(windows: Windows, command: Command) -> Output:
    system = windows.one("Win32_ComputerSystem")
    printed = ["", "Windows IP Configuration", ""]
    everything = "/all" in command.switches
    if everything:
        printed += [
            _dotted("Host Name", system.text("DNSHostName", "") or system.text("Name")),
            _dotted("Primary Dns Suffix", system.text("Domain") if system.boolean("PartOfDomain", False) else ""),
            _dotted("Node Type", "Hybrid"),
            _dotted("IP Routing Enabled", "No"),
            _dotted("WINS Proxy Enabled", "No"),
            "",
        ]
    for number, adapter in enumerate(windows.all("MSFT_NetAdapter", "root/StandardCimv2")):
        printed += [
            "",
            f"Ethernet adapter {adapter.text('Name')}:",
            "",
            _dotted("Connection-specific DNS Suffix", ""),
        ]
        if everything:
            printed += [
                _dotted("Description", adapter.text("InterfaceDescription", "")),
                _dotted("Physical Address", _grouped(adapter.text("PermanentAddress", ""))),
                _dotted("DHCP Enabled", "No"),
            ]
        if number == 0:  # the host has one address, on its first adapter
            printed += [_dotted("IPv4 Address", windows.facts.config.address), _dotted("Subnet Mask", "255.0.0.0")]
            printed += [_dotted("Default Gateway", "")]
    return said(*printed)


def _dotted(name: str, value: str) -> str:
    """``   Host Name . . . . . . . . . . . . : hv1``: dots in every other column, up to the colon."""
    return f"   {name}{('. ' * 17)[len(name) :]}: {value}"


def _grouped(address: str) -> str:
    plain = address.replace("-", "").replace(":", "").upper()
    return "-".join(plain[at : at + 2] for at in range(0, len(plain), 2))
