"""The predefined rules of Windows' firewall that Hyper-V hosts, their migrations, storage and managers need.

Ids, display names and groups: as rules are listed on hosts with these roles; ports: Microsoft's "Service overview and
network port requirements" and the pages of each role. Which are on after setup follows from the role; that file sharing
is on, as on a host whose C$ is used for management, is an assumption.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

DOMAIN, PRIVATE, PUBLIC, ANY = 1, 2, 4, 0


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    :param name: its id.
    :param ports: local ports; empty: any.
    :param feature: comes with it; empty: always there.
    :param enabled: whether it is on after setup.
    """

    name: str
    display_name: str
    group: str
    ports: tuple[str, ...] = ()
    protocol: str = "TCP"
    feature: str = ""
    enabled: bool = False
    profiles: int = ANY
    inbound: bool = True
    program: str = "System"
    service: str = ""
    remote: str = "Any"


def _hyperv() -> Iterator[Rule]:
    group, feature = "Hyper-V", "Hyper-V"
    svchost, vmms = r"%SystemRoot%\system32\svchost.exe", r"%SystemRoot%\system32\vmms.exe"
    rows = (
        ("VIRT-WMI-RPCSS-In-TCP-NoScope", "Hyper-V - WMI (DCOM-In)", ("135",), svchost, "rpcss"),
        ("VIRT-WMI-WINMGMT-In-TCP-NoScope", "Hyper-V - WMI (TCP-In)", (), svchost, "winmgmt"),
        (
            "VIRT-WMI-ASYNC-In-TCP-NoScope",
            "Hyper-V - WMI (Async-In)",
            (),
            r"%systemroot%\system32\wbem\unsecapp.exe",
            "",
        ),
        ("VIRT-VMMS-RPC-EPMAP-In-NoScope", "Hyper-V (RPC-EPMAP)", ("RPCEPMap",), svchost, "rpcss"),
        ("VIRT-VMMS-RPC-In-NoScope", "Hyper-V (RPC)", ("RPC",), vmms, ""),
        ("VIRT-MIGL-In-TCP-NoScope", "Hyper-V (MIG-TCP-In)", ("6600",), vmms, ""),
        ("VIRT-REMOTEDESKTOP-In-TCP-NoScope", "Hyper-V (REMOTE_DESKTOP_TCP_IN)", ("2179",), vmms, ""),
    )
    for name, display_name, ports, program, service in rows:
        yield Rule(name, display_name, group, ports, "TCP", feature, enabled=True, program=program, service=service)
    for kind, port in (("HTTP", "80"), ("HTTPS", "443")):
        replica = f"Hyper-V Replica {kind}"
        display_name = f"{replica} Listener (TCP-In)"
        yield Rule(f"VIRT-HVR{kind}L-In-TCP-NoScope", display_name, replica, (port,), "TCP", feature)


def _sharing() -> Iterator[Rule]:
    group = "File and Printer Sharing"
    yield Rule("FPS-SMB-In-TCP", f"{group} (SMB-In)", group, ("445",), enabled=True)
    yield Rule("FPS-SMB-Out-TCP", f"{group} (SMB-Out)", group, (), enabled=True, inbound=False)
    yield Rule("FPS-NB_Session-In-TCP", f"{group} (NB-Session-In)", group, ("139",))
    yield Rule("FPS-NB_Name-In-UDP", f"{group} (NB-Name-In)", group, ("137",), "UDP")
    yield Rule("FPS-ICMP4-ERQ-In", f"{group} (Echo Request - ICMPv4-In)", group, (), "ICMPv4", enabled=True)
    yield Rule("FPS-ICMP6-ERQ-In", f"{group} (Echo Request - ICMPv6-In)", group, (), "ICMPv6", enabled=True)
    direct = "File and Printer Sharing over SMBDirect"
    yield Rule("FPSSMBD-iWARP-In-TCP", f"{direct} (iWARP-In)", direct, ("5445",))


def _management() -> Iterator[Rule]:
    remote = "Windows Remote Management"
    known = DOMAIN | PRIVATE
    yield Rule("WINRM-HTTP-In-TCP", f"{remote} (HTTP-In)", remote, ("5985",), enabled=True, profiles=known)
    yield Rule(
        "WINRM-HTTP-In-TCP-PUBLIC",
        f"{remote} (HTTP-In)",
        remote,
        ("5985",),
        enabled=True,
        profiles=PUBLIC,
        remote="LocalSubnet",
    )
    wmi = "Windows Management Instrumentation (WMI)"
    for name, kind, ports in (("RPCSS", "DCOM-In", ("135",)), ("WINMGMT", "WMI-In", ()), ("ASYNC", "ASync-In", ())):
        yield Rule(f"WMI-{name}-In-TCP", f"Windows Management Instrumentation ({kind})", wmi, ports)
    yield Rule("RemoteDesktop-UserMode-In-TCP", "Remote Desktop - User Mode (TCP-In)", "Remote Desktop", ("3389",))


def _storage() -> Iterator[Rule]:
    service = r"%SystemRoot%\system32\svchost.exe"
    for name, inbound in (("In", True), ("Out", False)):
        yield Rule(
            f"MsiScsi-{name}-TCP",
            f"iSCSI Service (TCP-{name})",
            "iSCSI Service",
            inbound=inbound,
            program=service,
            service="Msiscsi",
        )


def _cluster() -> Iterator[Rule]:
    group, feature = "Failover Clusters", "Failover-Clustering"
    yield Rule("FailoverCluster-UDP-3343-In", f"{group} (UDP-In)", group, ("3343",), "UDP", feature, enabled=True)
    yield Rule("FailoverCluster-TCP-3343-In", f"{group} (TCP-In)", group, ("3343",), "TCP", feature, enabled=True)


RULES = (*_hyperv(), *_sharing(), *_management(), *_storage(), *_cluster())
