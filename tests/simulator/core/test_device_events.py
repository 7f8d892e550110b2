"""Events of what a machine has only while it runs (devices, integration services): WMI finds them by looking."""

from __future__ import annotations

import time

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.server.eventing import query
from hyperv_simulator.server.eventing.watch import Watch
from tests.simulator.core.client import Client, settings_text

START, OFF, PAUSE = 2, 3, 9
WITHIN_S = 2.0


class Subscriber:
    """A subscription whose time goes on when the test says so."""

    def __init__(self, client: Client, text: str) -> None:
        self._now = time.monotonic()
        repository = client.inside.repository
        parsed = query.compiled("root/virtualization/v2", text, repository.catalogue)
        self._watch = Watch(parsed, repository, lambda: None, lambda: self._now)
        repository.add_hook(lambda _kind, before, after: self._watch.note(before, after))

    def events(self) -> list[tuple[str, str, CimInstance]]:
        """(event class, class of the target, target) after the next look."""
        assert (self._watch.due_in_s or 0.0) <= WITHIN_S
        self._now += WITHIN_S
        found = []
        for event in self._watch.take():
            target = event.get("TargetInstance")
            assert isinstance(target, CimInstance)
            found.append((event.class_name, target.class_name, target))
        return found


def test_devices_come_and_go_with_the_machine(client: Client, machine: CimReference) -> None:
    subscriber = Subscriber(
        client,
        f"select * from __InstanceOperationEvent within {WITHIN_S} where TargetInstance isa 'Msvm_Keyboard' "
        f"or TargetInstance isa 'Msvm_ShutdownComponent'",
    )

    client.change_state(machine, START)
    came = {(event, target) for event, target, _ in subscriber.events()}
    client.change_state(machine, OFF)
    went = {(event, target) for event, target, _ in subscriber.events()}

    assert came == {
        ("__InstanceCreationEvent", "Msvm_Keyboard"),
        ("__InstanceCreationEvent", "Msvm_ShutdownComponent"),
    }
    assert went == {
        ("__InstanceDeletionEvent", "Msvm_Keyboard"),
        ("__InstanceDeletionEvent", "Msvm_ShutdownComponent"),
    }
    assert not subscriber.events()


def test_what_a_guest_says_is_a_change_of_its_component(client: Client, machine: CimReference) -> None:
    client.change_state(machine, START)
    subscriber = Subscriber(
        client,
        f"select * from __InstanceModificationEvent within {WITHIN_S} where "
        f"TargetInstance isa 'Msvm_KvpExchangeComponent' and TargetInstance.SystemName = '{machine.key('Name')}'",
    )
    text = settings_text("Msvm_KvpExchangeDataItem", Name="OpenStack.SetPassword", Data="{}", Source=0)

    client.do(client.management, "AddKvpItems", TargetSystem=machine, DataItems=[text])

    ((_, _, target),) = subscriber.events()
    assert any("OpenStack.SetPasswordResult" in item for item in target.texts("GuestExchangeItems"))


def test_a_machine_and_its_heartbeat_change_together(client: Client, machine: CimReference) -> None:
    client.change_state(machine, START)
    subscriber = Subscriber(
        client,
        f"select * from __InstanceModificationEvent within {WITHIN_S} where TargetInstance isa 'Msvm_ComputerSystem' "
        f"or TargetInstance isa 'Msvm_HeartbeatComponent'",
    )

    client.change_state(machine, PAUSE)

    found = {name: target for _, name, target in subscriber.events()}
    assert found["Msvm_ComputerSystem"].get("EnabledState") == 9
    assert found["Msvm_HeartbeatComponent"].get("OperationalStatus") == [15]
