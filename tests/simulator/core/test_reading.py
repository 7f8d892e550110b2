"""Reading a host: Get, Enumerate and queries, and the faults that WMI gives (wsman-cim 5 to 7)."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.values import CimReference
from tests.simulator.core.client import Client
from tests.simulator.core.conftest import MakeHost

V2 = "root/virtualization/v2"


def fault_of(excinfo: pytest.ExceptionInfo[SoapFault]) -> tuple[str, int | None]:
    return excinfo.value.subcode, excinfo.value.innermost_code


class TestGet:
    def test_a_part_of_the_keys_is_enough_where_it_names_one_instance(self, client: Client) -> None:
        # libvirt and go-wsman send only CreationClassName for services (wsman-cim 6)
        found = client.service.get(client.management)
        assert found.get("Name") == "vmms"

    def test_selectors_ignore_letter_case(self, client: Client, machine: CimReference) -> None:
        found = client.service.get(
            CimReference(
                "msvm_computersystem", {"creationclassname": "MSVM_ComputerSystem", "name": machine.key("Name").lower()}
            )
        )
        assert found.get("ElementName") == "machine"

    def test_keys_that_fit_several_instances_are_ambiguous(self, client: Client, machine: CimReference) -> None:
        with pytest.raises(SoapFault) as excinfo:
            client.service.get(CimReference("Msvm_ComputerSystem", {"CreationClassName": "Msvm_ComputerSystem"}))
        assert excinfo.value.subcode == "w:InvalidSelectors"
        assert excinfo.value.fault_detail == "AmbiguousSelectors"

    def test_no_keys_are_insufficient(self, client: Client) -> None:
        with pytest.raises(SoapFault) as excinfo:
            client.service.get(CimReference("Msvm_ComputerSystem"))
        assert excinfo.value.fault_detail == "InsufficientSelectors"

    def test_a_selector_that_is_no_key_is_refused(self, client: Client) -> None:
        with pytest.raises(SoapFault) as excinfo:
            client.service.get(CimReference("Msvm_ComputerSystem", {"ElementName": "HV1"}))
        assert excinfo.value.fault_detail == "UnexpectedSelectors"

    def test_a_missing_instance_is_an_unreachable_destination(self, client: Client) -> None:
        # so is a job that has expired (wsman-cim 5)
        with pytest.raises(SoapFault) as excinfo:
            client.service.get(CimReference("Msvm_ConcreteJob", {"InstanceID": "gone"}))
        assert fault_of(excinfo) == ("a:DestinationUnreachable", 0x80041002)

    def test_a_class_that_the_host_lacks_is_an_unreachable_destination(self, client: Client) -> None:
        with pytest.raises(SoapFault) as excinfo:
            client.service.get(CimReference("Msvm_NoSuchThing", {"InstanceID": "x"}))
        assert fault_of(excinfo) == ("a:DestinationUnreachable", 0x80041010)

    def test_a_singleton_needs_no_keys(self, client: Client) -> None:
        found = client.service.get(CimReference("Win32_OperatingSystem", {}, "root/cimv2"))
        assert found.get("Version") == "10.0.20348"


class TestEnumerate:
    def test_every_property_of_the_class_is_there_in_alphabetical_order(
        self, client: Client, machine: CimReference
    ) -> None:
        # real-instances 6: alphabetical, NULL where nothing is set
        (found,) = [item for item in client.service.enumerate(V2, "Msvm_ComputerSystem") if item.get("Name") != "HV1"]
        names = list(found)
        assert names == sorted(names, key=str.lower)
        assert "LastSuccessfulBackupTime" in found
        assert found.get("LastSuccessfulBackupTime") is None

    def test_a_base_class_gives_the_instances_of_derived_ones(self, client: Client, machine: CimReference) -> None:
        classes = {item.class_name for item in client.service.enumerate(V2, "CIM_ComputerSystem")}
        assert classes == {"Msvm_ComputerSystem", "Msvm_VirtualEthernetSwitch"}

    def test_the_order_stays_the_same(self, client: Client) -> None:
        for number in range(5):
            client.define(f"machine{number}")
        first = [item.get("ElementName") for item in client.service.enumerate(V2, "Msvm_ComputerSystem")]
        assert first == ["HV1", *(f"machine{number}" for number in range(5))]
        assert [item.get("ElementName") for item in client.service.enumerate(V2, "Msvm_ComputerSystem")] == first

    def test_a_class_that_a_host_can_have_none_of_is_empty(self, client: Client) -> None:
        assert client.service.enumerate(V2, "Msvm_StorageJob") == []
        assert client.service.enumerate(V2, "Msvm_PartitionableGpu") == []

    def test_a_class_that_nobody_serves_is_not_answered_with_emptiness(self, client: Client) -> None:
        with pytest.raises(SoapFault) as excinfo:
            client.service.enumerate("root/cimv2", "Win32_CacheMemory")
        assert excinfo.value.innermost_code == 0x80041024

    def test_an_unknown_namespace_is_unreachable(self, client: Client) -> None:
        with pytest.raises(SoapFault) as excinfo:
            client.service.enumerate("root/nonsense", "Msvm_ComputerSystem")
        assert fault_of(excinfo) == ("a:DestinationUnreachable", 0x8004100E)


class TestQueries:
    def test_a_projection_holds_only_what_was_selected(self, client: Client) -> None:
        found = client.one("select elementname, Name from Msvm_ComputerSystem")
        assert dict(found.items()) == {"ElementName": "HV1", "Name": "HV1"}

    def test_a_projected_instance_still_knows_its_address(self, client: Client) -> None:
        found = client.one("select EnabledState from Msvm_ComputerSystem")
        assert client.service.reference_of(found).key("Name") == "HV1"

    def test_conditions_may_read_computed_properties(self, client: Client, machine: CimReference) -> None:
        client.change_state(machine, 2)
        assert client.query("select * from Msvm_ComputerSystem where OnTimeInMilliseconds >= 0")
        assert not client.query("select * from Msvm_ComputerSystem where OnTimeInMilliseconds > 3600000")

    def test_settings_of_a_machine_are_found_by_a_prefix_of_their_id(
        self, client: Client, machine: CimReference
    ) -> None:
        client.define("other")
        # the way os-win finds them (old-driver 8)
        found = client.settings(machine, "Msvm_ProcessorSettingData")
        assert [item.get("VirtualQuantity") for item in found] == [1]

    @pytest.mark.parametrize(
        "text",
        [
            "selekt * from Msvm_ComputerSystem",
            "select * from Msvm_ComputerSystem where Nonsense = 1",
            "select Nonsense from Msvm_ComputerSystem",
        ],
    )
    def test_an_invalid_query_cannot_be_processed(self, client: Client, text: str) -> None:
        with pytest.raises(SoapFault) as excinfo:
            client.query(text)
        assert fault_of(excinfo) == ("n:CannotProcessFilter", 0x80041017)

    def test_a_class_in_a_query_that_the_host_lacks_has_its_own_code(self, client: Client) -> None:
        # recorded on a host: wsman-cim 7
        with pytest.raises(SoapFault) as excinfo:
            client.query("select * from Msvm_NoSuchThing")
        assert fault_of(excinfo) == ("n:CannotProcessFilter", 0x80041010)
        assert excinfo.value.wsman_code == 2150858778


class TestVersions:
    def test_a_property_that_a_release_lacks_is_absent(self, make_host: MakeHost) -> None:
        for version, present in (("2012r2", False), ("2019", False), ("2022", True), ("2025", True)):
            client = make_host(f"h{version}", version=version)
            settings = client.system_settings(client.define())
            assert ("GuestStateIsolationEnabled" in settings) is present
            assert ("UserSnapshotType" in settings) is (version != "2012r2")

    def test_serial_ports_are_plain_allocations_on_2012_r2(self, make_host: MakeHost) -> None:
        client = make_host("old", version="2012r2")
        machine = client.define(generation=1)
        assert len(client.settings(machine, "Msvm_ResourceAllocationSettingData", "Serial Port")) == 2
        with pytest.raises(SoapFault):
            client.query("select * from Msvm_SerialPortSettingData")

    @pytest.mark.parametrize(
        ("version", "configuration"),
        [("2012r2", "5.0"), ("2016", "8.0"), ("2019", "9.0"), ("2022", "10.0"), ("2025", "12.0")],
    )
    def test_new_machines_have_the_configuration_version_of_the_release(
        self, make_host: MakeHost, version: str, configuration: str
    ) -> None:
        client = make_host("h", version=version)
        assert client.system_settings(client.define()).get("Version") == configuration


class TestMethods:
    def test_a_method_that_the_class_lacks_is_not_available(self, client: Client) -> None:
        with pytest.raises(SoapFault) as excinfo:
            client.call(client.management, "Nonsense")
        assert fault_of(excinfo) == ("a:ActionNotSupported", 0x8004102E)

    def test_a_method_that_nobody_implements_is_never_a_success(self, client: Client, machine: CimReference) -> None:
        with pytest.raises(SoapFault) as excinfo:
            client.call(machine, "SetPowerState", PowerState=1)
        assert excinfo.value.innermost_code == 0x80041024

    def test_a_parameter_that_the_method_lacks_is_refused(self, client: Client, machine: CimReference) -> None:
        with pytest.raises(SoapFault) as excinfo:
            client.call(machine, "RequestStateChange", Nonsense=1)
        assert excinfo.value.subcode == "w:InvalidParameter"

    def test_a_method_of_an_instance_that_is_gone_is_unreachable(self, client: Client) -> None:
        gone = CimReference("Msvm_ComputerSystem", {"CreationClassName": "Msvm_ComputerSystem", "Name": "gone"})
        with pytest.raises(SoapFault) as excinfo:
            client.call(gone, "RequestStateChange", RequestedState=2)
        assert excinfo.value.subcode == "a:DestinationUnreachable"

    def test_settings_of_hyper_v_are_not_written_directly(self, client: Client, machine: CimReference) -> None:
        with pytest.raises(SoapFault) as excinfo:
            client.service.put(machine, client.service.get(machine))
        assert excinfo.value.innermost_code == 0x80041024


def test_a_host_without_failover_clustering_has_no_namespace_for_it(client: Client) -> None:
    with pytest.raises(SoapFault) as excinfo:
        client.query("select * from MSCluster_Cluster", "root/MSCluster")
    assert excinfo.value.innermost_code == 0x8004100E
