"""Machines on a simulated host: made as asked, in few requests, and removed without a trace."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from compute_hyperv.cim.errors import InvalidRequest, MethodFailed, NotFound
from compute_hyperv.cim.values import CimInstance
from compute_hyperv.cim.wql import eq, select
from compute_hyperv.host.errors import MachineExists, UnsupportedByHost
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.machine_settings import MachineSettings
from compute_hyperv.host.model import (
    Bus,
    Drive,
    DriveKind,
    MachineSpec,
    MachineState,
    Memory,
    Nic,
    Processor,
    SecureBootTemplate,
    SerialPort,
)
from compute_hyperv.host.services import system_settings_reference
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.host import SimulatedHost
from tests.host.conftest import client_of, put_disks
from tests.host.specs import CONFIG_DRIVE, PORT, ROOT, generation_1, generation_2
from tests.simulated import Simulate

BOTH = pytest.mark.parametrize("spec", [generation_1(), generation_2()], ids=["generation 1", "generation 2"])


def system_of(host: HyperVHost, machine_id: str) -> CimInstance:
    return host.cim.get(system_settings_reference(machine_id))


def settings_of(host: HyperVHost, machine_id: str) -> MachineSettings:
    return MachineSettings.read(host.cim, machine_id)


# --- making


@BOTH
def test_a_machine_is_made_as_its_spec_says(host: HyperVHost, spec: MachineSpec) -> None:
    machine_id = host.machines.create(spec)

    found = host.machines.find(spec.name)
    assert found is not None
    assert (found.machine_id, found.state, found.healthy, found.notes) == (
        machine_id,
        MachineState.OFF,
        True,
        spec.notes,
    )
    system = system_of(host, machine_id)
    assert system["VirtualSystemSubType"] == f"Microsoft:Hyper-V:SubType:{spec.generation}"
    assert system["ConfigurationDataRoot"] == spec.folder
    assert (system["AutomaticStartupAction"], system["AutomaticShutdownAction"]) == (2, 3)
    assert system["ChassisAssetTag"] == "OpenStack Nova"
    assert system["AutomaticSnapshotsEnabled"] is False
    settings = settings_of(host, machine_id)
    assert settings.processor["VirtualQuantity"] == 2
    assert settings.memory["DynamicMemoryEnabled"] is False
    assert settings.memory["VirtualQuantity"] == 512
    assert settings.serial_port(1).texts("Connection") == [r"\\.\pipe\serial-of-1"]
    for drive in spec.drives:
        controller = settings.controller_for(drive)
        assert settings.drive_at(controller.text("InstanceID"), drive.slot) is not None
        assert len(settings.media_of(drive.path)) == 1
    assert host.machines.nics(machine_id) == list(spec.nics)


@BOTH
@pytest.mark.parametrize("known_absent", [True, False])
def test_making_a_machine_takes_few_requests(host: HyperVHost, spec: MachineSpec, known_absent: bool) -> None:
    before = host.cim.requests
    host.machines.create(spec, known_absent=known_absent)
    # [look], define, read, add devices, add media, VLAN, read it back, [read the firmware's settings]
    assert host.cim.requests - before == 6 + (spec.generation == 2) + (not known_absent)


@pytest.mark.parametrize(
    "boot_order", [(), (("drive", 0),), (("drive", 0), ("nic", 0)), (("nic", 0), ("drive", 1), ("drive", 0))]
)
def test_a_whole_spawn_fits_its_budget(
    host: HyperVHost, simulator: SimulatedHost, boot_order: tuple[tuple[str, int], ...]
) -> None:
    base, root = r"C:\OpenStack\base.vhdx", r"C:\OpenStack\Instances\spawned\root.vhdx"
    simulator.inside.disks.folder.to_local(root).parent.mkdir(parents=True, exist_ok=True)
    for path in (base, root):
        simulator.inside.disks.folder.to_local(path).unlink(missing_ok=True)
    host.disks.create_dynamic(base, 1024**3)
    spec = generation_2(boot_order=boot_order)
    spec = dataclasses.replace(spec, drives=(dataclasses.replace(spec.drives[0], path=root), *spec.drives[1:]))
    simulator.requests.clear()
    before = host.cim.requests

    host.disks.create_differencing(root, base)
    host.disks.resize(root, 20 * 1024**3)
    machine_id = host.machines.create(spec)
    host.machines.start(machine_id)

    polls = sum(request.action == "get" and request.class_name.endswith("Job") for request in simulator.requests)
    assert host.cim.requests - before - polls <= 11
    assert host.cim.requests - before <= 20  # three polls where the machine that runs this test is not busy


def _boots_from_nic_then_dvd_then_disk(host: HyperVHost) -> bool:
    spec = generation_2(boot_order=(("nic", 0), ("drive", 1), ("drive", 0)), secure_boot=SecureBootTemplate.WINDOWS)
    system = system_of(host, host.machines.create(spec))
    assert system["SecureBootEnabled"] is True
    assert system.text("SecureBootTemplateId").lower() == SecureBootTemplate.WINDOWS.value
    ids = [path.rpartition("=")[2].strip('"').split("\\\\")[1:] for path in system.texts("BootSourceOrder")]
    return [len(parts) for parts in ids] == [2, 5, 5] and [parts[-3] for parts in ids[1:]] == ["1", "0"]


def test_generation_2_boots_in_the_asked_order_with_the_asked_secure_boot(host: HyperVHost) -> None:
    assert _boots_from_nic_then_dvd_then_disk(host)


@pytest.mark.usefixtures("newest_device_boots_first")
def test_a_host_that_orders_new_devices_otherwise_is_corrected(host: HyperVHost) -> None:
    assert _boots_from_nic_then_dvd_then_disk(host)


def test_generation_1_boots_in_the_asked_order(host: HyperVHost) -> None:
    spec = generation_1(boot_order=(("drive", 1), ("drive", 0)))
    assert system_of(host, host.machines.create(spec))["BootOrder"] == [1, 2, 3, 0]


def test_dynamic_memory_is_made_as_asked(host: HyperVHost) -> None:
    machine_id = host.machines.create(generation_2(memory=Memory(512, 256, 2048)))
    memory = settings_of(host, machine_id).memory
    assert memory["DynamicMemoryEnabled"] is True
    assert [memory[name] for name in ("VirtualQuantity", "Reservation", "Limit")] == [512, 256, 2048]


def test_several_adapters_get_each_its_own_network(host: HyperVHost) -> None:
    nics = (
        Nic("port-a", "FA163E000001", "external", 101),
        Nic("port-b", "FA163E000002", "inside"),
        Nic("port-c", "FA163E000003", "external", 103),
        Nic("port-d", "FA163E000004"),
    )
    assert host.machines.nics(host.machines.create(generation_2(nics=nics))) == list(nics)


def test_drives_find_the_controllers_that_they_name(host: HyperVHost, simulator: SimulatedHost) -> None:
    paths = [rf"C:\OpenStack\data{number}.vhdx" for number in range(3)]
    for path in paths:
        simulator.inside.disks.folder.to_local(path).unlink(missing_ok=True)
        host.disks.create_dynamic(path, 1024**2 * 8)
    drives = (
        Drive(paths[0], Bus.SCSI, 0, 0),
        Drive(paths[1], Bus.SCSI, 1, 63),
        Drive(paths[2], Bus.SCSI, 3, 5),
    )
    machine_id = host.machines.create(generation_2(drives=drives))
    settings = settings_of(host, machine_id)
    assert len(settings.controllers(Bus.SCSI)) == 4
    for drive in drives:
        assert settings.drive_at(settings.controllers(Bus.SCSI)[drive.controller].text("InstanceID"), drive.slot)


def test_a_machine_may_have_no_drives_and_no_adapters(host: HyperVHost) -> None:
    machine_id = host.machines.create(generation_2(drives=(), nics=(), boot_order=(), serial_ports=(), asset_tag=""))
    assert host.machines.nics(machine_id) == []


def test_both_serial_ports_are_connected(host: HyperVHost) -> None:
    ports = (SerialPort(1, r"\\.\pipe\a"), SerialPort(2, r"\\.\pipe\b"))
    settings = settings_of(host, host.machines.create(generation_1(serial_ports=ports)))
    assert [settings.serial_port(number).texts("Connection") for number in (1, 2)] == [
        [r"\\.\pipe\a"],
        [r"\\.\pipe\b"],
    ]


def test_a_second_machine_of_the_name_is_refused_and_the_first_is_left_alone(host: HyperVHost) -> None:
    machine_id = host.machines.create(generation_2())
    with pytest.raises(MachineExists) as refused:
        host.machines.create(generation_2())
    assert refused.value.machine_id == machine_id
    assert [machine.machine_id for machine in host.machines.list()] == [machine_id]


@pytest.mark.parametrize(
    "spec",
    [
        generation_2(nics=(Nic("p", "FA163E000001", "no such switch"),)),
        generation_2(drives=(Drive(ROOT, Bus.IDE, 0, 0),)),
        generation_1(secure_boot=SecureBootTemplate.WINDOWS),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    host: HyperVHost, simulator: SimulatedHost, spec: MachineSpec
) -> None:
    with pytest.raises(InvalidRequest):
        host.machines.create(spec)
    assert simulator.requests.count(action="invoke") == 0


@pytest.mark.parametrize(
    "spec",
    [
        generation_2(drives=(Drive(r"C:\no\such\disk.vhdx", Bus.SCSI, 0, 0),)),
        generation_2(nics=(Nic(PORT, "FA163E010203", "external", 4095),)),
        generation_2(memory=Memory(1, 1, 1)),
    ],
    ids=["missing disk", "impossible VLAN", "no memory to speak of"],
)
def test_what_the_host_refuses_halfway_leaves_nothing(host: HyperVHost, spec: MachineSpec) -> None:
    with pytest.raises((MethodFailed, InvalidRequest)):
        host.machines.create(spec)
    assert host.machines.list() == []


def test_a_host_that_defines_machines_without_resources_only_gets_them_afterwards(
    host: HyperVHost, simulator: SimulatedHost
) -> None:
    method = {"class_name": "Msvm_VirtualSystemManagementService", "method": "DefineSystem"}
    simulator.faults.add(FaultRule("fault", code=0x80041008, **method))  # type: ignore[arg-type]
    spec = generation_1()
    machine_id = host.machines.create(spec)
    settings = settings_of(host, machine_id)
    assert settings.processor["VirtualQuantity"] == 2
    assert settings.serial_port(1).texts("Connection") == [r"\\.\pipe\serial-of-1"]
    assert len(settings.controllers(Bus.SCSI)) == 1
    host.machines.destroy(machine_id)
    simulator.requests.clear()
    host.machines.create(spec)
    assert simulator.requests.count(method="DefineSystem") == 1  # it was remembered


def test_machines_are_made_at_the_same_time(host: HyperVHost) -> None:
    failures: list[BaseException] = []

    def make(number: int) -> None:
        try:
            nic = Nic(f"port-{number}", f"FA163E0000{number:02X}", "external", 100 + number)
            host.machines.create(generation_2(name=f"machine-{number}", drives=(), boot_order=(), nics=(nic,)))
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {machine.name for machine in host.machines.list()} == {f"machine-{number}" for number in range(8)}


@pytest.mark.parametrize("version", ["2012r2", "2016", "2019", "2025"])
def test_every_windows_version_takes_what_it_is_told(simulate: Simulate, version: str) -> None:
    simulator = simulate(version=version)
    put_disks(simulator)
    specs = [generation_1()] if version == "2012r2" else [generation_1(), generation_2()]
    with client_of(simulator) as host:
        for spec in specs:
            machine_id = host.machines.create(spec)
            host.machines.start(machine_id)
            assert host.machines.nics(machine_id) == list(spec.nics)
            host.machines.destroy(machine_id)


def test_a_version_that_lacks_a_feature_says_which_has_it(simulate: Simulate) -> None:
    with client_of(simulate(version="2012r2")) as host:
        with pytest.raises(UnsupportedByHost, match="Windows Server 2016"):
            host.machines.create(generation_1(processor=Processor(1, expose_virtualization=True)))
        assert host.machines.list() == []


def test_a_version_that_cannot_plug_adapters_into_a_running_machine_says_so(simulate: Simulate) -> None:
    with client_of(simulate(version="2012r2")) as host:
        machine_id = host.machines.create(generation_1(drives=(), boot_order=(), nics=()))
        nic = Nic("late", "FA163E000001", "external", 3)
        host.machines.start(machine_id)
        with pytest.raises(UnsupportedByHost, match="Windows Server 2016"):
            host.machines.connect_nic(machine_id, nic)
        host.machines.turn_off(machine_id)
        host.machines.connect_nic(machine_id, nic)
        assert host.machines.nics(machine_id) == [nic]


# --- finding


def test_the_state_of_all_machines_is_one_query(host: HyperVHost, simulator: SimulatedHost) -> None:
    for number in range(5):
        host.machines.create(
            generation_2(name=f"machine-{number}", notes=(f"owner-{number}",), drives=(), nics=(), boot_order=())
        )
    before = host.cim.requests
    assert {machine.name for machine in host.machines.list()} == {f"machine-{number}" for number in range(5)}
    assert host.cim.requests - before == 1
    with_notes = host.machines.list(with_notes=True)
    assert host.cim.requests - before == 3
    assert {machine.name: machine.notes for machine in with_notes} == {
        f"machine-{number}": (f"owner-{number}",) for number in range(5)
    }


def test_a_machine_is_found_by_its_whole_name_only(host: HyperVHost) -> None:
    host.machines.create(generation_2(name="it's \\ 50%_[x]", drives=(), nics=(), boot_order=()))
    assert host.machines.find("it's \\ 50%_[x]") is not None
    assert host.machines.find("it's") is None
    assert host.machines.find("%") is None


# --- removing


@BOTH
@pytest.mark.parametrize("by", ["id", "name"])
def test_a_machine_is_removed_by_id_or_name_whatever_its_state(host: HyperVHost, spec: MachineSpec, by: str) -> None:
    for prepare in (lambda _: None, host.machines.start, _save, _pause):
        machine_id = host.machines.create(spec)
        _in(host, prepare, machine_id)
        host.machines.destroy(machine_id if by == "id" else spec.name)
        assert host.machines.list() == []


def test_removing_again_is_fine_and_disks_stay(host: HyperVHost, simulator: SimulatedHost) -> None:
    machine_id = host.machines.create(generation_2())
    for _ in range(2):
        host.machines.destroy(machine_id)
        host.machines.destroy("instance-00000001")
    assert simulator.inside.disks.folder.to_local(ROOT).exists()


def _save(host: HyperVHost, machine_id: str) -> None:
    host.machines.start(machine_id)
    host.machines.save(machine_id)


def _pause(host: HyperVHost, machine_id: str) -> None:
    host.machines.start(machine_id)
    host.machines.pause(machine_id)


def _in(host: HyperVHost, prepare: object, machine_id: str) -> None:
    if prepare in (_save, _pause):
        prepare(host, machine_id)  # type: ignore[operator]
    else:
        prepare(machine_id)  # type: ignore[operator]


# --- parts of a machine that is there


@pytest.fixture
def machine(host: HyperVHost) -> str:
    return host.machines.create(generation_2())


RUNNING_OR_NOT = pytest.mark.parametrize("running", [False, True], ids=["off", "running"])


@RUNNING_OR_NOT
@pytest.mark.parametrize("vlan_id", [None, 100, 4094])
@pytest.mark.parametrize("switch", ["external", "inside"])
def test_an_adapter_is_connected_as_asked_whatever_it_was(
    host: HyperVHost, machine: str, vlan_id: int | None, switch: str, running: bool
) -> None:
    if running:
        host.machines.start(machine)
    nic = Nic(PORT, "FA163E010203", switch, vlan_id)
    host.machines.connect_nic(machine, nic)
    assert host.machines.nics(machine) == [nic]


@RUNNING_OR_NOT
def test_an_adapter_is_added_disconnected_and_removed(host: HyperVHost, machine: str, running: bool) -> None:
    if running:
        host.machines.start(machine)
    first = generation_2().nics[0]
    second = Nic("another", "FA163E999999", "inside", 7)
    host.machines.connect_nic(machine, second)
    assert host.machines.nics(machine) == [first, second]
    host.machines.disconnect_nic(machine, "another")
    host.machines.disconnect_nic(machine, "another")
    assert host.machines.nics(machine) == [first, dataclasses.replace(second, switch_name=None, vlan_id=None)]
    host.machines.connect_nic(machine, second)
    assert host.machines.nics(machine) == [first, second]
    host.machines.remove_nic(machine, "another")
    host.machines.remove_nic(machine, "another")
    assert host.machines.nics(machine) == [first]


def test_an_adapter_to_no_switch_is_disconnected(host: HyperVHost, machine: str) -> None:
    host.machines.connect_nic(machine, Nic(PORT, "FA163E010203"))
    assert host.machines.nics(machine) == [Nic(PORT, "FA163E010203")]


def test_a_vlan_that_silently_did_not_take_is_set_again(
    host: HyperVHost, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters = host.machines._adapters
    real = adapters._components.add_features
    calls: list[object] = []

    def forgetful(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) > 1:
            real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(adapters._components, "add_features", forgetful)
    wanted = Nic(PORT, "FA163E010203", "external", 55)
    host.machines.connect_nic(machine, wanted)
    assert host.machines.nics(machine) == [wanted]


def test_a_vlan_that_never_takes_is_an_error(host: HyperVHost, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.machines._components, "add_features", lambda *_: None)
    nic = Nic(PORT, "FA163E010203", "external", 5)
    with pytest.raises(MethodFailed, match=f"{PORT} has VLAN none, not 5"):
        host.machines.connect_nic(machine, nic)
    with pytest.raises(MethodFailed, match=f"{PORT} has VLAN none, not 5"):
        host.machines.create(generation_2(name="other", nics=(nic,)))
    assert [found.name for found in host.machines.list()] == ["instance-00000001"]


def test_parts_of_a_machine_that_is_gone_are_not_found(host: HyperVHost) -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(NotFound):
        host.machines.nics(nobody)
    with pytest.raises(NotFound):
        host.machines.connect_nic(nobody, Nic(PORT, "FA163E010203", "external"))
    with pytest.raises(NotFound):
        host.machines.state(nobody)


@RUNNING_OR_NOT
def test_a_drive_comes_and_goes(host: HyperVHost, machine: str, simulator: SimulatedHost, running: bool) -> None:
    path = r"C:\OpenStack\volume.vhdx"
    simulator.inside.disks.folder.to_local(path).unlink(missing_ok=True)
    host.disks.create_dynamic(path, 1024**3)
    if running:
        host.machines.start(machine)
    drive = Drive(path, Bus.SCSI, 0, 7)
    host.machines.attach_drive(machine, drive)
    host.machines.attach_drive(machine, drive)
    assert len(settings_of(host, machine).media_of(path)) == 1
    host.machines.detach_drive(machine, path)
    host.machines.detach_drive(machine, path)
    settings = settings_of(host, machine)
    assert settings.media_of(path) == []
    assert settings.drive_at(settings.controllers(Bus.SCSI)[0].text("InstanceID"), 7) is None


def test_a_place_that_is_taken_or_does_not_exist_is_refused(host: HyperVHost, machine: str) -> None:
    other = r"C:\OpenStack\other.vhdx"
    with pytest.raises(InvalidRequest, match="taken"):
        host.machines.attach_drive(machine, Drive(other, Bus.SCSI, 0, 0))
    with pytest.raises(InvalidRequest, match="1 SCSI controllers"):
        host.machines.attach_drive(machine, Drive(other, Bus.SCSI, 1, 0))
    with pytest.raises(InvalidRequest, match="IDE"):
        host.machines.attach_drive(machine, Drive(other, Bus.IDE, 0, 1))


def test_a_drive_whose_medium_is_refused_does_not_stay(host: HyperVHost, machine: str) -> None:
    with pytest.raises(MethodFailed):
        host.machines.attach_drive(machine, Drive(r"C:\no\such.vhdx", Bus.SCSI, 0, 9))
    settings = settings_of(host, machine)
    assert settings.drive_at(settings.controllers(Bus.SCSI)[0].text("InstanceID"), 9) is None


def test_a_dvd_comes_and_goes(host: HyperVHost, machine: str, simulator: SimulatedHost) -> None:
    path = r"C:\OpenStack\other.iso"
    simulator.inside.disks.folder.to_local(path).write_bytes(
        simulator.inside.disks.folder.to_local(CONFIG_DRIVE).read_bytes()
    )
    host.machines.attach_drive(machine, Drive(path, Bus.SCSI, 0, 3, DriveKind.DVD))
    assert settings_of(host, machine).media_of(path)[0]["ResourceSubType"] == "Microsoft:Hyper-V:Virtual CD/DVD Disk"
    host.machines.detach_drive(machine, path)
    assert settings_of(host, machine).media_of(path) == []


def test_a_serial_port_is_connected_and_disconnected(host: HyperVHost, machine: str) -> None:
    for pipe in (r"\\.\pipe\new", ""):
        host.machines.set_serial_port(machine, SerialPort(2, pipe))
        assert "".join(settings_of(host, machine).serial_port(2).texts("Connection")) == pipe
    with pytest.raises(InvalidRequest, match="COM3"):
        host.machines.set_serial_port(machine, SerialPort(3, "x"))


def test_machines_that_others_made_are_listed_with_their_own_notes(host: HyperVHost) -> None:
    from compute_hyperv.host.services import MANAGEMENT

    host.cim.invoke(
        MANAGEMENT,
        "DefineSystem",
        {"SystemSettings": CimInstance("Msvm_VirtualSystemSettingData", {"ElementName": "somebody's"})},
    )
    (found,) = host.machines.list(with_notes=True)
    assert found.name == "somebody's"
    assert host.cim.query(select("Msvm_ComputerSystem").where(eq("ElementName", "somebody's")))
