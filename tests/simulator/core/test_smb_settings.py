"""SMB server and client of a host: configuration, shares, mappings, channels."""

from __future__ import annotations

from collections.abc import Callable

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.config.network import NicConfig, SwitchConfig
from hyperv_simulator.config.smb import SmbConfig, SmbConstraintConfig, SmbMappingConfig, SmbShareConfig
from tests.simulator.core.client import Client

SMB = "root/microsoft/windows/smb"
MakeHost = Callable[..., Client]
TWO_NICS = {
    "nic": (NicConfig("Management", address="10.0.0.5/24"), NicConfig("Storage", address="10.0.1.5/24", rdma=True)),
    "switch": (),
}


def static(class_name: str) -> CimReference:
    return CimReference(class_name, {}, SMB)


def share_names(client: Client) -> set[str]:
    return {share.text("Name") for share in client.query("select * from MSFT_SmbShare", SMB)}


def channels(client: Client) -> list[tuple[object, object]]:
    found = client.query("select * from MSFT_SmbMultichannelConnection", SMB)
    return [(item.get("ClientInterfaceFriendlyName"), item.get("ClientRdmaCapable")) for item in found]


class TestConfiguration:
    def test_what_is_set_survives_a_restart(self, make_host: MakeHost) -> None:
        client = make_host()
        server = static("MSFT_SmbServerConfiguration")
        client.do(server, "SetConfiguration", EncryptData=True, RequireSecuritySignature=True)
        client.inside.close()
        client = make_host()
        configuration = client.do(server, "GetConfiguration")["Output"]
        assert isinstance(configuration, CimInstance)
        assert (configuration.get("EncryptData"), configuration.get("RequireSecuritySignature")) == (True, True)
        client.do(server, "ResetConfiguration", EncryptData=True)
        after = client.one("select * from MSFT_SmbServerConfiguration", SMB)
        assert (after.get("EncryptData"), after.get("RequireSecuritySignature")) == (False, True)

    def test_the_client_of_2025_demands_signatures(self, make_host: MakeHost) -> None:
        for name, version, demanded in (("old", "2022", False), ("new", "2025", True)):
            client = make_host(name, version=version)
            found = client.one("select * from MSFT_SmbClientConfiguration", SMB)
            assert found.get("RequireSecuritySignature") is demanded


class TestShares:
    def test_administrative_shares_are_there_in_both_namespaces(self, client: Client) -> None:
        assert share_names(client) == {"C$", "ADMIN$", "IPC$"}
        classic = client.query("select * from Win32_Share", "root/cimv2")
        assert {share.text("Name"): share.get("Type") for share in classic}["C$"] == 0x80000000

    def test_a_configured_share_says_whether_it_is_continuously_available(self, make_host: MakeHost) -> None:
        client = make_host(smb_share=(SmbShareConfig("instances", "C:\\inst", continuously_available=True),))
        share = client.one("select * from MSFT_SmbShare where Name = 'instances'", SMB)
        assert (share.get("ContinuouslyAvailable"), share.get("Path")) == (True, "C:\\inst")
        shown = client.one("select * from MSFT_FileShare", "root/microsoft/windows/storage")
        assert (shown.get("Name"), shown.get("ContinuouslyAvailable")) == ("instances", True)

    def test_a_share_is_made_changed_and_removed(self, make_host: MakeHost) -> None:
        client = make_host()
        told: list[str] = []
        client.inside.surroundings.shares.changed.append(lambda: told.append("changed"))
        create = {"Name": "vms", "Path": "C:\\Windows\\Temp"}
        client.do(static("MSFT_SmbShare"), "CreateShare", **create, FullAccess=["HV\\nova"])
        assert client.refused(static("MSFT_SmbShare"), "CreateShare", **create) == 2118
        assert client.refused(static("MSFT_SmbShare"), "CreateShare", Name="x", Path="C:\\missing") == 3
        share = client.service.reference_of(client.one("select * from MSFT_SmbShare where Name = 'vms'", SMB))
        entries = client.do(share, "GrantAccess", AccountName=["HV\\ops"], AccessRight=1)["Output"]
        assert isinstance(entries, list)
        assert [entry.get("AccountName") for entry in entries if isinstance(entry, CimInstance)] == [
            "HV\\nova",
            "HV\\ops",
        ]
        client.service.put(share, CimInstance("MSFT_SmbShare", {"EncryptData": True}, SMB))
        assert client.service.get(share).get("EncryptData") is True
        client.inside.close()
        client = make_host()
        assert "vms" in share_names(client)
        client.service.delete(share)
        assert "vms" not in share_names(client)
        assert told


class TestClient:
    def test_a_persistent_mapping_survives_a_restart_and_another_does_not(self, make_host: MakeHost) -> None:
        client = make_host()
        mapping = static("MSFT_SmbMapping")
        client.do(mapping, "Create", RemotePath="\\\\fs\\kept", Persistent=True)
        client.do(mapping, "Create", RemotePath="\\\\fs\\passing")
        assert client.refused(mapping, "Create", RemotePath="\\\\fs\\kept") == 85
        assert client.refused(mapping, "Create", RemotePath="C:\\kept") == 67
        client.inside.close()
        client = make_host()
        found = client.query("select * from MSFT_SmbMapping", SMB)
        assert [item.get("RemotePath") for item in found] == ["\\\\fs\\kept"]
        client.do(client.service.reference_of(found[0]), "Remove", Force=True)
        assert client.query("select * from MSFT_SmbMapping", SMB) == []

    def test_channels_use_every_adapter_within_the_constraint(self, make_host: MakeHost) -> None:
        client = make_host(smb_mapping=(SmbMappingConfig("\\\\fs\\vms"),), **TWO_NICS)
        assert channels(client) == [("Management", False), ("Storage", True)]
        names = {"ServerName": "fs", "InterfaceAlias": ["Storage"]}
        client.do(static("MSFT_SmbMultichannelConstraint"), "CreateConstraint", **names)
        assert channels(client) == [("Storage", True)]
        constraint = client.one("select * from MSFT_SmbMultichannelConstraint", SMB)
        client.service.delete(client.service.reference_of(constraint))
        assert len(channels(client)) == 2
        client.do(static("MSFT_SmbClientConfiguration"), "SetConfiguration", EnableMultiChannel=False)
        assert channels(client) == []

    def test_hosts_toml_can_limit_channels(self, make_host: MakeHost) -> None:
        limit = SmbConfig(constraint=(SmbConstraintConfig("fs", ("Storage",)),))
        client = make_host(smb_mapping=(SmbMappingConfig("\\\\fs\\vms", dialect="3.0.2"),), smb=limit, **TWO_NICS)
        assert channels(client) == [("Storage", True)]
        assert client.one("select * from MSFT_SmbConnection", SMB).get("Dialect") == "3.0.2"

    def test_a_switch_that_takes_an_adapter_gives_its_address_to_the_hosts_own_port(self, make_host: MakeHost) -> None:
        nic = NicConfig("Ethernet", address="10.0.0.5/24")
        client = make_host(nic=(nic,), switch=(SwitchConfig("data"),))
        interface = client.one("select * from MSFT_SmbServerNetworkInterface", SMB)
        assert (interface.get("FriendlyName"), interface.get("IpAddress")) == ("vEthernet (data)", "10.0.0.5")
