"""Msvm_VirtualEthernetSwitchManagementService, and what a switch is made of."""

from __future__ import annotations

from typing import Any

import pytest

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.config.network import NicConfig, SwitchConfig
from hyperv_simulator.windows import RELEASES
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.conftest import MakeHost

SWITCH = "Msvm_VirtualEthernetSwitch"
SETTINGS = "Msvm_VirtualEthernetSwitchSettingData"
PORT = "Msvm_EthernetPortAllocationSettingData"
VLAN = "Msvm_EthernetSwitchPortVlanSettingData"
BANDWIDTH = "Msvm_EthernetSwitchPortBandwidthSettingData"
TEAMING = "Msvm_VirtualEthernetSwitchNicTeamingSettingData"
NICS = tuple(NicConfig(name) for name in ("one", "two", "three"))
START = 2


@pytest.fixture
def host(make_host: MakeHost) -> Client:
    """A host with three adapters and no switch."""
    return make_host(nic=NICS, switch=())


def adapters(client: Client) -> list[str]:
    return [client.path(item) for item in client.query("select * from Msvm_ExternalEthernetPort")]


def itself(client: Client) -> str:
    return client.path(client.one("select * from Msvm_ComputerSystem where Name = 'HV1'"))


def port(*paths: str, **values: Any) -> str:
    return settings_text(PORT, HostResource=list(paths), **values)


def define(client: Client, *ports: str, name: str = "made", **values: Any) -> CimInstance:
    client.do(
        client.switching,
        "DefineSystem",
        SystemSettings=settings_text(SETTINGS, ElementName=name, **values),
        ResourceSettings=list(ports),
    )
    return client.one(f"select * from {SWITCH} where ElementName = '{name}'")


def settings_of(client: Client, switch: CimInstance) -> CimInstance:
    return client.service.get(CimReference(SETTINGS, {"InstanceID": f"Microsoft:{switch.get('Name')}"}))


def ports_of(client: Client, switch: CimInstance) -> list[CimInstance]:
    return client.query(f"select * from {PORT} where InstanceID like 'Microsoft:{switch.get('Name')}%'")


def add_feature(client: Client, configuration: CimInstance, class_name: str, **values: Any) -> CimReference:
    outputs = client.do(client.switching, "AddFeatureSettings", **feature(client, configuration, class_name, **values))
    (added,) = outputs["ResultingFeatureSettings"]  # type: ignore[misc]
    assert isinstance(added, CimReference)
    return added


def feature(client: Client, configuration: CimInstance, class_name: str, **values: Any) -> dict[str, Any]:
    return {
        "AffectedConfiguration": client.service.reference_of(configuration),
        "FeatureSettings": [settings_text(class_name, **values)],
    }


class TestPorts:
    def test_a_private_switch_becomes_internal_then_external_and_private_again(self, host: Client) -> None:
        switch = define(host)
        target = {"AffectedConfiguration": host.service.reference_of(settings_of(host, switch))}
        host.do(host.switching, "AddResourceSettings", **target, ResourceSettings=[port(itself(host))])
        assert host.one("select * from Msvm_InternalEthernetPort").get("ElementName") == "made"
        nic = adapters(host)[0]
        outputs = host.do(host.switching, "AddResourceSettings", **target, ResourceSettings=[port(nic)])
        job = host.path(outputs["Job"])  # type: ignore[arg-type]
        result = host.one(f"associators of {{{job}}} where AssocClass = Msvm_AffectedJobElement")
        assert result.texts("HostResource") == [nic]
        assert len(host.query("select * from Msvm_ExternalEthernetPort where IsBound = TRUE")) == 1
        ports = [host.service.reference_of(item) for item in ports_of(host, switch)]
        host.do(host.switching, "RemoveResourceSettings", ResourceSettings=ports)
        assert not ports_of(host, switch)
        assert not host.query("select * from Msvm_InternalEthernetPort")
        assert not host.query("select * from Msvm_ExternalEthernetPort where IsBound = TRUE")

    def test_an_external_switch_moves_to_another_adapter(self, host: Client) -> None:
        first, second, _ = adapters(host)
        switch = define(host, port(first))
        (external,) = ports_of(host, switch)
        change = port(second, InstanceID=external.text("InstanceID"))
        host.do(host.switching, "ModifyResourceSettings", ResourceSettings=[change])
        assert ports_of(host, switch)[0].texts("HostResource") == [second]
        bound = host.one("select * from Msvm_ExternalEthernetPort where IsBound = TRUE")
        assert host.path(bound) == second

    def test_the_hosts_first_adapter_on_an_external_switch_has_the_address_of_the_one_below(self, host: Client) -> None:
        nic = host.query("select * from Msvm_ExternalEthernetPort")[0]
        define(host, port(host.path(nic)), port(itself(host)), port(itself(host), ElementName="migration"))
        own = {item.get("ElementName"): item for item in host.query("select * from Msvm_InternalEthernetPort")}
        assert own["made"].get("PermanentAddress") == nic.get("PermanentAddress")
        assert own["migration"].text("PermanentAddress").startswith("00155D")

    def test_the_hosts_adapter_gets_another_name_and_address(self, host: Client) -> None:
        switch = define(host, port(itself(host)))
        (own,) = ports_of(host, switch)
        change = settings_text(PORT, InstanceID=own.text("InstanceID"), ElementName="storage", Address="00155D00ABCD")
        host.do(host.switching, "ModifyResourceSettings", ResourceSettings=[change])
        adapter = host.one("select * from Msvm_InternalEthernetPort")
        assert (adapter.get("ElementName"), adapter.get("PermanentAddress")) == ("storage", "00155D00ABCD")

    @pytest.mark.parametrize(
        "change",
        [
            {"HostResource": ["the host"]},
            {"HostResource": ["root/virtualization/v2:Msvm_ExternalEthernetPort.DeviceID=1"]},
            {"HostResource": ["first", "second"]},
        ],
    )
    def test_what_a_port_can_not_become_is_refused(self, host: Client, change: dict[str, list[str]]) -> None:
        first, second, _ = adapters(host)
        switch = define(host, port(first))
        (external,) = ports_of(host, switch)
        paths = {"the host": itself(host), "first": first, "second": second}
        wanted = [paths.get(path, path) for path in change["HostResource"]]
        text = port(*wanted, InstanceID=external.text("InstanceID"))
        assert host.refused(host.switching, "ModifyResourceSettings", ResourceSettings=[text]) == 32773
        assert ports_of(host, switch)[0].texts("HostResource") == [first]

    def test_a_second_external_port_is_refused(self, host: Client) -> None:
        first, second, _ = adapters(host)
        switch = define(host, port(first))
        target = host.service.reference_of(settings_of(host, switch))
        code = host.refused(
            host.switching, "AddResourceSettings", AffectedConfiguration=target, ResourceSettings=[port(second)]
        )
        assert code == 32773

    def test_machines_ports_are_not_the_switch_services_business(self, client: Client, machine: CimReference) -> None:
        cable = client.connect(machine, client.add_nic(machine))
        assert client.refused(client.switching, "RemoveResourceSettings", ResourceSettings=[cable]) == 32773


class TestSettings:
    @pytest.mark.parametrize(
        "fixed", [{"BandwidthReservationMode": 2}, {"IOVPreferred": True}, {"TeamingEnabled": True}]
    )
    def test_what_is_fixed_when_a_switch_is_made_stays(self, host: Client, fixed: dict[str, Any]) -> None:
        instance_id = settings_of(host, define(host)).get("InstanceID")
        text = settings_text(SETTINGS, InstanceID=instance_id, **fixed)
        assert host.refused(host.switching, "ModifySystemSettings", SystemSettings=text) == 32773

    @pytest.mark.parametrize("wrong", [{"BandwidthReservationMode": 4}, {"ElementName": "x" * 257}])
    def test_settings_that_there_are_not_are_refused(self, host: Client, wrong: dict[str, Any]) -> None:
        text = settings_text(SETTINGS, **wrong)
        assert host.refused(host.switching, "DefineSystem", SystemSettings=text) == 32773

    def test_everything_about_a_switch_survives_a_restart(self, make_host: MakeHost) -> None:
        host = make_host(nic=NICS, switch=())
        first, second, _ = adapters(host)
        switch = define(
            host, port(first, second), port(itself(host), ElementName="storage"), TeamingEnabled=True, Notes=["mine"]
        )
        own = next(item for item in ports_of(host, switch) if item.get("ElementName") == "storage")
        add_feature(host, own, VLAN, OperationMode=1, AccessVlanId=12)
        extension = host.query("select * from Msvm_EthernetSwitchExtension")[0]
        host.do(host.service.reference_of(extension), "RequestStateChange", RequestedState=2)
        queries = (
            f"select * from {SETTINGS}",
            f"select * from {PORT} where InstanceID like 'Microsoft:{switch.get('Name')}%'",
            f"select * from {VLAN} where InstanceID like 'Microsoft:{switch.get('Name')}%'",
            f"select * from {TEAMING} where InstanceID like 'Microsoft:{switch.get('Name')}%'",
            "select * from Msvm_InternalEthernetPort",
            "select * from Msvm_EthernetSwitchExtension",
            "select * from Msvm_EthernetSwitchPort",
        )
        before = [host.query(text) for text in queries]
        assert all(before)
        host.inside.close()
        again = make_host(nic=NICS, switch=())
        assert [again.query(text) for text in queries] == before


class TestTeams:
    """Switch-embedded teaming: several adapters below one port (Microsoft's documentation of it)."""

    def test_a_teaming_switch_has_several_adapters_and_a_teaming_feature(self, host: Client) -> None:
        first, second, third = adapters(host)
        switch = define(host, port(first, second), TeamingEnabled=True)
        (external,) = ports_of(host, switch)
        text = port(first, second, third, InstanceID=external.text("InstanceID"))
        host.do(host.switching, "ModifyResourceSettings", ResourceSettings=[text])
        assert len(host.query("select * from Msvm_ExternalEthernetPort where IsBound = TRUE")) == 3
        found = host.one(
            f"associators of {{{host.path(settings_of(host, switch))}}} "
            "where AssocClass = Msvm_VirtualEthernetSwitchSettingDataComponent "
            "ResultClass = Msvm_EthernetSwitchFeatureSettingData"
        )
        assert (found.get("TeamingMode"), found.get("LoadBalancingAlgorithm")) == (1, 4)

    def test_several_adapters_need_teaming(self, host: Client) -> None:
        first, second, _ = adapters(host)
        code = host.refused(
            host.switching,
            "DefineSystem",
            SystemSettings=settings_text(SETTINGS, ElementName="made"),
            ResourceSettings=[port(first, second)],
        )
        assert code == 32773

    @pytest.mark.parametrize("wrong", [{"TeamingMode": 2}, {"LoadBalancingAlgorithm": 0}])
    def test_it_knows_no_other_mode_and_balancing(self, host: Client, wrong: dict[str, int]) -> None:
        define(host, port(*adapters(host)[:2]), TeamingEnabled=True)
        current = next(i for i in host.query(f"select * from {TEAMING}") if "Definition" not in i.text("InstanceID"))
        text = settings_text(TEAMING, InstanceID=current.get("InstanceID"), **wrong)
        assert host.refused(host.switching, "ModifyFeatureSettings", FeatureSettings=[text]) == 32773

    def test_windows_2012_r2_has_none(self, make_host: MakeHost) -> None:
        host = make_host(version="2012r2", nic=NICS, switch=())
        text = settings_text(SETTINGS, ElementName="made", TeamingEnabled=True)
        assert host.refused(host.switching, "DefineSystem", SystemSettings=text) == 32773

    def test_a_port_maps_to_an_adapter_of_the_team_only(self, host: Client) -> None:
        switch = define(host, port(*adapters(host)[:2]), port(itself(host)), TeamingEnabled=True)
        own = next(i for i in ports_of(host, switch) if "Msvm_ComputerSystem" in i.texts("HostResource")[0])
        names = [item.get("ElementName") for item in host.query("select * from Msvm_ExternalEthernetPort")]
        mapping = "Msvm_EthernetSwitchPortTeamMappingSettingData"
        wrong = feature(host, own, mapping, NetAdapterName=names[2])
        assert host.refused(host.switching, "AddFeatureSettings", **wrong) == 32773
        add_feature(host, own, mapping, NetAdapterName=names[0])


class TestFeatures:
    def test_the_hosts_port_gets_a_vlan_changes_it_and_loses_it(self, host: Client) -> None:
        switch = define(host, port(itself(host)))
        (own,) = ports_of(host, switch)
        added = add_feature(host, own, VLAN, OperationMode=1, AccessVlanId=12)
        found = host.one(
            f"associators of {{{host.path(own)}}} where AssocClass = Msvm_EthernetPortSettingDataComponent"
        )
        assert found.get("AccessVlanId") == 12
        text = settings_text(VLAN, InstanceID=added.key("InstanceID"), AccessVlanId=13)
        host.do(host.switching, "ModifyFeatureSettings", FeatureSettings=[text])
        assert host.service.get(added).get("AccessVlanId") == 13
        host.do(host.switching, "RemoveFeatureSettings", FeatureSettings=[added])
        assert not host.query(
            f"select * from {VLAN} where InstanceID = '{added.key('InstanceID')}'".replace("\\", "\\\\")
        )

    def test_the_switch_gets_its_default_flow(self, host: Client) -> None:
        switch = define(host, port(adapters(host)[0]), BandwidthReservationMode=1)
        add_feature(
            host, settings_of(host, switch), "Msvm_VirtualEthernetSwitchBandwidthSettingData", DefaultFlowWeight=7
        )
        data = host.one(
            f"associators of {{{host.path(switch)}}} where ResultClass = Msvm_EthernetSwitchBandwidthData "
            "AssocClass = Msvm_EthernetSwitchInfo"
        )
        assert (data.get("DefaultFlowWeight"), data.get("Capacity")) == (7, 10_000_000_000)

    @pytest.mark.parametrize(
        ("class_name", "values"),
        [
            (VLAN, {"AccessVlanId": 4095}),
            (VLAN, {"OperationMode": 4}),
            (VLAN, {"OperationMode": 2, "TrunkVlanIdArray": [1, 4095]}),
            (VLAN, {"OperationMode": 3, "PvlanMode": 4}),
            (BANDWIDTH, {"Weight": 101}),
            ("Msvm_EthernetSwitchPortOffloadSettingData", {"VMQOffloadWeight": 101}),
            ("Msvm_EthernetSwitchPortOffloadSettingData", {"IOVInterruptModeration": 3}),
            ("Msvm_EthernetSwitchPortSecuritySettingData", {"MonitorMode": 3}),
            ("Msvm_EthernetSwitchPortSecuritySettingData", {"VirtualSubnetId": 2**24}),
            ("Msvm_EthernetSwitchPortAclSettingData", {"AclType": 4}),
            ("Msvm_EthernetSwitchPortExtendedAclSettingData", {"Direction": 3}),
            ("Msvm_EthernetSwitchPortIsolationSettingData", {"IsolationMode": 4}),
            ("Msvm_EthernetSwitchPortRdmaSettingData", {"RdmaOffloadWeight": 101}),
            ("Msvm_VirtualEthernetSwitchBandwidthSettingData", {"DefaultFlowWeight": 1}),
        ],
    )
    def test_what_a_port_can_not_have_is_refused(self, host: Client, class_name: str, values: dict[str, Any]) -> None:
        (own,) = ports_of(host, define(host, port(itself(host))))
        assert host.refused(host.switching, "AddFeatureSettings", **feature(host, own, class_name, **values)) == 32773

    @pytest.mark.parametrize(
        ("mode", "claim", "accepted"),
        [
            (0, "Weight", True),
            (1, "Weight", True),
            (1, "Reservation", False),
            (2, "Weight", False),
            (3, "Weight", False),
        ],
    )
    def test_a_port_claims_bandwidth_in_the_switchs_way(
        self, host: Client, mode: int, claim: str, accepted: bool
    ) -> None:
        (own,) = ports_of(host, define(host, port(itself(host)), BandwidthReservationMode=mode))
        outputs = host.call(host.switching, "AddFeatureSettings", **feature(host, own, BANDWIDTH, **{claim: 10}))
        assert outputs["ReturnValue"] == (0 if accepted else 32773)

    def test_extended_acls_have_weights_of_their_own_per_direction(self, host: Client) -> None:
        (own,) = ports_of(host, define(host, port(itself(host))))
        acl = "Msvm_EthernetSwitchPortExtendedAclSettingData"
        add_feature(host, own, acl, Direction=1, Action=1, Weight=10)
        add_feature(host, own, acl, Direction=2, Action=1, Weight=10)
        again = feature(host, own, acl, Direction=1, Action=2, Weight=10)
        assert host.refused(host.switching, "AddFeatureSettings", **again) == 32773

    def test_machines_ports_belong_to_the_other_service(self, client: Client, machine: CimReference) -> None:
        cable = client.service.get(client.connect(machine, client.add_nic(machine)))
        vlan = feature(client, cable, VLAN, OperationMode=1, AccessVlanId=12)
        assert client.refused(client.switching, "AddFeatureSettings", **vlan) == 32773
        client.do(client.management, "AddFeatureSettings", **vlan)


class TestExtensions:
    def test_a_switch_has_the_hosts_extensions_in_order(self, client: Client) -> None:
        switch = client.one(f"select * from {SWITCH}")
        text = f"associators of {{{client.path(switch)}}} where AssocClass = Msvm_HostedEthernetSwitchExtension"
        found = {item.get("ElementName"): item.get("EnabledState") for item in client.query(text)}
        assert found["Microsoft Windows Filtering Platform"] == 2  # real-instances 3.4
        order = settings_of(client, switch).texts("ExtensionOrder")
        assert order == [client.path(item) for item in client.query(text)]
        installed = client.query("select * from Msvm_InstalledEthernetSwitchExtension")
        assert {item.get("ElementName") for item in installed} == set(found)

    def test_one_is_turned_off_and_on(self, client: Client) -> None:
        extension = client.one("select * from Msvm_EthernetSwitchExtension where ExtensionType = 2")
        reference = client.service.reference_of(extension)
        for state in (3, 2):
            client.do(reference, "RequestStateChange", RequestedState=state)
            assert client.service.get(reference).get("EnabledState") == state
        assert client.refused(reference, "RequestStateChange", RequestedState=4) == 1

    def test_they_go_with_their_switch(self, client: Client) -> None:
        switch = client.service.reference_of(client.one(f"select * from {SWITCH}"))
        client.do(client.switching, "DestroySystem", AffectedSystem=switch)
        assert not client.query("select * from Msvm_EthernetSwitchExtension")


class TestCables:
    def test_an_adapter_leads_over_two_endpoints_to_its_switch_port(self, client: Client) -> None:
        found = client.one("select * from Msvm_ExternalEthernetPort where IsBound = TRUE")
        for association, wanted in (
            ("Msvm_EthernetDeviceSAPImplementation", "Msvm_LANEndpoint"),
            ("Msvm_ActiveConnection", "Msvm_LANEndpoint"),
            ("Msvm_EthernetDeviceSAPImplementation", "Msvm_EthernetSwitchPort"),
            ("Msvm_SystemDevice", SWITCH),
        ):
            found = client.one(f"associators of {{{client.path(found)}}} where AssocClass = {association}")
            assert found.class_name == wanted
        assert found.get("ElementName") == "external"

    def test_a_running_machines_adapter_is_connected_and_its_address_learnt(
        self, client: Client, machine: CimReference
    ) -> None:
        nic = client.service.get(client.add_nic(machine))
        client.connect(machine, client.service.reference_of(nic))
        client.change_state(machine, START)
        endpoint = client.one(f"select * from Msvm_LANEndpoint where SystemName = '{machine.key('Name')}'")
        assert (endpoint.get("Connected"), endpoint.get("MACAddress")) == (True, nic.get("Address"))
        bridge = client.one("select * from Msvm_TransparentBridgingService")
        text = f"associators of {{{client.path(bridge)}}} where ResultClass = Msvm_DynamicForwardingEntry"
        assert nic.get("Address") in {item.get("MACAddress") for item in client.query(text)}

    def test_each_connection_is_there_once(self, client: Client) -> None:
        ports = client.query("select * from Msvm_EthernetSwitchPort")
        assert len(client.query("select * from Msvm_ActiveConnection")) == len(ports)

    def test_every_switch_port_has_its_data(self, client: Client) -> None:
        for port_ in client.query("select * from Msvm_EthernetSwitchPort"):
            text = f"associators of {{{client.path(port_)}}} where AssocClass = Msvm_EthernetPortInfo"
            found = {item.class_name for item in client.query(text)}
            assert found == {"Msvm_EthernetSwitchPortBandwidthData", "Msvm_EthernetSwitchPortOffloadData"}


@pytest.mark.parametrize("version", RELEASES)
def test_each_release_defines_a_switch_with_what_it_has(make_host: MakeHost, version: str) -> None:
    host = make_host(version=version, nic=NICS, switch=(SwitchConfig("external", adapter="one"),))
    extensions = {item.get("ElementName") for item in host.query("select * from Msvm_EthernetSwitchExtension")}
    assert ("Microsoft Azure VFP Switch Extension" in extensions) is (version != "2012r2")
    assert host.one(f"select * from {SWITCH}").get("ElementName") == "external"
