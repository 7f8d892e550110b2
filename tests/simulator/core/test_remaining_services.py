"""Collections, reference points, console access, RemoteFX; and that every service of the schema is there."""

from __future__ import annotations

from typing import Any

import pytest

from compute_hyperv.cim.values import CimReference
from hyperv_simulator.providers.assignable_device_service import AssignableDeviceProvider
from hyperv_simulator.providers.base import Provider
from hyperv_simulator.providers.collection_services import (
    CollectionManagementProvider,
    CollectionReferencePointProvider,
    CollectionSnapshotProvider,
)
from hyperv_simulator.providers.metric_service import MetricProvider
from hyperv_simulator.providers.replication_service import ReplicationProvider
from hyperv_simulator.providers.resource_pool_configuration_service import ResourcePoolConfigurationProvider
from hyperv_simulator.providers.security_service import SecurityProvider
from hyperv_simulator.providers.synthetic_3d_service import Synthetic3DProvider
from hyperv_simulator.providers.terminal_service import TerminalProvider
from hyperv_simulator.providers.transparent_bridging_service import TransparentBridgingProvider
from hyperv_simulator.providers.virtual_system_reference_point_service import ReferencePointProvider
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.conftest import MakeHost

# Services of a guest: each is there while its machine's guest is.
OF_GUESTS = ("Msvm_GuestService", "Msvm_GuestCommunicationService", "Msvm_GuestFileService", "Msvm_VssService")


def related(client: Client, reference: CimReference, class_name: str) -> list[str]:
    found = client.query(f"associators of {{{client.path(reference)}}} where ResultClass = {class_name}")
    return [item.text("ElementName") for item in found]


@pytest.mark.parametrize("version", ["2012r2", "2016", "2019", "2022", "2025"])
def test_every_service_of_a_release_is_there_once(make_host: MakeHost, version: str) -> None:
    client = make_host(version=version)
    services = client.inside.catalogue.subclasses("root/virtualization/v2", "CIM_Service")
    wanted = {cls.name for cls in services if cls.name.startswith("Msvm_")} - set(OF_GUESTS)
    found = [item.class_name for item in client.query("select * from CIM_Service")]
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize(
    "provider",
    [
        AssignableDeviceProvider,
        CollectionManagementProvider,
        CollectionReferencePointProvider,
        CollectionSnapshotProvider,
        MetricProvider,
        ReferencePointProvider,
        ReplicationProvider,
        ResourcePoolConfigurationProvider,
        SecurityProvider,
        Synthetic3DProvider,
        TerminalProvider,
        TransparentBridgingProvider,
    ],
)
def test_every_method_of_a_service_is_answered(client: Client, provider: type[Provider]) -> None:
    """With a return code, that is: nobody meets a method that only the schema knows."""
    (made,) = [item for item in client.inside.further.providers() if isinstance(item, provider)]
    methods = client.inside.catalogue.find("root/virtualization/v2", provider.class_name).methods.values()
    assert {method.name for method in methods} == set(made.methods())


class TestCollections:
    @pytest.fixture
    def service(self, client: Client) -> CimReference:
        return client.service_reference("Msvm_CollectionManagementService")

    def define(self, client: Client, service: CimReference, name: str = "group", kind: int = 0) -> CimReference:
        collection = client.do(service, "DefineCollection", Name=name, Id=None, Type=kind)["DefinedCollection"]
        assert isinstance(collection, CimReference)
        return collection

    def test_a_machine_joins_and_leaves_a_group(
        self, client: Client, service: CimReference, machine: CimReference
    ) -> None:
        """The calls of HVWMI vm_groups."""
        group = self.define(client, service)
        client.do(service, "AddMember", Member=machine, Collection=group)
        assert related(client, group, "Msvm_ComputerSystem") == ["machine"]
        assert related(client, machine, "Msvm_VirtualSystemCollection") == ["group"]
        assert client.refused(service, "AddMember", Member=machine, Collection=group) == 32773
        client.do(service, "RenameCollection", Collection=group, NewName="new")
        client.do(service, "RemoveMemberById", Member=machine, CollectionId=group.key("CollectionID"))
        assert related(client, group, "Msvm_ComputerSystem") == []
        client.do(service, "DestroyCollection", Collection=group)
        assert client.query("select * from Msvm_VirtualSystemCollection") == []

    def test_groups_are_members_of_management_groups_only(self, client: Client, service: CimReference) -> None:
        group, other = self.define(client, service), self.define(client, service, "other")
        above = self.define(client, service, "above", kind=1)
        assert client.refused(service, "AddMember", Member=other, Collection=group) == 32773
        client.do(service, "AddMember", Member=group, Collection=above)
        assert related(client, above, "Msvm_VirtualSystemCollection") == ["group"]

    @pytest.mark.parametrize("values", [{"Name": ""}, {"Type": 2}, {"Id": "no GUID"}])
    def test_what_is_no_collection_is_refused(
        self, client: Client, service: CimReference, values: dict[str, Any]
    ) -> None:
        given = {"Name": "group", "Id": None, "Type": 0, **values}
        assert client.refused(service, "DefineCollection", **given) == 32773

    def test_groups_survive_a_restart_and_forget_machines_that_are_gone(self, make_host: MakeHost) -> None:
        client = make_host()
        service = client.service_reference("Msvm_CollectionManagementService")
        group, machine = self.define(client, service), client.define()
        client.do(service, "AddMember", Member=machine, Collection=group)
        client.inside.close()
        again = make_host()
        assert related(again, group, "Msvm_ComputerSystem") == ["machine"]
        again.do(again.management, "DestroySystem", AffectedSystem=machine)
        assert related(again, group, "Msvm_ComputerSystem") == []

    def test_nobody_checkpoints_collections(self, client: Client, service: CimReference) -> None:
        group = self.define(client, service)
        snapshots = client.service_reference("Msvm_CollectionSnapshotService")
        given: dict[str, Any] = {"Collection": group, "SnapshotSettings": ""}
        assert client.refused(snapshots, "CreateSnapshot", **given, SnapshotType=1) == 32770
        points = client.service_reference("Msvm_CollectionReferencePointService")
        assert client.refused(points, "CreateReferencePoint", Collection=group, ReferencePointType=1) == 32770


class TestReferencePoints:
    @pytest.fixture
    def service(self, client: Client) -> CimReference:
        return client.service_reference("Msvm_VirtualSystemReferencePointService")

    def test_a_machine_with_a_disk_gets_one(self, client: Client, service: CimReference, machine: CimReference) -> None:
        client.add_disk(machine, client.create_disk(r"C:\root.vhdx"))
        client.do(service, "CreateReferencePoint", AffectedSystem=machine, ReferencePointType=1)
        point = client.one("select * from Msvm_VirtualSystemReferencePoint")
        assert (point.get("ReferencePointType"), point.get("ConsistencyLevel")) == (1, 2)
        assert len(point.texts("ResilientChangeTrackingIdentifiers")) == 1
        reference = client.service.reference_of(point)
        assert related(client, reference, "Msvm_ComputerSystem") == ["machine"]
        client.do(service, "DestroyReferencePoint", AffectedReferencePoint=reference)
        assert client.query("select * from Msvm_VirtualSystemReferencePoint") == []

    def test_a_machine_without_disks_gets_none(
        self, client: Client, service: CimReference, machine: CimReference
    ) -> None:
        given = {"AffectedSystem": machine}
        assert client.failed(service, "CreateReferencePoint", **given, ReferencePointType=1).get("ErrorCode") == 32770
        assert client.refused(service, "CreateReferencePoint", **given, ReferencePointType=0) == 32773


class TestTerminal:
    @pytest.fixture
    def service(self, client: Client) -> CimReference:
        return client.service_reference("Msvm_TerminalService")

    def test_access_to_a_console_is_granted_and_revoked(
        self, client: Client, service: CimReference, machine: CimReference
    ) -> None:
        """The calls of HVWMI terminal_access."""
        target = {"ComputerSystem": machine}
        client.do(service, "GrantInteractiveSessionAccess", **target, Trustees=["HV1\\ann", "HV1\\bob"])
        entries = client.do(service, "GetInteractiveSessionACL", **target)["AccessControlList"]
        assert isinstance(entries, list)
        assert ["ann" in str(entries[0]), "bob" in str(entries[1])] == [True, True]
        client.do(service, "RevokeInteractiveSessionAccess", **target, Trustees=["hv1\\ANN"])
        left = client.do(service, "GetInteractiveSessionACL", **target)["AccessControlList"]
        assert isinstance(left, list)
        assert len(left) == 1
        assert client.refused(service, "GrantInteractiveSessionAccess", **target, Trustees=[]) == 32773

    def test_the_listener_is_set_at_once(self, client: Client, service: CimReference) -> None:
        text = settings_text("Msvm_TerminalServiceSettingData", ListenerPort=3179)
        outputs = client.call(service, "ModifyServiceSettings", ServiceSettingData=text)
        assert outputs["ReturnValue"] == 0
        assert client.one("select * from Msvm_TerminalServiceSettingData").get("ListenerPort") == 3179


def test_there_is_no_card_for_remotefx(client: Client) -> None:
    service = client.service_reference("Msvm_Synthetic3DService")
    card = CimReference("Msvm_Physical3dGraphicsProcessor", {"DeviceID": "Microsoft:1"})
    assert client.refused(service, "EnableGPUForVirtualization", PhysicalGPU=card) == 32773
    text = settings_text("Msvm_Synthetic3DServiceSettingData", GPUOvercommitEnabled=True)
    client.do(service, "ModifyServiceSettings", SettingData=text)
    assert client.one("select * from Msvm_Synthetic3DServiceSettingData").get("GPUOvercommitEnabled") is True
