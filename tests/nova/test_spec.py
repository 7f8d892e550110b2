"""From Nova's request to the machine's spec: a table for each rule."""

from __future__ import annotations

import pytest
from nova import exception

from compute_hyperv.host.model import Bus, Drive, DriveKind, Memory, Nic, SecureBootTemplate, SerialPort
from compute_hyperv.nova import file_systems, spec
from compute_hyperv.nova.errors import InstanceRefused
from compute_hyperv.nova.settings import BuildSettings
from tests.nova.making import INSTANCE_UUID, PORT_ID, make_flavor, make_image_meta, make_instance, make_vif

WINDOWS_2012 = (6, 2, 9200)
WINDOWS_2012_R2 = (6, 3, 9600)
WINDOWS_2022 = (10, 0, 20348)

FOLDER = r"D:\instances\instance-0000002a"
SETTINGS = BuildSettings(instances_path=r"D:\instances", switches=(("physnet1", "external"),))


def plan(
    *,
    image=None,
    flavor=None,
    network_info=(),
    block_device_info=None,
    settings=SETTINGS,
    version=WINDOWS_2022,
    config_drive=False,
    instance=None,
    disk_format="vhdx",
):
    instance = instance or make_instance(flavor=flavor, image_properties=image)
    return spec.machine_spec(
        instance,
        make_image_meta(image, disk_format),
        network_info,
        block_device_info,
        settings,
        version,
        config_drive=config_drive,
    )


def test_an_instance_without_wishes_is_a_generation_1_machine_that_boots_from_ide():
    machine = plan()

    assert machine.name == "instance-0000002a"
    assert machine.notes == (INSTANCE_UUID,)
    assert machine.generation == 1
    assert machine.folder == FOLDER
    assert machine.memory == Memory(2048, 2048, 2048)
    assert (machine.processor.count, machine.processor.limit_features) == (2, False)
    assert machine.drives == (Drive(FOLDER + r"\root.vhdx", Bus.IDE, 0, 0),)
    assert machine.boot_order == (("drive", 0),)
    assert machine.secure_boot is None
    assert machine.asset_tag == "OpenStack Nova"
    assert not machine.shutdown_on_host_stop


# hw_machine_type, hw_firmware_type, generation
GENERATIONS = [
    (None, None, 1),
    ("hyperv-gen1", None, 1),
    ("hyperv-gen2", None, 2),
    (None, "bios", 1),
    (None, "uefi", 2),
    ("hyperv-gen1", "bios", 1),
    ("hyperv-gen2", "uefi", 2),
]


@pytest.mark.parametrize(("machine_type", "firmware", "generation"), GENERATIONS)
def test_the_image_chooses_the_generation(machine_type, firmware, generation):
    wishes = {"hw_machine_type": machine_type, "hw_firmware_type": firmware}

    machine = plan(image={name: value for name, value in wishes.items() if value})

    assert machine.generation == generation


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ({"hw_machine_type": "pc-q35"}, "hyperv-gen1 and hyperv-gen2"),
        ({"hw_machine_type": "hyperv-gen1", "hw_firmware_type": "uefi"}, "exclude each other"),
        ({"hw_machine_type": "hyperv-gen2", "hw_firmware_type": "bios"}, "exclude each other"),
    ],
)
def test_a_machine_type_that_there_is_not_is_refused(image, says):
    with pytest.raises(InstanceRefused, match=says):
        plan(image=image)


def test_generation_2_on_windows_2012_is_left_to_another_host():
    with pytest.raises(exception.InstanceUnacceptable, match="Windows Server 2012 R2") as refusal:
        plan(image={"hw_machine_type": "hyperv-gen2"}, version=WINDOWS_2012)

    assert not isinstance(refusal.value, InstanceRefused)


def test_a_gen2_machine_with_a_vhd_image_is_refused_before_anything_is_fetched():
    with pytest.raises(InstanceRefused, match="register the image as vhdx"):
        plan(image={"hw_machine_type": "hyperv-gen2"}, disk_format="vhd")


def test_a_gen2_machine_with_a_vhd_in_the_cache_is_refused():
    machine = plan(image={"hw_machine_type": "hyperv-gen2"})

    with pytest.raises(InstanceRefused, match="cannot boot from a VHD"):
        spec.with_root_format(machine, make_instance(), "vhd")


def test_a_gen1_machine_boots_from_a_vhd():
    machine = spec.with_root_format(plan(config_drive=True), make_instance(), "vhd")

    assert machine.drives[0] == Drive(FOLDER + r"\root.vhd", Bus.IDE, 0, 0)
    assert len(machine.drives) == 2


# generation, config_drive_cdrom, drive
CONFIG_DRIVES = [
    (1, False, Drive(FOLDER + r"\configdrive.vhd", Bus.IDE, 1, 0, DriveKind.DISK)),
    (1, True, Drive(FOLDER + r"\configdrive.iso", Bus.IDE, 1, 0, DriveKind.DVD)),
    (2, False, Drive(FOLDER + r"\configdrive.vhd", Bus.SCSI, 0, 1, DriveKind.DISK)),
    (2, True, Drive(FOLDER + r"\configdrive.iso", Bus.SCSI, 0, 1, DriveKind.DVD)),
]


@pytest.mark.parametrize(("generation", "cdrom", "drive"), CONFIG_DRIVES)
def test_the_config_drive_has_its_place(generation, cdrom, drive):
    machine = plan(
        image={"hw_machine_type": f"hyperv-gen{generation}"},
        config_drive=True,
        settings=BuildSettings(instances_path=r"D:\instances", config_drive_cdrom=cdrom),
    )

    assert machine.drives[1] == drive


def test_a_gen2_machine_boots_from_scsi():
    machine = plan(image={"hw_machine_type": "hyperv-gen2"})

    assert machine.drives == (Drive(FOLDER + r"\root.vhdx", Bus.SCSI, 0, 0),)


# RAM, ratio, startup: old-driver facts 2.1
DYNAMIC_MEMORY = [
    (2048, 1.0, 2048),
    (2048, 2.0, 1024),
    (2048, 1.5, 1364),
    (2048, 3.0, 682),
    (64, 4.0, 32),
]


@pytest.mark.parametrize(("total", "ratio", "startup"), DYNAMIC_MEMORY)
def test_a_ratio_lets_memory_grow_up_to_the_flavors(total, ratio, startup):
    settings = BuildSettings(instances_path=r"D:\instances", dynamic_memory_ratio=ratio)

    machine = plan(flavor=make_flavor(memory_mb=total), settings=settings)

    assert machine.memory == Memory(startup_mb=startup, minimum_mb=startup, maximum_mb=total)


@pytest.mark.parametrize("memory_mb", [1, 16, 33, 1025])
def test_memory_that_hyperv_cannot_give_is_refused(memory_mb):
    with pytest.raises(InstanceRefused, match="steps of 2 MB"):
        plan(flavor=make_flavor(memory_mb=memory_mb))


# flavor's hw:cpu_features, image's hw_cpu_features
NESTED = [("vmx", None), ("VMX", None), ("aes, vmx", None), (None, "vmx"), ("sse", "vmx")]


@pytest.mark.parametrize(("flavor_features", "image_features"), NESTED)
def test_nested_virtualization_comes_with_static_memory(flavor_features, image_features):
    machine = plan(
        flavor=make_flavor(extra_specs={"hw:cpu_features": flavor_features} if flavor_features else {}),
        image={"hw_cpu_features": image_features} if image_features else {},
        settings=BuildSettings(instances_path=r"D:\instances", dynamic_memory_ratio=2),
    )

    assert machine.processor.expose_virtualization
    assert not machine.memory.dynamic


def test_nested_virtualization_is_not_there_without_the_word():
    machine = plan(flavor=make_flavor(extra_specs={"hw:cpu_features": "vmxnet"}))

    assert not machine.processor.expose_virtualization


def test_nested_virtualization_on_2012_r2_is_left_to_another_host():
    with pytest.raises(exception.InstanceUnacceptable, match="Windows Server 2016"):
        plan(flavor=make_flavor(extra_specs={"hw:cpu_features": "vmx"}), version=WINDOWS_2012_R2)


RW, RO = rf"\\.\pipe\{INSTANCE_UUID}_rw", rf"\\.\pipe\{INSTANCE_UUID}_ro"

# interactive_serial_port, logging_serial_port, ports
SERIAL_PORTS = [
    (None, None, (SerialPort(1, RW),)),
    ("1", "1", (SerialPort(1, RW),)),
    ("2", None, (SerialPort(1, RO), SerialPort(2, RW))),
    (None, "2", (SerialPort(1, RW), SerialPort(2, RO))),
    ("2", "2", (SerialPort(2, RW),)),
]


@pytest.mark.parametrize(("interactive", "logging", "ports"), SERIAL_PORTS)
def test_the_image_says_what_the_serial_ports_are_for(interactive, logging, ports):
    wishes = {"interactive_serial_port": interactive, "logging_serial_port": logging}

    machine = plan(image={name: value for name, value in wishes.items() if value})

    assert machine.serial_ports == ports


@pytest.mark.parametrize("number", ["0", "3", "com1", "-1"])
@pytest.mark.parametrize("name", ["interactive_serial_port", "logging_serial_port"])
def test_a_serial_port_that_there_is_not_is_refused(name, number):
    with pytest.raises(exception.ImageSerialPortNumberInvalid, match=name):
        plan(image={name: number})


COM1, COM2 = rf"\\.\pipe\{INSTANCE_UUID}_com1", rf"\\.\pipe\{INSTANCE_UUID}_com2"

# hw:serial_port_count, hw_serial_port_count, interactive_serial_port, logging_serial_port, ports
SERIAL_PORT_COUNTS = [
    ("0", None, None, None, (SerialPort(1, RW),)),
    ("1", None, None, None, (SerialPort(1, RW),)),
    ("2", None, None, None, (SerialPort(1, RW), SerialPort(2, COM2))),
    (None, "2", None, None, (SerialPort(1, RW), SerialPort(2, COM2))),
    ("2", "1", None, None, (SerialPort(1, RW),)),
    ("2", None, "2", "2", (SerialPort(1, COM1), SerialPort(2, RW))),
    ("2", None, "1", "2", (SerialPort(1, RW), SerialPort(2, RO))),
]


@pytest.mark.parametrize(("flavor", "image", "interactive", "logging", "ports"), SERIAL_PORT_COUNTS)
def test_flavor_or_image_say_how_many_serial_ports_there_are(flavor, image, interactive, logging, ports):
    wishes = {
        "hw_serial_port_count": image,
        "interactive_serial_port": interactive,
        "logging_serial_port": logging,
    }

    machine = plan(
        image={name: value for name, value in wishes.items() if value},
        flavor=make_flavor(extra_specs={"hw:serial_port_count": flavor} if flavor else {}),
    )

    assert machine.serial_ports == ports


@pytest.mark.parametrize(
    ("flavor", "image", "why"),
    [
        ("3", {}, "asks for 3 serial ports: Hyper-V machines have 1 or 2. Change hw:serial_port_count"),
        ("-1", {}, "asks for -1 serial ports"),
        (None, {"hw_serial_port_count": "4"}, "asks for 4 serial ports"),
        ("1", {"logging_serial_port": "2"}, "a console on serial port 2 .* the server gets 1"),
    ],
)
def test_serial_ports_that_a_machine_cannot_have_are_refused(flavor, image, why):
    with pytest.raises(InstanceRefused, match=why):
        plan(image=image, flavor=make_flavor(extra_specs={"hw:serial_port_count": flavor} if flavor else {}))


REQUIRED, OPTIONAL, DISABLED = "required", "optional", "disabled"

# os_secure_boot of the image, os:secure_boot of the flavor, on
SECURE_BOOT = [
    (REQUIRED, None, True),
    (REQUIRED, OPTIONAL, True),
    (REQUIRED, REQUIRED, True),
    (OPTIONAL, REQUIRED, True),
    (None, REQUIRED, True),
    (None, None, False),
    (OPTIONAL, None, False),
    (None, OPTIONAL, False),
    (OPTIONAL, OPTIONAL, False),
    (DISABLED, None, False),
    (None, DISABLED, False),
    (DISABLED, OPTIONAL, False),
    (OPTIONAL, DISABLED, False),
    (DISABLED, DISABLED, False),
]


def secure_boot(image_wish, flavor_wish, os_type="windows", machine_type="hyperv-gen2", version=WINDOWS_2022):
    wishes = {"os_secure_boot": image_wish, "os_type": os_type, "hw_machine_type": machine_type}
    return plan(
        image={name: value for name, value in wishes.items() if value},
        flavor=make_flavor(extra_specs={"os:secure_boot": flavor_wish} if flavor_wish else {}),
        version=version,
    ).secure_boot


@pytest.mark.parametrize(("image_wish", "flavor_wish", "on"), SECURE_BOOT)
def test_image_and_flavor_decide_on_secure_boot(image_wish, flavor_wish, on):
    assert (secure_boot(image_wish, flavor_wish) is not None) == on


@pytest.mark.parametrize(("image_wish", "flavor_wish"), [(DISABLED, REQUIRED), (REQUIRED, DISABLED)])
def test_image_and_flavor_that_disagree_on_secure_boot_are_refused(image_wish, flavor_wish):
    with pytest.raises(InstanceRefused, match="secure boot is"):
        secure_boot(image_wish, flavor_wish)


@pytest.mark.parametrize(
    ("os_type", "template"),
    [
        ("windows", SecureBootTemplate.WINDOWS),
        ("linux", SecureBootTemplate.UEFI_CA),
    ],
)
def test_the_guests_kind_decides_whose_signatures_count(os_type, template):
    assert secure_boot(REQUIRED, None, os_type) is template


def test_secure_boot_needs_generation_2():
    with pytest.raises(InstanceRefused, match="hyperv-gen2"):
        secure_boot(REQUIRED, None, machine_type="hyperv-gen1")


def test_secure_boot_needs_the_guests_kind():
    with pytest.raises(InstanceRefused, match="os_type"):
        secure_boot(REQUIRED, None, os_type=None)


def test_secure_boot_of_linux_on_2012_r2_is_left_to_another_host():
    with pytest.raises(exception.InstanceUnacceptable, match="Windows Server 2016"):
        secure_boot(REQUIRED, None, os_type="linux", version=WINDOWS_2012_R2)


def test_settings_of_the_service_reach_the_machine():
    settings = BuildSettings(instances_path=r"D:\instances", limit_cpu_features=True, instance_automatic_shutdown=True)

    machine = plan(settings=settings)

    assert machine.processor.limit_features
    assert machine.shutdown_on_host_stop


@pytest.mark.parametrize("key", ["os:resolution", "os:monitors", "os:vram"])
def test_remotefx_is_refused(key):
    with pytest.raises(InstanceRefused, match="RemoteFX"):
        plan(flavor=make_flavor(extra_specs={key: "1"}))


@pytest.mark.parametrize(
    ("devices", "says"),
    [
        ({"block_device_mapping": [{"connection_info": {}}]}, "volumes"),
    ],
)
def test_disks_that_would_be_missing_are_refused(devices, says):
    with pytest.raises(InstanceRefused, match=says):
        plan(block_device_info=devices)


def test_a_swap_of_nothing_is_fine():
    assert plan(block_device_info={"swap": None, "ephemerals": [], "block_device_mapping": []})


def test_each_port_is_an_adapter_and_can_be_booted_from_after_the_disk():
    machine = plan(network_info=[make_vif()])

    assert machine.nics == (Nic(PORT_ID, "FA163E4C2C30", "external", 100),)
    assert machine.boot_order == (("drive", 0), ("nic", 0))


EPHEMERAL = {"device_name": "/dev/sdb", "size": 1, "disk_bus": None, "device_type": "disk", "guest_format": None}


def test_ephemeral_disks_are_booted_from_before_networks():
    machine = plan(network_info=[make_vif()], block_device_info={"ephemerals": [EPHEMERAL]})

    assert machine.boot_order == (("drive", 0), ("drive", 1), ("nic", 0))


@pytest.mark.parametrize("default", [None, "ext4"])
def test_nova_conf_says_how_ephemeral_disks_are_formatted(default):
    settings = BuildSettings(instances_path=r"D:\instances", ephemeral_format=default)
    instance, image = make_instance(), make_image_meta()

    disks = spec.disk_layout(instance, image, {"ephemerals": [EPHEMERAL]}, settings, WINDOWS_2022, config_drive=False)

    assert [disk.file_system and disk.file_system.name for disk in disks.blank_disks] == [default]


@pytest.mark.parametrize(("os_type", "program"), [("windows", "mkfs.ntfs"), ("linux", "mkfs.ext4")])
def test_nova_conf_has_commands_for_kinds_of_guests(os_type, program):
    own = file_systems.of_administrator(["windows=mkfs.ntfs %(target)s", "default=mkfs.ext4 %(target)s"])
    settings = BuildSettings(instances_path=r"D:\instances", file_systems=own)
    properties = {"os_type": os_type}
    instance, image = make_instance(image_properties=properties), make_image_meta(properties)

    disks = spec.disk_layout(instance, image, {"ephemerals": [EPHEMERAL]}, settings, WINDOWS_2022, config_drive=False)

    assert [disk.file_system.command[0] for disk in disks.blank_disks] == [program]


def test_a_limit_on_disks_on_windows_2012_is_left_to_another_host():
    with pytest.raises(exception.InstanceUnacceptable, match="2012 R2") as refusal:
        plan(flavor=make_flavor(extra_specs={"quota:disk_total_iops_sec": "100"}), version=WINDOWS_2012)

    assert not isinstance(refusal.value, InstanceRefused)


@pytest.mark.parametrize("template", [r"..\%(uuid)s", "C:%(uuid)s", "a/%(uuid)s"])
def test_a_name_that_is_no_folder_is_refused(template, monkeypatch):
    monkeypatch.setattr(type(make_instance()), "name", template % {"uuid": INSTANCE_UUID})

    with pytest.raises(InstanceRefused, match="instance_name_template"):
        plan()


def test_a_refusal_is_what_nova_gives_up_on_and_what_the_retired_driver_raised():
    assert issubclass(InstanceRefused, exception.InvalidInput)
    assert issubclass(InstanceRefused, exception.InstanceUnacceptable)
    assert "instance" in InstanceRefused(instance_id=INSTANCE_UUID, reason="x").format_message().lower()
