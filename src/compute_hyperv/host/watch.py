"""Changes of machines' states, as the host tells of them.

The host looks at its own state every two seconds and tells what is different (WmiSdk, "WITHIN Clause"): what is undone
in between goes unnoticed, and a machine that is made or removed is not told of.
"""

from __future__ import annotations

from dataclasses import dataclass

from compute_hyperv.cim.errors import CimError
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.subscription import Gap
from compute_hyperv.cim.values import CimInstance
from compute_hyperv.cim.wql import changed, events_of
from compute_hyperv.host.model import MachineSummary
from compute_hyperv.host.power import MACHINE_ID, is_healthy, state_of
from compute_hyperv.host.services import MACHINE

_LOOKS_EVERY_S = 2
# A host that has nothing to tell says so this often; it is then asked again.
_HEARTBEAT_S = 30.0


@dataclass(frozen=True, slots=True)
class MissedChanges:
    """Changes may have been missed: look at all machines. What follows is complete again."""

    reason: CimError


class MachineWatch:
    """One subscription, for all machines of the host. It survives lost connections (``cim.subscription``).

    Sends its first request when it is made. Raises CimError where the host refuses the subscription.
    """

    def __init__(self, session: CimSession) -> None:
        query = events_of(MACHINE, "modified", within_s=_LOOKS_EVERY_S).where(changed("EnabledState"))
        self._subscription = session.subscribe(query, heartbeat_s=_HEARTBEAT_S)

    def next(self, timeout_s: float) -> MachineSummary | MissedChanges | None:
        """The next machine with another state (without its notes); None when the time is over, or after ``close``.

        :raises CimError: what trying again would not change.
        """
        while (event := self._subscription.next(timeout_s)) is not None:
            if isinstance(event, Gap):
                return MissedChanges(event.reason)
            machine = event.get("TargetInstance")
            if isinstance(machine, CimInstance) and MACHINE_ID.fullmatch(machine.text("Name", "")):
                return summary_of(machine)
        return None

    def close(self) -> None:
        """Who waits in ``next`` returns at once."""
        self._subscription.close()


def summary_of(machine: CimInstance, notes: tuple[str, ...] = ()) -> MachineSummary:
    """An Msvm_ComputerSystem in our words."""
    return MachineSummary(
        machine_id=machine.text("Name").upper(),
        name=machine.text("ElementName", ""),
        state=state_of(machine),
        healthy=is_healthy(machine),
        notes=notes,
    )
