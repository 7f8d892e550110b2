"""What a host keeps over a restart, and what many clients at once do to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from compute_hyperv.cim.values import CimInstance, CimReference
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.conftest import MakeHost

RUNNING, OFF, SAVED = 2, 3, 6
START, SAVE = 2, 6
MIGRATION = "Msvm_VirtualSystemMigrationService"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class TestRestart:
    def test_machines_come_back_with_all_their_settings(self, make_host: MakeHost) -> None:
        client = make_host()
        machine = client.define("web", Notes=["a", "b"])
        client.add_disk(machine, client.create_disk("C:\\web.vhdx"))
        client.connect(machine, client.add_nic(machine))

        def picture(client: Client) -> list[CimInstance]:
            found = client.query(
                f"select * from CIM_SettingData where InstanceID like 'Microsoft:{machine.key('Name')}%'"
            )
            return sorted(found, key=lambda item: item.text("InstanceID"))

        before = picture(client)
        client.inside.close()
        client = make_host()
        assert picture(client) == before
        assert client.service.get(machine).get("ElementName") == "web"

    @pytest.mark.parametrize(("action", "state"), [(2, OFF), (3, RUNNING), (4, RUNNING)])
    def test_a_machine_that_ran_comes_back_as_its_startup_action_says(
        self, make_host: MakeHost, action: int, state: int
    ) -> None:
        client = make_host()
        machine = client.define(AutomaticStartupAction=action)
        client.change_state(machine, START)
        client.inside.close()
        client = make_host()
        wait_for(lambda: client.state(machine) == state)

    def test_a_machine_that_was_off_stays_off_unless_it_always_starts(self, make_host: MakeHost) -> None:
        client = make_host()
        kept, always = client.define("kept", AutomaticStartupAction=3), client.define("up", AutomaticStartupAction=4)
        client.inside.close()
        client = make_host()
        wait_for(lambda: client.state(always) == RUNNING)
        assert client.state(kept) == OFF

    def test_a_saved_machine_stays_saved_and_goes_on(self, make_host: MakeHost) -> None:
        client = make_host()
        machine = client.define(AutomaticStartupAction=2)
        client.change_state(machine, START)
        client.change_state(machine, SAVE)
        client.inside.close()
        client = make_host()
        assert client.state(machine) == SAVED
        client.change_state(machine, START)
        assert client.state(machine) == RUNNING

    def test_a_destroyed_machine_does_not_come_back(self, make_host: MakeHost) -> None:
        client = make_host()
        machine = client.define()
        time.sleep(0.5)  # so that it has been written
        client.do(client.management, "DestroySystem", AffectedSystem=machine)
        client.inside.close()
        assert len(make_host().query("select * from Msvm_ComputerSystem")) == 1

    def test_switches_keep_their_ids(self, make_host: MakeHost) -> None:
        client = make_host()
        text = settings_text("Msvm_VirtualEthernetSwitchSettingData", ElementName="inner")
        client.do(client.switching, "DefineSystem", SystemSettings=text)

        def switches(client: Client) -> dict[object, object]:
            return {
                i.get("ElementName"): i.get("Name") for i in client.query("select * from Msvm_VirtualEthernetSwitch")
            }

        before = switches(client)
        client.inside.close()
        assert switches(make_host()) == before

    def test_what_was_set_for_services_stays_set(self, make_host: MakeHost) -> None:
        client = make_host()
        client.do(
            client.management,
            "ModifyServiceSettings",
            SettingData=settings_text("Msvm_VirtualSystemManagementServiceSettingData", NumaSpanningEnabled=False),
        )
        client.do(
            client.service_reference(MIGRATION),
            "ModifyServiceSettings",
            ServiceSettingData=settings_text(
                "Msvm_VirtualSystemMigrationServiceSettingData", MaximumActiveVirtualSystemMigration=5
            ),
        )
        network = settings_text(
            "Msvm_VirtualSystemMigrationNetworkSettingData", SubnetNumber="10.1.0.0", PrefixLength=16
        )
        client.do(client.service_reference(MIGRATION), "AddNetworkSettings", NetworkSettings=[network])

        client.inside.close()
        client = make_host()

        (found,) = client.query("select * from Msvm_VirtualSystemManagementServiceSettingData")
        assert found.get("NumaSpanningEnabled") is False
        (found,) = client.query("select * from Msvm_VirtualSystemMigrationServiceSettingData")
        assert found.get("MaximumActiveVirtualSystemMigration") == 5
        networks = client.query("select * from Msvm_VirtualSystemMigrationNetworkSettingData")
        assert "10.1.0.0" in [item.get("SubnetNumber") for item in networks]

    def test_a_file_that_is_damaged_costs_one_machine_not_the_host(self, make_host: MakeHost) -> None:
        client = make_host()
        client.define("good")
        client.inside.close()
        (client.inside.state_folder / "machines" / "broken.json").write_text('{"state": 3')
        assert len(make_host().query("select * from Msvm_ComputerSystem")) == 2


class TestManyAtOnce:
    def test_twenty_clients_make_start_and_destroy_machines_side_by_side(self, client: Client) -> None:
        def live(number: int) -> None:
            path = client.create_disk(f"C:\\disk{number}.vhdx")
            machine = client.define(f"machine{number}")
            client.add_disk(machine, path)
            client.connect(machine, client.add_nic(machine))
            client.change_state(machine, START)
            assert client.query("select Name, EnabledState from Msvm_ComputerSystem")
            assert client.query(f"associators of {{{client.path(machine)}}}")
            client.change_state(machine, OFF)
            client.do(client.management, "DestroySystem", AffectedSystem=machine)

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(live, range(20)))
        assert len(client.query("select * from Msvm_ComputerSystem")) == 1
        assert client.inside.memory.free_mb == 65536 - 2048

    def test_of_two_starts_at_once_one_is_refused(self, client: Client, machine: CimReference) -> None:
        barrier = threading.Barrier(8)

        def start() -> object:
            barrier.wait()
            return client.call(machine, "RequestStateChange", RequestedState=START)["ReturnValue"]

        with ThreadPoolExecutor(8) as pool:
            codes = sorted(str(code) for code in pool.map(lambda _: start(), range(8)))
        assert codes == ["32775"] * 7 + ["4096"]

    def test_a_thousand_machines_are_listed_in_one_quick_query(self, client: Client) -> None:
        began = time.monotonic()
        for number in range(1000):
            client.define(f"machine{number}")
        made_in = time.monotonic() - began
        began = time.monotonic()
        found = client.query("select * from Msvm_ComputerSystem")
        listed_in = time.monotonic() - began
        assert len(found) == 1001
        began = time.monotonic()
        target = client.service.reference_of(found[500])
        assert len(client.settings(target, "CIM_ResourceAllocationSettingData")) >= 14
        looked_up_in = time.monotonic() - began
        # Generous, for a machine that is busy with other tests: what must not happen is n squared.
        assert made_in < 20
        assert listed_in < 2
        assert looked_up_in < 0.2
