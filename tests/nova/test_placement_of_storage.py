"""Storage that hosts share: its identity in a file, and its provider in Placement."""

from __future__ import annotations

import uuid

import pytest
from nova import exception
from nova.compute import provider_tree
from oslo_utils import uuidutils

from compute_hyperv.host import paths
from compute_hyperv.host.errors import FileExists, FileMissing
from compute_hyperv.nova import shared_storage
from compute_hyperv.nova.errors import HostUnusable
from compute_hyperv.nova.shared_storage import MARKER, SharedStorage

FOLDER = r"\\filer\vms\Instances"
STORAGE = SharedStorage(str(uuid.uuid4()), FOLDER.lower())
DISK = {"total": 100, "reserved": 0, "min_unit": 1, "max_unit": 100, "step_size": 1, "allocation_ratio": 1.0}


class FakeFiles:
    """One folder. ``faster`` is what somebody else makes while we make ours."""

    def __init__(self, faster: bytes | None = None) -> None:
        self.content: dict[str, bytes] = {}
        self._faster = faster

    def read(self, path: str) -> bytes:
        if path not in self.content:
            raise FileMissing("missing", path=path)
        return self.content[path]

    def write(self, path: str, data: bytes) -> None:
        self.content[path] = data

    def rename(self, source: str, target: str) -> None:
        if self._faster:
            self.content[target] = self._faster
        if target in self.content:
            raise FileExists("there", path=target)
        self.content[target] = self.content.pop(source)

    def delete(self, path: str, *, missing_ok: bool) -> None:
        del self.content[path]


@pytest.mark.parametrize("folder", [r"C:\OpenStack\Instances", r"D:\i"])
def test_a_folder_of_the_hosts_own_is_no_shared_storage(folder):
    files = FakeFiles()

    assert shared_storage.find(files, folder) is None
    assert files.content == {}


@pytest.mark.parametrize("folder", [FOLDER, r"C:\ClusterStorage\Volume1\Instances"])
def test_whoever_comes_later_finds_the_same_storage(folder):
    files = FakeFiles()

    first = shared_storage.find(files, folder)

    assert shared_storage.find(files, folder) == first
    assert list(files.content) == [paths.join(folder, MARKER)]


def test_of_two_who_come_first_one_is_first():
    identity = str(uuid.uuid4())
    files = FakeFiles(faster=f"{identity}\nexplanation\n".encode())

    assert shared_storage.find(files, FOLDER) == SharedStorage(identity, FOLDER.lower())
    assert list(files.content) == [paths.join(FOLDER, MARKER)]


def test_a_marker_that_says_nothing_is_not_guessed():
    files = FakeFiles()
    files.content[paths.join(FOLDER, MARKER)] = b"hello"

    with pytest.raises(HostUnusable, match=MARKER):
        shared_storage.find(files, FOLDER)


@pytest.fixture
def tree():
    tree = provider_tree.ProviderTree()
    tree.new_root("HV1", uuidutils.generate_uuid())
    tree.update_aggregates("HV1", {"zone"})
    return tree


def test_disk_space_is_the_storages_and_shared_with_the_host(tree):
    shared_storage.share(STORAGE, tree, "HV1", DISK, None)
    shared_storage.share(STORAGE, tree, "HV1", DISK, None)

    storage = tree.data(STORAGE.uuid)
    assert storage.inventory == {"DISK_GB": DISK}
    assert storage.traits == {"MISC_SHARES_VIA_AGGREGATE"}
    assert storage.aggregates == {STORAGE.aggregate}
    assert tree.data("HV1").aggregates == {"zone", STORAGE.aggregate}


def test_a_host_that_had_the_disk_space_gives_it_to_the_storage_with_what_is_allocated(tree):
    node = tree.data("HV1").uuid
    tree.update_inventory("HV1", {"DISK_GB": DISK, "VCPU": {"total": 4}})
    allocations = {
        "server": {"allocations": {node: {"resources": {"VCPU": 1, "DISK_GB": 20}}}},
        "moving": {
            "allocations": {
                node: {"resources": {"DISK_GB": 5}},
                STORAGE.uuid: {"resources": {"DISK_GB": 5}},
            }
        },
        "from volume": {"allocations": {node: {"resources": {"VCPU": 2}}}},
    }

    with pytest.raises(exception.ReshapeNeeded):
        shared_storage.share(STORAGE, tree, "HV1", DISK, None)
    shared_storage.share(STORAGE, tree, "HV1", DISK, allocations)

    assert {name: consumer["allocations"] for name, consumer in allocations.items()} == {
        "server": {node: {"resources": {"VCPU": 1}}, STORAGE.uuid: {"resources": {"DISK_GB": 20}}},
        "moving": {STORAGE.uuid: {"resources": {"DISK_GB": 10}}},
        "from volume": {node: {"resources": {"VCPU": 2}}},
    }


def test_a_host_that_shares_no_more_has_its_disk_space_again(tree):
    node = tree.data("HV1").uuid
    shared_storage.share(STORAGE, tree, "HV1", DISK, None)
    allocations = {"server": {"allocations": {STORAGE.uuid: {"resources": {"DISK_GB": 20}}}}}

    with pytest.raises(exception.ReshapeNeeded):
        shared_storage.stop_sharing(STORAGE, tree, "HV1", DISK, None)
    shared_storage.stop_sharing(STORAGE, tree, "HV1", DISK, allocations)
    shared_storage.stop_sharing(STORAGE, tree, "HV1", DISK, None)

    assert allocations == {"server": {"allocations": {node: {"resources": {"DISK_GB": 20}}}}}
    assert tree.data("HV1").aggregates == {"zone"}
