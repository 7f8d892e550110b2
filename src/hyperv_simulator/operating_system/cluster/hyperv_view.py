"""root/HyperVCluster/v2: the machines of all nodes, under the classes of root/virtualization/v2.

Which machines it shows (those that are highly available) is Microsoft's page on the namespace; that the properties are
those of the node's own instance is an assumption. Its services are not simulated.
"""

from __future__ import annotations

from collections.abc import Iterator

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.migration.neighbours import Neighbours
from hyperv_simulator.operating_system.cluster.state import VIRTUAL_MACHINE, Cluster
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

HYPERV_CLUSTER = "root/hypervcluster/v2"
_SHOWN = ("Msvm_ComputerSystem", "Msvm_VirtualSystemSettingData")


class HyperVCluster:
    """The sources of these classes, on one node."""

    def __init__(self, repository: Repository, cluster: Cluster, neighbours: Neighbours) -> None:
        self._repository = repository
        self._cluster = cluster
        self._neighbours = neighbours
        for class_name in _SHOWN:
            repository.add_source(class_name, lambda _owner, name=class_name: self._all(name), HYPERV_CLUSTER)  # type: ignore[misc]  # bound at definition

    def _all(self, class_name: str) -> Iterator[CimInstance]:
        known = {name for name, _ in self._repository.catalogue.property_names(HYPERV_CLUSTER, class_name)}
        for resource in list(self._cluster.resources.values()):
            if resource.kind != VIRTUAL_MACHINE:
                continue
            for node in self._cluster.known_nodes:
                host = self._neighbours.find(node)
                for instance in host.repository.owned(class_name, resource.machine_id) if host is not None else ():
                    values = {name: value for name, value in instance.items() if name in known}
                    yield new_instance(self._repository.catalogue, class_name, values, HYPERV_CLUSTER)
