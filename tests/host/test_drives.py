"""What is in the drives of machines of a simulated host."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.errors import InvalidRequest, Unreachable
from compute_hyperv.cim.paths import parse_path
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.model import Bus, Drive, DriveKind, DriveLayout
from compute_hyperv.host.services import system_settings_reference
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.host import SimulatedHost
from tests.host.specs import CONFIG_DRIVE, FOLDER, ROOT, generation_1, generation_2

OTHER = FOLDER + r"\root-rescue.vhdx"


@pytest.fixture
def other_disk(host: HyperVHost, simulator: object) -> str:
    if not simulator.inside.disks.folder.to_local(OTHER).exists():
        host.disks.create_dynamic(OTHER, 1024**3)
    return OTHER


def boot_order(host: HyperVHost, machine_id: str) -> list[str]:
    """Ids of the devices."""
    order = host.cim.get(system_settings_reference(machine_id)).texts("BootSourceOrder")
    return [parse_path(path).key("InstanceID") for path in order]


@pytest.mark.parametrize("spec", [generation_1(), generation_2()], ids=["generation 1", "generation 2"])
def test_drives_are_found_where_they_were_put(host: HyperVHost, spec: object) -> None:
    machine_id = host.machines.create(spec)
    assert host.drives.layout(machine_id) == DriveLayout(spec.generation, spec.drives)


@pytest.mark.parametrize("spec", [generation_1(), generation_2()], ids=["generation 1", "generation 2"])
def test_files_are_exchanged_and_nothing_else(host: HyperVHost, spec: object, other_disk: str) -> None:
    machine_id = host.machines.create(spec)
    order = boot_order(host, machine_id)
    host.drives.exchange(machine_id, {ROOT.upper(): other_disk, r"C:\not there.vhdx": other_disk})
    root, config_drive = host.drives.layout(machine_id).drives
    assert root == Drive(other_disk, spec.drives[0].bus, 0, 0)
    assert config_drive == spec.drives[1]
    assert boot_order(host, machine_id) == order


def test_a_drive_of_generation_2_boots_first_and_the_rest_follows(host: HyperVHost, other_disk: str) -> None:
    machine_id = host.machines.create(generation_2())
    before = boot_order(host, machine_id)
    host.machines.attach_drive(machine_id, Drive(other_disk, Bus.SCSI, 0, 5))
    host.drives.boot_from(machine_id, other_disk)
    first, *rest = boot_order(host, machine_id)
    assert first.endswith("\\5\\D\\B")
    assert rest == before


def test_generation_1_boots_from_its_first_ide_drive_of_a_kind(host: HyperVHost) -> None:
    machine_id = host.machines.create(generation_1())
    host.drives.boot_from(machine_id, CONFIG_DRIVE)
    system = host.cim.get(system_settings_reference(machine_id))
    assert system.integers("BootOrder") == [1, 2, 3, 0]
    host.drives.boot_from(machine_id, ROOT)
    assert host.cim.get(system_settings_reference(machine_id)).integers("BootOrder") == [2, 1, 3, 0]


@pytest.mark.parametrize("place", [(Bus.IDE, 1, 1), (Bus.SCSI, 0, 0)])
def test_generation_1_does_not_boot_from_another_disk(
    host: HyperVHost, other_disk: str, place: tuple[Bus, int, int]
) -> None:
    machine_id = host.machines.create(generation_1())
    host.machines.attach_drive(machine_id, Drive(other_disk, *place, DriveKind.DISK))
    with pytest.raises(InvalidRequest, match="BIOS"):
        host.drives.boot_from(machine_id, other_disk)


def test_a_drive_whose_medium_did_not_come_is_no_obstacle(
    host: HyperVHost, other_disk: str, simulator: SimulatedHost
) -> None:
    machine_id = host.machines.create(generation_2())
    drive = Drive(other_disk, Bus.SCSI, 0, 5)
    simulator.faults.add(FaultRule("drop-after", method="AddResourceSettings"))
    with pytest.raises(Unreachable):
        host.machines.attach_drive(machine_id, drive)
    simulator.faults.clear()
    host.machines.attach_drive(machine_id, drive)
    assert set(host.drives.layout(machine_id).drives) == {*generation_2().drives, drive}
