r"""The services and drivers of a Hyper-V host.

Names, display names and programs: Windows Server with English texts (real-instances 4.4 for Hyper-V's own); which of
them depend on which: their DependOnService values in the registry, as far as published; the rest is an assumption.
"""

from __future__ import annotations

from dataclasses import dataclass

_SVCHOST = r"C:\Windows\System32\svchost.exe -k "
_LOCAL_SERVICE = r"NT AUTHORITY\LocalService"
_NETWORK_SERVICE = r"NT AUTHORITY\NetworkService"


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """One service as it is after setup.

    :param program: a svchost group, or a program's path.
    :param mode: Auto, Manual, Disabled; of drivers Boot and System too.
    :param triggered: runs though its mode is Manual: something at the start needs it.
    :param needs: names of services (and drivers) without which it does not run.
    :param feature: it comes with this feature.
    :param domain: it runs by itself in a domain only.
    """

    name: str
    display_name: str
    program: str
    mode: str = "Manual"
    account: str = "LocalSystem"
    triggered: bool = False
    needs: tuple[str, ...] = ()
    feature: str = ""
    since: int = 0
    pauses: bool = False
    domain: bool = False
    driver: bool = False

    @property
    def path(self) -> str:
        return self.program if "\\" in self.program else _SVCHOST + self.program

    @property
    def shares_process(self) -> bool:
        return "\\" not in self.program


SERVICES: tuple[ServiceEntry, ...] = (
    ServiceEntry(
        "BFE", "Base Filtering Engine", "LocalServiceNoNetworkFirewall", "Auto", _LOCAL_SERVICE, needs=("RpcSs",)
    ),
    ServiceEntry("BITS", "Background Intelligent Transfer Service", "netsvcs", needs=("RpcSs",)),
    ServiceEntry("CryptSvc", "Cryptographic Services", "NetworkService", "Auto", _NETWORK_SERVICE, needs=("RpcSs",)),
    ServiceEntry("DcomLaunch", "DCOM Server Process Launcher", "DcomLaunch", "Auto"),
    ServiceEntry("Dhcp", "DHCP Client", "LocalServiceNetworkRestricted", "Auto", _LOCAL_SERVICE, needs=("nsi",)),
    ServiceEntry("Dnscache", "DNS Client", "NetworkService", "Auto", _NETWORK_SERVICE, needs=("nsi",)),
    ServiceEntry("EventLog", "Windows Event Log", "LocalServiceNetworkRestricted", "Auto", _LOCAL_SERVICE),
    ServiceEntry("gpsvc", "Group Policy Client", "netsvcs", "Auto", needs=("RpcSs",)),
    ServiceEntry(
        "HgClientService",
        "Host Guardian Client Service",
        "HgClientService",
        triggered=True,
        needs=("RpcSs",),
        feature="HostGuardian",
        since=2016,
    ),
    ServiceEntry(
        "HvHost", "HV Host Service", "LocalSystemNetworkRestricted", triggered=True, feature="Hyper-V", since=2016
    ),
    ServiceEntry("LanmanServer", "Server", "netsvcs", "Auto", needs=("SamSs",), pauses=True),
    ServiceEntry(
        "LanmanWorkstation", "Workstation", "NetworkService", "Auto", _NETWORK_SERVICE, needs=("nsi",), pauses=True
    ),
    ServiceEntry(
        "mpssvc", "Windows Defender Firewall", "LocalServiceNoNetworkFirewall", "Auto", _LOCAL_SERVICE, needs=("BFE",)
    ),
    ServiceEntry("MSiSCSI", "Microsoft iSCSI Initiator Service", "netsvcs"),
    ServiceEntry(
        "Netlogon", "Netlogon", r"C:\Windows\system32\lsass.exe", needs=("LanmanWorkstation",), pauses=True, domain=True
    ),
    ServiceEntry("nsi", "Network Store Interface Service", "LocalService", "Auto", _LOCAL_SERVICE, needs=("RpcSs",)),
    ServiceEntry("RemoteRegistry", "Remote Registry", "localService", "Auto", _LOCAL_SERVICE, needs=("RpcSs",)),
    ServiceEntry("RpcEptMapper", "RPC Endpoint Mapper", "RPCSS", "Auto", _NETWORK_SERVICE),
    ServiceEntry(
        "RpcSs", "Remote Procedure Call (RPC)", "rpcss", "Auto", _NETWORK_SERVICE, needs=("RpcEptMapper", "DcomLaunch")
    ),
    ServiceEntry("SamSs", "Security Accounts Manager", r"C:\Windows\system32\lsass.exe", "Auto", needs=("RpcSs",)),
    ServiceEntry("Schedule", "Task Scheduler", "netsvcs", "Auto", needs=("RpcSs",)),
    ServiceEntry("smphost", "Microsoft Storage Spaces SMP", "smphost", account=_NETWORK_SERVICE, needs=("RpcSs",)),
    ServiceEntry(
        "TermService",
        "Remote Desktop Services",
        "NetworkService",
        triggered=True,
        account=_NETWORK_SERVICE,
        needs=("RpcSs",),
    ),
    ServiceEntry("TrustedInstaller", "Windows Modules Installer", r"C:\Windows\servicing\TrustedInstaller.exe"),
    ServiceEntry("vds", "Virtual Disk", r"C:\Windows\System32\vds.exe", needs=("RpcSs",)),
    ServiceEntry(
        "vmcompute",
        "Hyper-V Host Compute Service",
        r"C:\Windows\system32\vmcompute.exe",
        triggered=True,
        needs=("RpcSs",),
        feature="Hyper-V",
        since=2016,
    ),
    ServiceEntry(
        "vmms",
        "Hyper-V Virtual Machine Management",
        r"C:\Windows\system32\vmms.exe",
        "Auto",
        needs=("RpcSs", "Winmgmt"),
        feature="Hyper-V",
    ),
    ServiceEntry("VSS", "Volume Shadow Copy", r"C:\Windows\system32\vssvc.exe", needs=("RpcSs",)),
    ServiceEntry("W32Time", "Windows Time", "LocalService", "Auto", _LOCAL_SERVICE),
    ServiceEntry(
        "WinDefend",
        "Windows Defender Antivirus Service",
        r'"C:\Program Files\Windows Defender\MsMpEng.exe"',
        "Auto",
        needs=("RpcSs",),
        feature="Windows-Defender",
        since=2016,
    ),
    ServiceEntry("Winmgmt", "Windows Management Instrumentation", "netsvcs", "Auto", needs=("RpcSs",), pauses=True),
    ServiceEntry(
        "WinRM",
        "Windows Remote Management (WS-Management)",
        "NetworkService",
        "Auto",
        _NETWORK_SERVICE,
        needs=("RpcSs", "HTTP"),
    ),
    ServiceEntry("wuauserv", "Windows Update", "netsvcs", needs=("RpcSs",)),
    ServiceEntry(
        "ClusSvc",
        "Cluster Service",
        r"C:\Windows\Cluster\clussvc.exe -s",
        "Disabled",
        needs=("NetFT",),
        triggered=True,
        feature="Failover-Clustering",
    ),
    ServiceEntry(
        "HTTP", "HTTP Service", r"C:\Windows\system32\drivers\HTTP.sys", "Manual", "", triggered=True, driver=True
    ),
    ServiceEntry(
        "hvservice",
        "Hypervisor/Virtual Machine Support Driver",
        r"C:\Windows\system32\drivers\hvservice.sys",
        "Manual",
        "",
        triggered=True,
        feature="Hyper-V",
        since=2016,
        driver=True,
    ),
    ServiceEntry(
        "mpio",
        "Microsoft Multi-Path Bus Driver",
        r"C:\Windows\system32\drivers\mpio.sys",
        "Boot",
        "",
        triggered=True,
        feature="Multipath-IO",
        driver=True,
    ),
    ServiceEntry(
        "msdsm",
        "Microsoft Multi-Path Device Specific Module",
        r"C:\Windows\system32\drivers\msdsm.sys",
        "Boot",
        "",
        triggered=True,
        needs=("mpio",),
        feature="Multipath-IO",
        driver=True,
    ),
    ServiceEntry(
        "NetFT",
        "Microsoft Failover Cluster Virtual Driver",
        r"C:\Windows\system32\drivers\netft.sys",
        "Manual",
        "",
        feature="Failover-Clustering",
        driver=True,
    ),
    ServiceEntry(
        "Vid",
        "Vid",
        r"C:\Windows\system32\drivers\Vid.sys",
        "System",
        "",
        triggered=True,
        feature="Hyper-V",
        driver=True,
    ),
    ServiceEntry(
        "vmbusr",
        "Virtual Machine Bus Provider",
        r"C:\Windows\system32\drivers\vmbusr.sys",
        "Boot",
        "",
        triggered=True,
        feature="Hyper-V",
        driver=True,
    ),
    ServiceEntry(
        "VMSP",
        "VmSwitch Protocol Driver",
        r"C:\Windows\system32\drivers\vmswitch.sys",
        "Manual",
        "",
        triggered=True,
        feature="Hyper-V",
        driver=True,
    ),
)
