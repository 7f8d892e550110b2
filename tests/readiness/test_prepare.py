"""Prepare takes a host to where its checks pass, and back: on the wire, against simulated Windows."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from compute_hyperv.host import inventory
from compute_hyperv.host.model import MachineSpec
from compute_hyperv.host.windows import power, services
from compute_hyperv.readiness import preparation
from compute_hyperv.readiness.changes.base import Stage
from compute_hyperv.readiness.changes.hyperv import MigrationNetworks
from compute_hyperv.readiness.changes.kinds import KINDS, from_data, to_data
from compute_hyperv.readiness.changes.switches import ExternalSwitch
from compute_hyperv.readiness.expectations import Expectations, PciSpec
from compute_hyperv.readiness.journal import Journal
from compute_hyperv.readiness.preparation import Failed
from hyperv_simulator.config.devices import PciDeviceConfig
from hyperv_simulator.config.file import load
from hyperv_simulator.config.network import NicConfig, SwitchConfig
from hyperv_simulator.fault_rules import Effect, FaultRule
from hyperv_simulator.host import SimulatedHost
from tests.host.specs import generation_2
from tests.readiness.examining import readings_of
from tests.readiness.preparing import WANTED, Operator, operator
from tests.simulated import Simulate

_FRESH = Path(__file__).parents[2] / "docs" / "hosts" / "fresh-windows.toml"
# What no program can add to a host
_TWO_NICS = (NicConfig("Ethernet"), NicConfig("Data"))


@pytest.fixture(autouse=True)
def _quick_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated Windows is back within moments, and may have been started a moment ago."""
    monkeypatch.setattr(inventory, "_DRIFT", dt.timedelta(seconds=0.05))
    monkeypatch.setattr(power, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(power, "_ASK_AGAIN_AFTER_S", 0.5)
    monkeypatch.setattr(services, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(preparation, "_LOOK_EVERY_S", 0.05)


def _start_fresh(hosts: Simulate, **changes: object) -> SimulatedHost:
    (config,) = load(_FRESH)
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    del values["address"], values["name"]
    return hosts(**{**values, "nic": _TWO_NICS, "numa_nodes": 2, "restart_s": 0.1, "samba": False, **changes})


@pytest.fixture(scope="module")
def fresh(hosts: Simulate) -> SimulatedHost:
    """Windows as setup leaves it. Tests undo what they do to it."""
    return _start_fresh(hosts)


@pytest.fixture
def somebody(fresh: SimulatedHost, tmp_path: Path) -> Iterator[Operator]:
    with operator(fresh, tmp_path / "journal") as found:
        yield found
        fresh.faults.clear()
        if found.journal.exists():
            found.undo()


def test_a_fresh_windows_passes_everything_after_one_run_and_is_fresh_again_when_undone(
    hosts: Simulate, tmp_path: Path
) -> None:
    host = _start_fresh(hosts, samba=True)
    with operator(host, tmp_path / "journal", only=()) as somebody:
        before = somebody.complaints()
        assert {"hyperv.role", "mpio.feature", "iscsi.service", "time.offset", "instances.folder"} <= before
        prepared = somebody.prepare()
        assert prepared.left == ()
        assert somebody.said.count(("restarting Windows", somebody.host.name)) == 1
        assert somebody.complaints() == set()
        assert somebody.plan().steps == ()

        disk = r"C:\OpenStack\Instances\disk"
        somebody.host.host.files.write(disk, b"of somebody")
        with pytest.raises(Failed, match="is not removed: it has content now"):
            somebody.undo()
        somebody.host.host.files.delete(disk)
        somebody.undo()
        # The clock stays right: it has been set.
        assert somebody.complaints() == before - {"time.offset"}
        assert not somebody.host.host.files.exists(r"C:\OpenStack")
        assert somebody.undo().restored == []


def test_a_plan_says_what_is_and_what_waits_for_the_restart_in_an_order_that_works(somebody: Operator) -> None:
    plan = somebody.plan()
    assert plan.obstacles == ()
    stages = [step.change.stage for step in plan.steps]
    assert stages == sorted(stages)
    found = {step.change.title: (step.found, step.later) for step in plan.steps}
    assert found["feature Hyper-V is installed"] == ("not installed", False)
    assert found["NUMA spanning disabled"] == ("not known yet", True)
    assert found["the time comes from ntp.example.org"] == ("NTP, time.windows.com,0x8", False)
    # Ethernet has the host's address; Data is free.
    assert found["external switch external on Data"] == ("not known yet", True)


def test_without_a_restart_the_rest_is_done_and_the_next_run_goes_on(somebody: Operator) -> None:
    first = somebody.prepare(may_restart=False)
    assert first.waits_for_restart
    assert "service MSiSCSI runs" in {step.change.title for step in first.done}
    assert "NUMA spanning disabled" in {step.change.title for step in first.left}
    left = somebody.plan().steps
    assert {step.change.title for step in left} >= {"feature Hyper-V is installed", "NUMA spanning disabled"}
    assert "service MSiSCSI runs" not in {step.change.title for step in left}

    second = somebody.prepare()
    assert second.left == ()
    assert somebody.complaints() == set()


def test_the_first_failure_ends_it_and_says_what_is_done(somebody: Operator, fresh: SimulatedHost) -> None:
    fresh.faults.add(FaultRule("fault", method="ChangeStartMode", code=0x80041003, message="Not for you."))
    with pytest.raises(Failed, match=r"service MSiSCSI: start mode Automatic: .*Not for you"):
        somebody.prepare()
    assert ("done", "feature Hyper-V is installed") in somebody.said
    assert not [title for activity, title in somebody.said if activity == "changing" and "NUMA" in title]
    assert '"event": "failed"' in somebody.journal.read_text()

    somebody.prepare()
    assert somebody.complaints() == set()


def test_what_the_host_takes_without_doing_it_is_a_failure(somebody: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(somebody.host.host.windows_services, "set_start_mode", lambda *_: None)
    with pytest.raises(Failed, match="The host took it, but still says: Manual"):
        somebody.prepare()


def test_an_interruption_leaves_a_journal_that_the_next_run_continues(somebody: Operator) -> None:
    def interrupt(activity: str, title: str) -> None:
        if activity == "Windows is back":
            raise KeyboardInterrupt

    plan = somebody.plan()
    with Journal(somebody.journal, somebody.host.name) as journal:
        cut = preparation.Preparation(somebody.host, plan, journal, may_restart=True, progress=interrupt)
        with pytest.raises(KeyboardInterrupt):
            cut.run()
    assert '"event": "interrupted"' in somebody.journal.read_text()
    somebody.prepare()
    assert somebody.complaints() == set()


# One request of each kind; test_prepare_cuts has all of them.
@pytest.mark.parametrize(
    ("effect", "method"),
    [
        ("drop-after", "AddServerComponentAsync"),
        ("drop-before", "SetMultiStringValue"),
        ("drop-after", "SetMultiStringValue"),
        ("drop-before", "Win32Shutdown"),
        ("drop-after", "Win32Shutdown"),
        ("drop-after", "StopService"),
        ("drop-after", "ModifyServiceSettings"),
        ("drop-after", "DefineSystem"),
    ],
)
def test_a_run_that_was_cut_is_finished_by_the_next(
    somebody: Operator, fresh: SimulatedHost, effect: Effect, method: str
) -> None:
    plan = somebody.plan()
    fresh.faults.add(FaultRule(effect, method=method))
    with contextlib.suppress(Failed):
        somebody.prepare(plan)
    fresh.faults.clear()
    somebody.prepare()
    assert somebody.complaints() == set()
    assert somebody.plan().steps == ()


def test_a_claim_that_was_cut_before_its_restart_is_restarted_for(somebody: Operator) -> None:
    somebody.prepare(may_restart=False)
    steps = {step.change.title: step for step in somebody.plan().steps}
    # The registry says that it is claimed; Windows has not read it yet.
    assert steps["MPIO claims MSFT2005iSCSIBusType_0x9"].again
    somebody.prepare()
    assert somebody.plan().steps == ()


@pytest.mark.parametrize("method", ["RemoveServerComponentAsync", "DestroySystem", "StopService", "Win32Shutdown"])
def test_undoing_that_was_cut_is_finished_by_the_next(somebody: Operator, fresh: SimulatedHost, method: str) -> None:
    before = somebody.complaints()
    somebody.prepare()
    fresh.faults.add(FaultRule("drop-after", method=method))
    with contextlib.suppress(Failed):
        somebody.undo()
    fresh.faults.clear()
    somebody.undo()
    assert somebody.complaints() | {"time.offset"} == before | {"time.offset"}
    assert somebody.undo().restored == []


# Adapters and switches


def test_the_only_adapter_is_shared_with_the_host(hosts: Simulate, tmp_path: Path) -> None:
    host = hosts(switch=(), nic=(NicConfig("Ethernet"),))
    with operator(host, tmp_path / "journal", Expectations(), ("network.switch",)) as somebody:
        (step,) = somebody.plan().steps
        assert step.change == ExternalSwitch("external", "Ethernet", for_host=True)
        somebody.prepare()
        assert somebody.complaints() == set()
        (own,) = [each for each in somebody.host.host.network.adapters() if each.manages]
        assert not own.physical
        somebody.undo()
        (own,) = [each for each in somebody.host.host.network.adapters() if each.manages]
        assert own.name == "Ethernet"


def test_a_switch_that_would_cut_off_the_host_is_refused(hosts: Simulate, tmp_path: Path) -> None:
    host = hosts(switch=(), nic=_TWO_NICS)
    with operator(host, tmp_path / "journal", Expectations(), ("network.switch",)) as somebody:
        change = ExternalSwitch("external", "Ethernet", for_host=False)
        plan = somebody.plan()
        wrong = dataclasses.replace(plan, steps=(dataclasses.replace(plan.steps[0], change=change),))
        with pytest.raises(Failed, match="would cut off its management"):
            somebody.prepare(wrong)
        assert somebody.host.host.switches.list() == []


@pytest.mark.parametrize(
    ("adapters", "said"),
    [
        ((), "it could be Data, More"),
        ((("", "Moor"),), "no network adapter 'Moor'. Remedy: Name one of: Ethernet, Data, More"),
        ((("external", "More"),), ""),
        ((("", "more"),), ""),
    ],
)
def test_an_adapter_is_never_guessed(
    hosts: Simulate, tmp_path: Path, adapters: tuple[tuple[str, str], ...], said: str
) -> None:
    host = hosts(switch=(), nic=(*_TWO_NICS, NicConfig("More")))
    wanted = Expectations(adapters=adapters)
    with operator(host, tmp_path / "journal", wanted, ("network.switch",)) as somebody:
        plan = somebody.plan()
        if said:
            assert plan.steps == ()
            assert said in plan.obstacles[0]
        else:
            assert [step.change for step in plan.steps] == [ExternalSwitch("external", "More", for_host=False)]


# A host that is in use


_DEVICE = PciDeviceConfig("Accelerator", location_path="PCIROOT(40)#PCI(0100)#PCI(0000)", mitigation_driver=True)


@pytest.fixture(scope="module")
def used(hosts: Simulate) -> SimulatedHost:
    """A host with Hyper-V, in a domain, with devices."""
    return hosts(
        domain="example.org",
        numa_nodes=2,
        switch=(SwitchConfig("external"),),
        pci_device=(_DEVICE,),
        restart_s=0.1,
    )


def _machine(name: str) -> MachineSpec:
    return generation_2(name=name, drives=(), nics=(), boot_order=())


def test_a_plan_names_the_machines_that_notice(used: SimulatedHost, tmp_path: Path) -> None:
    with operator(used, tmp_path / "journal", WANTED, ("numa",)) as somebody:
        host = somebody.host.host
        running = host.machines.create(_machine("guest"))
        host.machines.create(_machine("sleeper"))
        host.machines.start(running)
        plan = somebody.plan()
        (step,) = plan.steps
        assert step.change.effects.restarts == ("vmms",)
        assert plan.machines_touched(step) == ("guest",)
        somebody.prepare()
        assert somebody.complaints() == set()
        assert host.settings.numa_spanning() is False
        somebody.undo()
        assert host.settings.numa_spanning() is True
        for name in ("guest", "sleeper"):
            host.machines.destroy(name)


def test_a_service_that_a_cut_run_left_stopped_is_not_stopped_again_by_undoing(
    used: SimulatedHost, tmp_path: Path
) -> None:
    with operator(used, tmp_path / "journal", WANTED, ("hyperv", "numa")) as somebody:
        # The second one: it has been stopped for the restart.
        used.faults.add(FaultRule("drop-before", method="StartService", nth=2))
        with pytest.raises(Failed):
            somebody.prepare()
        used.faults.clear()
        assert somebody.complaints() == {"hyperv.service", "hyperv.wmi"}
        somebody.prepare()
        assert somebody.complaints() == set()
        somebody.undo()
        assert somebody.complaints() == {"numa.spanning"}


def test_live_migration_is_set_up_and_back(used: SimulatedHost, tmp_path: Path) -> None:
    wanted = dataclasses.replace(WANTED, live_migration=True)
    with operator(used, tmp_path / "journal", wanted, ("migration",)) as somebody:
        host = somebody.host.host
        before = host.settings.migration()
        host.firewall.disable("VIRT-MIGL-In-TCP-NoScope")
        somebody.prepare()
        now = host.settings.migration()
        assert (now.enabled, now.kerberos) == (True, True)
        assert somebody.prepare().left == ()  # what applies only once migration is enabled
        assert host.firewall.is_enabled("VIRT-MIGL-In-TCP-NoScope")
        somebody.undo()
        assert host.settings.migration() == before
        assert host.firewall.is_enabled("VIRT-MIGL-In-TCP-NoScope") is False


def test_migration_networks_are_exactly_those_and_then_those_before(used: SimulatedHost) -> None:
    readings = readings_of(used, scheme="http")
    with readings.host:
        before = MigrationNetworks(("10.1.0.0/16",))
        before.apply(readings)
        change = MigrationNetworks(("10.2.0.0/24", "10.1.0.0/16"))
        state = change.state(readings)
        assert not change.is_done(state)
        change.apply(readings)
        assert change.is_done(change.state(readings))
        change.restore(readings, state)
        assert before.is_done(before.state(readings))
        before.restore(readings, [])
        assert before.tell(before.state(readings)) == "any network"


def test_named_devices_are_dismounted_and_given_back(used: SimulatedHost, tmp_path: Path) -> None:
    wanted = Expectations(pci_devices=(PciSpec(_DEVICE.vendor_id, _DEVICE.device_id),))
    with operator(used, tmp_path / "journal", wanted, ("pci.devices",)) as somebody:
        assert somebody.complaints() == {"pci.devices"}
        somebody.prepare()
        assert somebody.complaints() == set()
        (location,) = somebody.host.host.assignable_devices.dismounted().values()
        assert location == _DEVICE.location_path
        (entry,) = somebody.undo().journal.entries
        assert entry.change.state(somebody.host) == entry.previous == "used by Windows"


def test_the_role_is_not_taken_from_under_machines(hosts: Simulate, tmp_path: Path) -> None:
    host = hosts(features=("Storage-Services",), switch=(), restart_s=0.1)
    with operator(host, tmp_path / "journal", Expectations(), ("hyperv",)) as somebody:
        somebody.prepare()
        somebody.host.host.machines.create(_machine("guest"))
        with pytest.raises(Failed, match="Hyper-V is not removed: the host has 1 machines, guest among them"):
            somebody.undo()
        assert somebody.complaints() == set()


# Kinds of changes


def test_every_kind_can_be_told_and_is_documented() -> None:
    assert len({kind.kind for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert "Stands for" in (kind.__doc__ or "") or kind.kind == "registry value", kind


def test_only_what_comes_before_the_restart_wants_one() -> None:
    for kind in KINDS:
        fields = dataclasses.fields(kind)  # type: ignore[arg-type]
        change = kind(**{field.name: "" for field in fields if field.default is dataclasses.MISSING})
        assert not change.effects.reboot or change.stage <= Stage.BEFORE_RESTART


def test_a_change_survives_being_written_down(somebody: Operator) -> None:
    for step in somebody.plan().steps:
        assert from_data(to_data(step.change)) == step.change
