"""Before the tour: the hosts are made ready; an image, a flavor and two networks are made, or found."""

from collections import Counter
from functools import partial

from demo.cloud.config import nova_conf
from demo.graph import Step
from demo.guest_image import FILE_NAME
from demo.settings import PHYSICAL_NETWORK, DemoHost
from demo.tour.guide import Guide
from demo.tour.names import CIDR, FLAVOR, FLAVOR_RAM_MB, IMAGE, VLANS


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
        self._guide.display.heading("Preparing: an image, a flavor, two VLANs")
        self._guide.do(
            Step(f"image {IMAGE}, a qcow2 file", self._make_image, check=True),
            Step(f"flavor {FLAVOR}", self._make_flavor),
            Step(
                "networks " + ", ".join(f"{name} with VLAN {vlan}" for name, vlan in VLANS.items()), self._make_networks
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

    def _make_image(self) -> str | None:
        if self._guide.api.image.find_image(IMAGE):
            return None
        file = str(self._guide.state.images / FILE_NAME)
        formats = ("--disk-format", "qcow2", "--container-format", "bare", "--property", "hw_machine_type=hyperv-gen2")
        return self._guide.openstack.show("image", "create", IMAGE, *formats, "--file", file, "--public")

    def _make_flavor(self) -> str | None:
        if self._guide.api.compute.find_flavor(FLAVOR):
            return None
        size = ("--ram", str(FLAVOR_RAM_MB), "--vcpus", "1", "--disk", "1")
        return self._guide.openstack.show("flavor", "create", FLAVOR, *size)

    def _make_networks(self) -> str:
        """One after the other: Neutron may refuse the first requests after its start when they come at once."""
        network, openstack = self._guide.api.network, self._guide.openstack
        shown = []
        for name, vlan in VLANS.items():
            if network.find_network(name) is None:
                provider = ("--provider-network-type", "vlan", "--provider-physical-network", PHYSICAL_NETWORK)
                shown.append(openstack.show("network", "create", name, *provider, "--provider-segment", str(vlan)))
            if network.find_subnet(name) is None:
                addresses = ("--subnet-range", CIDR, "--gateway", "none", "--no-dhcp")
                shown.append(openstack.show("subnet", "create", name, "--network", name, *addresses))
        return "\n".join(shown)
