"""From a spec to setting data: every rule of it, without a host."""

from __future__ import annotations

import dataclasses

import pytest

from compute_hyperv.cim import cimxml
from compute_hyperv.cim.errors import InvalidRequest
from compute_hyperv.host import machine_definition as definition
from compute_hyperv.host import port_features
from compute_hyperv.host.errors import UnsupportedByHost
from compute_hyperv.host.model import (
    Bus,
    Drive,
    DriveKind,
    MachineSpec,
    Memory,
    Nic,
    Processor,
    SecureBootTemplate,
    SerialPort,
)
from tests.host.specs import generation_1, generation_2

SERVER_2012_R2 = (6, 3, 9600)
SERVER_2016 = (10, 0, 14393)
SERVER_2022 = (10, 0, 20348)

DISK, DVD = DriveKind.DISK, DriveKind.DVD


def drive(bus: Bus, controller: int, slot: int, kind: DriveKind = DISK) -> Drive:
    return Drive(rf"C:\x\{bus.value}{controller}{slot}.vhdx", bus, controller, slot, kind)


def test_all_data_of_a_machine_goes_to_its_folder() -> None:
    settings = definition.system_settings(generation_2(), SERVER_2022)
    for name in ("ConfigurationDataRoot", "LogDataRoot", "SnapshotDataRoot", "SuspendDataRoot", "SwapFileDataRoot"):
        assert settings[name] == r"C:\OpenStack\Instances\instance-00000001"


def test_nothing_starts_a_machine_but_nova_and_the_host_saves_it_when_it_stops() -> None:
    settings = definition.system_settings(generation_2(), SERVER_2022)
    assert (settings["AutomaticStartupAction"], settings["AutomaticShutdownAction"]) == (2, 3)


def test_a_machine_that_cannot_be_saved_is_shut_down_with_its_host() -> None:
    settings = definition.system_settings(generation_2(shutdown_on_host_stop=True), SERVER_2022)
    assert settings["AutomaticShutdownAction"] == 4


@pytest.mark.parametrize(("version", "there"), [(SERVER_2012_R2, False), (SERVER_2016, False), (SERVER_2022, True)])
def test_automatic_checkpoints_are_off_where_they_exist(version: tuple[int, int, int], there: bool) -> None:
    settings = definition.system_settings(generation_1(), version)
    assert settings.get("AutomaticSnapshotsEnabled") == (False if there else None)


def test_static_memory_is_equal_everywhere_and_said_to_be_static() -> None:
    settings = definition.memory_settings(generation_2(memory=Memory(1024, 1024, 1024)))
    assert settings["DynamicMemoryEnabled"] is False
    assert {settings[name] for name in ("VirtualQuantity", "Reservation", "Limit")} == {1024}


def test_dynamic_memory_has_its_three_sizes_and_no_virtual_numa() -> None:
    spec = generation_2(memory=Memory(1024, 512, 4096))
    settings = definition.memory_settings(spec)
    assert [settings[n] for n in ("VirtualQuantity", "Reservation", "Limit")] == [1024, 512, 4096]
    assert settings["DynamicMemoryEnabled"] is True
    assert definition.system_settings(spec, SERVER_2022)["VirtualNumaEnabled"] is False


def test_a_host_without_nested_virtualization_is_not_told_about_it() -> None:
    assert "ExposeVirtualizationExtensions" not in definition.processor_settings(generation_1(), SERVER_2012_R2)
    assert "ExposeVirtualizationExtensions" in definition.processor_settings(generation_1(), SERVER_2022)


@pytest.mark.parametrize(
    ("drives", "boot_order", "codes"),
    [
        ((), (), (2, 1, 3, 0)),
        ((drive(Bus.IDE, 0, 0),), (("drive", 0),), (2, 1, 3, 0)),
        ((drive(Bus.IDE, 0, 0, DVD),), (("drive", 0),), (1, 2, 3, 0)),
        ((drive(Bus.IDE, 0, 0), drive(Bus.IDE, 0, 1)), (("nic", 0), ("drive", 1), ("drive", 0)), (3, 2, 1, 0)),
        ((drive(Bus.SCSI, 0, 0), drive(Bus.IDE, 0, 0, DVD)), (("drive", 0), ("drive", 1)), (1, 2, 3, 0)),
    ],
)
def test_generation_1_boots_in_the_order_of_kinds_of_devices(
    drives: tuple[Drive, ...], boot_order: tuple[tuple[str, int], ...], codes: tuple[int, ...]
) -> None:
    spec = generation_1(drives=drives, boot_order=boot_order)
    assert definition.boot_codes(spec) == codes
    assert definition.system_settings(spec, SERVER_2022)["BootOrder"] == list(codes)


def test_generation_2_boots_from_what_is_asked_then_from_the_rest() -> None:
    spec = generation_2(boot_order=(("nic", 0), ("drive", 1)))
    settings = definition.firmware_settings(spec, ["D0", "D1"], ["N0"])
    assert [path.partition("=")[2] for path in settings.texts("BootSourceOrder")] == [
        r'"N0\\B"',
        r'"D1\\B"',
        r'"D0\\B"',
    ]


@pytest.mark.parametrize("template", list(SecureBootTemplate))
def test_secure_boot_comes_with_its_template(template: SecureBootTemplate) -> None:
    spec = generation_2(secure_boot=template)
    for settings in (
        definition.system_settings(spec, SERVER_2022),
        definition.firmware_settings(spec, ["D0", "D1"], ["N0"]),
    ):
        assert (settings["SecureBootEnabled"], settings["SecureBootTemplateId"]) == (True, template.value)


def test_secure_boot_is_off_unless_asked_for() -> None:
    settings = definition.system_settings(generation_2(secure_boot=None), SERVER_2022)
    assert settings["SecureBootEnabled"] is False
    assert "SecureBootEnabled" not in definition.system_settings(generation_1(), SERVER_2022)


@pytest.mark.parametrize(
    ("ports", "connections"),
    [
        ((), []),
        ((SerialPort(1, "a"),), [["a"]]),
        ((SerialPort(2, "b"),), [[""], ["b"]]),
        ((SerialPort(2, "b"), SerialPort(1, "a")), [["a"], ["b"]]),
    ],
)
def test_serial_ports_are_named_by_their_place(ports: tuple[SerialPort, ...], connections: list[list[str]]) -> None:
    assert [port["Connection"] for port in definition.serial_ports(ports, SERVER_2022)] == connections


def test_a_serial_port_has_the_class_that_the_host_has_for_it() -> None:
    (old,) = definition.serial_ports([SerialPort(1, "a")], SERVER_2012_R2)
    (new,) = definition.serial_ports([SerialPort(1, "a")], SERVER_2016)
    assert (old.class_name, new.class_name) == ("Msvm_ResourceAllocationSettingData", "Msvm_SerialPortSettingData")


def test_there_is_always_a_scsi_controller_for_volumes_to_come() -> None:
    assert definition.scsi_controllers_needed([]) == 1
    assert definition.scsi_controllers_needed([drive(Bus.IDE, 0, 0)]) == 1
    assert definition.scsi_controllers_needed([drive(Bus.SCSI, 0, 5), drive(Bus.SCSI, 2, 0)]) == 3


@pytest.mark.parametrize("spec", [generation_1(), generation_2()], ids=["generation 1", "generation 2"])
def test_everything_that_is_written_is_in_the_schema(spec: MachineSpec) -> None:
    nic = Nic("port", "FA163E010203", "external", 5, (6, 7), True, 1000, sriov=True)
    instances = [
        definition.system_settings(spec, SERVER_2022),
        definition.processor_settings(spec, SERVER_2022),
        definition.memory_settings(spec),
        *definition.scsi_controllers(1),
        definition.drive_settings(spec.drives[0], "path"),
        definition.medium_settings(spec.drives[1], "path"),
        definition.adapter_settings(nic, "{id}"),
        definition.connection_settings(nic, "path", "path"),
        *port_features.changes(nic, []).add,
        definition.firmware_settings(generation_2(), ["D0", "D1"], ["N0"]),
    ]
    for instance in instances:
        assert cimxml.text_to_instance(cimxml.instance_to_text(instance)).class_name == instance.class_name


@pytest.mark.parametrize(
    ("spec", "version", "error"),
    [
        (generation_2(processor=Processor(1, expose_virtualization=True)), SERVER_2012_R2, "Nested virtualization"),
        (generation_2(secure_boot=SecureBootTemplate.UEFI_CA), SERVER_2012_R2, "another system than Windows"),
        (generation_2(), (6, 2, 9200), "generation 2"),
        (generation_1(secure_boot=SecureBootTemplate.WINDOWS), SERVER_2022, "generation 1"),
        (generation_2(drives=(drive(Bus.IDE, 0, 0),)), SERVER_2022, "IDE"),
        (generation_1(drives=(drive(Bus.IDE, 0, 2),)), SERVER_2022, "no place IDE 0:2"),
        (generation_1(drives=(drive(Bus.IDE, 2, 0),)), SERVER_2022, "no place IDE 2:0"),
        (generation_2(drives=(drive(Bus.SCSI, 0, 64),)), SERVER_2022, "no place SCSI 0:64"),
        (generation_2(drives=(drive(Bus.SCSI, 0, 1), drive(Bus.SCSI, 0, 1))), SERVER_2022, "Two drives"),
    ],
)
def test_what_no_host_or_this_host_cannot_have_is_refused_before_anything_is_made(
    spec: MachineSpec, version: tuple[int, int, int], error: str
) -> None:
    with pytest.raises(InvalidRequest, match=error):
        definition.check(spec, version, "hv1")


def test_a_limit_on_a_disk_is_its_mediums_and_needs_2012_r2() -> None:
    limited = dataclasses.replace(drive(Bus.IDE, 0, 0), iops_limit=500)

    assert definition.medium_settings(limited, "path")["IOPSLimit"] == 500
    definition.check(generation_1(drives=(limited,)), SERVER_2012_R2, "hv1")
    with pytest.raises(UnsupportedByHost, match="2012 R2"):
        definition.check(generation_1(drives=(limited,)), (6, 2, 9200), "hv1")


def test_windows_secure_boot_needs_no_newer_host() -> None:
    definition.check(generation_2(secure_boot=SecureBootTemplate.WINDOWS), SERVER_2012_R2, "hv1")
    with pytest.raises(UnsupportedByHost):
        definition.check(generation_2(secure_boot=SecureBootTemplate.UEFI_CA), SERVER_2012_R2, "hv1")
