"""Before the tour: the hosts are made ready; images, flavors and networks are made, or found."""

import hashlib
from collections import Counter
from functools import partial

from demo.cloud.config import nova_conf
from demo.graph import Step
from demo.guest_image import image_file
from demo.settings import PHYSICAL_NETWORK, DemoHost
from demo.tour.guide import Guide
from demo.tour.names import CIDR, DVD, FLAVORS, IMAGE, VLANS


class Preparing:
    def __init__(self, guide: Guide) -> None:
        self._guide = guide

    def make_hosts_ready(self) -> None:
        guide = self._guide
        guide.display.heading("Are the hosts ready? What is missing is put right")
        guide.do(*(Step(f"prepare {host.name}", partial(self._prepare_host, host)) for host in guide.hosts))
        for host in guide.hosts:
            guide.check(f"{host.name} is ready", partial(self._is_ready, host))

    def make_what_servers_need(self) -> None:
        self._guide.display.heading("Preparing: images, flavors, VLANs")
        self._guide.do(
            Step(f"image {IMAGE}, a qcow2 file", partial(self._make_image, IMAGE, "qcow2"), check=True),
            Step(f"image {DVD}, an ISO file", partial(self._make_image, DVD, "iso"), check=True),
            *(Step(f"flavor {name}", partial(self._make_flavor, name)) for name in FLAVORS),
            Step(
                "networks " + ", ".join(f"{name} with VLAN {vlan.number}" for name, vlan in VLANS.items()),
                self._make_networks,
            ),
        )

    def _prepare_host(self, host: DemoHost) -> str:
        state = self._guide.state
        journal = state.run / f"prepared-{host.name}.journal"
        journal.unlink(missing_ok=True)
        how = ("--yes", "--reboot", "never", "--journal", str(journal))
        return self._guide.readiness.show("prepare", "--config-file", str(nova_conf(state, host)), *how)

    def _is_ready(self, host: DemoHost) -> str:
        """Whether no check fails; of what is left to wish for, the command tells."""
        command = ("check", "--config-file", str(nova_conf(self._guide.state, host)))
        rows = self._guide.readiness.json(*command)
        counts = Counter(row["Verdict"] for row in rows)
        told = ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())
        return f"$ compute-hyperv {' '.join(command)}: {told}"

    def _make_image(self, name: str, kind: str) -> str | None:
        file = image_file(self._guide.state, kind)
        images = self._guide.api.image
        if known := images.find_image(name):
            if known.checksum == hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest():
                return None
            images.delete_image(known)  # of an earlier version of the demo
        properties = ("--property", "hw_machine_type=hyperv-gen2", "--property", "os_type=linux")
        formats = ("--disk-format", kind, "--container-format", "bare", *properties)
        return self._guide.openstack.show("image", "create", name, *formats, "--file", str(file), "--public")

    def _make_flavor(self, name: str) -> str | None:
        if self._guide.api.compute.find_flavor(name):
            return None
        return self._guide.openstack.show("flavor", "create", name, *FLAVORS[name])

    def _make_networks(self) -> str:
        """One after the other: Neutron may refuse the first requests after its start when they come at once."""
        network, openstack = self._guide.api.network, self._guide.openstack
        provider = ("--provider-network-type", "vlan", "--provider-physical-network", PHYSICAL_NETWORK)
        shown = []
        for name, vlan in VLANS.items():
            if network.find_network(name) is None:
                which = ("--provider-segment", str(vlan.number), "--mtu", str(vlan.mtu))
                shown.append(openstack.show("network", "create", name, *provider, *which))
            if network.find_subnet(name) is None:
                addresses = ("--subnet-range", CIDR, "--gateway", "none", "--no-dhcp")
                shown.append(openstack.show("subnet", "create", name, "--network", name, *addresses))
        return "\n".join(shown)
