"""Windows' own classes as clients on the wire call them: objects as parameters, arrays of objects, bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
import winrm

from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator.host import SimulatedHost
from tests.simulated import Simulate, endpoint_of

SERVER_MANAGER = "root/microsoft/windows/servermanager"
TASKS = CimReference("MSFT_ServerManagerDeploymentTasks", {}, SERVER_MANAGER)
REGISTRY = CimReference("StdRegProv", {}, "root/default")


@pytest.fixture
def host(simulate: Simulate) -> SimulatedHost:
    return simulate(allow_basic=True, allow_unencrypted=True, restart_s=0.1)


@pytest.fixture
def session(host: SimulatedHost) -> Iterator[CimSession]:
    with closing(CimSession(endpoint_of(host))) as opened:
        yield opened


@pytest.mark.parametrize(
    "class_name", ["CIM_ManagedSystemElement", "CIM_StatisticalInformation", "CIM_Setting", "Win32_CurrentTime"]
)
def test_every_instance_of_windows_can_be_written_and_read_back(
    host: SimulatedHost, session: CimSession, class_name: str
) -> None:
    inside = host.service.enumerate("root/cimv2", class_name)
    outside = session.enumerate(class_name, namespace="root/cimv2")
    assert len(outside) == len(inside) > 0
    assert {item.class_name for item in outside} == {item.class_name for item in inside}


def test_a_feature_is_found_and_installed(session: CimSession) -> None:
    guid = CimInstance("MSFT_ServerManagerRequestGuid", {"HighHalf": 1, "LowHalf": 2**63}, SERVER_MANAGER)
    listed = session.invoke(TASKS, "GetServerComponentsAsync", {"RequestGuid": guid})["ServerComponents"]
    assert isinstance(listed, list)
    components = {item.text("UniqueName"): item for item in listed if isinstance(item, CimInstance)}
    descriptor = components["Multipath-IO"]["Descriptor"]
    assert isinstance(descriptor, CimInstance)
    assert descriptor.class_name == "ServerComponent_Multipath_IO"
    added = session.invoke(
        TASKS,
        "AddServerComponentAsync",
        {"RequestGuid": guid, "ScanForUpdates": False, "ServerComponentDescriptors": [descriptor]},
    )
    assert added.return_value == 0
    ended = session.invoke(TASKS, "GetAlterationRequestState", {"RequestGuid": guid})
    state, altered = ended["AlterationState"], ended["ServerComponents"]
    assert isinstance(state, CimInstance)
    assert state.integer("RequestState") == 1
    assert isinstance(altered, list)
    assert [item.get("UniqueName") for item in altered if isinstance(item, CimInstance)] == ["Multipath-IO"]


def test_bytes_and_texts_of_the_registry(session: CimSession) -> None:
    key: dict[str, CimValue] = {"hDefKey": 2147483650, "sSubKeyName": r"SOFTWARE\Contoso"}
    assert session.invoke(REGISTRY, "CreateKey", key).return_value == 0
    session.invoke(REGISTRY, "SetBinaryValue", {**key, "sValueName": "B", "uValue": b"\x00\xff"})
    session.invoke(REGISTRY, "SetMultiStringValue", {**key, "sValueName": "M", "sValue": ["one", "two"]})
    assert session.invoke(REGISTRY, "GetBinaryValue", {**key, "sValueName": "B"})["uValue"] == b"\x00\xff"
    assert session.invoke(REGISTRY, "GetMultiStringValue", {**key, "sValueName": "M"})["sValue"] == ["one", "two"]
    listed = session.invoke(REGISTRY, "EnumValues", key)
    assert (listed["sNames"], listed["Types"]) == (["B", "M"], [3, 7])


def test_a_command_of_a_remote_shell_changes_the_host(host: SimulatedHost, session: CimSession) -> None:
    shell = winrm.Session(f"http://{host.config.address}:5985/wsman", (host.config.username, host.config.password))
    assert shell.run_cmd("net", ["stop", "w32time"]).status_code == 0
    service = session.get(CimReference("Win32_Service", {"Name": "W32Time"}, "root/cimv2"))
    assert service.get("State") == "Stopped"
