"""What the tour makes in the cloud, by name."""

from collections.abc import Sequence

from demo.guests import Guest
from demo.settings import DemoHost

IMAGE, FLAVOR = "guest", "tiny"
FLAVOR_RAM_MB = 256
CIDR = "10.20.0.0/24"
VLANS = {"blue": 101, "green": 102}


def first_guests(hosts: Sequence[DemoHost]) -> list[Guest]:
    """A server of each network on each host; both networks have the same addresses."""
    return [
        Guest(f"{network}-{host.name}", network, f"10.20.0.{10 * row + column}", host)
        for row, network in enumerate(VLANS, 1)
        for column, host in enumerate(hosts, 1)
    ]
