"""Can the host be managed at all, and is what is said to it safe?

The listener's settings are in the registry below WSMAN, where ``winrm get winrm/config`` has them from; a group policy
that overrides them stands below Policies (class pages StdRegProv; Microsoft: Installation and configuration for Windows
Remote Management).
"""

from __future__ import annotations

from dataclasses import dataclass

from compute_hyperv.cim.errors import AccessDenied
from compute_hyperv.cim.session import CimSession, Identity
from compute_hyperv.readiness.changes import plans
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.model import Finding, Section, check, failed, passed, warned
from compute_hyperv.readiness.sources import RegistryKeys, RegistryRight, RegistryValue, RegistryValueNames
from compute_hyperv.readiness.windows import COMPUTER, FIREWALL_RULES, SERVICES, firewall_lets_in

CONNECTION_SECTION = Section("connection", "Connection")
# What WinRM says of itself (MS-WSMV 2.2.4.20, IdentifyResponse).
_WINRM = "Microsoft Corporation"


@dataclass(frozen=True, slots=True)
class _Identity:
    @property
    def description(self) -> str:
        return "WS-Management: Identify"

    def read(self, session: CimSession) -> Identity:
        return session.identify()


IDENTITY = _Identity()


@check(
    CONNECTION_SECTION,
    "answers",
    "WinRM answers",
    why="Everything is done over WinRM; nothing is installed on the host.",
    good="WinRM is running, its listener can be reached, and the account is let in.",
    by_hand="winrm quickconfig -transport:https",
    reads=(IDENTITY,),
)
def answers(context: Context) -> Finding:
    identity = context.host.of(IDENTITY)
    if identity.product_vendor != _WINRM:
        return failed(
            f"{identity.product_vendor or 'something'} {identity.product_version} answers",
            "WinRM of Windows",
            "This host is not Windows: name another, or another port.",
        )
    return passed(identity.product_version or "WinRM answers")


_WSMAN = r"SOFTWARE\Microsoft\Windows\CurrentVersion\WSMAN"
LISTENERS = RegistryKeys(rf"{_WSMAN}\Listener")
UNENCRYPTED = RegistryValue(rf"{_WSMAN}\Service", "allow_unencrypted", "REG_DWORD")
BASIC = RegistryValue(rf"{_WSMAN}\Service", "auth_basic", "REG_DWORD")
# What a group policy sets counts instead of the service's own settings.
POLICY = RegistryValueNames(r"SOFTWARE\Policies\Microsoft\Windows\WinRM\Service")
UNENCRYPTED_BY_POLICY = RegistryValue(POLICY.key, "AllowUnencryptedTraffic", "REG_DWORD")
BASIC_BY_POLICY = RegistryValue(POLICY.key, "AllowBasic", "REG_DWORD")


def _is_on(context: Context, own: RegistryValue, by_policy: RegistryValue) -> bool:
    counts = by_policy if by_policy.name in context.host.of(POLICY) else own
    return bool(context.host.of(counts))


@check(
    CONNECTION_SECTION,
    "listener",
    "WinRM listens with TLS",
    why="Only a certificate proves that it is this host that the password goes to; NTLM's encryption does not.",
    good="There is a listener for HTTPS.",
    by_hand="winrm quickconfig -transport:https\nNew-NetFirewallRule -DisplayName 'WinRM HTTPS' -Direction Inbound "
    "-Protocol TCP -LocalPort 5986 -Action Allow",
    reads=(LISTENERS,),
)
def listener(context: Context) -> Finding:
    if context.host.host.cim.endpoint.scheme == "https":
        return passed("it does: this connection uses it")
    # A listener's key is its address and transport: "*+HTTPS"
    transports = sorted({name.rpartition("+")[2].upper() for name in context.host.of(LISTENERS)})
    found = f"listeners: {', '.join(transports) or 'none is configured'}"
    if "HTTPS" not in transports:
        return warned(
            found,
            "a listener for HTTPS",
            "Give the host a certificate for its name, then: winrm quickconfig -transport:https",
        )
    return passed(found)


@check(
    CONNECTION_SECTION,
    "encryption",
    "WinRM refuses what is not encrypted",
    why="A client that is allowed to send in clear text shows commands and data to everybody on the way.",
    good="AllowUnencrypted of the WinRM service is false, as Windows has it by default.",
    by_hand='winrm set winrm/config/service @{AllowUnencrypted="false"}',
    reads=(UNENCRYPTED, POLICY, UNENCRYPTED_BY_POLICY),
)
def encryption(context: Context) -> Finding:
    if _is_on(context, UNENCRYPTED, UNENCRYPTED_BY_POLICY):
        return failed(
            "AllowUnencrypted is true",
            "false",
            'winrm set winrm/config/service @{AllowUnencrypted="false"}; clients use TLS, or NTLM or Kerberos.',
        )
    return passed("AllowUnencrypted is false")


@check(
    CONNECTION_SECTION,
    "basic",
    "WinRM does not take Basic authentication",
    why="Basic hands the password itself to whoever answers; a stolen or careless certificate is enough to lose it.",
    good="Auth/Basic of the WinRM service is false, as Windows has it by default.",
    by_hand='winrm set winrm/config/service/auth @{Basic="false"}',
    reads=(BASIC, UNENCRYPTED, POLICY, BASIC_BY_POLICY, UNENCRYPTED_BY_POLICY),
)
def basic(context: Context) -> Finding:
    if not _is_on(context, BASIC, BASIC_BY_POLICY):
        return passed("Basic is off")
    remedy = 'winrm set winrm/config/service/auth @{Basic="false"}'
    if _is_on(context, UNENCRYPTED, UNENCRYPTED_BY_POLICY):
        return failed("Basic is on, and may go over plain HTTP", "off", remedy)
    return warned("Basic is on", "off", remedy)


PRIVILEGED_KEY = RegistryRight(r"SYSTEM\CurrentControlSet\Control")
_BUILT_IN = "administrator"
_EXAMPLE = r"DOMAIN\openstack"


@check(
    CONNECTION_SECTION,
    "account",
    "Rights of the account",
    why="Storage, services, clusters and the administrative shares answer administrators only; an account that may do "
    "more than that, on other machines too, is worth more to a thief.",
    good="An account for this purpose alone that is a local administrator of its hosts, and nothing elsewhere.",
    by_hand="Add-LocalGroupMember -Group Administrators -Member 'DOMAIN\\openstack'",
    reads=(SERVICES, PRIVILEGED_KEY, COMPUTER),
)
def account(context: Context) -> Finding:
    who = context.host.account
    name = who or "the account"
    if not _is_administrator(context):
        return failed(
            f"{name} may read the host, but not change it",
            "an administrator of the host",
            f"Add-LocalGroupMember -Group Administrators -Member '{who or _EXAMPLE}'; for a local account "
            "other than Administrator also LocalAccountTokenFilterPolicy = 1 in HKLM\\SOFTWARE\\Microsoft\\Windows\\"
            "CurrentVersion\\Policies\\System.",
        )
    found = f"{name} is an administrator of the host"
    return passed(found, details=_excess(context, who))


def _is_administrator(context: Context) -> bool:
    """The service control manager shows services to administrators only; what it answers is read anyhow."""
    try:
        return bool(context.host.of(SERVICES)) or context.host.of(PRIVILEGED_KEY)
    except AccessDenied:
        return context.host.of(PRIVILEGED_KEY)


def _excess(context: Context, who: str) -> tuple[str, ...]:
    """What the account can do beyond what is needed, as far as its name tells."""
    user = who.partition("@")[0].rpartition("\\")[2].lower()
    if user != _BUILT_IN:
        return ()
    domain = who.partition("@")[2] or who.rpartition("\\")[0]
    computer = context.host.one(COMPUTER).text("Name", "").lower()
    if domain and domain.lower() not in (".", computer):
        return (
            f"Note: {who} rules all of the domain. An account that is an administrator of the Hyper-V hosts only will "
            "do.",
        )
    return ("Note: the built-in Administrator cannot be told from a person in the logs. An account of its own can.",)


# Rule, what it lets in, and what does not work without it.
_RULES = (
    ("FPS-SMB-In-TCP", "SMB", "files of instances and their consoles' logs"),
    ("VIRT-REMOTEDESKTOP-In-TCP-NoScope", "the console port 2179", "graphical consoles"),
)


@check(
    CONNECTION_SECTION,
    "firewall",
    "The firewall lets the cloud in",
    why="nova-compute writes disks over SMB (445), and consoles come through Hyper-V's port 2179.",
    good="The predefined rules of Windows for both are enabled: " + ", ".join(rule for rule, _, _ in _RULES) + ".",
    by_hand="\n".join(f"Enable-NetFirewallRule -Name {rule}" for rule, _, _ in _RULES),
    reads=(FIREWALL_RULES,),
    changes=plans.firewall_rules(*(rule for rule, _, _ in _RULES)),
)
def firewall(context: Context) -> Finding:
    closed = [(rule, what, use) for rule, what, use in _RULES if firewall_lets_in(context.host, rule) is False]
    if closed:
        return failed(
            " and ".join(f"{what} is closed: {use} do not work" for _, what, use in closed),
            "open for the controllers and compute services",
            "; ".join(f"Enable-NetFirewallRule -Name {rule}" for rule, _, _ in closed),
        )
    return passed(
        "SMB is open" if firewall_lets_in(context.host, _RULES[1][0]) is None else "SMB and consoles are open"
    )


CHECKS = (listener, encryption, basic, account, firewall)
