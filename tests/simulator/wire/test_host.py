"""A simulated host as tests use it: it starts, answers our own client, misbehaves on demand, and ends."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from compute_hyperv.cim.errors import AccessDenied, CimError
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference
from compute_hyperv.cim.wql import eq, select
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.errors import StartError
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.host import SimulatedHost
from tests.simulated import Simulate, endpoint_of, free_address

HOST = select("Msvm_ComputerSystem").where(eq("Name", "HV1"))


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_our_client_finds_the_host_over_https_and_sealed_http(simulated_host: SimulatedHost, scheme: str) -> None:
    session = CimSession(endpoint_of(simulated_host, scheme=scheme))
    (system,) = session.query(HOST)
    session.close()
    assert system.text("ElementName") == "HV1"


def test_a_wrong_password_is_access_denied(simulated_host: SimulatedHost) -> None:
    session = CimSession(endpoint_of(simulated_host, password="wrong"))
    with pytest.raises(AccessDenied):
        session.query(HOST)
    session.close()


def test_identify_tells_the_windows_version(simulate: Simulate) -> None:
    session = CimSession(endpoint_of(simulate(version="2012r2")))
    assert session.identify().product_version == "OS: 6.3.9600 SP: 0.0 Stack: 3.0"
    session.close()


def test_requests_are_counted_one_for_a_query_that_fits(simulated_host: SimulatedHost, cim_session: CimSession) -> None:
    cim_session.query(HOST)
    simulated_host.requests.clear()
    cim_session.query(HOST)
    assert [str(request.action) for request in simulated_host.requests] == ["enumerate"]
    assert simulated_host.requests.count(class_name="Msvm_ComputerSystem") == len(simulated_host.requests) == 1


def test_hosts_side_by_side_have_their_own_users_and_faults(simulate: Simulate) -> None:
    hosts = [simulate(username=f"op{number}", password=f"secret{number}") for number in (1, 2)]
    hosts[0].faults.add(FaultRule("fault", code=5, times=0))
    sessions = [CimSession(endpoint_of(host)) for host in hosts]
    with pytest.raises(AccessDenied):
        sessions[0].query(HOST)
    assert len(sessions[1].enumerate("Msvm_ComputerSystem")) == 1
    for session in sessions:
        session.close()


def test_faults_of_the_configuration_are_in_force_from_the_start(simulate: Simulate) -> None:
    session = CimSession(endpoint_of(simulate(fault=(FaultRule("fault", code=5, action="enumerate"),))))
    with pytest.raises(AccessDenied):
        session.query(HOST)
    assert len(session.query(HOST)) == 1
    session.close()


def test_latency_is_added_to_each_exchange_and_can_be_changed(
    simulated_host: SimulatedHost, cim_session: CimSession
) -> None:
    cim_session.query(HOST)
    simulated_host.round_trip_ms = 100
    started = time.monotonic()
    cim_session.query(HOST)
    slow = time.monotonic() - started
    simulated_host.round_trip_ms = 0
    assert slow >= 0.1


def test_many_threads_are_served_at_once(simulated_host: SimulatedHost) -> None:
    session = CimSession(endpoint_of(simulated_host, connections=8))
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(session.query(HOST)))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.close()
    assert found == [1] * 16


def test_connections_can_be_cut_and_clients_come_back(simulated_host: SimulatedHost, cim_session: CimSession) -> None:
    cim_session.query(HOST)
    simulated_host.drop_connections()
    assert len(cim_session.query(HOST)) == 1


def test_a_host_can_be_stopped_and_started_again(simulated_host: SimulatedHost, cim_session: CimSession) -> None:
    for _ in range(2):
        simulated_host.stop()
        with pytest.raises(CimError):
            cim_session.identify()
        simulated_host.start()
        assert len(cim_session.query(HOST)) == 1


def test_stopping_does_not_wait_for_a_delayed_request(simulated_host: SimulatedHost, cim_session: CimSession) -> None:
    cim_session.query(HOST)
    simulated_host.faults.add(FaultRule("delay", delay_ms=30_000))
    outcome: list[BaseException] = []

    def ask() -> None:
        try:
            cim_session.put(CimInstance("Msvm_ComputerSystem", {"Name": "HV1"}), CimReference("Msvm_ComputerSystem"))
        except CimError as error:
            outcome.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.2)  # the request is under way; were it not yet, the outcome would be the same
    started = time.monotonic()
    simulated_host.stop()
    assert time.monotonic() - started < 2
    thread.join(10)
    assert outcome


def test_a_port_in_use_leaves_nothing_behind(tmp_path: object, simulate: Simulate) -> None:
    address = free_address()
    with socket.create_server((address, 5986)), pytest.raises(StartError, match=f"{address}:5986 is in use"):
        simulate(address=address)
    with socket.socket() as probe:
        assert probe.connect_ex((address, 5985)) != 0
    assert simulate(address=address).config.address == address


@pytest.mark.skipif(os.geteuid() != 0, reason="port 445 needs root")
def test_files_are_served_where_they_are_asked_for(simulate: Simulate) -> None:
    host = simulate(samba=True)
    socket.create_connection((host.config.address, 445), timeout=5).close()
    host.stop()
    with socket.socket() as probe:
        assert probe.connect_ex((host.config.address, 445)) != 0


def test_the_inside_is_there_only_while_it_runs(simulated_host: SimulatedHost) -> None:
    assert simulated_host.service is simulated_host.inside.service
    simulated_host.stop()
    with pytest.raises(RuntimeError, match="HV1 is not running"):
        _ = simulated_host.inside


def test_defaults_are_those_of_hosts_toml(simulated_host: SimulatedHost) -> None:
    config = simulated_host.config
    assert config == HostConfig(name="HV1", address=config.address, samba=False)
