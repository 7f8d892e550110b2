"""``ipconfig``."""

from __future__ import annotations

from hyperv_simulator.operating_system.shell.context import Command, Output, Windows, said

_ADDRESS_LINES = (("IPAddress", "IPv4 Address"), ("IPSubnet", "Subnet Mask"), ("DefaultIPGateway", "Default Gateway"))


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
    names = {item.get("Index"): item.text("NetConnectionID") for item in windows.all("Win32_NetworkAdapter")}
    for adapter in windows.all("Win32_NetworkAdapterConfiguration"):
        printed += [
            "",
            f"Ethernet adapter {names[adapter.get('Index')]}:",
            "",
            _dotted("Connection-specific DNS Suffix", ""),
        ]
        if everything:
            printed += [
                _dotted("Description", adapter.text("Description", "")),
                _dotted("Physical Address", _grouped(adapter.text("MACAddress", ""))),
                _dotted("DHCP Enabled", "Yes" if adapter.boolean("DHCPEnabled") else "No"),
            ]
        for name, title in _ADDRESS_LINES:
            values = adapter.get(name)
            if adapter.boolean("IPEnabled"):
                printed.append(_dotted(title, str(values[0]) if isinstance(values, list) else ""))
    return said(*printed)


def _dotted(name: str, value: str) -> str:
    """``   Host Name . . . . . . . . . . . . : hv1``: dots in every other column, up to the colon."""
    return f"   {name}{('. ' * 17)[len(name) :]}: {value}"


def _grouped(address: str) -> str:
    plain = address.replace("-", "").replace(":", "").upper()
    return "-".join(plain[at : at + 2] for at in range(0, len(plain), 2))
