"""A server that counts the seconds: paused, suspended, given another adapter and a password. It boots only once."""

import secrets
import subprocess
import time

from compute_hyperv.host.model import MachineState
from demo.guests import Boot, Guest
from demo.tour.guide import Guide, expect
from demo.tour.line import Line
from demo.tour.names import VLANS

# A guest that runs says a number each second.
STILL_FOR_S = 2.5
# What has been said when a guest is paused is read by then.
READ_WITHIN_S = 1.0
OTHER_NETWORK = next(reversed(VLANS))


class States:
    """:param guest: one whose program was given the wish "ticks"."""

    def __init__(self, guide: Guide, guest: Guest) -> None:
        self._guide = guide
        self._watch = guide.watch
        self._openstack = guide.openstack
        self._guest = guest

    def line(self) -> Line:
        name = self._guest.name
        return (
            Line()
            .then(f"pause {name}: it counts no further", self._pause)
            .then(f"unpause {name}: it counts on from there", self._unpause)
            .then(f"suspend {name}: its memory is saved, the machine stands still", self._suspend)
            .then(f"resume {name}: it counts on and has not booted again", self._resume)
            .then(f"another network for {name} while it runs: the guest sees the adapter", self._add_adapter)
            .then(f"that network away from {name}: the adapter is gone", self._remove_adapter)
            .then(f"a new password for root in {name}", self._set_password)
            .then(f"diagnostics of {name}: what the host says of it", self._diagnose)
        )

    def _pause(self) -> str:
        command = self._act("pause", "PAUSED")
        machine = self._expect_state(MachineState.PAUSED)
        time.sleep(READ_WITHIN_S)
        before = self._ticks()[-1]
        time.sleep(STILL_FOR_S)
        after = self._ticks()[-1]
        expect(before == after, f"{self._guest.name} is paused and went on counting from {before} to {after}")
        return f"{command}\non {self._guest.host.name}: {machine}; said {before}, and nothing more in {STILL_FOR_S:g} s"

    def _unpause(self) -> str:
        before = self._ticks()[-1]
        command = self._act("unpause", "ACTIVE")
        numbers = self._next_ticks(before)
        expect(numbers[0] == before + 1, f"{self._guest.name} went on with {numbers[0]}, not with {before + 1}")
        return f"{command}\nsaid {before}, then {numbers[0]}"

    def _suspend(self) -> str:
        command = self._act("suspend", "SUSPENDED")
        return f"{command}\non {self._guest.host.name}: {self._expect_state(MachineState.SAVED)}"

    def _resume(self) -> str:
        before, boots = self._ticks()[-1], self._watch.boots(self._guest)
        command = self._act("resume", "ACTIVE")
        number = self._next_ticks(before)[0]
        expect(self._watch.boots(self._guest) == boots, f"{self._guest.name} has booted again")
        return f"{command}\nsaid {before}, then {number}"

    def _add_adapter(self) -> str:
        command = self._openstack.show("server", "add", "network", self._guest.name, OTHER_NETWORK)
        mac = self._interfaces()[OTHER_NETWORK]
        seen = self._watch.until(
            self._guest, f"the adapter {mac}", lambda boot: mac in (nics := boot.all_of("nics")[-1]) and nics
        )
        return f"{command}\n{seen}"

    def _remove_adapter(self) -> str:
        mac = self._interfaces()[OTHER_NETWORK]
        command = self._openstack.show("server", "remove", "network", self._guest.name, OTHER_NETWORK)
        seen = self._watch.until(
            self._guest,
            f"that the adapter {mac} is gone",
            lambda boot: mac not in (nics := boot.all_of("nics")[-1]) and nics,
        )
        return f"{command}\n{seen}"

    def _set_password(self) -> str:
        password = f"Tour-{secrets.token_hex(4)}"
        command = self._openstack.show("server", "set", "--password", password, self._guest.name)
        stored = self._watch.until(
            self._guest, "a new password", lambda boot: (found := boot.all_of("password")) and found[-1]
        )
        _, method, salt, _ = stored.split("$")
        expected = subprocess.run(
            ["busybox", "mkpasswd", "-m", f"sha{ {'6': 512, '5': 256}[method] }", "-S", salt, password],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        expect(stored == expected, f"{self._guest.name} has the password {stored}, which is not {password}")
        return f"{command}\nin the guest: root:{stored[:24]}…"

    def _diagnose(self) -> str:
        found = self._openstack.json("server", "show", "--diagnostics", self._guest.name)
        macs = [nic["mac_address"] for nic in found["nic_details"]]
        known = list(self._interfaces().values())
        expect(macs == known, f"diagnostics tell of the adapters {macs}, Neutron of {known}")
        memory, processors = found["memory_details"], found["cpu_details"]
        expect(bool(memory["used"]) and bool(processors), f"diagnostics without memory or processors: {found}")
        return (
            f"$ openstack server show --diagnostics {self._guest.name}: {found['driver']}, {found['state']}, "
            f"{memory['used']} of {memory['maximum']} MB, {len(processors)} processor, {', '.join(macs)}"
        )

    def _act(self, action: str, status: str) -> str:
        command = self._openstack.show("server", action, self._guest.name)
        self._watch.status(self._guest, status)
        return command

    def _expect_state(self, state: MachineState) -> str:
        machine = self._guide.side_of(self._guest).machine(self._watch.server_id(self._guest))
        expect(machine.state is state, f"on its host {self._guest.name} is {machine.state.name}, not {state.name}")
        return f"{machine.name} {state.name}"

    def _ticks(self) -> list[int]:
        return self._watch.until(self._guest, "the seconds pass", _ticks)

    def _next_ticks(self, after: int) -> list[int]:
        return self._watch.until(
            self._guest, f"a second after {after}", lambda boot: [tick for tick in _ticks(boot) if tick > after]
        )

    def _interfaces(self) -> dict[str, str]:
        """MAC addresses in Neutron, by network."""
        networks = {network.id: network.name for network in self._guide.api.network.networks()}
        ports = self._guide.api.network.ports(device_id=self._watch.server_id(self._guest))
        return {networks[port.network_id]: port.mac_address for port in ports}


def _ticks(boot: Boot) -> list[int]:
    return [int(number) for number in boot.all_of("tick")]
