"""Which Windows this is, and whether it waits for a restart."""

from __future__ import annotations

from compute_hyperv.host import versions
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.model import Finding, Section, check, failed, passed, warned
from compute_hyperv.readiness.sources import RegistryKeys
from compute_hyperv.readiness.windows import OPERATING_SYSTEM

VERSIONS = Section("versions", "Prerequisites")

_OLDEST = 9200  # Windows Server 2012: the first with root/virtualization/v2
_DEPRECATED = 9600  # older than this is deprecated by the operators' document
_RECOMMENDED = max(versions.RELEASES)
_WORKSTATION = 1  # Win32_OperatingSystem.ProductType


def _build(context: Context) -> int:
    return int(context.host.one(OPERATING_SYSTEM).text("BuildNumber", "0") or 0)


@check(
    VERSIONS,
    "release",
    "Windows release",
    why="Newer releases have more of what OpenStack can use, and get security updates for longer.",
    good=f"Windows Server 2012 R2 or newer; {versions.RELEASES[_RECOMMENDED]} is recommended. 2012 is deprecated.",
    by_hand="Install a newer release of Windows Server.",
    reads=(OPERATING_SYSTEM,),
)
def release(context: Context) -> Finding:
    system = context.host.one(OPERATING_SYSTEM)
    build = _build(context)
    found = f"{system.text('Caption', 'Windows').strip()} (build {build})"
    newest = versions.RELEASES[_RECOMMENDED]
    if build < _OLDEST:
        return failed(found, "Windows Server 2012 R2 or newer", f"Install {newest}.")
    if build < _DEPRECATED:
        return warned(found, "Windows Server 2012 R2 or newer", f"Install {newest}: support for 2012 will end.")
    if build < _RECOMMENDED:
        return passed(found, details=(f"{newest} is recommended for new hosts.",))
    return passed(found)


@check(
    VERSIONS,
    "build",
    "Windows build",
    why="A build between releases (a preview, an annual channel) has a Hyper-V that nobody tested with OpenStack.",
    good="The build of a release of Windows Server: " + ", ".join(map(str, versions.RELEASES)) + ".",
    by_hand="Install a release of Windows Server.",
    reads=(OPERATING_SYSTEM,),
)
def build(context: Context) -> Finding:
    number = _build(context)
    if number not in versions.RELEASES:
        return warned(f"build {number}", "the build of a release of Windows Server", "Install Windows Server.")
    return passed(f"build {number}, configuration version {versions.CONFIGURATION_VERSIONS[number]} of machines")


@check(
    VERSIONS,
    "edition",
    "Windows edition",
    why="A workstation's Windows lacks features of a server's Hyper-V (clusters, live migration, guarded hosts).",
    good="A server edition, or Hyper-V Server.",
    by_hand="Install Windows Server.",
    reads=(OPERATING_SYSTEM,),
)
def edition(context: Context) -> Finding:
    system = context.host.one(OPERATING_SYSTEM)
    found = system.text("Caption", "Windows").strip()
    if system.integer("ProductType", 0) == _WORKSTATION:
        return warned(found, "a server edition", "Install Windows Server; a workstation will do for trying things out.")
    return passed(found)


_SERVICING = RegistryKeys(r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing")
_UPDATE = RegistryKeys(r"SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update")
# The key that Windows makes while a restart is due, and what wants it.
_PENDING = ((_SERVICING, "RebootPending", "a role, feature or update"), (_UPDATE, "RebootRequired", "Windows Update"))


@check(
    VERSIONS,
    "reboot",
    "No restart is due",
    why="Features and updates that wait for a restart do not work yet, and the restart will come at a bad time.",
    good="Neither Component Based Servicing\\RebootPending nor Auto Update\\RebootRequired exists.",
    by_hand="Move the machines away, then: Restart-Computer",
    reads=(_SERVICING, _UPDATE),
)
def reboot(context: Context) -> Finding:
    waiting = [what for keys, name, what in _PENDING if name in context.host.of(keys)]
    if waiting:
        return warned(
            f"{' and '.join(waiting)} waits for a restart",
            "no restart is due",
            "Move the machines away and restart the host.",
        )
    return passed("no restart is due")


CHECKS = (release, build, edition, reboot)
