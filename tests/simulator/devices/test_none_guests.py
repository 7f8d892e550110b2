"""Guests without an inside: disks and pipes are real, the rest is instant."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest

from hyperv_simulator.config.guest import GuestConfig
from hyperv_simulator.guests.base import GuestDiskSpec, GuestError, GuestSpec, StopReason
from hyperv_simulator.guests.none import NoneRunner
from hyperv_simulator.smb.pipes import PipeServer
from hyperv_simulator.storage import errors
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.vhd import DiskStore
from tests.simulator.devices.listener import Listener

SPEC = GuestSpec(
    machine_id="5B0A2C6E-0000-4000-8000-000000000001",
    name="m1",
    generation=2,
    processors=1,
    memory_mb=512,
    disks=(GuestDiskSpec(r"C:\root.vhdx", "SCSI", 0, 0),),
    serial=((1, r"\\.\pipe\m1"),),
)


@pytest.fixture
def runner(store: DiskStore, pipes: PipeServer) -> NoneRunner:
    store.create(r"C:\root.vhdx", "dynamic", "vhdx", 10 * 1024**2)
    return NoneRunner(store, pipes)


def test_a_machine_that_is_on_uses_its_disk_and_has_its_pipe(
    runner: NoneRunner, store: DiskStore, pipes: PipeServer
) -> None:
    guest = runner.create(SPEC, Listener())

    guest.start()

    assert guest.running
    assert guest.process_id
    assert guest.integration_ready
    assert store.in_use(r"C:\root.vhdx")
    assert (pipes.folder / "m1").exists()

    guest.power_off()

    assert not guest.running
    assert guest.process_id is None
    assert not store.in_use(r"C:\root.vhdx")
    assert not (pipes.folder / "m1").exists()


def test_a_missing_disk_stops_the_start_and_nothing_stays_in_use(runner: NoneRunner, store: DiskStore) -> None:
    missing = GuestDiskSpec(r"C:\none.vhdx", "SCSI", 0, 1)
    guest = runner.create(dataclasses.replace(SPEC, disks=(*SPEC.disks, missing)), Listener())

    with pytest.raises(DiskError) as refused:
        guest.start()

    assert refused.value.code == errors.FILE_NOT_FOUND
    assert not guest.running
    assert not store.in_use(r"C:\root.vhdx")


def test_two_machines_cannot_have_one_disk(runner: NoneRunner) -> None:
    runner.create(SPEC, Listener()).start()
    other = runner.create(dataclasses.replace(SPEC, serial=()), Listener())

    with pytest.raises(DiskError) as refused:
        other.start()

    assert refused.value.code == errors.SHARING_VIOLATION


def test_a_guest_obeys_a_shutdown_request_at_once(runner: NoneRunner) -> None:
    listener = Listener()
    guest = runner.create(SPEC, listener)
    guest.start()

    guest.shutdown()

    assert listener.stopped_within(5) == StopReason.GUEST_POWERED_OFF
    assert not guest.running


def test_a_guest_without_integration_services_ignores_it(store: DiskStore, runner: NoneRunner) -> None:
    listener = Listener()
    guest = NoneRunner(store, config=lambda _: GuestConfig(integration_services=False)).create(SPEC, listener)
    guest.start()

    guest.shutdown()

    assert guest.running
    assert not guest.integration_ready
    assert not any(thread.name.startswith("shutdown") for thread in threading.enumerate())


def test_a_saved_machine_goes_on_once(runner: NoneRunner, tmp_path: Path) -> None:
    guest = runner.create(SPEC, Listener())
    guest.start()
    guest.save(tmp_path / "state")
    assert not guest.running

    guest.start(tmp_path / "state")

    assert guest.running
    assert not (tmp_path / "state").exists()


def test_a_state_of_another_machine_is_refused(runner: NoneRunner, tmp_path: Path) -> None:
    guest = runner.create(SPEC, Listener())
    guest.start()
    guest.save(tmp_path / "state")
    other = runner.create(dataclasses.replace(SPEC, machine_id="OTHER"), Listener())

    with pytest.raises(GuestError):
        other.start(tmp_path / "state")


def test_closing_the_runner_ends_all_guests(runner: NoneRunner, store: DiskStore) -> None:
    runner.create(SPEC, Listener()).start()

    runner.close()

    assert not store.in_use(r"C:\root.vhdx")
