"""Hyper-V's services besides machines, disks and switches, put together: providers, associations and what feeds them.

What lives here and only here: which of these parts is given which. ``assembly`` takes them as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from hyperv_simulator.associations.security import SecurityAssociations
from hyperv_simulator.associations.walks import Walks
from hyperv_simulator.jobs import Jobs
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.security import SecurityDevices
from hyperv_simulator.providers.base import Provider
from hyperv_simulator.providers.security_service import SecurityProvider
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.repository.instances import Repository


class ServiceHost(Protocol):
    """What the services need of their host."""

    @property
    def repository(self) -> Repository: ...

    @property
    def machines(self) -> Machines: ...

    @property
    def jobs(self) -> Jobs: ...


class FurtherServices:
    """Made once the host's instances are there."""

    def __init__(self, host: ServiceHost) -> None:
        self._host = host
        SecurityDevices(host.repository, host.machines)

    def providers(self) -> Iterator[Provider]:
        repository, machines, jobs = self._host.repository, self._host.machines, self._host.jobs
        yield SecurityProvider(repository, machines, jobs)

    def associations(self, walks: Walks) -> Iterator[Association]:
        yield from SecurityAssociations(walks).rows()
