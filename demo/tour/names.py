"""What the tour makes in the cloud, by name: what stays for whoever uses the cloud afterwards, and what is removed."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from demo.guests import Guest
from demo.settings import DemoHost

# What stays.

IMAGE, DVD = "guest", "guest-dvd"
FLAVOR = "tiny"
CIDR = "10.20.0.0/24"


@dataclass(frozen=True)
class Vlan:
    number: int
    mtu: int = 1500


VLANS: Mapping[str, Vlan] = {"blue": Vlan(101), "green": Vlan(102), "red": Vlan(103, mtu=1400)}

FLAVORS: Mapping[str, Sequence[str]] = {
    FLAVOR: ("--ram", "256", "--vcpus", "1", "--disk", "1"),
    "rich": (
        *("--ram", "512", "--vcpus", "2", "--disk", "1", "--ephemeral", "1", "--swap", "64"),
        *("--property", "hw:numa_nodes=2", "--property", "hw:serial_port_count=2"),
        *("--property", "hw:tpm_version=2.0", "--property", "hw:tpm_model=tpm-crb"),
        *("--property", "hw:tpm_secret_security=host", "--property", "quota:disk_total_iops_sec=500"),
        *("--property", "quota:cpu_shares=2048", "--property", "quota:cpu_quota=50000"),
        *("--property", "quota:cpu_period=100000"),
    ),
    "sealed": ("--ram", "256", "--vcpus", "1", "--disk", "1", "--property", "os:secure_boot=required"),
}

# What is removed.

SNAPSHOT, BACKUPS, WRONG_IMAGE = "tour-snapshot", ("tour-backup-1", "tour-backup-2"), "tour-wrong"
AGGREGATE = "tour"
FOREIGN_MACHINE = "Not-OpenStack"


@dataclass(frozen=True)
class Servers:
    """:param first: one of each of two networks on each host: blue on one and two, green on one and two."""

    first: Sequence[Guest]
    copy: Guest
    rich: Guest
    sealed: Guest
    dvd: Guest
    wrong: Guest

    @classmethod
    def on(cls, hosts: Sequence[DemoHost]) -> "Servers":
        """Both networks of the first servers have the same addresses."""
        one, two = hosts
        first = [
            Guest(f"{network}-{host.name}", host, network, f"10.20.0.{10 * row + column}")
            for row, network in enumerate(("blue", "green"), 1)
            for column, host in enumerate(hosts, 1)
        ]
        others = {"copy": one, "rich": one, "sealed": two, "dvd": two, "wrong": two}
        networks = {"rich": "red"}
        return cls(first, **{name: Guest(name, host, networks.get(name, "")) for name, host in others.items()})

    @property
    def all(self) -> Sequence[Guest]:
        return (*self.first, self.copy, self.rich, self.sealed, self.dvd, self.wrong)

    @property
    def images(self) -> Set[str]:
        """What is made of them, and what they are made of and does not stay."""
        return {SNAPSHOT, *BACKUPS, WRONG_IMAGE, *(f"{guest.name}-shelved" for guest in self.all)}
