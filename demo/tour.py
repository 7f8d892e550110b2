"""The tour: what an operator would do with Hyper-V hosts in a cloud, done with the ``openstack`` client, and checked.

Two servers on VLAN network ``blue`` and two on ``green``, one of each on each host. Both networks use the same
addresses, so that nothing but the VLAN keeps them apart. Every guest pings the other three: its own colour must answer,
the other must not.

Whatever is created here is named below, so that a tour finds and removes what an interrupted one left behind. Image,
flavor and networks stay for whoever uses the cloud afterwards.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from demo import graph, proof
from demo.client import Client
from demo.cloud.config import client_environment, nova_conf
from demo.cloud.processes import DemoError, Processes
from demo.display import Display
from demo.graph import Step
from demo.guest_image import FILE_NAME
from demo.guests import READY, Guest, Watch
from demo.settings import PHYSICAL_NETWORK, DemoHost, State

IMAGE, FLAVOR = "guest", "tiny"
FLAVOR_RAM_MB = 256
CIDR = "10.20.0.0/24"
VLANS = {"blue": 101, "green": 102}

# Terminal control sequences, which Nova has robbed of their escape characters, and carriage returns.
CONTROL = re.compile(r"\x1b?\[(?:[0-9;]+|=3)[A-Za-z]|\r")

# A guest gives up on a neighbour after this time, counted from its own start.
PING_TIMEOUT_S = 8


class Tour:
    def __init__(self, processes: Processes, state: State, hosts: Sequence[DemoHost], display: Display) -> None:
        self._state = state
        self._hosts = hosts
        self._display = display
        self._client = Client(processes, state, "openstack", client_environment(state))
        self._readiness = Client(processes, state, "compute-hyperv", {})
        self._watch = Watch(state, hosts)
        self._guests = [
            Guest(f"{network}-{host.name}", network, f"10.20.0.{10 * row + column}", host)
            for row, network in enumerate(VLANS, 1)
            for column, host in enumerate(hosts, 1)
        ]

    def run(self) -> None:
        """Raises DemoError at the first thing that does not work."""
        self._remove_leftovers()
        self._make_hosts_ready()
        self._prepare()
        before = {host.name: proof.inventory(self._state, host) for host in self._hosts}
        self._boot()
        self._switch_off_and_on()
        self._ping()
        self._clear_up(before)

    def _remove_leftovers(self) -> None:
        names = {guest.name for guest in self._guests}
        servers = self._watch.api.compute
        if left := [server for server in servers.servers() if server.name in names]:
            with self._display.step("removing what an interrupted tour left behind"):
                for server in left:
                    servers.delete_server(server)
                for server in left:
                    self._watch.gone(server.id)

    def _make_hosts_ready(self) -> None:
        self._display.heading("Are the hosts ready? What is missing is put right")
        self._do(*(Step(f"prepare {host.name}", partial(self._prepare_host, host)) for host in self._hosts))
        for host in self._hosts:
            self._check(f"{host.name} is ready", partial(self._is_ready, host))

    def _prepare(self) -> None:
        self._display.heading("Preparing: an image, a flavor, two VLANs")
        self._do(
            Step(f"image {IMAGE}, a qcow2 file", self._make_image, check=True),
            Step(f"flavor {FLAVOR}", self._make_flavor),
            Step(
                "networks " + ", ".join(f"{name} with VLAN {vlan}" for name, vlan in VLANS.items()), self._make_networks
            ),
        )

    def _boot(self) -> None:
        self._display.heading("Four servers: one of each network on each Hyper-V host")
        guests = self._guests
        self._do(*(Step(f"create {guest.name}", partial(self._create, guest)) for guest in guests))
        self._check_each(guests, "is ACTIVE", self._is_active)
        self._check_each(guests, "has booted and knows itself", self._knows_itself)
        self._check(f"the console of {guests[0].name} comes with the client", partial(self._show_console, guests[0]))

    def _switch_off_and_on(self) -> None:
        self._display.heading("Power")
        one, two, _, four = self._guests
        self._check(f"stop {two.name}", partial(self._stop, two))
        self._check(f"start {two.name}: it boots again", partial(self._boot_again, two, "start"))
        self._check(f"soft reboot of {one.name}: it boots again", partial(self._boot_again, one, "reboot", "--soft"))
        self._check(f"hard reboot of {four.name}: it boots again", partial(self._boot_again, four, "reboot", "--hard"))

    def _ping(self) -> None:
        """Of guests that booted while the others were up: no answer means that there is no way, not nobody there."""
        self._display.heading("Networks: everybody pings everybody")
        one, two, three, four = self._guests
        for guest, neighbour in ((two, one), (one, two), (four, three)):
            what = f"{guest.name} reaches {neighbour.name} on the other host"
            self._check(what, partial(self._reaches, guest, neighbour))
        for guest in (two, one, four):
            self._check(f"{guest.name} reaches nobody on the other VLAN", partial(self._is_isolated, guest))

    def _clear_up(self, before: dict[str, proof.HostInventory]) -> None:
        self._display.heading("Deleting everything, and looking for leftovers")
        self._check("delete all four servers", self._delete)
        self._check("no allocation is left in Placement", self._no_allocations)
        self._check("no port is left in Neutron", self._no_ports)
        for host in self._hosts:
            what = f"on {host.name} no machine, file or switch port is left"
            self._check(what, partial(self._nothing_left_on, host, before[host.name]))

    # Hosts

    def _prepare_host(self, host: DemoHost) -> str:
        journal = self._state.run / f"prepared-{host.name}.journal"
        journal.unlink(missing_ok=True)
        how = ("--yes", "--reboot", "never", "--journal", str(journal))
        return self._readiness.show("prepare", "--config-file", str(nova_conf(self._state, host)), *how)

    def _is_ready(self, host: DemoHost) -> str:
        """Whether no check fails; of what is left to wish for, the command tells."""
        command = ("check", "--config-file", str(nova_conf(self._state, host)))
        rows = self._readiness.json(*command)
        counts = Counter(row["Verdict"] for row in rows)
        told = ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())
        return f"$ compute-hyperv {' '.join(command)}: {told}"

    # Preparing

    def _make_image(self) -> str | None:
        if self._watch.api.image.find_image(IMAGE):
            return None
        file = str(self._state.images / FILE_NAME)
        formats = ("--disk-format", "qcow2", "--container-format", "bare", "--property", "hw_machine_type=hyperv-gen2")
        return self._client.show("image", "create", IMAGE, *formats, "--file", file, "--public")

    def _make_flavor(self) -> str | None:
        if self._watch.api.compute.find_flavor(FLAVOR):
            return None
        return self._client.show("flavor", "create", FLAVOR, "--ram", str(FLAVOR_RAM_MB), "--vcpus", "1", "--disk", "1")

    def _make_networks(self) -> str:
        """One after the other: Neutron may refuse the first requests after its start when they come at once."""
        network = self._watch.api.network
        shown = []
        for name, vlan in VLANS.items():
            if network.find_network(name) is None:
                provider = ("--provider-network-type", "vlan", "--provider-physical-network", PHYSICAL_NETWORK)
                shown.append(self._client.show("network", "create", name, *provider, "--provider-segment", str(vlan)))
            if network.find_subnet(name) is None:
                addresses = ("--subnet-range", CIDR, "--gateway", "none", "--no-dhcp")
                shown.append(self._client.show("subnet", "create", name, "--network", name, *addresses))
        return "\n".join(shown)

    # Servers

    def _create(self, guest: Guest) -> str:
        user_data = self._state.run / f"{guest.name}.user-data"
        neighbours = " ".join(other.address for other in self._guests if other is not guest)
        user_data.write_text(f"ping {neighbours}\nping-timeout {PING_TIMEOUT_S}\n")
        network = self._watch.api.network.find_network(guest.network)
        nic = ("--nic", f"net-id={network.id},v4-fixed-ip={guest.address}")
        place = ("--availability-zone", f"nova:{guest.host.name}")
        data = ("--use-config-drive", "--user-data", str(user_data))
        return self._client.show(
            "server", "create", guest.name, "--image", IMAGE, "--flavor", FLAVOR, *nic, *place, *data
        )

    def _is_active(self, guest: Guest) -> str:
        self._watch.status(guest, "ACTIVE")
        host = self._watch.api.compute.get_server(self._watch.server_id(guest)).compute_host
        expect(host == guest.host.name, f"{guest.name} is on {host}, not on {guest.host.name}")
        return f"on {host}"

    def _knows_itself(self, guest: Guest) -> str:
        boot = self._watch.boot(guest, 1)
        said = (boot.hostname, boot.address, boot.uuid)
        expected = (guest.name, guest.address, self._watch.server_id(guest))
        expect(said == expected, f"{guest.name} says of itself {said}, but the cloud gave it {expected}")
        return " ".join(said)

    def _show_console(self, guest: Guest) -> str:
        log = self._client.run("console", "log", "show", guest.name)
        expect(READY.search(log) is not None, f"no mark of the guest in its console log:\n{log}")
        # The firmware clears its screen; ours shall stay.
        return f"$ openstack console log show {guest.name}\n{CONTROL.sub('', log).strip()}"

    def _stop(self, guest: Guest) -> str:
        command = self._client.show("server", "stop", guest.name)
        self._watch.status(guest, "SHUTOFF")
        return command

    def _boot_again(self, guest: Guest, *command: str) -> str:
        boots = self._watch.boots(guest)
        line = self._client.show("server", *command, guest.name)
        self._watch.boot(guest, boots + 1)
        self._watch.status(guest, "ACTIVE")
        return line

    def _reaches(self, guest: Guest, neighbour: Guest) -> str:
        answers = self._watch.answers(guest, [neighbour.address])
        expect(answers[neighbour.address], f"{guest.name} got no answer from {neighbour.name} at {neighbour.address}")
        return f"{guest.address} → {neighbour.address}: answers"

    def _is_isolated(self, guest: Guest) -> str:
        foreign = [other.address for other in self._guests if other.network != guest.network]
        answers = self._watch.answers(guest, foreign)
        reached = [address for address in foreign if answers[address]]
        expect(not reached, f"{guest.name} reached {', '.join(reached)} on another VLAN")
        return f"{guest.address} → {', '.join(foreign)}: no answer"

    def _delete(self) -> str:
        server_ids = [self._watch.server_id(guest) for guest in self._guests]
        command = self._client.show("server", "delete", *(guest.name for guest in self._guests))
        for server_id in server_ids:
            self._watch.gone(server_id)
        return command

    # What is left

    def _no_allocations(self) -> str:
        providers = self._client.json("resource", "provider", "list")
        for provider in providers:
            usage = self._client.json("resource", "provider", "usage", "show", provider["uuid"])
            used = {row["resource_class"]: row["usage"] for row in usage if row["usage"]}
            expect(not used, f"{provider['name']} still counts {used}")
        return f"providers {', '.join(sorted(provider['name'] for provider in providers))}: nothing in use"

    def _no_ports(self) -> str:
        ports = self._client.json("port", "list")
        expect(not ports, f"ports are left: {ports}")
        return "$ openstack port list: none"

    def _nothing_left_on(self, host: DemoHost, before: proof.HostInventory) -> str:
        after = proof.inventory(self._state, host)
        left = after.beyond(before)
        expect(not left, f"{host.name} still has {', '.join(left)}")
        return f"asked over WinRM and SMB: as before the tour ({after}; the port is the switch's own uplink)"

    # Steps

    def _check_each(self, guests: Sequence[Guest], what: str, action: Callable[[Guest], str]) -> None:
        self._do(
            *(Step(f"{guest.name} {what}", partial(action, guest), check=True) for guest in guests), workers=len(guests)
        )

    def _check(self, what: str, action: Callable[[], str]) -> None:
        self._do(Step(what, action, check=True))

    def _do(self, *steps: Step, workers: int = 2) -> None:
        with self._display.live():
            graph.run(steps, self._display, workers)


def expect(truth: bool, otherwise: str) -> None:
    if not truth:
        raise DemoError(otherwise)
