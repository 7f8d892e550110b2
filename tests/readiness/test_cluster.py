"""Failover clusters: each requirement broken alone; nodes are hosts of one simulator with the same cluster's name."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from compute_hyperv.cim.values import CimInstance
from compute_hyperv.readiness import locking
from compute_hyperv.readiness.checks.cluster import NETWORKS, NODES, SHARED_VOLUMES, THE_CLUSTER
from compute_hyperv.readiness.cluster_nodes import NotClustered, addresses_of_nodes
from compute_hyperv.readiness.expectations import Expectations
from compute_hyperv.readiness.model import Finding, Verdict
from compute_hyperv.readiness.windows import COMPUTER, SERVICES
from hyperv_simulator.config.cluster import ClusterConfig, ClusterNetworkConfig
from hyperv_simulator.config.operating_system import ServiceConfig
from hyperv_simulator.host import SimulatedHost
from tests.readiness.examining import REQUESTS, examine, examine_together, judged, readings_of, rows
from tests.simulated import Simulate

_FEATURES = ("Hyper-V", "Failover-Clustering")
_NETWORKS = (
    ClusterNetworkConfig("Management", "10.0.0.0", "255.255.255.0"),
    ClusterNetworkConfig("Heartbeat", "10.1.0.0", "255.255.255.0", role="cluster"),
)
_WITNESS: dict[str, Any] = {"quorum": "file_share_witness", "witness": r"\\fs\witness", "network": _NETWORKS}
_CLUSTERED = Expectations(clustered=True)


def _nodes(hosts: Simulate, name: str, *settings: dict[str, Any], **cluster: Any) -> list[SimulatedHost]:
    config = ClusterConfig(name, **{**_WITNESS, **cluster})
    return [
        hosts(**{"features": _FEATURES, "domain": "hv.test", "cluster": config, **each})
        for each in settings or ({}, {})
    ]


def _verdicts(found: dict[str, Finding]) -> dict[str, Verdict]:
    return {name.removeprefix("cluster."): each.verdict for name, each in found.items() if name.startswith("cluster")}


@pytest.fixture(scope="module")
def sound(hosts: Simulate) -> list[SimulatedHost]:
    return _nodes(hosts, "sound")


def test_a_sound_node_passes(sound: list[SimulatedHost]) -> None:
    found = examine(sound[0], "cluster")
    verdicts = _verdicts(found)
    # no shared volumes, no other host given, no nova.conf
    assert {verdicts.pop(name) for name in ("volumes", "identical", "locking")} == {Verdict.NOT_APPLICABLE}
    assert set(verdicts.values()) == {Verdict.PASS}
    assert found["cluster.quorum"].found == r"Node and File Share Majority, 2 nodes, witness \\fs\witness"


def test_a_full_check_of_a_node_keeps_to_the_budget(sound: list[SimulatedHost]) -> None:
    before = len(sound[0].requests)
    examine(sound[0])
    assert len(sound[0].requests) - before <= REQUESTS


def test_the_nodes_of_a_cluster_are_found_by_one_of_them(sound: list[SimulatedHost]) -> None:
    found = addresses_of_nodes(readings_of(sound[0]))
    assert list(found) == [node.config.address for node in sound]


def test_a_host_of_no_cluster_has_no_nodes(hosts: Simulate) -> None:
    with pytest.raises(NotClustered, match="is no node of a cluster"):
        addresses_of_nodes(readings_of(hosts()))


def test_nobody_has_to_be_a_node(hosts: Simulate) -> None:
    assert set(_verdicts(examine(hosts(), "cluster")).values()) == {Verdict.NOT_APPLICABLE}


def test_a_host_that_is_to_be_a_node_fails(hosts: Simulate) -> None:
    assert examine(hosts(), "cluster.membership", wanted=_CLUSTERED)["cluster.membership"].verdict is Verdict.FAIL


def test_a_cluster_service_that_does_not_run_fails(hosts: Simulate) -> None:
    host = hosts(features=_FEATURES, service=(ServiceConfig("ClusSvc", start_mode="Disabled", running=False),))
    found = examine(host, "cluster.membership")["cluster.membership"]
    assert (found.verdict, found.found) == (Verdict.FAIL, "the cluster service does not run")


def test_a_node_in_a_workgroup_is_warned_of(hosts: Simulate) -> None:
    (host,) = _nodes(hosts, "workgroup", {"domain": ""})
    assert examine(host, "cluster.membership")["cluster.membership"].verdict is Verdict.WARN


def test_two_nodes_without_a_witness_are_warned_of(hosts: Simulate) -> None:
    host = _nodes(hosts, "no-witness", quorum="node_majority", witness="")[0]
    found = examine(host, "cluster.quorum")["cluster.quorum"]
    assert (found.verdict, found.found) == (Verdict.WARN, "Node Majority, 2 nodes")


@pytest.mark.parametrize(("state", "verdict"), [("down", Verdict.FAIL), ("paused", Verdict.WARN)])
def test_nodes_that_are_not_up_are_named(hosts: Simulate, state: str, verdict: Verdict) -> None:
    name = f"node-{state}"
    (first,) = _nodes(hosts, name, {})
    config = ClusterConfig(name, **_WITNESS, node_state=state)  # type: ignore[arg-type]  # a table of states
    second = hosts(features=_FEATURES, domain="hv.test", cluster=config)
    found = examine(first, "cluster.nodes")["cluster.nodes"]
    assert (found.verdict, found.found) == (verdict, "1 of 2 up")
    assert f"{second.config.name}: {state}" in found.details


@pytest.mark.parametrize(
    ("networks", "verdict"),
    [
        ((_NETWORKS[0],), Verdict.WARN),
        ((_NETWORKS[0], ClusterNetworkConfig("Heartbeat", state="partitioned")), Verdict.FAIL),
        ((_NETWORKS[0], ClusterNetworkConfig("Unused", role="none", state="down")), Verdict.WARN),
        ((ClusterNetworkConfig("Clients", role="client"),), Verdict.FAIL),
    ],
)
def test_networks_of_the_cluster(hosts: Simulate, networks: tuple[ClusterNetworkConfig, ...], verdict: Verdict) -> None:
    name = f"networks-{'-'.join(f'{each.name}{each.state}' for each in networks)}".lower()
    (host,) = _nodes(hosts, name, {}, network=networks)
    assert examine(host, "cluster.networks")["cluster.networks"].verdict is verdict


def _told(said: Mapping[Any, tuple[CimInstance, ...]]) -> dict[Any, Any]:
    """A node that says this."""
    return {SERVICES: rows(SERVICES, {"Name": "ClusSvc", "State": "Running"}), **said}


@pytest.mark.parametrize(
    ("fault", "verdict"), [(0, Verdict.PASS), (1, Verdict.WARN), (2, Verdict.FAIL), (4, Verdict.WARN)]
)
def test_faults_of_shared_volumes(fault: int, verdict: Verdict) -> None:
    name = r"C:\ClusterStorage\Volume1"
    found = judged(
        "cluster.volumes", _told({SHARED_VOLUMES: rows(SHARED_VOLUMES, {"Name": name, "FaultState": fault})})
    )
    assert found.verdict is verdict
    assert bool(found.details) is (verdict is not Verdict.PASS)


def test_a_node_that_its_cluster_does_not_know_fails() -> None:
    said = _told(
        {
            THE_CLUSTER: rows(THE_CLUSTER, {"Name": "clu"}),
            NODES: rows(NODES, {"Name": "HV2"}),
            COMPUTER: rows(COMPUTER, {"Name": "HV1", "PartOfDomain": True}),
        }
    )
    assert judged("cluster.membership", said).verdict is Verdict.FAIL


def test_a_node_in_quarantine_fails() -> None:
    said = _told({NODES: rows(NODES, {"Name": "HV1", "State": 0, "StatusInformation": 2})})
    found = judged("cluster.nodes", said)
    assert (found.verdict, found.details) == (Verdict.FAIL, ("HV1: quarantined",))


def test_a_cluster_without_networks_fails() -> None:
    assert judged("cluster.networks", _told({NETWORKS: ()})).verdict is Verdict.FAIL


def test_nodes_that_are_alike_pass(sound: list[SimulatedHost], hosts: Simulate) -> None:
    stranger = hosts(version="2019")
    verdicts = [finding.verdict for finding in examine_together([*sound, stranger], "cluster.identical")]
    assert verdicts == [Verdict.PASS, Verdict.PASS, Verdict.NOT_APPLICABLE]


def test_nodes_that_differ_are_compared_property_by_property(hosts: Simulate) -> None:
    settings = {
        "version": "2019",
        "memory_mb": 32768,
        "san_policy": "online_all",
        "features": (*_FEATURES, "BitLocker"),
    }
    found = examine_together(_nodes(hosts, "unlike", {}, settings), "cluster.identical")[0]
    assert found.verdict is Verdict.FAIL
    differences = "\n".join(found.details)
    for each in ("build: 20348 here, 17763 on", "memory (GiB): 64 here, 32 on", "SAN policy: 2 here, 1 on",
                 "feature BitLocker: only on"):  # fmt: skip
        assert each in differences


def _locking(url: str) -> Finding:
    return judged("cluster.locking", _told({}), Expectations(clustered=True, lock_backend=url))


def test_locks_in_a_folder_exclude_a_second_process(tmp_path: Path) -> None:
    found = _locking(f"file://{tmp_path}/locks")
    assert (found.verdict, found.found) == (Verdict.PASS, f"file://{tmp_path}/locks: the second process had to wait")


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("file:///C:/OpenStack/Lock", "is a folder of Windows"),
        ("mysql://nova:Secret@127.0.0.1:1/locks", "mysql://nova:***@127.0.0.1:1/locks does not answer"),
        ("nonsense://", "does not answer"),
    ],
)
def test_a_backend_that_is_not_there_fails(url: str, text: str) -> None:
    found = _locking(url)
    assert found.verdict is Verdict.FAIL
    assert text in found.found
    assert "Secret" not in str(found)


def test_a_backend_that_is_silent_holds_nobody_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        proof = locking.prove_locking(f"redis://127.0.0.1:{port}", patience_s=2.0)
    assert "does not answer: nothing within 2 s" in proof.failure


def test_a_backend_whose_locks_do_not_lock_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process has a folder of its own: that is how locks on the local disks of two computers are."""
    asking, folders = locking._asking, iter(("one", "two", "three"))
    monkeypatch.setattr(
        locking, "_asking", lambda url, name, patience_s: asking(f"{url}/{next(folders)}", name, patience_s)
    )
    found = _locking(f"file://{tmp_path}/one")
    assert (found.verdict, found.found) == (Verdict.FAIL, f"file://{tmp_path}/one: both processes got the lock")
