"""What a simulated host says of itself."""

from __future__ import annotations

import datetime as dt

import pytest

from compute_hyperv.cim.errors import InvalidRequest
from compute_hyperv.cim.values import CimInstance
from compute_hyperv.cim.wql import Query
from compute_hyperv.host import vitals
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.model import DiskTraffic, Memory, NicTraffic, Processor, Switch
from compute_hyperv.host.services import machine_reference, service
from compute_hyperv.host.switches import Switches
from hyperv_simulator.host import SimulatedHost
from tests.host.conftest import FileServer, client_of
from tests.host.specs import ROOT, generation_2
from tests.simulated import Simulate


def test_the_host_is_read_once(host: HyperVHost) -> None:
    first = host.inventory.host_info()
    before = host.cim.requests
    assert host.inventory.host_info() is first
    assert host.cim.requests == before


@pytest.mark.parametrize(
    ("version", "number"),
    [
        ("2012r2", (6, 3, 9600)),
        ("2016", (10, 0, 14393)),
        ("2019", (10, 0, 17763)),
        ("2022", (10, 0, 20348)),
        ("2025", (10, 0, 26100)),
    ],
)
def test_every_version_is_recognised(simulate: Simulate, version: str, number: tuple[int, int, int]) -> None:
    with client_of(simulate(version=version)) as host:
        assert host.inventory.host_info().version == number


def test_processors_memory_and_numa_are_the_hosts(simulate: Simulate) -> None:
    simulator = simulate(name="hv7", sockets=2, cores=12, threads=24, memory_mb=65536, numa_nodes=2)
    with client_of(simulator) as host:
        info = host.inventory.host_info()
    assert info.name.lower() == "hv7"
    assert (info.sockets, info.cores_per_socket, info.logical_processors) == (2, 6, 24)
    assert info.memory_mb == 65536
    assert [node.number for node in info.numa_nodes] == [0, 1]
    assert [node.processors for node in info.numa_nodes] == [tuple(range(12)), tuple(range(12, 24))]
    assert [node.memory_mb for node in info.numa_nodes] == [32768, 32768]
    assert info.booted_at < dt.datetime.now(dt.UTC)


def test_no_processor_is_reached_through_the_associators_of_a_node(simulate: Simulate) -> None:
    """That crashes vmms on real hosts."""
    simulator = simulate()
    with client_of(simulator) as host:
        host.inventory.host_info()
    assert not [request for request in simulator.requests if "ASSOCIATORS" in request.query]


def test_only_machines_that_run_use_something(host: HyperVHost) -> None:
    bare = {"drives": (), "nics": (), "boot_order": (), "serial_ports": ()}
    usage_before = host.inventory.usage()
    free_before, consumable_before = usage_before.free_memory_mb, usage_before.consumable_memory_mb
    for number in range(3):
        machine_id = host.machines.create(
            generation_2(name=f"m{number}", memory=Memory(1024, 1024, 1024), processor=Processor(2), **bare)
        )
        if number:
            host.machines.start(machine_id)
        if number == 2:
            host.machines.save(machine_id)
    before = host.cim.requests
    usage = host.inventory.usage()
    assert host.cim.requests - before == 3
    assert (len(usage.machines), usage.processors_assigned, usage.memory_assigned_mb) == (3, 2, 1024)
    assert usage.free_memory_mb == free_before - 1024
    assert usage.consumable_memory_mb == consumable_before - 1024


def test_a_machine_is_told_by_its_notes(host: HyperVHost) -> None:
    bare = {"drives": (), "nics": (), "boot_order": (), "serial_ports": ()}
    host.machines.create(generation_2(name="m", notes=("first", "second"), **bare))
    (machine,) = host.inventory.usage().machines
    assert machine.notes == ("first", "second")


def test_a_running_machine_tells_how_it_does(host: HyperVHost) -> None:
    bare = {"drives": (), "nics": (), "boot_order": (), "serial_ports": ()}
    machine_id = host.machines.create(generation_2(memory=Memory(1024, 1024, 1024), processor=Processor(2), **bare))
    host.machines.start(machine_id)
    before = host.cim.requests
    vitals = host.vitals.of(machine_id)
    assert host.cim.requests - before == 2
    assert (len(vitals.processor_loads), vitals.memory_mb) == (2, 1024)
    assert vitals.uptime_s is not None


def test_a_disk_tells_its_traffic_while_its_metrics_are_on(host: HyperVHost) -> None:
    machine_id = host.machines.create(generation_2())
    paths = set(host.vitals.disk_traffic(machine_id))
    assert set(host.vitals.disk_traffic(machine_id).values()) == {None}
    host.machines.start(machine_id)
    host.cim.invoke(
        service("Msvm_MetricService"),
        "ControlMetrics",
        {"Subject": machine_reference(machine_id), "MetricCollectionEnabled": 2},
    )
    traffic = host.vitals.disk_traffic(machine_id)
    assert set(traffic) == paths == {ROOT}
    assert traffic[ROOT] == DiskTraffic(read_bytes=0, written_bytes=0, operations=0)


def test_an_adapter_tells_its_traffic_while_its_machine_runs(host: HyperVHost, monkeypatch: pytest.MonkeyPatch) -> None:
    machine_id = host.machines.create(generation_2())
    addresses = {nic.mac_address for nic in host.machines.nics(machine_id)}
    assert host.vitals.nic_traffic(machine_id) == dict.fromkeys(addresses)
    host.machines.start(machine_id)
    before = host.cim.requests
    assert host.vitals.nic_traffic(machine_id) == dict.fromkeys(addresses, NicTraffic(0, 0, 0, 0, 0, 0))
    assert host.cim.requests - before == 2

    query = host.cim.query

    def busy(asked: Query, **more: str) -> list[CimInstance]:
        """As a guest that does something would be counted: simulated traffic is not."""
        rows = query(asked, **more)
        counted = {
            "BytesReceivedPersec": 1,
            "PacketsReceivedPersec": 2,
            "DroppedPacketsIncomingPersec": 3,
            "BytesSentPersec": 4,
            "PacketsSentPersec": 5,
            "DroppedPacketsOutgoingPersec": 6,
        }
        for row in rows if "NvspNicStats" in asked.class_name else ():
            assert counted.keys() <= dict(row.items()).keys()
            for counter, value in counted.items():
                row[counter] = value
        return rows

    monkeypatch.setattr(host.cim, "query", busy)
    assert host.vitals.nic_traffic(machine_id) == dict.fromkeys(addresses, NicTraffic(1, 2, 3, 4, 5, 6))


def test_a_host_that_has_lost_its_counters_tells_no_traffic(host: HyperVHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vitals, "_NIC_COUNTERS", "Win32_PerfRawData_Lost")
    machine_id = host.machines.create(generation_2())
    assert set(host.vitals.nic_traffic(machine_id).values()) == {None}


def test_a_host_that_was_started_anew_is_read_anew(host: HyperVHost, monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = host.inventory
    first = inventory.host_info()
    before = host.cim.requests
    inventory._notice_restart(first.booted_at + dt.timedelta(seconds=2))  # clocks are not that exact
    inventory.host_info()
    assert host.cim.requests == before
    inventory._notice_restart(first.booted_at + dt.timedelta(hours=1))
    inventory.host_info()
    assert host.cim.requests > before


def test_switches_are_listed_with_their_kind(host: HyperVHost) -> None:
    switches = host.switches.list()
    assert {(switch.name, switch.external) for switch in switches} == {("external", True), ("inside", False)}
    found = host.switches.find("EXTERNAL")
    assert isinstance(found, Switch)
    assert found in switches
    assert host.switches.find("none such") is None


def test_a_known_switch_is_not_asked_for_again_until_forgotten(host: HyperVHost) -> None:
    switches: Switches = host.switches
    switch_id = switches.id_of("external")
    before = host.cim.requests
    assert switches.id_of("External") == switch_id
    assert host.cim.requests == before
    switches.forget()
    assert switches.id_of("external") == switch_id
    assert host.cim.requests > before


def test_a_switch_that_is_not_there_names_the_option_to_correct(host: HyperVHost) -> None:
    with pytest.raises(InvalidRequest, match="physical_network_vswitch_mappings"):
        host.switches.id_of("none such")


def test_space_is_that_of_the_nearest_folder_that_exists(simulate: Simulate) -> None:
    simulator: SimulatedHost = simulate(samba=True)
    with client_of(simulator) as host:
        root = host.inventory.volume_space("C:\\")
        assert root.total_bytes >= root.free_bytes > 0
        assert host.inventory.volume_space(r"C:\OpenStack\not\yet\there").total_bytes == root.total_bytes
        share = rf"\\{simulator.config.address}\C$\OpenStack"
        assert host.inventory.volume_space(share).total_bytes == root.total_bytes


def test_a_host_serves_everything_together(simulate: Simulate) -> None:
    simulator = simulate(samba=True)
    with client_of(simulator) as host:
        host.files.make_folder(r"C:\OpenStack\Instances\instance-00000001")
        spec = generation_2(drives=(), boot_order=())
        machine_id = host.machines.create(spec)
        host.machines.start(machine_id)
        with host.pipes.open(spec.serial_ports[0].pipe) as console:
            assert console.read(0) == b""
        host.machines.destroy(machine_id)
        host.files.delete_tree(r"C:\OpenStack")


def test_the_file_server_of_a_share_is_reached_with_the_hosts_credentials(file_server: FileServer) -> None:
    from compute_hyperv.host.files import Files
    from compute_hyperv.host.smb.endpoint import SmbEndpoint
    from compute_hyperv.host.smb.pool import SmbPool

    elsewhere = SmbEndpoint("hv1.invalid", username=file_server.config.username, password=file_server.config.password)
    pool = SmbPool(elsewhere)
    files = Files(pool)
    files.write(rf"\\{file_server.config.address}\C$\shared.txt", b"1")
    assert files.read(rf"\\{file_server.config.address}\C$\shared.txt") == b"1"
    pool.close()
