"""The class catalogue that the package carries."""

from __future__ import annotations

import time

import pytest

from compute_hyperv.cim import schema
from compute_hyperv.cim.errors import NotFound
from compute_hyperv.cim.schema import Catalogue, CimType

V2 = "root/virtualization/v2"


def test_names_ignore_letter_case_and_the_slashes_of_namespaces() -> None:
    found = schema.catalogue().find("ROOT\\Virtualization\\V2", "msvm_computersystem")
    assert found.name == "Msvm_ComputerSystem"
    assert found.property("ELEMENTNAME").name == "ElementName"
    assert found.method("requeststatechange").name == "RequestStateChange"


def test_a_class_has_what_it_inherits() -> None:
    found = schema.catalogue().find(V2, "Msvm_ComputerSystem")
    assert found.ancestors[-1] == "CIM_ManagedElement"
    assert found.is_a("cim_system")
    assert not found.is_a("Msvm_VirtualSystemSettingData")
    assert found.property("ElementName").type is CimType.STRING
    assert found.keys == ("CreationClassName", "Name")


def test_a_class_overrides_value_maps_and_defaults_of_what_it_inherits() -> None:
    found = schema.catalogue().find(V2, "Msvm_ComputerSystem")
    assert found.property("OperationalStatus").values["32768"] == "Creating Snapshot"
    assert found.property("OperationalStatus").is_array
    assert found.property("HealthState").default == 5


def test_parameters_keep_the_order_of_the_signature() -> None:
    method = schema.catalogue().find(V2, "Msvm_VirtualSystemManagementService").method("DefineSystem")
    assert [(parameter.name, parameter.direction) for parameter in method.parameters] == [
        ("SystemSettings", "in"),
        ("ResourceSettings", "in"),
        ("ReferenceConfiguration", "in"),
        ("ResultingSystem", "out"),
        ("Job", "out"),
    ]
    settings = method.parameter("resourcesettings")
    assert (settings.type, settings.is_array) == (CimType.STRING, True)
    assert settings.embedded_class == "Msvm_ResourceAllocationSettingData"
    assert method.return_values["4096"] == "Method Parameters Checked - Job Started"


def test_subclasses_are_found_at_any_depth() -> None:
    names = {found.name for found in schema.catalogue().subclasses(V2, "CIM_ConcreteJob")}
    assert {"CIM_ConcreteJob", "Msvm_ConcreteJob", "Msvm_StorageJob", "Msvm_MigrationJob"} <= names


@pytest.mark.parametrize("namespace", ["root/cimv2", "root/virtualization/v2", "root/microsoft/windows/storage"])
def test_system_classes_are_in_every_namespace_with_embedded_objects(namespace: str) -> None:
    event = schema.catalogue().find(namespace, "__InstanceModificationEvent")
    assert event.property("TargetInstance").type is CimType.OBJECT


@pytest.mark.parametrize(
    ("namespace", "class_name", "member"),
    [
        ("root/nowhere", "Msvm_ComputerSystem", "nowhere"),
        (V2, "Msvm_Nothing", "Msvm_Nothing"),
    ],
)
def test_what_is_not_there_is_named(namespace: str, class_name: str, member: str) -> None:
    with pytest.raises(NotFound, match=member):
        schema.catalogue().find(namespace, class_name)


def test_a_missing_property_or_method_is_named_with_its_class() -> None:
    found = schema.catalogue().find(V2, "Msvm_ComputerSystem")
    with pytest.raises(NotFound, match=r"Msvm_ComputerSystem .* no property Colour"):
        found.property("Colour")
    with pytest.raises(NotFound, match=r"Msvm_ComputerSystem .* no method Paint"):
        found.method("Paint")


def test_every_class_of_every_namespace_can_be_resolved() -> None:
    catalogue = schema.catalogue()
    count = 0
    for namespace in catalogue.namespaces():
        for found in catalogue.classes(namespace):
            assert all(found.has_property(key) for key in found.keys), found.name
            count += 1
    assert count > 6000


def test_the_first_class_of_a_namespace_is_found_quickly() -> None:
    started = time.process_time()
    Catalogue().find(V2, "Msvm_ComputerSystem")
    assert time.process_time() - started < 0.25
