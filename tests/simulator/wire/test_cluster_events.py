"""What a cluster raises reaches whoever has subscribed at a node."""

from __future__ import annotations

from pathlib import Path

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.config.cluster import ClusterConfig
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.host import SimulatedHost


class Listener:
    """In the place of a subscription's watch."""

    def __init__(self) -> None:
        self.events: list[CimInstance] = []

    def raised(self, event: CimInstance) -> None:
        self.events.append(event)

    def note(self, before: CimInstance | None, after: CimInstance | None) -> None:
        """Changes of instances are not what this is about."""


def test_a_nodes_events_come_from_its_cluster(tmp_path: Path) -> None:
    config = HostConfig(
        name="node",
        address="127.0.61.1",
        samba=False,
        features=("Hyper-V", "Failover-Clustering"),
        cluster=ClusterConfig("clu"),
    )
    with SimulatedHost(config, tmp_path) as host:
        listener = Listener()
        host.events.add(listener)  # type: ignore[arg-type]  # all that a watch is asked
        member = host.inside.cluster.member  # type: ignore[union-attr]  # it is a node
        member.announce(member.cluster.groups["cluster group"])
    (event,) = listener.events
    assert event.class_name == "MSCluster_EventGroupStateChange"
    assert (event.get("EventObjectName"), event.get("EventNode")) == ("Cluster Group", "NODE")
