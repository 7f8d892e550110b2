"""Everything by which somebody gets at a machine from its host, put together: input, files, integration services."""

from __future__ import annotations

from hyperv_simulator.jobs import Jobs
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.providers.base import Provider
from hyperv_simulator.providers.guest_file_service import GuestFileServiceProvider
from hyperv_simulator.providers.input_devices import (
    FIXED_DEVICES,
    FixedDeviceProvider,
    KeyboardProvider,
    Ps2MouseProvider,
    SyntheticMouseProvider,
)
from hyperv_simulator.providers.shutdown_component import ShutdownComponentProvider
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage.paths import HostFolder


def providers(repository: Repository, machines: Machines, jobs: Jobs, folder: HostFolder) -> tuple[Provider, ...]:
    release = repository.catalogue.version.release
    return (
        ShutdownComponentProvider(machines, release),
        KeyboardProvider(machines, release),
        SyntheticMouseProvider(machines, release),
        Ps2MouseProvider(machines, release),
        GuestFileServiceProvider(repository, machines, jobs, folder),
        *map(FixedDeviceProvider, FIXED_DEVICES),
    )
