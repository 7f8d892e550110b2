"""The folder for instances and its storage: each requirement broken alone."""

from __future__ import annotations

from typing import Any

import pytest

from compute_hyperv.host.errors import FileMissing
from compute_hyperv.host.model import VolumeSpace
from compute_hyperv.readiness.checks.instances import MAPPINGS
from compute_hyperv.readiness.expectations import Expectations
from compute_hyperv.readiness.instance_folder import Folder, InstanceFolder
from compute_hyperv.readiness.model import Verdict
from compute_hyperv.readiness.windows import COMPUTER, SHARE_CONNECTIONS
from hyperv_simulator.config.cluster import ClusterConfig
from hyperv_simulator.config.operating_system import RegistryConfig
from hyperv_simulator.config.smb import SmbMappingConfig
from hyperv_simulator.config.storage import VolumeConfig
from hyperv_simulator.host import SimulatedHost
from tests.readiness.examining import examine, examine_together, judged, readings_of, rows
from tests.simulated import Simulate

_POLICY = r"HKLM\SOFTWARE\Policies\Microsoft\Windows Defender\Exclusions"
_EXCLUDED = r"HKLM\SOFTWARE\Microsoft\Windows Defender\Exclusions\Paths"
_SHARE = Expectations(instances_path=r"\\filer\instances")
_CSV = Expectations(instances_path=r"C:\ClusterStorage\Volume1\Instances")


@pytest.fixture(scope="module")
def with_files(hosts: Simulate) -> SimulatedHost:
    """A host whose files can be reached."""
    return hosts(samba=True)


@pytest.fixture
def folder(with_files: SimulatedHost) -> str:
    readings = readings_of(with_files)
    with readings.host as host:
        host.files.make_folder(r"C:\OpenStack\Instances")
    return r"C:\OpenStack\Instances"


def test_a_folder_that_is_there_passes_and_nothing_is_left_in_it(with_files: SimulatedHost, folder: str) -> None:
    found = examine(with_files, "instances")
    assert {name for name, each in found.items() if each.verdict not in (Verdict.PASS, Verdict.NOT_APPLICABLE)} == set()
    readings = readings_of(with_files)
    with readings.host as host:
        assert host.files.list(folder) == []


def test_a_folder_that_is_missing_is_warned_of_and_its_volume_is_still_judged(with_files: SimulatedHost) -> None:
    found = examine(with_files, "instances", wanted=Expectations(instances_path=r"C:\Elsewhere\Instances"))
    assert found["instances.folder"].verdict is Verdict.WARN
    assert found["instances.writable"].found == "a file could be made in C:\\"
    assert found["instances.space"].verdict is Verdict.PASS


def test_a_volume_that_is_missing_fails(with_files: SimulatedHost) -> None:
    found = examine(with_files, "instances.folder", wanted=Expectations(instances_path=r"E:\Instances"))
    assert found["instances.folder"].verdict is Verdict.FAIL


def test_a_host_whose_files_are_out_of_reach_spoils_only_what_looks_at_files(hosts: Simulate) -> None:
    found = examine(hosts(), "instances")
    assert found["instances.folder"].verdict is Verdict.UNREADABLE
    assert found["instances.antivirus"].verdict is Verdict.PASS


def test_more_reserved_than_free_fails(with_files: SimulatedHost, folder: str) -> None:
    found = examine(with_files, "instances.space", wanted=Expectations(reserved_disk_mb=10**9))
    assert found["instances.space"].verdict is Verdict.FAIL
    assert "reserved_host_disk_mb" in found["instances.space"].remedy


def test_a_folder_that_can_not_be_written_fails() -> None:
    space = VolumeSpace(10**12, 10**12)
    said = {InstanceFolder(): Folder(True, r"C:\OpenStack\Instances", False, space)}
    assert (
        judged("instances.writable", said, Expectations(instances_path=InstanceFolder().path)).verdict is Verdict.FAIL
    )


def test_writing_is_tried_in_a_folder_that_must_exist(with_files: SimulatedHost) -> None:
    readings = readings_of(with_files)
    with readings.host as host, pytest.raises(FileMissing):
        host.files.is_writable(r"C:\nowhere")


@pytest.mark.parametrize(("kind", "words"), [("csv", "cluster shared volume"), ("s2d", "Storage Spaces Direct")])
def test_kinds_of_shared_volumes(hosts: Simulate, kind: Any, words: str) -> None:
    found = examine(_node(hosts, "CL-" + kind, kind), "instances.kind", wanted=_CSV)["instances.kind"]
    assert (found.verdict, words in found.found) == (Verdict.PASS, True)


def test_a_cluster_volume_that_is_none_fails(hosts: Simulate) -> None:
    assert examine(hosts(), "instances.kind", wanted=_CSV)["instances.kind"].verdict is Verdict.FAIL


def test_a_share_needs_no_volume_of_the_host(hosts: Simulate) -> None:
    found = examine(hosts(), "instances.kind", wanted=_SHARE)["instances.kind"]
    assert found.found == r"SMB share \\filer\instances"


# Shares


@pytest.mark.parametrize(
    ("mapping", "in_domain", "verdict"),
    [
        ({"RemotePath": r"\\FILER\instances", "Status": 0}, False, Verdict.PASS),
        ({"RemotePath": r"\\FILER\instances", "Status": 2}, False, Verdict.FAIL),
        ({"RemotePath": r"\\filer\other", "Status": 0}, False, Verdict.WARN),
        ({"RemotePath": r"\\filer\other", "Status": 0}, True, Verdict.PASS),
    ],
)
def test_the_mapping_to_a_share(mapping: dict[str, Any], in_domain: bool, verdict: Verdict) -> None:
    said = {MAPPINGS: rows(MAPPINGS, mapping), COMPUTER: rows(COMPUTER, {"PartOfDomain": in_domain})}
    assert judged("instances.mapping", said, _SHARE).verdict is verdict


@pytest.mark.parametrize(("available", "verdict"), [(True, Verdict.PASS), (False, Verdict.WARN)])
def test_continuous_availability(hosts: Simulate, available: bool, verdict: Verdict) -> None:
    host = hosts(smb_mapping=(SmbMappingConfig(r"\\filer\instances", continuously_available=available),))
    found = examine(host, "instances.mapping", "instances.availability", wanted=_SHARE)
    assert found["instances.availability"].verdict is verdict
    assert found["instances.mapping"].verdict is Verdict.PASS


def test_a_share_without_a_connection_is_not_judged() -> None:
    assert judged("instances.availability", {SHARE_CONNECTIONS: ()}, _SHARE).verdict is Verdict.NOT_APPLICABLE


# Antivirus


def test_defender_without_automatic_exclusions_is_warned_of_unless_the_folder_is_excluded(hosts: Simulate) -> None:
    off = RegistryConfig(_POLICY, "DisableAutoExclusions", "REG_DWORD", "1")
    excluded = RegistryConfig(_EXCLUDED, r"C:\OpenStack", "REG_DWORD", "0")
    neighbour = RegistryConfig(_EXCLUDED, r"C:\Open", "REG_DWORD", "0")
    verdicts = [
        examine(hosts(registry=registry), "instances.antivirus")["instances.antivirus"].verdict
        for registry in ((off,), (off, neighbour), (off, excluded))
    ]
    assert verdicts == [Verdict.WARN, Verdict.WARN, Verdict.PASS]


def test_a_host_without_defender_is_not_judged(hosts: Simulate) -> None:
    host = hosts(features=("Hyper-V",))
    assert examine(host, "instances.antivirus")["instances.antivirus"].verdict is Verdict.NOT_APPLICABLE


# The same storage from several hosts


def _node(hosts: Simulate, cluster: str, kind: Any = "csv") -> SimulatedHost:
    file_system = "CSVFS_ReFS" if kind == "s2d" else "CSVFS_NTFS"
    volume = VolumeConfig(path=r"C:\ClusterStorage\Volume1", kind=kind, file_system=file_system)
    features = ("Hyper-V", "Failover-Clustering")
    return hosts(samba=True, features=features, cluster=ClusterConfig(name=cluster), volume=(volume,))


def test_hosts_that_count_the_same_volume_are_named_with_what_they_risk(hosts: Simulate) -> None:
    nodes = [_node(hosts, "CL1"), _node(hosts, "CL1"), _node(hosts, "CL2")]
    first, second, stranger = examine_together(nodes, "instances.shared", _CSV)
    assert first.verdict is Verdict.WARN
    assert nodes[1].config.address in first.found
    assert nodes[2].config.address not in first.found
    assert "MISC_SHARES_VIA_AGGREGATE" in first.remedy
    assert "that are not there" in first.details[0]
    assert second.verdict is Verdict.WARN
    assert stranger.verdict is Verdict.PASS


def test_hosts_on_local_disks_share_nothing(hosts: Simulate) -> None:
    found = examine_together([hosts(), hosts()], "instances.shared")
    assert [each.verdict for each in found] == [Verdict.PASS, Verdict.PASS]
