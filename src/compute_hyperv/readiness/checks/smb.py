"""How the host speaks SMB: to shares with instances and volumes, and to other hosts that copy from it."""

from __future__ import annotations

from compute_hyperv.readiness.changes.registry import RegistryValue
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.model import Finding, Section, check, failed, not_applicable, passed, warned
from compute_hyperv.readiness.sources import NETWORK, SMB, Instances
from compute_hyperv.readiness.windows import ADAPTERS, SHARE_CONNECTIONS

SMB_SECTION = Section("smb", "SMB: multiple paths, SMB Direct, security")

CLIENT = Instances(SMB, "MSFT_SmbClientConfiguration", ("EnableMultiChannel", "RequireSecuritySignature"))
SERVER = Instances(
    SMB,
    "MSFT_SmbServerConfiguration",
    ("EnableMultiChannel", "RequireSecuritySignature", "EncryptData", "EnableSMB1Protocol"),
)
CONSTRAINTS = Instances(SMB, "MSFT_SmbMultichannelConstraint", ("ServerName", "InterfaceAlias"))
INTERFACES = Instances(SMB, "MSFT_SmbClientNetworkInterface", ("FriendlyName",))
RDMA = Instances(NETWORK, "MSFT_NetAdapterRdmaSettingData", ("Name", "Enabled"))

_CONNECTED = 1  # MSFT_NetAdapter.MediaConnectState
_OLDEST_DIALECT = (3, 0)  # the first with several channels, encryption and continuous availability


@check(
    SMB_SECTION,
    "multichannel",
    "SMB Multichannel",
    why="Several connections over all paths: throughput, and no interruption when one path fails.",
    good="EnableMultiChannel is true for the SMB client and the SMB server.",
    by_hand="Set-SmbClientConfiguration -EnableMultiChannel $true\n"
    "Set-SmbServerConfiguration -EnableMultiChannel $true",
    reads=(CLIENT, SERVER),
)
def multichannel(context: Context) -> Finding:
    off = [
        side
        for side, source in (("client", CLIENT), ("server", SERVER))
        if not context.host.one(source).boolean("EnableMultiChannel", False)
    ]
    if off:
        return warned(
            f"off for the {' and the '.join(off)}",
            "on",
            "; ".join(f"Set-Smb{side.capitalize()}Configuration -EnableMultiChannel $true" for side in off),
        )
    return passed("on")


@check(
    SMB_SECTION,
    "rdma",
    "SMB Direct (RDMA)",
    why="With it, reading and writing on shares costs the processors next to nothing.",
    good="Every network card that can do RDMA has it enabled, and at least one of them is connected.",
    by_hand="Get-SmbClientNetworkInterface\nEnable-NetAdapterRdma -Name ADAPTER",
    reads=(RDMA, ADAPTERS),
)
def rdma(context: Context) -> Finding:
    adapters = {each.text("Name"): each.boolean("Enabled", False) for each in context.host.of(RDMA)}
    if not adapters:
        return not_applicable("no network card can do RDMA")
    connected = {
        each.text("Name") for each in context.host.of(ADAPTERS) if each.integer("MediaConnectState", 0) == _CONNECTED
    }
    used = [name for name, enabled in adapters.items() if enabled and name in connected]
    told = f"SMB can use it over {', '.join(sorted(used))}" if used else "SMB can use it nowhere"
    if off := sorted(name for name, enabled in adapters.items() if not enabled):
        remedy = "; ".join(f"Enable-NetAdapterRdma -Name '{name}'" for name in off)
        return warned(f"{told}; disabled on {', '.join(off)}", "enabled on each", remedy)
    if not used:
        return warned(told, "over at least one network card", "Give the card an address and a cable: Get-NetAdapter")
    return passed(told)


@check(
    SMB_SECTION,
    "constraints",
    "Multichannel constraints",
    why="A constraint keeps SMB off a network, the management network say. One that names an adapter which is not "
    "there cuts the server off.",
    good="Each constraint names an adapter that SMB can use; no constraint means that all paths are used.",
    by_hand="Get-SmbMultichannelConstraint\nNew-SmbMultichannelConstraint -ServerName SERVER -InterfaceAlias ADAPTER",
    reads=(CONSTRAINTS, INTERFACES),
)
def constraints(context: Context) -> Finding:
    allowed: dict[str, list[str]] = {}
    for each in context.host.of(CONSTRAINTS):
        allowed.setdefault(each.text("ServerName"), []).append(each.text("InterfaceAlias", ""))
    if not allowed:
        return passed("none: SMB uses all paths")
    usable = {each.text("FriendlyName") for each in context.host.of(INTERFACES)}
    lines = tuple(f"{server}: {', '.join(names)}" for server, names in sorted(allowed.items()))
    cut_off = sorted(server for server, names in allowed.items() if not usable.intersection(names))
    if cut_off:
        return failed(
            f"no path is left to {', '.join(cut_off)}",
            "at least one adapter that is connected",
            "Remove-SmbMultichannelConstraint -ServerName SERVER, or name another adapter",
            details=lines,
        )
    missing = sorted({name for names in allowed.values() for name in names} - usable)
    if missing:
        return warned(
            f"{', '.join(missing)} can't be used",
            "adapters that are connected",
            "Get-NetAdapter; Remove-SmbMultichannelConstraint",
            details=lines,
        )
    return passed(f"SMB is constrained towards {len(allowed)} server{'s' if len(allowed) > 1 else ''}", details=lines)


def _demanded(service: str) -> RegistryValue:
    """Where Microsoft's page on SMB signing has the setting; the cmdlets set the same."""
    key = rf"SYSTEM\CurrentControlSet\Services\{service}\Parameters"
    return RegistryValue(key, "RequireSecuritySignature", "REG_DWORD", 1, f"signatures that {service} demands")


@check(
    SMB_SECTION,
    "security",
    "SMB signing or encryption",
    why="Disks of machines and configuration drives travel over SMB; unsigned, anybody on the way can change them.",
    good="Client and server demand signatures, or the server encrypts everything.",
    by_hand="Set-SmbServerConfiguration -RequireSecuritySignature $true\n"
    "Set-SmbClientConfiguration -RequireSecuritySignature $true\nSet-SmbServerConfiguration -EncryptData $true",
    reads=(CLIENT, SERVER, SHARE_CONNECTIONS),
    changes=lambda _context: tuple(_demanded(service) for service in ("LanmanServer", "LanmanWorkstation")),
)
def security(context: Context) -> Finding:
    client, server = context.host.one(CLIENT), context.host.one(SERVER)
    signs = {
        "client": client.boolean("RequireSecuritySignature", False),
        "server": server.boolean("RequireSecuritySignature", False) or server.boolean("EncryptData", False),
    }
    bare = tuple(
        rf"\\{each.text('ServerName')}\{each.text('ShareName')} is neither signed nor encrypted"
        for each in context.host.of(SHARE_CONNECTIONS)
        if not (each.boolean("Signed", False) or each.boolean("Encrypted", False))
    )
    lax = [side for side, demands in signs.items() if not demands]
    if lax or bare:
        told = f"the {' and the '.join(lax)} take{'s' if len(lax) == 1 else ''} unsigned messages" if lax else bare[0]
        remedy = "; ".join(
            f"Set-Smb{side.capitalize()}Configuration -RequireSecuritySignature $true" for side in lax or ("client",)
        )
        return warned(told, "signatures are demanded", remedy, details=bare)
    return passed("encrypted" if server.boolean("EncryptData", False) else "signatures are demanded")


@check(
    SMB_SECTION,
    "dialect",
    "SMB 3",
    why="Hyper-V keeps machines on shares with SMB 3 only; SMB 1 is what worms come in by.",
    good="SMB 1 is off, and every connection to a share speaks 3.0 or newer.",
    by_hand="Set-SmbServerConfiguration -EnableSMB1Protocol $false\nGet-SmbConnection",
    reads=(SERVER, SHARE_CONNECTIONS),
)
def dialect(context: Context) -> Finding:
    connections = context.host.of(SHARE_CONNECTIONS)
    old = tuple(
        rf"\\{each.text('ServerName')}\{each.text('ShareName')} speaks {each.text('Dialect', '?')}"
        for each in connections
        if _version(each.text("Dialect", "")) < _OLDEST_DIALECT
    )
    if old:
        return failed(
            f"{len(old)} of {len(connections)} connections are older than SMB 3.0",
            "3.0 or newer",
            "Use a file server that speaks SMB 3.0 or newer.",
            details=old,
        )
    if context.host.one(SERVER).boolean("EnableSMB1Protocol", False):
        return failed(
            "the server accepts SMB 1", "it does not", "Set-SmbServerConfiguration -EnableSMB1Protocol $false"
        )
    newest = ", ".join(sorted({each.text("Dialect", "") for each in connections}))
    return passed(f"connections speak {newest}" if newest else "SMB 1 is off")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


CHECKS = (multichannel, rdma, constraints, security, dialect)
