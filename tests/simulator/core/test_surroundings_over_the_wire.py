"""Everything that surrounds Hyper-V can be written as hosts write it: each value has the type that the schema says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compute_hyperv.cim import schema
from compute_hyperv.cim.soap import writing
from hyperv_simulator.config.cluster import ClusterConfig
from hyperv_simulator.config.network import NicConfig, TeamConfig
from hyperv_simulator.config.operating_system import ServiceConfig
from hyperv_simulator.config.smb import SmbConfig, SmbConstraintConfig, SmbMappingConfig, SmbShareConfig
from hyperv_simulator.config.storage import DiskConfig, FcHbaConfig, IscsiTargetConfig, MpioConfig, VolumeConfig
from tests.simulator.core.client import Client

IQN = "iqn.2024-01.org.example:store"
NAMESPACES = (
    "root/microsoft/windows/storage",
    "root/microsoft/windows/smb",
    "root/microsoft/windows/hgs",
    "root/microsoft/windows/deviceguard",
    "root/cimv2/security/microsofttpm",
    "root/standardcimv2",
    "root/mscluster",
    "root/hypervcluster/v2",
    "root/interop",
    "root/wmi",
)


@pytest.mark.parametrize("version", ["2012r2", "2025"])
def test_every_instance_can_be_written(make_host: Callable[..., Client], version: str) -> None:
    client = make_host(
        version=version,
        features=("Hyper-V", "Failover-Clustering", "Multipath-IO"),
        service=(ServiceConfig("MSiSCSI", "Auto", running=True),),
        nic=(NicConfig("Ethernet", address="10.0.0.5/24", rdma=True, sriov=True), NicConfig("A"), NicConfig("B")),
        team=(TeamConfig("Team", ("A", "B")),),
        disk=(DiskConfig(1), DiskConfig(2, bus_type="iscsi", target=IQN)),
        iscsi_target=(IscsiTargetConfig(IQN, portals=("127.0.3.1", "127.0.3.2"), sessions=2),),
        fc_hba=(FcHbaConfig("2100000000000001", "2000000000000001"),),
        mpio=MpioConfig(claimed=("MSFT2005iSCSIBusType_0x9",)),
        smb=SmbConfig(constraint=(SmbConstraintConfig("fs", ("Ethernet",)),)),
        smb_share=(SmbShareConfig("instances", "C:\\inst"),),
        smb_mapping=(SmbMappingConfig("\\\\fs\\vms"),),
        volume=(
            VolumeConfig("E", disk=1),
            VolumeConfig(path="C:\\ClusterStorage\\Volume1", kind="s2d", file_system="CSVFS_NTFS"),
        ),
        cluster=ClusterConfig("clu", quorum="disk_witness"),
    )
    client.define("vm")
    client.inside.cluster.cluster.add_machine("vm", client.inside.machines.all()[0].machine_id, "HV1")  # type: ignore[union-attr]  # it is a node
    repository = client.inside.repository
    written = set()
    for namespace in NAMESPACES:
        for cls in schema.catalogue().classes(namespace):
            if repository.has_instances_of(namespace, cls.name):
                for instance in client.service.enumerate(namespace, cls.name):
                    assert writing.instance(instance)
                    written.add(instance.class_name)
    assert {"MSFT_iSCSIConnection", "MPIO_DISK_INFO", "MSCluster_Resource", "MSFT_NetLbfoTeam"} <= written
