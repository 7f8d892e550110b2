"""The rooms of one nova-compute, put together around the connection to its host, and opened for business."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nova.conf
from nova import exception
from oslo_log import log as logging

from compute_hyperv.cim.errors import CimError
from compute_hyperv.configuration import connection
from compute_hyperv.configuration.host_settings import HostSettings, host_settings
from compute_hyperv.host import versions
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.model import MachineState, MachineSummary
from compute_hyperv.nova import names, options, shared_storage
from compute_hyperv.nova.builder import Builder
from compute_hyperv.nova.console import ConsoleLogs, possible_log_pipes
from compute_hyperv.nova.diagnostics import Diagnostics
from compute_hyperv.nova.errors import HostUnusable
from compute_hyperv.nova.host_boot import HostBoot
from compute_hyperv.nova.images.cache import ImageCache
from compute_hyperv.nova.instances import Instances
from compute_hyperv.nova.leftovers import Leftovers
from compute_hyperv.nova.lifecycle import Lifecycle
from compute_hyperv.nova.local_disks import LocalDisks
from compute_hyperv.nova.notes import Notes
from compute_hyperv.nova.passwords import Passwords
from compute_hyperv.nova.power import Power
from compute_hyperv.nova.rebuilding import Rebuilding
from compute_hyperv.nova.rescue import Rescue
from compute_hyperv.nova.resources import Resources
from compute_hyperv.nova.settings import BuildSettings, build_settings, keep_novas_own_files_here
from compute_hyperv.nova.snapshots import Snapshots, Unfinished
from compute_hyperv.nova.vifs import Vifs

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


# Given an instance's UUID and what became of it, in the words of nova.virt.event.
Emit = Callable[[str, int], None]


@dataclass(frozen=True)
class Rooms:
    settings: HostSettings
    host: HyperVHost
    instances: Instances
    power: Power
    vifs: Vifs
    builder: Builder
    rebuilding: Rebuilding
    snapshots: Snapshots
    rescue: Rescue
    passwords: Passwords
    console: ConsoleLogs
    diagnostics: Diagnostics
    images: ImageCache
    resources: Resources
    lifecycle: Lifecycle
    address: str

    def close(self) -> None:
        self.lifecycle.close()
        self.console.close()
        self.host.close()


def open_rooms(service_host: str, virtapi: Any, emit: Emit) -> Rooms:
    """Connects to the host of a service and sees that it can be used.

    :param emit: told what becomes of instances without Nova's doing.

    :raises HostUnusable: it cannot; the message says why and what to do.
    :raises nova.exception.HypervisorTooOld: its Windows has no Hyper-V that we know how to talk to.
    """
    for setting in options.settings_without_effect(CONF):
        LOG.warning("%s is set, but the feature that it is for is not in this release: it has no effect.", setting)
    try:
        settings = host_settings(CONF, service_host)
        keep_novas_own_files_here(CONF)
        building = build_settings(CONF, settings)
        host = connection.connect(settings)
    except ValueError as error:
        raise HostUnusable(server=service_host, reason=str(error)) from error
    try:
        _check_host(settings, host)
        rooms = _furnish(service_host, settings, building, host, virtapi, emit)
        _listen_to_running_machines(rooms)
        rooms.lifecycle.start()
    except CimError as error:
        host.close()
        raise HostUnusable(server=settings.server, reason=str(error)) from error
    except BaseException:  # the connections must not outlive a start that failed, whatever it was
        host.close()
        raise
    return rooms


def _check_host(settings: HostSettings, host: HyperVHost) -> None:
    info = host.inventory.host_info()
    LOG.info("Managing %s at %s: %s %s", info.name, settings.server, info.caption, ".".join(map(str, info.version)))
    if not versions.has(info.version, versions.Feature.V2_NAMESPACE):
        raise exception.HypervisorTooOld(version=versions.RELEASES[versions.Feature.V2_NAMESPACE.value.build])
    host.files.make_folder(settings.instances_path)
    there = {switch.name for switch in host.switches.list()}
    wanted = {name for _, name in settings.switches} | ({settings.default_switch} if settings.default_switch else set())
    for name in sorted(wanted - there):
        LOG.warning(
            "The host has no virtual switch %s, which nova.conf names; it has: %s. Builds that need it will fail.",
            name,
            ", ".join(sorted(there)) or "none",
        )


def _furnish(
    service_host: str, settings: HostSettings, building: BuildSettings, host: HyperVHost, virtapi: Any, emit: Emit
) -> Rooms:
    # Several services can share a state_path (they do in tests), so each has a folder of its own.
    state = Path(CONF.state_path) / "hyperv" / service_host
    instances = Instances(host)
    console = ConsoleLogs(host.pipes, state / "console")
    ports = Vifs(host, instances, building)
    power = Power(host, instances, console)
    images = ImageCache(host, names.image_cache_folder(settings.instances_path), state / "images")
    builder = Builder(
        virtapi,
        host,
        building,
        images=images,
        disks=LocalDisks(host, settings.instances_path, state / "disks"),
        power=power,
        ports=ports,
        console=console,
        leftovers=Leftovers(state / "leftovers"),
    )
    snapshots = Snapshots(
        host, instances, Notes(state / "snapshots" / "unfinished", Unfinished), state / "snapshots" / "work"
    )
    storage = shared_storage.find(host.files, settings.instances_path)
    resources = Resources(host, settings.instances_path, storage)
    lifecycle = Lifecycle(
        host,
        tell=_teller(instances, console, emit),
        host_started=HostBoot(service_host, instances, power).resume_instances,
    )
    address = _address(settings.server)
    return Rooms(
        settings,
        host,
        instances,
        power,
        ports,
        builder,
        Rebuilding(builder, power),
        snapshots,
        Rescue(host, settings.instances_path, instances, images, power, ports),
        Passwords(host, instances),
        console,
        Diagnostics(host, instances),
        images,
        resources,
        lifecycle,
        address,
    )


def _teller(instances: Instances, console: ConsoleLogs, emit: Emit) -> Callable[[str, MachineSummary, int], None]:
    """What happens when a machine has changed without Nova's doing, or with it: that is told as well."""

    def tell(uuid: str, machine: MachineSummary, event: int) -> None:
        instances.forget(uuid)
        if machine.state is MachineState.RUNNING:
            console.watch(uuid, possible_log_pipes(uuid))
        elif machine.state is MachineState.OFF:
            console.finish(uuid)
        emit(uuid, event)

    return tell


def _address(server: str) -> str:
    """The host's IP address: other hosts find it by that. A name that we cannot resolve is handed on as it is."""
    try:
        found = socket.getaddrinfo(server, None, type=socket.SOCK_STREAM)
    except OSError as error:
        LOG.warning("The address of %s cannot be found: %s", server, error)
        return server
    return str(found[0][4][0])


def _listen_to_running_machines(rooms: Rooms) -> None:
    for uuid, machine in rooms.instances.ours().items():
        if machine.state is MachineState.RUNNING:
            rooms.console.watch(uuid, possible_log_pipes(uuid))
