"""Does Active Directory let each host move machines to each other host?

The source host connects to the destination on behalf of whoever asked for the move: to its shares (cifs) and to the
service "Microsoft Virtual System Migration Service" (hyperv-ops 9). Read from the directory: of two hosts alone nobody
can tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from compute_hyperv.cim.errors import AccessDenied, NotFound
from compute_hyperv.readiness.checks.migration import MIGRATION, SETTINGS, is_enabled, is_local, uses_kerberos
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.directory.accounts import Account, Directory
from compute_hyperv.readiness.model import Finding, Verdict, check, failed, not_applicable, passed, warned
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.sources import KnownHost
from compute_hyperv.readiness.windows import COMPUTER

MIGRATION_SERVICE = "Microsoft Virtual System Migration Service"
SERVICES = ("cifs", MIGRATION_SERVICE)


def _directory(host: KnownHost) -> Directory:
    if host.directories is None:
        raise AccessDenied(
            "No account for the directory is known.",
            remedy="Name one with --ldap-user (and a domain controller with --ldap-server), or use the account of a "
            "domain for the hosts.",
        )
    return host.directories.of(host.one(COMPUTER).text("Domain", ""))


@dataclass(frozen=True, slots=True)
class ComputerAccount:
    """The host's own account. Raises NotFound where the domain has none."""

    @property
    def description(self) -> str:
        return (
            "Active Directory (LDAP): the host's computer account (objectSid, tokenGroups, userAccountControl, "
            "servicePrincipalName, msDS-AllowedToDelegateTo, msDS-AllowedToActOnBehalfOfOtherIdentity)"
        )

    def read_directory(self, host: KnownHost) -> Account:
        return _directory(host).computer(host.one(COMPUTER).text("Name"))


@dataclass(frozen=True, slots=True)
class ManagingAccount:
    """The account that manages the host; None where it is not one of this directory."""

    @property
    def description(self) -> str:
        return "Active Directory (LDAP): the account that manages the host (userAccountControl, tokenGroups)"

    def read_directory(self, host: KnownHost) -> Account | None:
        name = host.account
        if not name or is_local(name, host.one(COMPUTER).text("Name", "")):
            return None
        try:
            return _directory(host).user(name.rpartition("\\")[2].partition("@")[0])
        except NotFound:
            return None


COMPUTER_ACCOUNT = ComputerAccount()
MANAGING_ACCOUNT = ManagingAccount()


class _Way(NamedTuple):
    """How a host may go to another one."""

    verdict: Verdict
    text: str


def way(source: Account, target: Account, names: frozenset[str]) -> _Way:
    """What the directory says about one ordered pair.

    :param names: those of the target, as services are written with; case does not matter.
    """
    if not any(service.lower().startswith(f"{MIGRATION_SERVICE}/".lower()) for service in target.services):
        return _Way(Verdict.FAIL, f"{target.name} has no service {MIGRATION_SERVICE}: Restart-Service vmms there")
    if source.sids & target.accepts_from:
        return _Way(Verdict.PASS, "resource-based")
    if source.unconstrained:
        return _Way(Verdict.WARN, "unconstrained delegation: it may go anywhere on anybody's behalf")
    listed = {service.lower() for service in source.delegates_to}
    missing = [service for service in SERVICES if not any(f"{service}/{name}".lower() in listed for name in names)]
    if missing:
        return _Way(Verdict.FAIL, f"no delegation to {' and '.join(missing)}")
    if not source.any_protocol:
        return _Way(Verdict.WARN, "constrained, for clients that come with Kerberos only")
    return _Way(Verdict.PASS, "constrained")


@check(
    MIGRATION,
    "delegation",
    "Delegation between the hosts",
    why="The source of a migration goes to the destination on behalf of whoever asked for it. Where Active Directory "
    "does not let it, migrations fail with 0x8009030E.",
    good="For each ordered pair of hosts: the destination has registered the service (servicePrincipalName), and it "
    "accepts the source (resource-based), or the source's account lists cifs and "
    f'"{MIGRATION_SERVICE}" of the destination, with any authentication protocol: clients of WinRM need not have come '
    "with Kerberos. The account that manages the hosts is not marked as sensitive.",
    by_hand="Set-ADComputer DESTINATION -PrincipalsAllowedToDelegateToAccount (Get-ADComputer SOURCE)\n"
    "or: Set-ADComputer SOURCE -Add @{'msDS-AllowedToDelegateTo' = 'cifs/DESTINATION', "
    f"'{MIGRATION_SERVICE}/DESTINATION'}}\n"
    "Set-ADAccountControl SOURCE$ -TrustedToAuthForDelegation $true\n"
    "klist purge -li 0x3e7 (on the source: it keeps old tickets for hours)",
    reads=(SETTINGS, COMPUTER, COMPUTER_ACCOUNT, MANAGING_ACCOUNT),
    compares=True,
)
def delegation(context: Context) -> Finding:
    host = context.host
    others = [other for other in context.others if is_enabled(other)]
    if not is_enabled(host) or not others:
        return not_applicable("no two hosts with live migration are checked together")
    if not uses_kerberos(host):
        return not_applicable("migrations are authenticated with CredSSP")
    manager = host.of(MANAGING_ACCOUNT)
    if manager is not None and manager.is_sensitive:
        return failed(
            f"{host.account} is sensitive or a protected user: nobody may act on behalf of it",
            "an account that can be delegated",
            f"Set-ADAccountControl {manager.name} -AccountNotDelegated $false, and not in Protected Users; or use "
            "another account.",
        )
    source = host.of(COMPUTER_ACCOUNT)
    ways = {other.name: _way_to(source, other) for other in others}
    lines = tuple(f"{host.name} to {name}: {found.text}" for name, found in sorted(ways.items()))
    good = sum(found.verdict is Verdict.PASS for found in ways.values())
    told = f"{good} of {len(ways)} ways from here are as they should be"
    worst = {found.verdict for found in ways.values()}
    computer = source.name.rstrip("$")
    if Verdict.FAIL in worst:
        remedy = (
            f"Set-ADComputer DESTINATION -PrincipalsAllowedToDelegateToAccount (Get-ADComputer {computer}); it "
            "replaces the list, so name all sources of that destination."
        )
        return failed(told, "delegation to each other host", remedy, details=lines)
    if Verdict.WARN in worst:
        remedy = f"Set-ADAccountControl {computer}$ -TrustedForDelegation $false -TrustedToAuthForDelegation $true"
        return warned(told, "resource-based, or constrained with any authentication protocol", remedy, details=lines)
    return passed(told, details=lines)


def _way_to(source: Account, other: Readings) -> _Way:
    try:
        target = other.of(COMPUTER_ACCOUNT)
    except NotFound as error:
        return _Way(Verdict.FAIL, error.message)
    computer = other.one(COMPUTER)
    name = computer.text("Name")
    return way(source, target, frozenset({name, f"{name}.{computer.text('Domain', '')}"}))


CHECKS = (delegation,)
