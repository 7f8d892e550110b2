"""Which Windows this is."""

from __future__ import annotations

from compute_hyperv.host import versions
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.model import Finding, Section, check, failed, passed, warned
from compute_hyperv.readiness.sources import CIMV2, Instances

VERSIONS = Section("versions", "Prerequisites")

OPERATING_SYSTEM = Instances(
    CIMV2,
    "Win32_OperatingSystem",
    ("Caption", "Version", "BuildNumber", "OperatingSystemSKU", "ProductType", "OSArchitecture"),
)

_OLDEST = 9200  # Windows Server 2012: the first with root/virtualization/v2
_DEPRECATED = 9600  # older than this is deprecated by the operators' document
_RECOMMENDED = max(versions.RELEASES)
_WORKSTATION = 1  # Win32_OperatingSystem.ProductType


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
    build = int(system.text("BuildNumber", "0") or 0)
    found = f"{system.text('Caption', 'Windows').strip()} (build {build})"
    newest = versions.RELEASES[_RECOMMENDED]
    if build < _OLDEST:
        return failed(found, "Windows Server 2012 R2 or newer", f"Install {newest}.")
    if build < _DEPRECATED:
        return warned(found, "Windows Server 2012 R2 or newer", f"Install {newest}: support for 2012 will end.")
    return passed(found)


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


CHECKS = (release, edition)
