"""The end: everything is deleted, and nothing may be left, neither in the cloud nor on the hosts."""

from functools import partial

from demo import proof
from demo.guests import Guest
from demo.settings import DemoHost
from demo.tour.guide import Guide, expect


class Leaving:
    """:param guests: the servers to delete.  :param before: what the hosts had before the first of them, by name."""

    def __init__(self, guide: Guide, guests: list[Guest], before: dict[str, proof.HostInventory]) -> None:
        self._guide = guide
        self._watch = guide.watch
        self._guests = guests
        self._before = before

    def run(self) -> None:
        check = self._guide.check
        self._guide.display.heading("Deleting everything, and looking for leftovers")
        check("delete all four servers", self._delete)
        check("no allocation is left in Placement", self._no_allocations)
        check("no port is left in Neutron", self._no_ports)
        for host in self._guide.hosts:
            check(f"on {host.name} no machine, file or switch port is left", partial(self._nothing_left_on, host))

    def _delete(self) -> str:
        server_ids = [self._watch.server_id(guest) for guest in self._guests]
        command = self._guide.openstack.show("server", "delete", *(guest.name for guest in self._guests))
        for server_id in server_ids:
            self._watch.gone(server_id)
        return command

    def _no_allocations(self) -> str:
        providers = self._guide.openstack.json("resource", "provider", "list")
        for provider in providers:
            usage = self._guide.openstack.json("resource", "provider", "usage", "show", provider["uuid"])
            used = {row["resource_class"]: row["usage"] for row in usage if row["usage"]}
            expect(not used, f"{provider['name']} still counts {used}")
        return f"providers {', '.join(sorted(provider['name'] for provider in providers))}: nothing in use"

    def _no_ports(self) -> str:
        ports = self._guide.openstack.json("port", "list")
        expect(not ports, f"ports are left: {ports}")
        return "$ openstack port list: none"

    def _nothing_left_on(self, host: DemoHost) -> str:
        after = proof.inventory(self._guide.state, host)
        left = after.beyond(self._before[host.name])
        expect(not left, f"{host.name} still has {', '.join(left)}")
        return f"asked over WinRM and SMB: as before the tour ({after}; the port is the switch's own uplink)"
