"""What each Windows version's Hyper-V can do: one table, and the one function that refuses what is missing.

A feature is known by the first build that has it. Sources: facts old-driver 1 (2016 unlocks nested virtualization,
device assignment, vTPM, NIC hot plug, Linux secure boot), real-instances 2.4 (configuration versions), 4.1 (builds).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from compute_hyperv.host.errors import UnsupportedByHost

Version = tuple[int, int, int]

#: Build number to what people call that release, oldest first (real-instances 4.1).
RELEASES: dict[int, str] = {
    9200: "Windows Server 2012",
    9600: "Windows Server 2012 R2",
    14393: "Windows Server 2016",
    17763: "Windows Server 2019",
    20348: "Windows Server 2022",
    26100: "Windows Server 2025",
}

#: The configuration version that the release gives new machines (real-instances 2.4).
CONFIGURATION_VERSIONS: dict[int, str] = {
    9200: "4.0",
    9600: "5.0",
    14393: "8.0",
    17763: "9.0",
    20348: "10.0",
    26100: "12.0",
}


@dataclass(frozen=True, slots=True)
class _Since:
    """:param build: the first build that has the feature.  :param what: the feature in words, for the message."""

    build: int
    what: str


class Feature(enum.Enum):
    V2_NAMESPACE = _Since(9200, "The namespace root/virtualization/v2")
    GENERATION_2 = _Since(9600, "A generation 2 machine")
    DISK_IOPS_LIMIT = _Since(9600, "A limit on a disk's I/O operations")
    SECURE_BOOT_LINUX = _Since(14393, "Secure boot of another system than Windows")
    NESTED_VIRTUALIZATION = _Since(14393, "Nested virtualization")
    NESTED_VIRTUALIZATION_AMD = _Since(20348, "Nested virtualization on AMD processors")
    NIC_HOT_PLUG = _Since(14393, "Plugging a network adapter into a running machine")
    MEMORY_HOT_PLUG = _Since(14393, "Changing the memory of a running machine")
    VIRTUAL_TPM = _Since(14393, "A virtual TPM")
    SHIELDED_MACHINES = _Since(14393, "A shielded machine")
    DEVICE_ASSIGNMENT = _Since(14393, "Assigning a PCI device")
    GPU_PARTITIONS = _Since(17763, "A share of a graphics card")
    PRODUCTION_CHECKPOINTS = _Since(14393, "A production checkpoint")
    SNAPSHOT_TYPE = _Since(14393, "Choosing the kind of checkpoints")
    SERIAL_PORT_SETTING = _Since(14393, "Msvm_SerialPortSettingData")
    AUTOMATIC_SNAPSHOTS = _Since(17763, "Automatic checkpoints")
    SMT = _Since(17763, "Hyper-threading inside a machine")
    HIBERNATION = _Since(17763, "Hibernation of a guest")
    GPU_PARTITION_MIGRATION = _Since(26100, "Moving a machine with a GPU partition")


def release_name(version: Version) -> str:
    """``"Windows Server 2022"``; for a build between two releases the older one's name with the build number."""
    build = version[2]
    known = [number for number in RELEASES if number <= build]
    if not known:
        return f"Windows {version[0]}.{version[1]} build {build}"
    newest = max(known)
    return RELEASES[newest] if newest == build else f"{RELEASES[newest]} or later (build {build})"


def configuration_version(version: Version) -> str:
    """The configuration version of a machine newly made on this host."""
    return CONFIGURATION_VERSIONS[max((build for build in CONFIGURATION_VERSIONS if build <= version[2]), default=9200)]


def has(version: Version, feature: Feature) -> bool:
    return version[2] >= feature.value.build


def require(version: Version, feature: Feature, *, host: str = "The host") -> None:
    """Raise UnsupportedByHost where the host's version lacks the feature, naming the version that has it."""
    if not has(version, feature):
        since = feature.value
        raise UnsupportedByHost(
            f"{since.what} needs {RELEASES[since.build]} or later; {host} runs {release_name(version)}.",
            remedy=f"Use a host with {RELEASES[since.build]} or later, or do without the feature.",
        )
