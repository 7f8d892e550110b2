r"""What stands in the registry of a host after setup: what managers of Hyper-V hosts and of Windows read.

Sources: real-instances 5.2 (MPIO), 5.4 (time service), 5.6 (virtualization); Microsoft's documentation of the time
service's, WinRM's and the firewall's keys for the others. Start modes of services are bound, see ``services``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.operating_system.edition import edition_facts
from hyperv_simulator.operating_system.registry import Data, Kind, Value, dword, sz
from hyperv_simulator.operating_system.service_table import SERVICES
from hyperv_simulator.operating_system.smb.configuration import client_defaults, server_defaults
from hyperv_simulator.operating_system.storage.san_policy import SAN_POLICIES

CONTROL = r"HKLM\SYSTEM\CurrentControlSet\Control"
SERVICES_KEY = r"HKLM\SYSTEM\CurrentControlSet\Services"
CURRENT_VERSION = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
WINDOWS_VERSION = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion"
VIRTUALIZATION = rf"{CURRENT_VERSION}\Virtualization"
TIME = rf"{SERVICES_KEY}\W32Time"
DEFENDER = r"HKLM\SOFTWARE\Microsoft\Windows Defender"
WINRM = rf"{WINDOWS_VERSION}\WSMAN"
FIREWALL = rf"{SERVICES_KEY}\SharedAccess\Parameters\FirewallPolicy"

Entry = tuple[str, str, Value]


def values(facts: HostFacts, installed: Callable[[str], bool]) -> Iterator[Entry]:
    """Key, value name, value; later ones win.

    :param installed: whether a feature is there, and its keys with it.
    """
    yield from _windows(facts)
    yield from _computer(facts)
    yield from _time(facts)
    yield from _services(facts, installed)
    yield from _storage(facts, installed)
    yield from _remote_access(facts)
    yield from _hyperv(facts, installed)
    yield from _defender(installed)
    for item in facts.config.registry:
        yield item.key, item.name, Value(Kind[item.type.removeprefix("REG_")], item.data)


def _many(key: str, **entries: Data) -> Iterator[Entry]:
    for name, data in entries.items():
        yield key, name, dword(data) if isinstance(data, int) else sz(str(data))


def _windows(facts: HostFacts) -> Iterator[Entry]:
    version, edition = facts.version, edition_facts(facts.config.edition, facts.version)
    major, _, rest = version.version.partition(".")
    yield from _many(
        CURRENT_VERSION,
        ProductName=edition.product_name,
        EditionID=edition.edition_id,
        InstallationType="Server Core" if edition.core else "Server",
        CurrentVersion="6.3",
        CurrentBuild=version.build,
        CurrentBuildNumber=version.build,
        CurrentType="Multiprocessor Free",
        SystemRoot=r"C:\Windows",
        RegisteredOwner="Windows User",
        RegisteredOrganization="",
        InstallDate=int(facts.installed_at.timestamp()),
        UBR=1,
    )
    if version.release >= 2016:
        release_id = {2016: "1607", 2019: "1809"}.get(version.release, "2009")
        yield from _many(
            CURRENT_VERSION,
            CurrentMajorVersionNumber=int(major),
            CurrentMinorVersionNumber=int(rest.partition(".")[0]),
            ReleaseId=release_id,
        )
    if version.release >= 2022:
        yield CURRENT_VERSION, "DisplayVersion", sz({2022: "21H2", 2025: "24H2"}[version.release])
    yield from _many(
        WINDOWS_VERSION, ProgramFilesDir=r"C:\Program Files", CommonFilesDir=r"C:\Program Files\Common Files"
    )
    yield rf"{WINDOWS_VERSION}\Component Based Servicing", "LastTrustTime", Value(Kind.QWORD, 0)
    yield rf"{WINDOWS_VERSION}\WindowsUpdate\Auto Update", "", sz("")
    yield rf"{CONTROL}\ProductOptions", "ProductType", sz("ServerNT")
    yield rf"{CONTROL}\Session Manager\Environment", "NUMBER_OF_PROCESSORS", sz(str(facts.config.threads))
    yield rf"{CONTROL}\Session Manager\Environment", "PROCESSOR_ARCHITECTURE", sz("AMD64")
    yield rf"{CONTROL}\Session Manager\Environment", "OS", sz("Windows_NT")


def _computer(facts: HostFacts) -> Iterator[Entry]:
    config = facts.config
    for key in ("ActiveComputerName", "ComputerName"):
        yield rf"{CONTROL}\ComputerName\{key}", "ComputerName", sz(facts.name)
    yield from _many(
        rf"{SERVICES_KEY}\Tcpip\Parameters",
        Hostname=config.name,
        **{"NV Hostname": config.name, "Domain": config.domain, "NV Domain": config.domain},
    )
    yield from _many(rf"{CONTROL}\TimeZoneInformation", TimeZoneKeyName="UTC", Bias=0, ActiveTimeBias=0)
    yield from _many(
        r"HKLM\HARDWARE\DESCRIPTION\System\BIOS",
        SystemManufacturer=config.hardware.manufacturer,
        SystemProductName=config.hardware.model,
        BIOSVendor=config.hardware.manufacturer,
        BIOSVersion="1.0.0",
    )


def _time(facts: HostFacts) -> Iterator[Entry]:
    flags = "0x8" if facts.version.release >= 2016 else "0x9"
    kind = "NT5DS" if facts.config.domain else "NTP"
    library = Value(Kind.EXPAND_SZ, r"%systemroot%\system32\w32time.dll")
    yield from _many(
        rf"{TIME}\Parameters", NtpServer=f"time.windows.com,{flags}", Type=kind, ServiceMain="SvchostEntry_W32Time"
    )
    yield rf"{TIME}\Parameters", "ServiceDll", library
    yield from _many(
        rf"{TIME}\Config",
        AnnounceFlags=10,
        EventLogFlags=2,
        FrequencyCorrectRate=4,
        HoldPeriod=5,
        LargePhaseOffset=50000000,
        LocalClockDispersion=10,
        MaxAllowedPhaseOffset=300,
        MaxNegPhaseCorrection=172800,
        MaxPollInterval=10,
        MaxPosPhaseCorrection=172800,
        MinPollInterval=6,
        PhaseCorrectRate=1,
        PollAdjustFactor=5,
        SpikeWatchPeriod=900,
        TimeJumpAuditOffset=28800,
        UpdateInterval=100,
    )
    client, server, guest = (rf"{TIME}\TimeProviders\{name}" for name in ("NtpClient", "NtpServer", "VMICTimeProvider"))
    yield client, "DllName", library
    yield from _many(
        client,
        Enabled=1,
        InputProvider=1,
        AllowNonstandardModeCombinations=1,
        ResolvePeerBackoffMinutes=15,
        ResolvePeerBackoffMaxTimes=7,
        CompatibilityFlags=0x80000000,
        EventLogFlags=1,
        LargeSampleSkew=3,
        SpecialPollInterval=3600,
    )
    yield server, "DllName", library
    yield from _many(server, Enabled=0, InputProvider=0, AllowNonstandardModeCombinations=1)
    yield guest, "DllName", Value(Kind.EXPAND_SZ, r"%SystemRoot%\System32\vmictimeprovider.dll")
    yield from _many(guest, Enabled=1, InputProvider=1)


def _services(facts: HostFacts, installed: Callable[[str], bool]) -> Iterator[Entry]:
    for entry in SERVICES:
        if entry.since > facts.version.release or (entry.feature and not installed(entry.feature)):
            continue
        key = rf"{SERVICES_KEY}\{entry.name}"
        kind = 1 if entry.driver else (0x20 if entry.shares_process else 0x10)
        yield from _many(key, DisplayName=entry.display_name, Type=kind, ErrorControl=1)
        yield key, "ImagePath", Value(Kind.EXPAND_SZ, entry.path)
        if entry.account:
            yield key, "ObjectName", sz(entry.account)
        if entry.needs:
            yield key, "DependOnService", Value(Kind.MULTI_SZ, entry.needs)


def _storage(facts: HostFacts, installed: Callable[[str], bool]) -> Iterator[Entry]:
    """SanPolicy of partmgr: 1 all online, 2 offline shared (default of servers), see Microsoft's SAN policy page."""
    yield rf"{SERVICES_KEY}\partmgr\Parameters", "SanPolicy", dword(SAN_POLICIES[facts.config.san_policy])
    yield rf"{SERVICES_KEY}\Disk", "TimeOutValue", dword(60)
    if installed("Multipath-IO"):
        claimed = facts.config.mpio.claimed or ("Vendor 8Product       16",)
        yield rf"{CONTROL}\MPDEV", "MPIOSupportedDeviceList", Value(Kind.MULTI_SZ, claimed)
        yield from _many(
            rf"{SERVICES_KEY}\mpio\Parameters",
            PathVerifyEnabled=0,
            PathVerificationPeriod=30,
            PDORemovePeriod=20,
            RetryCount=3,
            RetryInterval=1,
            UseCustomPathRecoveryInterval=0,
            PathRecoveryInterval=40,
        )
        devices = ("Vendor 8Product       16",)
        yield rf"{SERVICES_KEY}\msdsm\Parameters", "DsmSupportedDeviceList", Value(Kind.MULTI_SZ, devices)
    yield from _smb(facts)


def _smb(facts: HostFacts) -> Iterator[Entry]:
    """Signing as the two configuration classes say it."""
    smb, release = facts.config.smb, facts.version.release
    for service, settings in (
        ("LanmanServer", server_defaults(smb)),
        ("LanmanWorkstation", client_defaults(smb, release)),
    ):
        signing = {name: int(settings[name]) for name in ("EnableSecuritySignature", "RequireSecuritySignature")}
        yield from _many(rf"{SERVICES_KEY}\{service}\Parameters", **signing)


def _remote_access(facts: HostFacts) -> Iterator[Entry]:
    config, quotas = facts.config, facts.config.quotas
    yield from _many(rf"{WINRM}\Service", allow_remote_requests=1, allow_unencrypted=int(config.allow_unencrypted))
    yield from _many(
        rf"{WINRM}\Service", auth_basic=int(config.allow_basic), auth_kerberos=1, auth_negotiate=1, auth_credssp=0
    )
    yield from _many(rf"{WINRM}\Service", maxConnections=quotas.max_connections)
    yield from _many(rf"{WINRM}\Listener\*+HTTP", Port=config.http_port, uriprefix="wsman", enabled=1, hostname="")
    yield from _many(
        rf"{WINRM}\Listener\*+HTTPS", Port=config.https_port, uriprefix="wsman", enabled=1, hostname=config.name
    )
    for profile in ("DomainProfile", "StandardProfile", "PublicProfile"):
        yield from _many(rf"{FIREWALL}\{profile}", EnableFirewall=1, DisableNotifications=0)
    yield from _many(rf"{WINDOWS_VERSION}\Policies\System", EnableLUA=1, LocalAccountTokenFilterPolicy=0)
    yield from _many(rf"{CONTROL}\Terminal Server", fDenyTSConnections=1)


def _hyperv(facts: HostFacts, installed: Callable[[str], bool]) -> Iterator[Entry]:
    if not installed("Hyper-V"):
        return
    yield VIRTUALIZATION, "Version", sz(facts.version.version)
    yield rf"{VIRTUALIZATION}\Migration", "", sz("")
    yield rf"{VIRTUALIZATION}\GuestCommunicationServices", "", sz("")


def _defender(installed: Callable[[str], bool]) -> Iterator[Entry]:
    """What antivirus leaves alone; that it leaves Hyper-V's files alone by itself stands nowhere (Microsoft's page on
    automatic exclusions).
    """
    if installed("Windows-Defender"):
        for kind in ("Extensions", "Paths", "Processes"):
            yield rf"{DEFENDER}\Exclusions\{kind}", "", sz("")
