"""A machine's files move to other folders of its host."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.values import CimReference
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.migration.hosts import (
    DEEP_CHECK,
    DISKS,
    OFF,
    RUNNING,
    STORAGE,
    files,
    move,
    request,
    service,
    why_not,
)


@pytest.mark.parametrize("state", [RUNNING, OFF])
def test_storage_moves_on_one_host(source: Client, equipped: CimReference, state: int) -> None:
    if state == RUNNING:
        source.change_state(equipped, RUNNING)
    system = settings_text("Msvm_VirtualSystemSettingData", ConfigurationDataRoot=r"C:\vm", SnapshotDataRoot=r"C:\vm")
    parameters = {**request(source, equipped, STORAGE, "", r"C:\vm\disks\root.vhdx"), "NewSystemSettingData": system}
    source.do(service(source), "MigrateVirtualSystemToHost", **parameters)
    (disk,) = source.settings(equipped, DISKS)
    assert disk.get("HostResource") == [r"C:\vm\disks\root.vhdx"]
    folder = source.inside.disks.folder
    assert not folder.exists(r"C:\root.vhdx")
    assert folder.exists(rf"C:\vm\Virtual Machines\{equipped.key('Name')}.vmcx")
    assert source.system_settings(equipped).get("ConfigurationDataRoot") == r"C:\vm"
    assert source.state(equipped) == state
    assert source.inside.disks.in_use(r"C:\vm\disks\root.vhdx") is (state == RUNNING)


def test_storage_takes_the_checkpoints_files_along(source: Client, equipped: CimReference) -> None:
    source.do(
        source.service_reference("Msvm_VirtualSystemSnapshotService"),
        "CreateSnapshot",
        AffectedSystem=equipped,
        SnapshotSettings="",
        SnapshotType=2,
    )
    move(source, equipped, STORAGE, "", r"C:\vm\root.avhdx")
    assert source.inside.disks.chain(r"C:\vm\root.avhdx") == [r"C:\vm\root.avhdx", r"C:\vm\root.vhdx"]
    source.change_state(equipped, RUNNING)


def test_an_empty_name_leaves_the_place_to_the_host(source: Client, equipped: CimReference) -> None:
    parameters = request(source, equipped, STORAGE, "", "x")
    texts = parameters["NewResourceSettingData"]
    assert isinstance(texts, list)
    parameters["NewResourceSettingData"] = [str(text).replace("<VALUE>x</VALUE>", "<VALUE></VALUE>") for text in texts]
    source.do(service(source), "MigrateVirtualSystemToHost", **parameters)
    assert source.inside.disks.folder.exists(r"C:\Users\Public\Documents\Hyper-V\Virtual Hard Disks\root.vhdx")


def test_a_file_in_the_way_stops_a_storage_migration(source: Client, equipped: CimReference) -> None:
    source.create_disk(r"C:\taken.vhdx")
    assert "0x80070050" in why_not(source, equipped, STORAGE, "", r"C:\taken.vhdx")
    assert files(source) == ["root.vhdx", "taken.vhdx"]


def test_a_deep_check_moves_nothing(source: Client, equipped: CimReference) -> None:
    move(source, equipped, DEEP_CHECK, "", r"C:\other.vhdx")
    assert files(source) == ["root.vhdx"]
