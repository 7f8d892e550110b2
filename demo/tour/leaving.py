"""The end: everything is deleted, and nothing may be left, neither in the cloud nor on the hosts."""

from collections.abc import Mapping
from functools import partial

from demo.proof import HostInventory
from demo.settings import DemoHost
from demo.tour.guide import Guide, expect
from demo.tour.leftovers import removable_images
from demo.tour.names import AGGREGATE, Servers


class Leaving:
    """:param before: what the hosts had before the first server, by name."""

    def __init__(self, guide: Guide, servers: Servers, before: Mapping[str, HostInventory]) -> None:
        self._guide = guide
        self._watch = guide.watch
        self._servers = servers
        self._before = before

    def run(self) -> None:
        check = self._guide.check
        self._guide.display.heading("Deleting everything, and looking for leftovers")
        check("delete all servers", self._delete)
        check("delete what was made of them", self._delete_copies)
        check("no allocation is left in Placement", self._no_allocations)
        check("no port is left in Neutron", self._no_ports)
        for host in self._guide.hosts:
            check(f"on {host.name} no machine, file or switch port is left", partial(self._nothing_left_on, host))

    def _delete(self) -> str:
        names = {guest.name for guest in self._servers.all}
        there = {server.name: server.id for server in self._guide.api.compute.servers() if server.name in names}
        command = self._guide.openstack.show("server", "delete", *there)
        for server_id in there.values():
            self._watch.gone(server_id)
        return command

    def _delete_copies(self) -> str:
        images = [image.name for image in removable_images(self._guide, self._servers)]
        openstack, hosts = self._guide.openstack, self._guide.api.compute.find_aggregate(AGGREGATE).hosts
        shown = [openstack.show("image", "delete", *images)]
        shown += [openstack.show("aggregate", "remove", "host", AGGREGATE, host) for host in hosts]
        return "\n".join([*shown, openstack.show("aggregate", "delete", AGGREGATE)])

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
        after = self._guide.sides[host.name].inventory()
        left = after.beyond(self._before[host.name])
        expect(not left, f"{host.name} still has {', '.join(left)}")
        return f"asked over WinRM and SMB: as before the tour ({after}; the ports are the switch's own)"
