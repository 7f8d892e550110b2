"""Every option that nova-compute takes for a Hyper-V host.

An option of the retired driver keeps its name and group for good: an old nova.conf must load (the tables come from
compute-hyperv 2021, nova.conf.hyperv and os-win). One that has lost its meaning is ``deprecated_for_removal`` and says
why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

DEFAULT_INSTANCES_PATH = r"C:\OpenStack\Instances"

_GONE_SINCE = "0.1.0"


def _gone(reason: str) -> dict[str, Any]:
    return {"deprecated_for_removal": True, "deprecated_since": _GONE_SINCE, "deprecated_reason": reason}


CONNECTION_OPTS = [
    cfg.StrOpt(
        "server",
        help="""
Name or address of the Hyper-V host that this nova-compute manages.

Default: the value of ``[DEFAULT] host``, so that a service that is named after its Hyper-V host needs no other setting.
""",
    ),
    cfg.StrOpt(
        "username",
        default="Administrator",
        help="""
Account on the Hyper-V host, ``name``, ``DOMAIN\\name`` or ``name@domain``. It must be a local administrator there:
WinRM, the virtualization namespace and the administrative shares (``C$``) demand it. Empty: with Kerberos, the
ticket that nova-compute's own account has.
""",
    ),
    cfg.StrOpt("password", secret=True, help="Password of ``username``. ``password_file`` keeps it out of nova.conf."),
    cfg.StrOpt(
        "password_file",
        help="""
File whose first line is the password of ``username``; read at start. Takes precedence over ``password``. Let it be
readable for the nova user only.
""",
    ),
    cfg.StrOpt(
        "winrm_scheme",
        default="https",
        choices=[
            ("https", "TLS; the host's certificate is verified"),
            ("http", "no TLS; ``negotiate``, ``ntlm``, ``kerberos`` and ``credssp`` still encrypt every message"),
        ],
        help="How to talk to WinRM. Default https: it also proves to us that the host is the one we mean.",
    ),
    cfg.PortOpt("winrm_port", help="Port of WinRM. Default: 5986 with https, 5985 with http, as Windows has it."),
    cfg.StrOpt(
        "winrm_auth",
        default="negotiate",
        choices=[
            ("negotiate", "Kerberos where a ticket can be had, else NTLM"),
            ("ntlm", "NTLM only: hosts outside a domain"),
            ("kerberos", "Kerberos only: hosts in a domain"),
            ("credssp", "hands the credentials on to the host, which can then use them towards file servers"),
            ("certificate", "a client certificate, mapped to an account on the host"),
            ("basic", "name and password in clear text inside TLS"),
        ],
        help="How to authenticate to WinRM. Default negotiate: it works with and without a domain.",
    ),
    cfg.StrOpt(
        "winrm_ca_file",
        help="""
PEM file with the certificate authority (or the self-signed certificate itself) that vouches for the host's WinRM
certificate. Default: the authorities that the system trusts.
""",
    ),
    cfg.StrOpt("winrm_client_certificate", help="PEM file of the client certificate for ``winrm_auth = certificate``."),
    cfg.StrOpt("winrm_client_key", help="PEM file of the key that belongs to ``winrm_client_certificate``."),
    cfg.BoolOpt(
        "winrm_allow_unencrypted",
        default=False,
        help="""
Allow that passwords or messages travel in clear text (``basic`` over ``http``). Default False: anybody on the
network would read them. For laboratories only.
""",
    ),
    cfg.IntOpt(
        "winrm_connections",
        default=8,
        min=1,
        max=64,
        help="""
How many connections to WinRM may be open at once; each carries one request at a time. Default 8: builds that run
at once (``[DEFAULT] max_concurrent_builds``, 10) rarely send at the same moment, and it is far below WinRM's own limit
of 300 connections.
""",
    ),
    cfg.IntOpt(
        "winrm_timeout",
        default=60,
        min=5,
        help="""
Seconds that one request to the host may take before it counts as failed. Default 60, Windows' own default operation
timeout (MaxTimeoutms). Long work (copying or resizing disks) runs as jobs, which have limits of their own.
""",
    ),
    cfg.PortOpt("smb_port", default=445, help="Port of the host's file service (SMB). Default 445, the standard port."),
    cfg.StrOpt("smb_username", help="Account for the host's file service. Default: the value of ``username``."),
    cfg.StrOpt(
        "smb_password", secret=True, help="Password of ``smb_username``. Default: the password of ``username``."
    ),
    cfg.ListOpt(
        "physical_network_vswitch_mappings",
        default=[],
        help="""
Which virtual switch carries which physical network: a list of ``physical network:switch name``. ``*`` stands for any
number of characters in the name of the physical network; the first entry that matches counts. Without a match the
switch of ``vswitch_name`` is taken; where that is not set either, instances on that network are refused: a wrong
switch is never guessed.
""",
    ),
    cfg.StrOpt(
        "instances_path",
        default=DEFAULT_INSTANCES_PATH,
        help="""
Folder on the Hyper-V host for the files of instances and the image cache: a path on one of its disks
(``D:\\instances``) or a share (``\\\\server\\share``). ``[DEFAULT] instances_path`` takes precedence where it looks
like such a path, as in an old nova.conf. Default: the folder that the retired driver's installer used.
""",
    ),
]

NOVA_OPTS = [
    cfg.FloatOpt(
        "dynamic_memory_ratio",
        default=1.0,
        min=1.0,
        help="""
Turns dynamic memory on where it is greater than 1: an instance starts with the flavor's RAM divided by this ratio and
can grow up to the flavor's RAM. 1.0 gives every instance all its memory from the start. Instances with nested
virtualization always have static memory. Default 1.0: no overcommitment without being asked for.
""",
    ),
    cfg.BoolOpt(
        "shared_storage_provider",
        default=False,
        help="""
Where ``instances_path`` is a share or a cluster shared volume: let its disk space be one resource provider in
Placement, shared by all hosts that use it, instead of reporting all of it as each host's own. Set it alike for all of
them. Default False: with it, Nova 34 finds no host for a request that names its host, or that is confined to an
availability zone or host aggregate.
""",
    ),
    cfg.BoolOpt(
        "limit_cpu_features",
        default=False,
        help="""
Hide newer CPU features from instances, so that they can move to hosts with older CPUs of the same vendor. Default
False: an instance sees all that the host's CPU can do.
""",
    ),
    cfg.StrOpt(
        "qemu_img_cmd",
        default="qemu-img",
        help="""
Name or path of qemu-img on the machine that nova-compute runs on; it converts images. A Windows path (``qemu-img.exe``)
from an old nova.conf is replaced by the default, with a warning.
""",
    ),
    cfg.StrOpt(
        "vswitch_name",
        help="""
Virtual switch for physical networks that ``physical_network_vswitch_mappings`` does not name. No default: a switch is
never guessed.
""",
    ),
    cfg.IntOpt(
        "wait_soft_reboot_seconds",
        default=60,
        min=0,
        help="""
Seconds that a guest gets to shut down for a soft reboot before it is reset. 0 resets at once. Default 60, as the
retired driver had it.
""",
    ),
    cfg.BoolOpt(
        "config_drive_cdrom",
        default=False,
        help="""
True: the config drive is an ISO image in a virtual DVD drive. False: it is a VHD on a virtual disk. Default False, as
the retired driver had it.
""",
    ),
    cfg.BoolOpt(
        "config_drive_inject_password",
        default=False,
        help="""
Put the administrator password that Nova makes up into the config drive. Default False: it stays readable there.
""",
    ),
    cfg.StrOpt(
        "snapshot_checkpoint_type",
        default="production",
        choices=[
            ("production", "the guest brings its files into order first; where it does not, as ``standard``"),
            ("production_only", "the guest brings its files into order first, or the snapshot fails"),
            ("standard", "the disk as it is at that moment, as if the power had failed"),
        ],
        help="""
How the disk of a running instance is held for a snapshot. The memory is never part of it. Windows Server 2012 R2 has no
choice. Default production: the image's file systems are clean where the guest has integration services, and no
snapshot fails for lack of them.
""",
    ),
    cfg.StrOpt(
        "snapshot_image_format",
        default="vhdx",
        choices=[
            ("vhdx", "made by the host, streamed to Glance"),
            ("vhd", "the same, for instances of generation 1; those of generation 2 cannot boot from it and get VHDX"),
            ("qcow2", "made by qemu-img on nova-compute's machine, which needs space for two copies of the disk"),
            ("raw", "the same"),
        ],
        help="""
Format of the images that snapshots, backups and shelving make. Default vhdx: nova-compute needs no space for it.
""",
    ),
    cfg.BoolOpt(
        "enable_instance_metrics_collection", default=False, help="Have the host collect metrics of instances."
    ),
    cfg.StrOpt(
        "instances_path_share",
        default="",
        help="""
Name of the share under which every Hyper-V host offers its instances folder to the others. Empty: the
administrative share of the drive (``C$``).
""",
    ),
    cfg.IntOpt("mounted_disk_query_retry_count", default=10, min=0, help="How often to look for the disk of a volume."),
    cfg.IntOpt(
        "mounted_disk_query_retry_interval",
        default=5,
        min=0,
        help="Seconds between two looks for the disk of a volume.",
    ),
    cfg.IntOpt(
        "volume_attach_retry_count", default=10, min=0, help="How often to repeat a failed attachment of a volume."
    ),
    cfg.IntOpt(
        "volume_attach_retry_interval", default=5, min=0, help="Seconds between two attempts to attach a volume."
    ),
    cfg.BoolOpt("use_multipath_io", default=False, help="Use MPIO for iSCSI and Fibre Channel volumes."),
    cfg.ListOpt(
        "iscsi_initiator_list",
        default=[],
        help="iSCSI initiators (HBAs) on the host to log in with; empty: its choice.",
    ),
    cfg.IntOpt(
        "power_state_check_timeframe",
        default=60,
        min=0,
        help="Was the period of the driver's own state-change query on the host.",
        **_gone("The state of all machines is read in one query when Nova asks."),
    ),
    cfg.IntOpt(
        "power_state_event_polling_interval",
        default=2,
        min=0,
        help="Was the pause between two polls of state-change events.",
        **_gone("The state of all machines is read in one query when Nova asks."),
    ),
    cfg.BoolOpt(
        "enable_remotefx",
        default=False,
        help="Was the switch for RemoteFX 3D adapters.",
        **_gone("Microsoft removed RemoteFX vGPU from Windows by security updates in 2020 and 2021."),
    ),
]

COMPUTE_HYPERV_OPTS = [
    cfg.BoolOpt(
        "instance_automatic_shutdown",
        default=False,
        help="""
What happens to an instance when its host shuts down: True shuts the guest down, False saves its state. Holds for
instances that are created from then on. Default False, as the retired driver had it.
""",
    ),
    cfg.IntOpt(
        "evacuate_task_state_timeout", default=600, help="Seconds to wait for tasks to end before host maintenance."
    ),
    cfg.IntOpt(
        "cluster_event_check_interval",
        default=2,
        help="Was the pause between two looks for failover events.",
        **_gone("Had no effect since compute-hyperv 5.0.1."),
    ),
    cfg.IntOpt(
        "instance_live_migration_timeout",
        default=300,
        min=0,
        help="Seconds for a clustered live migration; 0: no limit.",
    ),
    cfg.IntOpt(
        "max_failover_count", default=1, min=1, help="How often an instance may fail over per ``failover_period``."
    ),
    cfg.IntOpt("failover_period", default=6, min=1, help="Hours in which ``max_failover_count`` failovers may happen."),
    cfg.BoolOpt("recreate_ports_on_failover", default=True, help="Plug an instance's ports again after a failover."),
    cfg.BoolOpt("auto_failback", default=True, help="Let instances move back once their preferred node is up again."),
    cfg.BoolOpt(
        "force_destroy_instances",
        default=False,
        help="""
Deleting an instance ends a snapshot of it that is under way. False: the deletion waits until the snapshot's checkpoint
and files are gone. True: it does not wait; what is left is removed later. Default False, as the retired driver had it.
""",
    ),
    cfg.BoolOpt(
        "move_disks_on_cold_migration", default=True, help="Move disks on cold migration even if both hosts see them."
    ),
]

READINESS_OPTS = [
    cfg.ListOpt(
        "time_servers",
        default=[],
        help="""
Time servers of the controllers, by name or address. ``compute-hyperv check`` and ``prepare`` see to it that Hyper-V
hosts outside a domain follow the same. Empty: any time server will do.
""",
    ),
    cfg.BoolOpt(
        "numa_spanning",
        help="""
Whether machines may span NUMA nodes of the host. ``compute-hyperv check`` and ``prepare`` see to it. Not set: either
is fine.
""",
    ),
]

COORDINATION_OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "backend_url", default="file:///C:/OpenStack/Lock", help="tooz URL of the lock service of clustered hosts."
    ),
]

OS_WIN_OPTS = [
    cfg.StrOpt(
        "hbaapi_lib_path",
        default="hbaapi.dll",
        help="Was the library for Fibre Channel adapters.",
        **_gone("No library is loaded on the host: adapters are read over WinRM."),
    ),
    cfg.BoolOpt(
        "cache_temporary_wmi_objects",
        default=False,
        help="Was the switch for caching WMI objects of switch ports.",
        **_gone("Objects of the host are never cached between operations."),
    ),
    cfg.IntOpt(
        "wmi_job_terminate_timeout", default=120, help="Seconds to wait for the jobs of a machine that is deleted."
    ),
    cfg.IntOpt(
        "connect_cluster_timeout", default=0, help="Seconds to wait for the cluster service at start; 0: no limit."
    ),
    cfg.IntOpt(
        "file_in_use_timeout",
        default=15,
        help="Seconds to go on trying to delete or rename a file that is in use. Default 15, as os-win had it.",
    ),
]

GROUPS: Mapping[str, list[cfg.Opt]] = {
    "hyperv": CONNECTION_OPTS + NOVA_OPTS + COMPUTE_HYPERV_OPTS + READINESS_OPTS,
    "coordination": COORDINATION_OPTS,
    "os_win": OS_WIN_OPTS,
}


def register(conf: cfg.ConfigOpts) -> None:
    """Make all groups known; doing it twice is fine."""
    for group, opts in GROUPS.items():
        conf.register_opts(opts, group=group)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """For the ``oslo.config.opts`` entry point: sample files and the documentation are made from it."""
    return list(GROUPS.items())
