"""What the operator's configuration asks of a host: with nova.conf what stands there, else what is usual."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from oslo_config import cfg

from compute_hyperv.configuration import options
from compute_hyperv.configuration.host_settings import HostSettings, host_settings

# Nova's own options that say something about the host; Nova registers them itself where it is installed.
_NOVAS = [
    cfg.StrOpt("host"),
    cfg.StrOpt("compute_driver", default=""),
    cfg.StrOpt("instances_path", default=""),
    cfg.IntOpt("reserved_host_disk_mb", default=0),
    cfg.IntOpt("reserved_host_memory_mb", default=512),
]
_NOVAS_PCI = [cfg.MultiStrOpt("device_spec", default=[], deprecated_name="passthrough_whitelist")]


@dataclass(frozen=True, slots=True)
class PciSpec:
    """PCI devices that instances may have: an entry of ``[pci] device_spec``, as far as it names kinds of devices.

    :param vendor: 4 hexadecimal digits; empty: any.
    :param product: likewise.
    """

    vendor: str = ""
    product: str = ""

    def matches(self, vendor: str, product: str) -> bool:
        return self.vendor.lower() in ("", vendor.lower()) and self.product.lower() in ("", product.lower())


@dataclass(frozen=True, slots=True)
class Flavor:
    """A flavor that the cloud has."""

    name: str
    vcpus: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Expectations:
    """What the checks judge against.

    :param instances_path: the folder for instances, on the host.
    :param switches: virtual switches that have to be there.
    :param reserved_disk_mb: disk that instances leave alone.
    :param reserved_memory_mb: memory that instances leave alone.
    :param time_peers: the controllers' time sources; empty where they are not known.
    :param use_multipath_io: whether volumes are to be reached over several paths.
    :param live_migration: whether servers are to move between hosts while they run.
    :param clustered: whether the host is to be a node of a failover cluster.
    :param lock_backend: tooz URL of the lock service of a cluster's nodes; empty where none is needed.
    :param numa_spanning: whether machines may span NUMA nodes; None where either is right.
    :param pci_devices: the devices that instances may have.
    :param survey_devices: look at every PCI device that could be given to machines, a request each.
    :param adapters: names of a switch and of the adapter that it shall be on, if it has to be made; an empty switch is
        the only one.
    :param flavors: flavors whose instances the host is to run, as far as they are known.
    """

    instances_path: str = options.DEFAULT_INSTANCES_PATH
    switches: tuple[str, ...] = ()
    reserved_disk_mb: int = 0
    reserved_memory_mb: int = 512
    time_peers: tuple[str, ...] = ()
    use_multipath_io: bool = False
    live_migration: bool = False
    clustered: bool = False
    lock_backend: str = ""
    numa_spanning: bool | None = None
    pci_devices: tuple[PciSpec, ...] = ()
    survey_devices: bool = False
    adapters: tuple[tuple[str, str], ...] = ()
    flavors: tuple[Flavor, ...] = ()


class ConfigurationError(ValueError):
    """A nova.conf that can't be read; the message names file, option and value."""


def read_nova_conf(files: tuple[Path, ...]) -> cfg.ConfigOpts:
    """The options of nova.conf, without Nova.

    :raises ConfigurationError: a file is missing or an option in it is wrong.
    """
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise ConfigurationError(f"There is no file {missing[0]}; name the nova.conf of the compute service.")
    conf = cfg.ConfigOpts()
    conf.register_opts(_NOVAS)
    conf.register_opts(_NOVAS_PCI, group="pci")
    options.register(conf)
    try:
        # No default files: what is judged is what the operator names, not what this machine happens to have.
        named = ["--config-file=" + str(file) for file in files]
        conf(named, project="nova", default_config_files=[], default_config_dirs=[])
        for group, opts in options.GROUPS.items():
            for opt in opts:
                conf[group][opt.name]  # reading is what finds a wrong value
    except cfg.Error as error:
        raise ConfigurationError(f"{', '.join(map(str, files))}: {error}") from None
    return conf


def from_nova_conf(conf: cfg.ConfigOpts) -> tuple[HostSettings, Expectations]:
    """Where the host is, and what is asked of it.

    :raises ConfigurationError: an option can't be understood.
    """
    try:
        settings = host_settings(conf, conf.host or "")
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    switches = {switch for _, switch in settings.switches} | ({settings.default_switch} - {None})
    clustered = "cluster" in conf.compute_driver.lower()
    return settings, Expectations(
        instances_path=settings.instances_path,
        switches=tuple(sorted(switch for switch in switches if switch)),
        reserved_disk_mb=conf.reserved_host_disk_mb,
        reserved_memory_mb=conf.reserved_host_memory_mb,
        time_peers=tuple(conf.hyperv.time_servers),
        use_multipath_io=conf.hyperv.use_multipath_io,
        live_migration=clustered,
        clustered=clustered,
        lock_backend=conf.coordination.backend_url if clustered else "",
        numa_spanning=conf.hyperv.numa_spanning,
        pci_devices=_pci_specs(conf.pci.device_spec),
    )


def _pci_specs(texts: list[str]) -> tuple[PciSpec, ...]:
    specs: list[PciSpec] = []
    for text in texts:
        try:
            read = json.loads(text)
        except ValueError:
            raise ConfigurationError(
                f"[pci] device_spec is {text!r}; write a JSON object, or a list of them."
            ) from None
        for entry in read if isinstance(read, list) else [read]:
            if not isinstance(entry, dict):
                raise ConfigurationError(f"[pci] device_spec is {text!r}; write a JSON object, or a list of them.")
            vendor, product = (str(entry.get(key, "")).replace("*", "") for key in ("vendor_id", "product_id"))
            specs.append(PciSpec(vendor, product))
    return tuple(specs)
