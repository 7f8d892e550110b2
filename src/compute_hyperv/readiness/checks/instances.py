"""The folder for instances, and the storage that it is on.

The folder is looked at over SMB, as nova-compute will use it.
"""

from __future__ import annotations

from compute_hyperv.cim.errors import CimError
from compute_hyperv.cim.values import CimInstance
from compute_hyperv.configuration.options import DEFAULT_INSTANCES_PATH
from compute_hyperv.host import paths
from compute_hyperv.host.errors import FileMissing, ShareMissing
from compute_hyperv.readiness.changes import plans
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.instance_folder import Folder, InstanceFolder
from compute_hyperv.readiness.model import Finding, Section, check, failed, not_applicable, passed, warned
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.sources import SMB, STORAGE, Instances, RegistryValue, RegistryValueNames
from compute_hyperv.readiness.windows import (
    COMPUTER,
    OPERATING_SYSTEM,
    SERVICES,
    SHARE_CONNECTIONS,
    VOLUMES,
    is_in_domain,
    service,
)

INSTANCE_FILES = Section("instances", "Storage considerations: instance files")


_FOLDER = InstanceFolder()
POOLS = Instances(STORAGE, "MSFT_StoragePool", ("FriendlyName", "IsPrimordial", "IsClustered"), optional=True)
MAPPINGS = Instances(SMB, "MSFT_SmbMapping", ("LocalPath", "RemotePath", "Status"), optional=True)


def _folder(context: Context) -> Folder:
    return context.host.of(InstanceFolder(context.wanted.instances_path))


@check(
    INSTANCE_FILES,
    "folder",
    "The folder for instances exists",
    why="Disks, config drives, console logs and cached images of instances live in it.",
    good="The folder of [hyperv] instances_path is there.",
    by_hand=f"New-Item -ItemType Directory {DEFAULT_INSTANCES_PATH}",
    reads=(_FOLDER,),
    changes=plans.instance_folder,
)
def folder(context: Context) -> Finding:
    path = context.wanted.instances_path
    try:
        found = _folder(context)
    except (FileMissing, ShareMissing) as error:
        return failed(error.message, f"a volume for {path}", "Correct [hyperv] instances_path, or make the volume.")
    if not found.exists:
        return warned(
            f"there is no {path}",
            "the folder",
            f"New-Item -ItemType Directory '{path}'; nova-compute makes it as well when it starts.",
        )
    return passed(path)


@check(
    INSTANCE_FILES,
    "writable",
    "The folder for instances is writable",
    why="nova-compute writes images and disks into it over SMB.",
    good="A file can be made there; the one that proves it goes away with its handle.",
    by_hand="icacls C:\\OpenStack\\Instances /grant 'DOMAIN\\openstack:(OI)(CI)F'",
    reads=(_FOLDER,),
)
def writable(context: Context) -> Finding:
    found = _folder(context)
    where = found.looked_at if found.exists else f"{found.looked_at}, in which the folder will be,"
    if not found.is_writable:
        return failed(
            f"{where} can't be written",
            "our account may make files",
            "Give the account full control of folder and share.",
        )
    return passed(f"a file could be made in {found.looked_at}")


@check(
    INSTANCE_FILES,
    "kind",
    "Kind of storage",
    why="Where instances are decides whether they move quickly and survive the loss of their host.",
    good="A local disk, an SMB 3 share, or a cluster shared volume (a LUN, Storage Spaces, Storage Spaces Direct).",
    by_hand="Get-Volume\nGet-ClusterSharedVolume",
    reads=(_FOLDER, VOLUMES, POOLS),
)
def kind(context: Context) -> Finding:
    path = context.wanted.instances_path
    if paths.is_unc(path):
        return passed(f"SMB share {paths.volume_root(path)}")
    if not paths.is_cluster_volume(path):
        return passed(f"local volume {paths.volume_root(path)}")
    root = paths.volume_root(path)
    if _volume(context.host, root) is None:
        return failed(
            f"{root} is no cluster shared volume of this host",
            "a cluster shared volume",
            "Get-ClusterSharedVolume; the host must be a node of the cluster.",
        )
    pools = [each.text("FriendlyName", "") for each in context.host.of(POOLS) if _is_s2d(each)]
    return passed(f"cluster shared volume {root}{f' on Storage Spaces Direct ({pools[0]})' if pools else ''}")


def _is_s2d(pool: CimInstance) -> bool:
    return pool.boolean("IsClustered", False) and not pool.boolean("IsPrimordial", False)


def _volume(host: Readings, root: str) -> CimInstance | None:
    return next((each for each in host.of(VOLUMES) if paths.same(each.text("Name", ""), root)), None)


@check(
    INSTANCE_FILES,
    "space",
    "Free space for instances",
    why="Nova counts on what is free beyond the reserve; a volume that runs full pauses all its machines.",
    good="More is free than [DEFAULT] reserved_host_disk_mb.",
    by_hand="Get-Volume",
    reads=(_FOLDER,),
)
def space(context: Context) -> Finding:
    found = _folder(context).space
    free_gb, total_gb = found.free_bytes / 10**9, found.total_bytes / 10**9
    reserved_gb = context.wanted.reserved_disk_mb * 1024**2 / 10**9
    told = f"{free_gb:.0f} of {total_gb:.0f} GB free, {reserved_gb:.0f} GB reserved"
    if free_gb <= reserved_gb:
        return failed(
            told, "more than what is reserved", "Free or add space, or lower [DEFAULT] reserved_host_disk_mb."
        )
    return passed(told)


_MAPPING_OK = 0
_MAPPING_STATES = {1: "paused", 2: "disconnected", 3: "in error", 4: "connecting", 5: "reconnecting", 6: "unavailable"}


@check(
    INSTANCE_FILES,
    "mapping",
    "The share's connection lasts",
    why="A host that has to be given the share's credentials anew after a restart starts none of its machines.",
    good="A mapping to the share exists and is well; in a domain the hosts' own accounts do without.",
    by_hand="New-SmbMapping -RemotePath \\\\server\\share -Persistent $true -SaveCredentials "
    "-UserName ... -Password ...",
    reads=(MAPPINGS, COMPUTER),
)
def mapping(context: Context) -> Finding:
    if not paths.is_unc(context.wanted.instances_path):
        return not_applicable("instances are on no share")
    share = paths.volume_root(context.wanted.instances_path)
    found = [each for each in context.host.of(MAPPINGS) if paths.same(each.text("RemotePath", ""), share)]
    by_hand = f"New-SmbMapping -RemotePath {share} -Persistent $true -SaveCredentials ..."
    if not found:
        if is_in_domain(context.host):
            return passed(f"no mapping to {share}; the host reaches it with its account in the domain")
        return warned(f"no mapping to {share}", "a persistent mapping", by_hand)
    state = found[0].integer("Status", _MAPPING_OK)
    if state != _MAPPING_OK:
        told = _MAPPING_STATES.get(state, f"in state {state}")
        return failed(f"the mapping to {share} is {told}", "connected", f"Look at the file server, then: {by_hand}")
    return passed(f"the mapping to {share} is well")


@check(
    INSTANCE_FILES,
    "availability",
    "The share is continuously available",
    why="Machines on a share lose their disks for good when its server fails over, unless handles survive that.",
    good="MSFT_SmbConnection.ContinuouslyAvailable is true: a share of a clustered file server.",
    by_hand="Set-SmbShare -Name instances -ContinuouslyAvailable $true",
    reads=(SHARE_CONNECTIONS,),
)
def availability(context: Context) -> Finding:
    if not paths.is_unc(context.wanted.instances_path):
        return not_applicable("instances are on no share")
    place = paths.on_smb("", paths.volume_root(context.wanted.instances_path))
    wanted = (place.server.lower(), place.share.lower())
    found = [
        each
        for each in context.host.of(SHARE_CONNECTIONS)
        if (each.text("ServerName", "").lower(), each.text("ShareName", "").lower()) == wanted
    ]
    if not found:
        return not_applicable("the host has no connection to the share now")
    if not found[0].boolean("ContinuouslyAvailable", False):
        return warned(
            "it is not",
            "a continuously available share",
            "Set-SmbShare -ContinuouslyAvailable $true on the clustered file server.",
        )
    return passed(f"it is, SMB {found[0].text('Dialect', '3')}")


_DEFENDER = "WinDefend"
_AUTOMATIC_SINCE = 14393  # Microsoft: Microsoft Defender Antivirus exclusions on Windows Server
_POLICY = RegistryValue(
    r"SOFTWARE\Policies\Microsoft\Windows Defender\Exclusions", "DisableAutoExclusions", "REG_DWORD"
)
_EXCLUDED = RegistryValueNames(r"SOFTWARE\Microsoft\Windows Defender\Exclusions\Paths")


@check(
    INSTANCE_FILES,
    "antivirus",
    "Antivirus leaves instances alone",
    why="A virus scanner that opens virtual disks slows machines down, and keeps them from starting or being deleted.",
    good="Defender's automatic exclusions for Hyper-V are in force, or the folder for instances is excluded.",
    by_hand=f"Add-MpPreference -ExclusionPath {DEFAULT_INSTANCES_PATH} "
    "-ExclusionExtension vhd, vhdx, avhd, avhdx -ExclusionProcess vmms.exe, vmwp.exe",
    reads=(SERVICES, OPERATING_SYSTEM, _POLICY, _EXCLUDED),
)
def antivirus(context: Context) -> Finding:
    defender = service(context.host, _DEFENDER)
    if defender is None or defender.text("State", "") != "Running":
        return not_applicable("Defender does not run; look at what other antivirus excludes")
    build = int(context.host.one(OPERATING_SYSTEM).text("BuildNumber", "0") or 0)
    if build >= _AUTOMATIC_SINCE and not context.host.of(_POLICY):
        return passed("Defender's automatic exclusions for Hyper-V are in force")
    path = paths.normalise(context.wanted.instances_path).lower()
    if any(
        (path + "\\").startswith(paths.normalise(each).lower().rstrip("\\") + "\\")
        for each in context.host.of(_EXCLUDED)
    ):
        return passed("the folder for instances is excluded")
    return warned(
        "Defender scans the folder for instances",
        "it is excluded",
        f"Add-MpPreference -ExclusionPath '{context.wanted.instances_path}' -ExclusionProcess vmms.exe, vmwp.exe",
    )


@check(
    INSTANCE_FILES,
    "shared",
    "Storage that several hosts count as theirs",
    why="Each host reports all of a shared volume's space as its own: Nova may place more on it than fits.",
    good="Each host has storage of its own, or one resource provider has the space of what is shared.",
    by_hand="openstack resource provider create shared-storage\n"
    "openstack resource provider inventory set shared-storage --resource DISK_GB=...\n"
    "openstack resource provider trait set shared-storage --trait MISC_SHARES_VIA_AGGREGATE\n"
    "openstack resource provider aggregate set shared-storage --aggregate ...",
    reads=(_FOLDER, VOLUMES),
    compares=True,
)
def shared(context: Context) -> Finding:
    path = context.wanted.instances_path
    if not (paths.is_unc(path) or paths.is_cluster_volume(path)):
        return passed(f"{paths.volume_root(path)} is this host's own")
    own = _identity(context.host, path)
    sharing = [other.name for other in context.others if _identity_or_none(other, path) == own]
    if not sharing:
        return passed("no other host of this run has instances on it")
    free_gb = _folder(context).space.free_bytes / 10**9
    return warned(
        f"{paths.volume_root(path)} is shared with {', '.join(sharing)}",
        "the space is counted once",
        "Give one resource provider the space (trait MISC_SHARES_VIA_AGGREGATE) and put the hosts into its aggregate; "
        "or reserve on each host what is the others' ([DEFAULT] reserved_host_disk_mb).",
        details=(
            f"Each of the {len(sharing) + 1} hosts reports the same {free_gb:.0f} GB as free: up to "
            f"{free_gb * len(sharing):.0f} GB can be promised that are not there.",
        ),
    )


def _identity(host: Readings, path: str) -> str:
    """What tells one storage from another: the share, or the volume's GUID."""
    root = paths.volume_root(path)
    if paths.is_unc(path):
        return root.lower()
    volume = _volume(host, root)
    return volume.text("DeviceID", "").lower() if volume else f"{host.name}:{root}".lower()


def _identity_or_none(host: Readings, path: str) -> str | None:
    try:
        return _identity(host, path)
    except CimError:
        return None  # what can't be read of another host is that host's own result


CHECKS = (folder, writable, kind, space, mapping, availability, antivirus, shared)
