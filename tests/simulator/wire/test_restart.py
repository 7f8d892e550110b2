"""A host that restarts, and accounts with limited rights, as clients on the wire meet them."""

from __future__ import annotations

import email.utils
import time
import urllib.error
import urllib.request
from contextlib import closing

import pytest

from compute_hyperv.cim.errors import AccessDenied, CimError, NotFound
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference
from compute_hyperv.cim.wql import select
from hyperv_simulator.config.operating_system import AccountConfig
from tests.simulated import Simulate, endpoint_of

CIMV2 = "root/cimv2"
SERVER_MANAGER = "root/microsoft/windows/servermanager"
WINDOWS = CimReference("Win32_OperatingSystem", {}, CIMV2)


def test_a_reboot_is_answered_then_the_host_is_away_and_comes_back_later(simulate: Simulate) -> None:
    host = simulate(restart_s=0.2)
    with closing(CimSession(endpoint_of(host))) as session:
        before = session.get(WINDOWS)["LastBootUpTime"]
        assert session.invoke(WINDOWS, "Reboot").return_value == 0
        host.join_restart()
        deadline = time.monotonic() + 60
        while True:
            try:
                after = session.get(WINDOWS)["LastBootUpTime"]
                break
            except CimError:
                assert time.monotonic() < deadline
    assert after > before  # type: ignore[operator]  # dates


def test_a_fresh_windows_becomes_a_hyper_v_host_in_one_restart(simulate: Simulate) -> None:
    host = simulate(features=(), switch=(), restart_s=0.1)
    tasks = CimReference("MSFT_ServerManagerDeploymentTasks", {}, SERVER_MANAGER)
    guid = CimInstance("MSFT_ServerManagerRequestGuid", {"HighHalf": 1, "LowHalf": 2}, SERVER_MANAGER)
    role = CimInstance("ServerComponent_HyperV", {}, SERVER_MANAGER)
    with closing(CimSession(endpoint_of(host))) as session:
        with pytest.raises(NotFound):
            session.query(select("Msvm_ComputerSystem", ["Name"]))
        added = session.invoke(
            tasks, "AddServerComponentAsync", {"RequestGuid": guid, "ServerComponentDescriptors": [role]}
        )
        state = added["AlterationState"]
        assert isinstance(state, CimInstance)
        assert state.get("RestartRequired") is True
        session.invoke(WINDOWS, "Reboot")
        host.join_restart()
    with closing(CimSession(endpoint_of(host))) as session:
        (system,) = session.query(select("Msvm_ComputerSystem", ["Name"]))
        assert system.get("Name") == "HV1"


def test_a_host_that_is_shut_down_stays_away_until_it_is_started(simulate: Simulate) -> None:
    host = simulate()
    with closing(CimSession(endpoint_of(host))) as session:
        assert session.invoke(WINDOWS, "Shutdown").return_value == 0
    host.join_restart()
    with pytest.raises(RuntimeError):
        _ = host.inside
    host.start()
    with closing(CimSession(endpoint_of(host))) as session:
        assert session.get(WINDOWS).get("BuildNumber") == "20348"


def test_a_host_that_restarts_can_be_stopped_meanwhile(simulate: Simulate) -> None:
    host = simulate(restart_s=600)
    host.reboot()
    host.stop()
    host.join_restart()
    with pytest.raises(RuntimeError):
        _ = host.inside


def test_every_answer_tells_the_hosts_own_date(simulate: Simulate) -> None:
    host = simulate(clock_offset_s=86400)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{host.config.address}:5985/wsman", b"", timeout=30)
    shown = email.utils.parsedate_to_datetime(refused.value.headers["Date"]).timestamp()
    assert abs(shown - time.time() - 86400) < 600
    host.jump_clock(-86400)
    assert abs(host.clock.offset_s) < 1


def test_an_account_gets_what_its_groups_allow(simulate: Simulate) -> None:
    accounts = (AccountConfig("reader", "r"), AccountConfig("stranger", "s", ("Users",)))
    host = simulate(account=accounts)
    with closing(CimSession(endpoint_of(host, username="reader", password="r"))) as session:
        assert session.get(WINDOWS).get("BuildNumber") == "20348"
        with pytest.raises(AccessDenied):
            session.invoke(WINDOWS, "Reboot")
        with pytest.raises(AccessDenied):
            session.query(select("Msvm_ComputerSystem", ["Name"]))
    with (
        closing(CimSession(endpoint_of(host, username="stranger", password="s"))) as session,
        pytest.raises(AccessDenied),
    ):
        session.get(WINDOWS)
