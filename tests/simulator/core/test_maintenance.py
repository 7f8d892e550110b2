"""What the management service does around a machine's life."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.cimxml import instance_to_text
from compute_hyperv.cim.values import CimInstance, CimReference
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.conftest import MakeHost
from tests.simulator.core.test_checkpoints import on_disk, take, wait_for_merge

START, SAVE = 2, 6


class TestVersions:
    def test_an_old_machine_gets_the_hosts_version(self, client: Client) -> None:
        machine = client.define(Version="9.0")
        client.do(client.management, "UpgradeSystemVersion", ComputerSystem=machine, UpgradeSettingData="")
        assert client.system_settings(machine).get("Version") == "10.0"

    def test_not_while_it_runs(self, client: Client) -> None:
        machine = client.define(Version="9.0")
        client.change_state(machine, START)
        assert client.refused(client.management, "UpgradeSystemVersion", ComputerSystem=machine) == 32775

    def test_a_version_can_be_named_where_hosts_know_that(self, make_host: MakeHost) -> None:
        client = make_host(version="2025")
        machine = client.define(Version="9.0")

        def to(version: str) -> dict:
            text = settings_text("Msvm_VirtualSystemUpgradeSettingData", TargetVersion=version)
            return {"ComputerSystem": machine, "UpgradeSettingData": text}

        client.do(client.management, "UpgradeSystemVersion", **to("10.0"))
        assert client.system_settings(machine).get("Version") == "10.0"
        assert client.refused(client.management, "UpgradeSystemVersion", **to("9.0")) == 32773
        assert client.refused(client.management, "UpgradeSystemVersion", **to("99.0")) == 32773


def test_saved_memory_counts_among_a_machines_files(client: Client, machine: CimReference) -> None:
    settings = client.system_settings_reference(machine)
    before = client.do(client.management, "GetSizeOfSystemFiles", Vssd=settings)["Size"]
    client.change_state(machine, START)
    client.change_state(machine, SAVE)
    after = client.do(client.management, "GetSizeOfSystemFiles", Vssd=settings)["Size"]
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert after > before


def test_merges_wait_while_they_are_suspended(client: Client, machine: CimReference) -> None:
    client.add_disk(machine, client.create_disk("C:\\web.vhdx"))
    checkpoint = take(client, machine)

    def merging(state: int) -> str:
        return settings_text(
            "Msvm_DiskMergeSettingData", InstanceID=f"Microsoft:{machine.key('Name')}", EnabledState=state
        )

    client.do(client.management, "ModifyDiskMergeSettings", SettingData=merging(0))
    assert client.one("select * from Msvm_DiskMergeSettingData").get("EnabledState") == 0
    client.do(client.snapshots, "DestroySnapshot", AffectedSnapshot=checkpoint)
    assert len(on_disk(client)) == 2

    client.do(client.management, "ModifyDiskMergeSettings", SettingData=merging(1))
    wait_for_merge(client, machine)
    assert on_disk(client) == ["web.vhdx"]
    assert client.refused(client.management, "ModifyDiskMergeSettings", SettingData=merging(2)) == 32773


class TestWorldWideNames:
    def test_names_come_in_pairs_and_only_once(self, make_host: MakeHost) -> None:
        client = make_host()
        first = client.do(client.management, "GenerateWwpn", NumberOfWwpns=2)["GeneratedWwpn"]
        assert first == ["C003FF0000000000", "C003FF0000000001"]
        assert client.do(client.management, "GetCurrentWwpnFromGenerator")["CurrentWwpn"] == "C003FF0000000002"
        client.inside.close()
        client = make_host()
        second = client.do(client.management, "GenerateWwpn", NumberOfWwpns=2)["GeneratedWwpn"]
        assert second == ["C003FF0000000002", "C003FF0000000003"]

    @pytest.mark.parametrize(("count", "code"), [(0, 32773), (3, 32773), (1 << 20, 32768)])
    def test_other_numbers_are_refused(self, client: Client, count: int, code: int) -> None:
        assert client.refused(client.management, "GenerateWwpn", NumberOfWwpns=count) == code


def test_errors_become_one_text(client: Client) -> None:
    errors = [instance_to_text(CimInstance("Msvm_Error", {"Message": text})) for text in ("One.", "Two.")]
    assert client.do(client.management, "FormatError", Errors=errors)["ErrorMessage"] == "One.\nTwo."


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("SetInitialMachineConfigurationData", 32770),
        ("AddFibreChannelChap", 32770),
        ("TestNetworkConnection", 1),
        ("AddSystemComponentSettings", 1),
        ("StopService", 1),
    ],
)
def test_what_a_host_would_do_and_this_one_can_not(client: Client, method: str, code: int) -> None:
    assert client.refused(client.management, method) == code
