"""Adapters, addresses, teams and the firewall, which agree with Hyper-V's switches."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.config.errors import ConfigError
from hyperv_simulator.config.network import FirewallConfig, NicConfig, SwitchConfig, TeamConfig
from tests.simulator.core.client import Client, settings_text

STANDARD, CIMV2 = "root/standardcimv2", "root/cimv2"
MakeHost = Callable[..., Client]
MIGRATION = "VIRT-MIGL-In-TCP-NoScope"


def names(client: Client, class_name: str, namespace: str = STANDARD, name: str = "Name") -> list[str]:
    return [item.text(name) for item in client.query(f"select * from {class_name}", namespace)]


def rule(client: Client, name: str = MIGRATION) -> CimReference:
    text = f"select * from MSFT_NetFirewallRule where InstanceID = '{name}'"
    return client.service.reference_of(client.one(text, STANDARD))


class TestAdapters:
    def test_every_interface_shows_the_hosts_own_port_on_a_switch(self, client: Client) -> None:
        assert names(client, "MSFT_NetAdapter") == ["Ethernet", "vEthernet (external)"]
        assert names(client, "Win32_NetworkAdapter", CIMV2, "NetConnectionID") == ["Ethernet", "vEthernet (external)"]
        assert client.one("select * from MSFT_NetIPAddress", STANDARD).get("InterfaceAlias") == "vEthernet (external)"

    def test_a_switch_without_the_management_os_takes_the_address_away(self, make_host: MakeHost) -> None:
        client = make_host(switch=(SwitchConfig("data", allow_management_os=False),))
        assert names(client, "MSFT_NetAdapter") == ["Ethernet"]
        assert client.query("select * from MSFT_NetIPAddress", STANDARD) == []
        assert client.query("select * from Msvm_InternalEthernetPort") == []

    def test_a_switch_that_is_made_later_binds_its_adapter(self, make_host: MakeHost) -> None:
        nics = (NicConfig("Management", address="10.0.0.5/24"), NicConfig("Data", speed_gbps=25))
        client = make_host(nic=nics, switch=())
        port = client.one("select * from Msvm_ExternalEthernetPort where MaxSpeed = 25000000000")
        wire = settings_text(
            "Msvm_EthernetPortAllocationSettingData", ResourceType=33, HostResource=[client.path(port)]
        )
        switch = settings_text("Msvm_VirtualEthernetSwitchSettingData", ElementName="data")
        client.do(client.switching, "DefineSystem", SystemSettings=switch, ResourceSettings=[wire])
        text = "select * from MSFT_NetAdapterBindingSettingData where Name = 'Data' and ComponentID = '{}'"
        assert client.one(text.format("vms_pp"), STANDARD).get("Enabled") is True
        assert client.one(text.format("ms_tcpip"), STANDARD).get("Enabled") is False
        sriov = client.one("select * from MSFT_NetAdapterSriovSettingData where Name = 'Data'", STANDARD)
        assert sriov.get("SwitchName") == "data"

    def test_only_capable_adapters_have_rdma_and_what_is_switched_is_kept(self, make_host: MakeHost) -> None:
        settings = {"nic": (NicConfig("Plain"), NicConfig("Fast", rdma=True)), "switch": ()}
        client = make_host(**settings)
        (fast,) = client.query("select * from MSFT_NetAdapterRdmaSettingData", STANDARD)
        assert (fast.get("Name"), fast.get("Enabled")) == ("Fast", True)
        client.do(client.service.reference_of(fast), "Disable")
        client.inside.close()
        after = make_host(**settings).one("select * from MSFT_NetAdapterRdmaSettingData", STANDARD)
        assert after.get("Enabled") is False

    def test_an_adapter_is_switched_off(self, client: Client) -> None:
        adapter = client.service.reference_of(
            client.one("select * from MSFT_NetAdapter where Name = 'Ethernet'", STANDARD)
        )
        client.do(adapter, "Disable")
        assert client.service.get(adapter).get("InterfaceAdminStatus") == 2

    def test_a_team_with_a_dead_member_is_degraded(self, make_host: MakeHost) -> None:
        nics = (NicConfig("A", address="10.0.0.5/24"), NicConfig("B", connected=False))
        client = make_host(nic=nics, switch=(), team=(TeamConfig("Team", ("A", "B"), mode="lacp"),))
        team = client.one("select * from MSFT_NetLbfoTeam", STANDARD)
        assert (team.get("Status"), team.get("TeamingMode")) == (2, 2)
        failed = client.one("select * from MSFT_NetLbfoTeamMember where OperationalMode = 4096", STANDARD)
        assert failed.get("Name") == "B"
        assert client.one("select * from MSFT_NetIPAddress", STANDARD).get("InterfaceAlias") == "Team"

    def test_a_switch_takes_all_the_adapters_that_it_teams(self, make_host: MakeHost) -> None:
        nics = (NicConfig("A", address="10.0.0.5/24"), NicConfig("B"))
        client = make_host(nic=nics, switch=(SwitchConfig("data", adapter="A", teamed_with=("B",)),))
        assert [item.get("IsBound") for item in client.query("select * from Msvm_ExternalEthernetPort")] == [True, True]
        settings = client.one("select * from Msvm_VirtualEthernetSwitchSettingData where ElementName = 'data'")
        assert settings.get("TeamingEnabled") is True
        address = client.one("select * from MSFT_NetIPAddress", STANDARD)
        assert (address.get("InterfaceAlias"), address.get("IPAddress")) == ("vEthernet (data)", "10.0.0.5")
        with pytest.raises(ConfigError, match="2016"):
            make_host("old", version="2012r2", nic=nics, switch=(SwitchConfig("data", "external", "A", ("B",)),))

    def test_gateway_and_name_servers_show_in_both_namespaces(self, make_host: MakeHost) -> None:
        nic = NicConfig("A", address="10.0.0.5/24", gateway="10.0.0.1", dns=("10.0.0.2",))
        client = make_host(nic=(nic,), switch=())
        hops = {item.get("DestinationPrefix"): item.get("NextHop") for item in routes(client)}
        assert hops["0.0.0.0/0"] == "10.0.0.1"
        classic = client.one("select * from Win32_NetworkAdapterConfiguration where IPEnabled = true", CIMV2)
        assert (classic.get("IPSubnet"), classic.get("DNSServerSearchOrder")) == (["255.255.255.0"], ["10.0.0.2"])

    def test_the_kind_of_a_network_can_be_set(self, client: Client) -> None:
        profile = client.service.reference_of(client.one("select * from MSFT_NetConnectionProfile", STANDARD))
        client.service.put(profile, CimInstance("MSFT_NetConnectionProfile", {"NetworkCategory": 0}, STANDARD))
        assert client.service.get(profile).get("NetworkCategory") == 0


def routes(client: Client) -> list[CimInstance]:
    return client.query("select * from MSFT_NetRoute", STANDARD)


class TestFirewall:
    def test_a_rule_is_switched_and_stays_so(self, make_host: MakeHost) -> None:
        client = make_host()
        assert client.service.get(rule(client)).get("Enabled") == 1
        client.do(rule(client), "Disable")
        client.inside.close()
        client = make_host()
        assert client.service.get(rule(client)).get("Enabled") == 2
        client.service.put(rule(client), CimInstance("MSFT_NetFirewallRule", {"Enabled": 1}, STANDARD))
        assert client.service.get(rule(client)).get("Enabled") == 1

    def test_a_rules_port_is_found_through_its_filter(self, client: Client) -> None:
        path = client.path(rule(client)).partition(":")[2]
        text = f"associators of {{{path}}} where AssocClass = MSFT_NetFirewallRuleFilterByProtocolPort"
        assert client.one(text, STANDARD).get("LocalPort") == ["6600"]

    def test_rules_come_with_their_feature(self, make_host: MakeHost) -> None:
        groups = set(names(make_host(features=()), "MSFT_NetFirewallRule", name="DisplayGroup"))
        assert "Windows Remote Management" in groups
        assert "Hyper-V" not in groups

    def test_hosts_toml_switches_rules_and_names_known_ones_only(self, make_host: MakeHost) -> None:
        client = make_host(firewall=FirewallConfig(disable=(MIGRATION,)))
        assert client.service.get(rule(client)).get("Enabled") == 2
        with pytest.raises(ConfigError, match="write one of"):
            make_host("hv2", firewall=FirewallConfig(enable=("no-such-rule",)))

    def test_a_profile_is_off_when_the_registry_says_so(self, client: Client) -> None:
        text = "select * from MSFT_NetFirewallProfile where Name = 'Domain'"
        profile = client.service.reference_of(client.one(text, STANDARD))
        client.service.put(profile, CimInstance("MSFT_NetFirewallProfile", {"Enabled": 0}, STANDARD))
        policy = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\DomainProfile"
        assert client.inside.system.registry.number(policy, "EnableFirewall", 1) == 0
        assert client.service.get(profile).get("Enabled") == 0
