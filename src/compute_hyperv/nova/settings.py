"""What nova.conf says about new instances, as plain values that the rooms hand around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nova import version
from oslo_config import cfg

from compute_hyperv.configuration.host_settings import HostSettings, instances_path
from compute_hyperv.host import paths
from compute_hyperv.nova import file_systems
from compute_hyperv.nova.file_systems import FileSystem


def keep_novas_own_files_here(conf: cfg.ConfigOpts) -> None:
    """Gives Nova a folder of this machine as ``[DEFAULT] instances_path`` where an old nova.conf has a Windows path.

    Nova's image cache manager keeps locks and a registry of services there: on Linux the Windows path would be a folder
    of that strange name, below wherever nova-compute was started. ``host_settings`` gives the same as before.
    """
    if paths.is_absolute(conf.instances_path):
        conf.set_override("instances_path", instances_path(conf), group="hyperv")
        conf.set_override("instances_path", str(Path(conf.state_path) / "instances"))


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """What the rules for building a machine need of nova.conf.

    :param ephemeral_format: the file system of ephemeral disks that ask for none; None leaves them unformatted.
    :param file_systems: the administrator's own, by the ``os_type`` of images.
    :param asset_tag: cloud-init finds out by it that it runs in OpenStack (LP 1881814).
    """

    instances_path: str
    switches: tuple[tuple[str, str], ...] = ()
    default_switch: str | None = None
    dynamic_memory_ratio: float = 1.0
    limit_cpu_features: bool = False
    instance_automatic_shutdown: bool = False
    config_drive_cdrom: bool = False
    ephemeral_format: str | None = None
    file_systems: Mapping[str, FileSystem] = field(default_factory=dict)
    asset_tag: str = "OpenStack Nova"


def build_settings(conf: cfg.ConfigOpts, host: HostSettings) -> BuildSettings:
    """:raises ValueError: an option cannot be understood."""
    group = conf.hyperv
    return BuildSettings(
        instances_path=host.instances_path,
        switches=host.switches,
        default_switch=host.default_switch,
        dynamic_memory_ratio=group.dynamic_memory_ratio,
        limit_cpu_features=group.limit_cpu_features,
        instance_automatic_shutdown=group.instance_automatic_shutdown,
        config_drive_cdrom=group.config_drive_cdrom,
        ephemeral_format=conf.default_ephemeral_format,
        file_systems=file_systems.of_administrator(conf.virt_mkfs),
        asset_tag=version.product_string(),
    )
