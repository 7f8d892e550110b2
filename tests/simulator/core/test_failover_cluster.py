"""Simulated hosts as nodes of one failover cluster."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator.assembly import Inside, assemble
from hyperv_simulator.config.cluster import ClusterConfig, ClusterNetworkConfig
from hyperv_simulator.config.errors import ConfigError
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.config.storage import VolumeConfig
from hyperv_simulator.fault_rules import FaultRules
from hyperv_simulator.migration.neighbours import Neighbours
from hyperv_simulator.operating_system.cluster import clusprop
from tests.simulator.core.client import Client

CLUSTER = "root/mscluster"
FEATURES = ("Hyper-V", "Failover-Clustering")
SHARED = VolumeConfig(path="C:\\ClusterStorage\\Volume1", label="vms", kind="csv", file_system="CSVFS_NTFS")
ONLINE, FAILED_NODE = 0, 1


class Pair:
    """Two nodes, and a machine on the first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._neighbours = Neighbours()
        self.insides: list[Inside] = []
        self.first = self.node("hv1", "127.0.1.1")
        self.second = self.node("hv2", "127.0.1.2")
        self.machine = self.first.define("vm")

    def node(self, name: str, address: str) -> Client:
        config = HostConfig(
            name=name,
            address=address,
            features=FEATURES,
            volume=(SHARED,),
            cluster=ClusterConfig("clu", quorum="file_share_witness", witness="\\\\fs\\witness"),
        )
        inside = assemble(config, self._folder / name, FaultRules(), neighbours=self._neighbours)
        self.insides.append(inside)
        return Client(inside)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    yield pair
    for inside in pair.insides:
        inside.close()


def call(client: Client, class_name: str, name: str, method: str, **parameters: CimValue) -> dict[str, CimValue]:
    return client.call(CimReference(class_name, {"Name": name}, CLUSTER), method, **parameters)


def add(pair: Pair) -> None:
    call(pair.first, "MSCluster_Cluster", "clu", "AddVirtualMachine", VirtualMachine="vm")


def group(client: Client, name: str = "vm") -> CimInstance:
    return client.one(f"select * from MSCluster_ResourceGroup where Name = '{name}'", CLUSTER)


def error_of(action: Callable[[], object]) -> int:
    with pytest.raises(SoapFault) as raised:
        action()
    assert raised.value.provider is not None
    return raised.value.provider.code


def test_both_nodes_show_the_same_cluster(pair: Pair) -> None:
    for client in (pair.first, pair.second):
        cluster = client.one("select * from MSCluster_Cluster", CLUSTER)
        assert (cluster.get("Name"), cluster.get("QuorumTypeValue")) == ("clu", 2)
        nodes = client.query("select * from MSCluster_Node", CLUSTER)
        assert [(node.get("Name"), node.get("State")) for node in nodes] == [("HV1", 0), ("HV2", 0)]
        volume = client.one("select * from MSCluster_ClusterSharedVolume", CLUSTER)
        assert (volume.get("Name"), volume.get("FaultState")) == ("C:\\ClusterStorage\\Volume1", 0)
    witness = "associators of {MSCluster_Cluster.Name='clu'} where AssocClass = MSCluster_ClusterToQuorumResource"
    assert pair.first.one(witness, CLUSTER).get("Type") == "File Share Witness"


def test_a_machine_becomes_a_group_with_two_resources(pair: Pair) -> None:
    # hyperv-ops 16
    add(pair)
    assert group(pair.second).get("GroupType") == 111
    text = "associators of {MSCluster_ResourceGroup.Name='vm'} where AssocClass = MSCluster_ResourceGroupToResource"
    found = {item.get("Name"): item.get("State") for item in pair.second.query(text, CLUSTER)}
    assert found == {"Virtual Machine vm": 3, "Virtual Machine Configuration vm": 2}
    assert error_of(lambda: add(pair)) == 0x80070000 | 5010
    shown = pair.second.one("select * from Msvm_ComputerSystem", "root/hypervcluster/v2")
    assert shown.get("ElementName") == "vm"


def test_bringing_a_group_online_starts_its_machine(pair: Pair) -> None:
    add(pair)
    call(pair.second, "MSCluster_ResourceGroup", "vm", "BringOnline", TimeOut=10)
    await_state(pair, ONLINE)
    assert pair.first.state(pair.machine) == 2


def test_a_running_machine_moves_with_its_group(pair: Pair) -> None:
    add(pair)
    call(pair.first, "MSCluster_ResourceGroup", "vm", "BringOnline", TimeOut=10)
    await_state(pair, ONLINE)
    events: list[CimInstance] = []
    pair.insides[1].cluster.member.on_event = events.append  # type: ignore[union-attr]  # it is a node
    parameters = property_list({"Virtual Machine": 4, "Virtual Machine Configuration": 4})
    call(pair.first, "MSCluster_ResourceGroup", "vm", "MoveToNewNodeParams", NodeName="hv2", Parameters=parameters)
    await_state(pair, ONLINE, owner="HV2")
    assert pair.second.state(pair.machine) == 2
    resource = pair.first.one("select * from MSCluster_Resource where Name = 'Virtual Machine vm'", CLUSTER)
    assert resource.get("OwnerNode") == "HV2"
    assert {event.class_name for event in events} == {"MSCluster_EventGroupStateChange"}
    assert [event.get("EventNewState") for event in events] == [4, 0]


def test_a_move_to_where_nobody_is_fails(pair: Pair) -> None:
    add(pair)
    move = "MoveToNewNode"
    assert error_of(lambda: call(pair.first, "MSCluster_ResourceGroup", "vm", move, NodeName="hv9")) & 0xFFFF == 5042
    pair.insides[1].close()
    assert error_of(lambda: call(pair.first, "MSCluster_ResourceGroup", "vm", move, NodeName="hv2")) & 0xFFFF == 5050
    down = pair.first.one("select * from MSCluster_Node where Name = 'HV2'", CLUSTER)
    assert down.get("State") == FAILED_NODE


def test_settings_of_a_group_are_put_and_it_leaves_its_machine_behind(pair: Pair) -> None:
    add(pair)
    reference = CimReference("MSCluster_ResourceGroup", {"Name": "vm"}, CLUSTER)
    changes = CimInstance("MSCluster_ResourceGroup", {"FailoverThreshold": 1, "AutoFailbackType": 1}, CLUSTER)
    pair.first.service.put(reference, changes)
    assert group(pair.second).get("FailoverThreshold") == 1
    call(pair.second, "MSCluster_ResourceGroup", "vm", "DestroyGroup", Options=1)
    assert pair.first.query("select * from MSCluster_ResourceGroup where Name = 'vm'", CLUSTER) == []
    assert pair.first.state(pair.machine) == 3


def test_a_cluster_remembers_its_groups(pair: Pair, tmp_path: Path) -> None:
    add(pair)
    for inside in pair.insides:
        inside.close()
    pair.insides.clear()
    pair._neighbours = Neighbours()
    client = pair.node("hv1", "127.0.1.1")
    assert group(client).get("OwnerNode") == "HV1"


def test_without_the_feature_the_namespace_is_not_there(make_host: Callable[..., Client]) -> None:
    assert error_of(lambda: make_host().query("select * from MSCluster_Cluster", CLUSTER)) == 0x8004100E


def test_with_the_feature_and_without_a_cluster_its_provider_fails(make_host: Callable[..., Client]) -> None:
    client = make_host(features=FEATURES)
    assert error_of(lambda: client.query("select * from MSCluster_Cluster", CLUSTER)) == 0x80041024


def test_a_node_needs_the_feature() -> None:
    with pytest.raises(ConfigError, match="Failover-Clustering"):
        HostConfig(features=("Hyper-V",), cluster=ClusterConfig("clu"))


def test_a_network_that_is_down_takes_its_interfaces_along(make_host: Callable[..., Client]) -> None:
    cluster = ClusterConfig("clu", network=(ClusterNetworkConfig("Storage", state="down", role="cluster"),))
    client = make_host(features=FEATURES, cluster=cluster)
    assert client.one("select * from MSCluster_Network", CLUSTER).get("Role") == 1
    assert client.one("select * from MSCluster_NetworkInterface", CLUSTER).get("State") == 2


def test_what_is_no_property_list_is_refused() -> None:
    assert clusprop.read(property_list({"Virtual Machine": 4})) == {"Virtual Machine": 4}
    with pytest.raises(ValueError, match="0x"):
        clusprop.read(struct.pack("<III", 1, 7, 7))


def property_list(values: dict[str, int]) -> bytes:
    """As os-win builds it (hyperv-ops 16)."""
    blob = struct.pack("<I", len(values))
    for name, value in values.items():
        text = (name + "\0").encode("utf-16-le")
        blob += struct.pack("<II", 0x00040003, len(text)) + text + b"\0" * (-len(text) % 4)
        blob += struct.pack("<IIII", 0x00010002, 4, value, 0)
    return blob


def await_state(pair: Pair, state: int, owner: str = "HV1") -> None:
    deadline = time.monotonic() + 20
    while (group(pair.first).get("State"), group(pair.first).get("OwnerNode")) != (state, owner):
        assert time.monotonic() < deadline, group(pair.first)
        time.sleep(0.01)


def test_a_paused_node_is_drained(pair: Pair) -> None:
    add(pair)
    call(pair.second, "MSCluster_Node", "HV1", "Pause", DrainType=1)
    assert group(pair.first).get("OwnerNode") == "HV2"
    node = pair.second.one("select * from MSCluster_Node where Name = 'HV1'", CLUSTER)
    assert node.get("State") == 2
    call(pair.second, "MSCluster_Node", "HV1", "Resume")
    assert pair.first.one("select * from MSCluster_Node where Name = 'HV1'", CLUSTER).get("State") == 0


def test_the_quorum_is_set_for_all_nodes(pair: Pair) -> None:
    call(pair.first, "MSCluster_Cluster", "clu", "SetNodeMajorityQuorum")
    cluster = pair.second.one("select * from MSCluster_Cluster", CLUSTER)
    assert (cluster.get("QuorumTypeValue"), cluster.get("WitnessDynamicWeight")) == (1, 0)
    witnesses = "select * from MSCluster_Resource where Type = 'File Share Witness'"
    assert pair.second.query(witnesses, CLUSTER) == []
    names = {"Resource": "File Share Witness", "QuorumPath": "\\\\fs\\other"}
    call(pair.second, "MSCluster_Cluster", "clu", "SetMajorityQuorum", **names)
    assert pair.first.one("select * from MSCluster_Cluster", CLUSTER).get("QuorumPath") == "\\\\fs\\other"


def test_a_shared_volume_goes_into_maintenance_and_to_another_node(pair: Pair) -> None:
    name = "C:\\ClusterStorage\\Volume1"
    call(pair.first, "MSCluster_ClusterSharedVolume", name, "TurnOnMaintenance")
    assert pair.second.one("select * from MSCluster_ClusterSharedVolume", CLUSTER).get("FaultState") == 4
    call(pair.first, "MSCluster_ClusterSharedVolume", name, "MoveToNewHost", HostName="hv2")
    disk = pair.second.one("select * from MSCluster_Resource where Type = 'Physical Disk'", CLUSTER)
    assert disk.get("OwnerNode") == "HV2"


def test_a_shared_volume_is_one_folder_on_all_nodes(pair: Pair) -> None:
    path = pair.first.create_disk("C:\\ClusterStorage\\Volume1\\disk.vhdx")
    assert pair.insides[1].disks.folder.exists(path)
    pair.first.add_disk(pair.machine, path)
    add(pair)
    call(pair.first, "MSCluster_ResourceGroup", "vm", "MoveToNewNode", NodeName="hv2")
    assert group(pair.second).get("OwnerNode") == "HV2"
    assert pair.second.state(pair.machine) == 3
    assert pair.insides[0].disks.folder.exists(path)


def test_a_node_that_shuts_down_is_drained_first(pair: Pair) -> None:
    # DrainOnShutdown, which is on since 2012 R2
    add(pair)
    pair.insides[0].go_down()
    assert group(pair.second).get("OwnerNode") == "HV2"
    assert pair.second.state(pair.machine) == 3


def test_storage_spaces_direct_has_a_pool_and_a_mirror_below_its_volume(make_host: Callable[..., Client]) -> None:
    volume = VolumeConfig(path="C:\\ClusterStorage\\Volume1", label="vms", kind="s2d", file_system="CSVFS_ReFS")
    client = make_host(features=FEATURES, cluster=ClusterConfig("clu"), volume=(volume,))
    assert client.one("select * from MSCluster_Cluster", CLUSTER).get("S2DEnabled") == 1
    storage = "root/microsoft/windows/storage"
    assert client.one("select * from MSFT_StoragePool", storage).get("FriendlyName") == "S2D on clu"
    assert client.one("select * from MSFT_VirtualDisk", storage).get("ResiliencySettingName") == "Mirror"
    shown = client.one("select * from MSFT_Volume where FileSystem = 'CSVFS'", storage)
    assert shown.get("FileSystemType") == 0x8001
    disk = client.one("select * from MSCluster_Resource where Type = 'Physical Disk'", CLUSTER)
    assert disk.get("Name") == "Cluster Virtual Disk (vms)"
