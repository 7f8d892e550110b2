"""The same host through its listener: what only shows once instances become XML and come back."""

from __future__ import annotations

import pytest

from compute_hyperv.cim import wql
from compute_hyperv.cim.cimxml import instance_to_text
from compute_hyperv.cim.errors import InvalidRequest, NotFound
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.host import SimulatedHost

MANAGEMENT = CimReference(
    "Msvm_VirtualSystemManagementService", {"CreationClassName": "Msvm_VirtualSystemManagementService"}
)


def define(session: CimSession, name: str) -> CimReference:
    text = instance_to_text(CimInstance("Msvm_VirtualSystemSettingData", {"ElementName": name}))
    machine = session.invoke(MANAGEMENT, "DefineSystem", {"SystemSettings": text}).reference("ResultingSystem")
    assert machine is not None
    return machine


def test_every_instance_of_hyper_v_can_be_written_and_read_back(
    cim_session: CimSession, simulated_host: SimulatedHost
) -> None:
    machine = define(cim_session, "machine")
    cim_session.invoke(machine, "RequestStateChange", {"RequestedState": 2})
    inside = simulated_host.service.enumerate("root/virtualization/v2", "CIM_ManagedElement")
    outside = cim_session.enumerate("CIM_ManagedElement")
    assert len(outside) == len(inside) > 200
    by_address = {simulated_host.service.reference_of(item): item for item in inside}
    for item in outside:
        original = by_address[simulated_host.service.reference_of(item)]
        # NULL and empty arrays have no element on the wire (real-instances 6)
        expected = {name for name, value in original.items() if value is not None and value != []}
        assert expected <= {name for name, value in item.items() if value is not None}


@pytest.mark.parametrize(
    "class_name",
    ["Win32_OperatingSystem", "Win32_ComputerSystem", "Win32_Processor", "Win32_LogicalDisk", "Win32_Service"],
)
def test_windows_own_instances_as_well(cim_session: CimSession, class_name: str) -> None:
    assert cim_session.enumerate(class_name, namespace="root/cimv2")


def test_associations_carry_their_references(cim_session: CimSession) -> None:
    machine = define(cim_session, "machine")
    (link,) = cim_session.query(wql.references_of(machine, result_class="Msvm_SettingsDefineState"))
    assert link.get("ManagedElement") == machine
    (settings,) = cim_session.associators(machine, assoc_class="Msvm_SettingsDefineState")
    assert settings.get("ElementName") == "machine"


def test_references_are_whole_even_of_what_a_projection_left(cim_session: CimSession) -> None:
    machine = define(cim_session, "machine")
    query = wql.select("Msvm_ComputerSystem", ["EnabledState"]).where(wql.eq("ElementName", "machine"))
    assert cim_session.query_references(query) == [machine]


def test_summaries_arrive_as_objects(cim_session: CimSession) -> None:
    define(cim_session, "machine")
    result = cim_session.invoke(MANAGEMENT, "GetSummaryInformation", {"RequestedInformation": [0, 1, 4, 100]})
    (summary,) = result.outputs["SummaryInformation"]  # type: ignore[misc]
    assert isinstance(summary, CimInstance)
    assert (summary.get("ElementName"), summary.get("EnabledState")) == ("machine", 3)


def test_faults_become_the_clients_errors(cim_session: CimSession) -> None:
    with pytest.raises(NotFound):
        cim_session.get(CimReference("Msvm_ConcreteJob", {"InstanceID": "gone"}))
    with pytest.raises(InvalidRequest):
        cim_session.get(CimReference("Msvm_ComputerSystem"))
