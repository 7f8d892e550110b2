"""What clients read of the migration service, and what they set."""

from __future__ import annotations

from hyperv_simulator.config.migration import MigrationConfig
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.migration.hosts import Hosts, service


def test_the_service_tells_where_it_listens_and_what_it_can(hosts: Hosts) -> None:
    client = hosts.add(MigrationConfig())
    (found,) = client.query("select * from Msvm_VirtualSystemMigrationService")
    assert not found.get("MigrationServiceListenerIPAddressList")
    text = settings_text("Msvm_VirtualSystemMigrationServiceSettingData", EnableVirtualSystemMigration=True)
    client.do(service(client), "ModifyServiceSettings", ServiceSettingData=text)
    (found,) = client.query("select * from Msvm_VirtualSystemMigrationService")
    assert found.get("MigrationServiceListenerIPAddressList") == ["127.0.1.1"]
    (staged,) = client.query("select * from Msvm_VirtualSystemMigrationSettingData where MigrationType = 32770")
    assert staged.get("InstanceID") == "Microsoft:Staged"
    (capabilities,) = client.query(
        "ASSOCIATORS OF {Msvm_VirtualSystemMigrationService.CreationClassName='Msvm_VirtualSystemMigrationService',"
        f"Name='migrationwmi',SystemCreationClassName='Msvm_ComputerSystem',SystemName='{client.host_name}'}} WHERE "
        "AssocClass=Msvm_ElementCapabilities"
    )
    assert capabilities.get("InstanceID") == "Microsoft:MigrationCapabilities"


def test_networks_are_added_changed_and_removed(source: Client) -> None:
    network = "Msvm_VirtualSystemMigrationNetworkSettingData"
    text = settings_text(network, SubnetNumber="10.0.0.0", PrefixLength=8)
    source.do(service(source), "AddNetworkSettings", NetworkSettings=[text])
    (found,) = source.query(f"select * from {network}")
    assert not source.one("select * from Msvm_VirtualSystemMigrationService").get(
        "MigrationServiceListenerIPAddressList"
    )
    text = settings_text(network, InstanceID=found.get("InstanceID"), SubnetNumber="127.0.0.0")
    source.do(service(source), "ModifyNetworkSettings", NetworkSettings=[text])
    assert source.one("select * from Msvm_VirtualSystemMigrationService").get(
        "MigrationServiceListenerIPAddressList"
    ) == ["127.0.1.1"]
    source.do(service(source), "RemoveNetworkSettings", NetworkSettings=[source.service.reference_of(found)])
    assert source.query(f"select * from {network}") == []
    bad = settings_text(network, SubnetNumber="everywhere")
    assert source.refused(service(source), "AddNetworkSettings", NetworkSettings=[bad]) == 32773
