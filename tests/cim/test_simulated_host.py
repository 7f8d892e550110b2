"""The session against a simulated host: our client and our server agree, through real HTTP, NTLM and TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from compute_hyperv.cim import errors, wql
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.host import SimulatedHost
from tests.simulated import endpoint_of, simulating

SERVICE = CimReference(
    "Msvm_VirtualSystemManagementService", {"CreationClassName": "Msvm_VirtualSystemManagementService"}
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedHost]:
    with simulating(tmp_path_factory.mktemp("simulator")) as simulate:
        yield simulate()


@pytest.fixture
def cim(host: SimulatedHost) -> Iterator[CimSession]:
    session = CimSession(endpoint_of(host))
    yield session
    session.close()
    host.faults.clear()


def define(cim: CimSession, name: str) -> CimReference:
    settings = CimInstance("Msvm_VirtualSystemSettingData", {"ElementName": name})
    result = cim.invoke(SERVICE, "DefineSystem", {"SystemSettings": settings, "ResourceSettings": []})
    assert result.return_value in (0, 4096)
    machine = result.reference("ResultingSystem")
    assert machine is not None
    return machine


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_host_says_who_it_is(host: SimulatedHost, scheme: str) -> None:
    cim = CimSession(endpoint_of(host, scheme=scheme))
    assert "10.0.20348" in cim.identify().product_version
    assert cim.requests == 1
    cim.close()


def test_a_machine_is_defined_found_followed_and_destroyed(cim: CimSession) -> None:
    machine = define(cim, 'it\'s \\ "quoted" <&> ä')
    found = cim.query(wql.select("Msvm_ComputerSystem").where(wql.eq("ElementName", 'it\'s \\ "quoted" <&> ä')))
    assert [item["Name"] for item in found] == [machine.key("Name")]
    assert cim.get(machine) == found[0]

    (settings,) = cim.associators(
        machine, assoc_class="Msvm_SettingsDefineState", result_class="Msvm_VirtualSystemSettingData"
    )
    assert settings["ElementName"] == found[0]["ElementName"]
    query = wql.associators_of(machine, result_class="Msvm_VirtualSystemSettingData")
    (reference,) = cim.query_references(query)
    summary = cim.invoke(SERVICE, "GetSummaryInformation", {"SettingData": [reference], "RequestedInformation": [0, 1]})
    (only,) = summary.outputs["SummaryInformation"] or []  # type: ignore[misc,union-attr]
    assert isinstance(only, CimInstance)
    assert only["Name"] == machine.key("Name")

    assert cim.invoke(SERVICE, "DestroySystem", {"AffectedSystem": machine}).return_value in (0, 4096)


def test_a_projected_query_brings_only_what_was_asked_for(cim: CimSession) -> None:
    query = wql.select("Msvm_ComputerSystem", ["Name", "EnabledState"])
    for instance in cim.query(query):
        assert sorted(instance) == ["EnabledState", "Name"]
        assert isinstance(instance["EnabledState"], int)


def test_what_does_not_fit_into_one_answer_comes_in_several(host: SimulatedHost, cim: CimSession) -> None:
    small = CimSession(endpoint_of(host, max_envelope_kb=16))
    everything = cim.enumerate("CIM_ManagedElement")
    in_parts = small.enumerate("CIM_ManagedElement")
    assert small.requests > cim.requests
    assert sorted(map(repr, in_parts)) == sorted(map(repr, everything))
    small.close()


def test_the_state_of_a_class_in_another_namespace_is_read(cim: CimSession) -> None:
    (system,) = cim.query(wql.select("Win32_OperatingSystem"), namespace="root/cimv2")
    assert system["Caption"] == "Microsoft Windows Server 2022 Datacenter"
    assert cim.get(CimReference("Win32_OperatingSystem", {}, "root/cimv2"))["Caption"] == system["Caption"]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (lambda cim: cim.get(CimReference("Msvm_ConcreteJob", {"InstanceID": "none"})), errors.NotFound),
        (lambda cim: cim.enumerate("Msvm_Nothing"), errors.NotFound),
        (lambda cim: cim.query(wql.select("Msvm_Nothing")), errors.NotFound),
        (lambda cim: cim.enumerate("X", namespace="root/nowhere"), errors.NotFound),
        (lambda cim: cim.query(wql.select("Msvm_ComputerSystem").where(wql.eq("Colour", 1))), errors.InvalidRequest),
    ],
)
def test_what_is_not_there_has_its_error(
    cim: CimSession, operation: Callable[[CimSession], object], expected: type[errors.CimError]
) -> None:
    with pytest.raises(expected):
        operation(cim)


def test_a_wrong_password_is_access_denied(host: SimulatedHost) -> None:
    for scheme in ("http", "https"):
        cim = CimSession(endpoint_of(host, scheme=scheme, password="wrong"))
        with pytest.raises(errors.AccessDenied, match="Check user name and password"):
            cim.identify()


@pytest.mark.parametrize("effect", ["drop-before", "drop-after", "http-status"])
def test_a_read_survives_each_accident(host: SimulatedHost, cim: CimSession, effect: str) -> None:
    host.faults.add(FaultRule(effect, action="enumerate"))  # type: ignore[arg-type]
    assert cim.query(wql.select("Win32_OperatingSystem"), namespace="root/cimv2")
    assert cim.requests == 2


def test_a_query_survives_an_accident_between_two_batches(host: SimulatedHost) -> None:
    cim = CimSession(endpoint_of(host, max_envelope_kb=16))
    undisturbed = cim.enumerate("CIM_ManagedElement")
    host.faults.add(FaultRule("drop-after", action="pull"))
    assert len(cim.enumerate("CIM_ManagedElement")) == len(undisturbed)
    host.faults.clear()
    cim.close()


@pytest.mark.parametrize("effect", ["drop-before", "drop-after"])
def test_a_change_is_not_repeated_and_can_be_looked_for(host: SimulatedHost, cim: CimSession, effect: str) -> None:
    host.faults.add(FaultRule(effect, method="DefineSystem"))  # type: ignore[arg-type]
    name = f"after {effect}"
    with pytest.raises(errors.Unreachable, match=r"Msvm_VirtualSystemManagementService\.DefineSystem on"):
        define(cim, name)
    found = cim.query(wql.select("Msvm_ComputerSystem").where(wql.eq("ElementName", name)))
    assert len(found) == (1 if effect == "drop-after" else 0)


def test_a_quota_is_waited_for(host: SimulatedHost, cim: CimSession) -> None:
    host.faults.add(FaultRule("fault", method="DefineSystem", code=2150858815))
    assert define(cim, "patient")
    assert cim.requests == 2


def test_a_restart_of_the_host_costs_nothing_but_time(host: SimulatedHost) -> None:
    for scheme in ("http", "https"):
        cim = CimSession(endpoint_of(host, scheme=scheme))
        cim.identify()
        host.stop()
        with pytest.raises(errors.Unreachable):
            cim.identify()
        host.start()
        cim.identify()
        cim.close()


def test_references_come_as_references(cim: CimSession) -> None:
    (service,) = cim.query_references(wql.select("Msvm_VirtualSystemManagementService"))
    assert set(service.keys) == {"CreationClassName", "Name", "SystemCreationClassName", "SystemName"}
