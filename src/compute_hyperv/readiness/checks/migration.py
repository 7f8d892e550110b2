"""Can machines move between these hosts while they run?"""

from __future__ import annotations

from compute_hyperv.cim.values import CimInstance
from compute_hyperv.readiness.changes import plans
from compute_hyperv.readiness.changes.hyperv import LiveMigration
from compute_hyperv.readiness.checks.hardware import PROCESSORS
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.model import Finding, Section, check, failed, not_applicable, passed, warned
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.sources import VIRTUALIZATION, Instances
from compute_hyperv.readiness.windows import COMPUTER, FIREWALL_RULES, firewall_lets_in, is_in_domain

MIGRATION = Section("migration", "Live migration configuration")

SETTINGS = Instances(
    VIRTUALIZATION,
    "Msvm_VirtualSystemMigrationServiceSettingData",
    (
        "EnableVirtualSystemMigration",
        "AuthenticationType",
        "MaximumActiveVirtualSystemMigration",
        "MaximumActiveStorageMigration",
        "EnableCompression",
        "EnableSmbTransport",
    ),
    optional=True,
)
LISTENERS = Instances(
    VIRTUALIZATION,
    "Msvm_VirtualSystemMigrationService",
    ("MigrationServiceListenerIPAddressList",),
    optional=True,
)
NETWORKS = Instances(
    VIRTUALIZATION,
    "Msvm_VirtualSystemMigrationNetworkSettingData",
    ("SubnetNumber", "PrefixLength", "Metric"),
    optional=True,
)

_KERBEROS = 1  # AuthenticationType
_OFF = "live migration is not enabled"


def is_enabled(host: Readings) -> bool:
    settings = _settings(host)
    return settings is not None and settings.boolean("EnableVirtualSystemMigration", False)


def uses_kerberos(host: Readings) -> bool:
    settings = _settings(host)
    return settings is not None and settings.integer("AuthenticationType", 0) == _KERBEROS


def _settings(host: Readings) -> CimInstance | None:
    return next(iter(host.of(SETTINGS)), None)


@check(
    MIGRATION,
    "enabled",
    "Live migration is enabled",
    why="Without it a host neither sends nor takes running machines.",
    good="EnableVirtualSystemMigration is true, on hosts of a domain.",
    by_hand="Enable-VMMigration",
    reads=(SETTINGS, COMPUTER),
    changes=plans.live_migration(LiveMigration(kerberos=True)),
)
def enabled(context: Context) -> Finding:
    if _settings(context.host) is None:
        return not_applicable("Hyper-V is not installed")
    if is_enabled(context.host):
        return passed("enabled")
    if not (context.wanted.live_migration or is_in_domain(context.host)):
        return not_applicable("not enabled; hosts in a workgroup can't")
    finding = failed if context.wanted.live_migration else warned
    return finding("not enabled", "enabled, where servers are to move while they run", "Enable-VMMigration")


@check(
    MIGRATION,
    "authentication",
    "Authentication of migrations",
    why="With CredSSP only somebody who is logged on at the source host can move machines; with Kerberos and "
    "delegation a service elsewhere can.",
    good="Kerberos.",
    by_hand="Set-VMHost -VirtualMachineMigrationAuthenticationType Kerberos",
    reads=(SETTINGS,),
    changes=plans.live_migration(LiveMigration(kerberos=True)),
)
def authentication(context: Context) -> Finding:
    if not is_enabled(context.host):
        return not_applicable(_OFF)
    if not uses_kerberos(context.host):
        return warned(
            "CredSSP",
            "Kerberos",
            "Set-VMHost -VirtualMachineMigrationAuthenticationType Kerberos, on every host; or let nova-compute "
            "authenticate with winrm_auth = credssp.",
        )
    return passed("Kerberos")


@check(
    MIGRATION,
    "networks",
    "Networks for migration",
    why="Memory travels over these networks; where there is none, other hosts can't connect.",
    good="The service listens, at an address of a network that is meant for it (or of any, where none is named).",
    by_hand="Get-VMMigrationNetwork\nAdd-VMMigrationNetwork 10.0.0.0/24",
    reads=(SETTINGS, LISTENERS, NETWORKS),
)
def networks(context: Context) -> Finding:
    host = context.host
    if not is_enabled(host):
        return not_applicable(_OFF)
    addresses = [
        address for service in host.of(LISTENERS) for address in service.texts("MigrationServiceListenerIPAddressList")
    ]
    if not addresses:
        subnets = [f"{each.text('SubnetNumber', '?')}/{each.integer('PrefixLength', 0)}" for each in host.of(NETWORKS)]
        told = f"listens at no address; allowed is {', '.join(subnets) or 'any network'}"
        remedy = "Add-VMMigrationNetwork, or Set-VMHost -UseAnyNetworkForMigration $true"
        return failed(told, "an address of the host in one of them", remedy)
    return passed(f"listens at {', '.join(addresses)}")


@check(
    MIGRATION,
    "firewall",
    "The firewall lets migrations in",
    why="A host that others can't reach at port 6600 sends machines and takes none.",
    good=f"The rule {plans.MIGRATION_RULE} is on, as the role's installation leaves it.",
    by_hand=f"Enable-NetFirewallRule -Name {plans.MIGRATION_RULE}",
    reads=(SETTINGS, FIREWALL_RULES),
    changes=plans.migration_firewall,
)
def firewall(context: Context) -> Finding:
    if not is_enabled(context.host):
        return not_applicable(_OFF)
    open_ = firewall_lets_in(context.host, plans.MIGRATION_RULE)
    if open_ is None:
        return not_applicable(f"this Windows has no rule {plans.MIGRATION_RULE}")
    if not open_:
        return failed(f"{plans.MIGRATION_RULE} is off", "on", f"Enable-NetFirewallRule -Name {plans.MIGRATION_RULE}")
    return passed("port 6600 is open")


@check(
    MIGRATION,
    "simultaneous",
    "Simultaneous migrations",
    why="Further migrations wait; with none allowed, none is ever done.",
    good="At least one of machines and one of storage at once; 2 is Windows' own choice.",
    by_hand="Set-VMHost -MaximumVirtualMachineMigrations 2 -MaximumStorageMigrations 2",
    reads=(SETTINGS,),
    changes=plans.live_migration(LiveMigration(machines_at_once=2, storages_at_once=2)),
)
def simultaneous(context: Context) -> Finding:
    settings = _settings(context.host)
    if settings is None or not is_enabled(context.host):
        return not_applicable(_OFF)
    remedy = "Set-VMHost -MaximumVirtualMachineMigrations 2 -MaximumStorageMigrations 2"
    machines = settings.integer("MaximumActiveVirtualSystemMigration", 0)
    storages = settings.integer("MaximumActiveStorageMigration", 0)
    told = f"{machines} of machines, {storages} of storage"
    if not (machines and storages):
        return failed(told, "at least one each", remedy)
    return passed(told)


@check(
    MIGRATION,
    "performance",
    "Performance option of migrations",
    why="Compressed, or over SMB with RDMA, memory travels faster than as it is over TCP/IP.",
    good="Compression, or SMB.",
    by_hand="Set-VMHost -VirtualMachineMigrationPerformanceOption Compression",
    reads=(SETTINGS,),
    changes=plans.live_migration(LiveMigration(performance="Compression")),
)
def performance(context: Context) -> Finding:
    settings = _settings(context.host)
    if settings is None or not is_enabled(context.host):
        return not_applicable(_OFF)
    if settings.boolean("EnableSmbTransport", False):
        return passed("SMB")
    if settings.boolean("EnableCompression", False):
        return passed("Compression")
    return warned("TCP/IP", "Compression or SMB", "Set-VMHost -VirtualMachineMigrationPerformanceOption Compression")


@check(
    MIGRATION,
    "domain",
    "Member of a domain",
    why="Hosts trust each other's machines only as members of one Active Directory domain, or of domains that trust "
    "each other.",
    good="The host is a member of a domain.",
    by_hand="Add-Computer -DomainName DOMAIN -Restart",
    reads=(SETTINGS, COMPUTER),
)
def domain(context: Context) -> Finding:
    if not is_enabled(context.host) and not context.wanted.live_migration:
        return not_applicable(_OFF)
    computer = context.host.one(COMPUTER)
    told = computer.text("Domain", "")
    if not computer.boolean("PartOfDomain", False):
        return failed(f"workgroup {told}", "a domain", "Add-Computer -DomainName DOMAIN -Restart")
    return passed(told)


@check(
    MIGRATION,
    "account",
    "The account is the domain's",
    why="A local account of one host means nothing to another: a migration on its behalf is refused there.",
    good="The account that manages the host is one of a domain (DOMAIN\\name or name@domain).",
    by_hand=r"[hyperv] username = DOMAIN\name in nova.conf" + "\n"
    r"Add-LocalGroupMember -Group Administrators -Member DOMAIN\name",
    reads=(SETTINGS, COMPUTER),
)
def account(context: Context) -> Finding:
    if not is_enabled(context.host):
        return not_applicable(_OFF)
    name = context.host.account
    computer = context.host.one(COMPUTER)
    if not name:
        return passed("that of a ticket or certificate")
    if is_local(name, computer.text("Name", "")):
        return failed(f"{name} is local", "an account of the domain", r"--user DOMAIN\name, or [hyperv] username")
    return passed(name)


def is_local(account: str, computer: str) -> bool:
    """Whether an account is the host's own."""
    before, backslash, _ = account.rpartition("\\")
    if backslash:
        return before.lower() in ("", ".", computer.lower())
    return "@" not in account


@check(
    MIGRATION,
    "processors",
    "Processors are compatible",
    why="A running machine has seen what its processor can do; it can't go on where that is missing.",
    good="The hosts have processors of one vendor and one model. Between models, machines whose processor features are "
    "limited can move ([hyperv] limit_cpu_features).",
    by_hand="Set-VMProcessor -VMName VM -CompatibilityForMigrationEnabled $true",
    reads=(SETTINGS, PROCESSORS),
    compares=True,
)
def processors(context: Context) -> Finding:
    others = [other for other in context.others if is_enabled(other)]
    if not is_enabled(context.host) or not others:
        return not_applicable("no two hosts with live migration are checked together")
    vendor, models = _processors(context.host)
    told = ", ".join(sorted(models))
    foreign = [other.name for other in others if _processors(other)[0] != vendor]
    lines = tuple(f"{other.name}: {', '.join(sorted(_processors(other)[1]))}" for other in others)
    if foreign:
        return failed(
            told,
            "processors of one vendor",
            f"Running machines can't move to {', '.join(foreign)}: keep hosts of different vendors in aggregates of "
            "their own.",
            details=lines,
        )
    if any(_processors(other)[1] != models for other in others):
        return warned(
            told,
            "processors of one model",
            "Set limit_cpu_features in [hyperv] of nova.conf, so that machines can move to all hosts of this vendor.",
            details=lines,
        )
    return passed(told)


def _processors(host: Readings) -> tuple[str, frozenset[str]]:
    found = host.of(PROCESSORS)
    vendors = {each.text("Manufacturer", "?") for each in found}
    return ", ".join(sorted(vendors)), frozenset(each.text("Name", "?").strip() for each in found)


CHECKS = (enabled, authentication, networks, firewall, simultaneous, performance, domain, account, processors)
