"""Where the demo cloud lives: folders, addresses, ports, hosts, passwords. Nothing here starts or writes anything but
the file of passwords.

The control plane has a loopback address of its own and the usual ports plus 10000; the simulated hosts have theirs with
Windows' ports. All of it is under ``.state/demo`` in the checkout.
"""

import json
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
HOSTS_TEMPLATE = CHECKOUT / "demo" / "hosts.toml"

ADDRESS = "127.0.1.100"
REGION = "RegionOne"
PHYSICAL_NETWORK = "physnet1"
SWITCH = "external"
WINRM_PORTS = (5985, 5986)
SMB_PORT = 445

# Below 32768, where the kernel takes ports for outgoing connections from.
PORTS: Mapping[str, int] = {
    "keystone": 15000,
    "placement": 18778,
    "nova": 18774,
    "glance": 19292,
    "neutron": 19696,
    "mariadb": 13306,
    "rabbitmq": 15673,
    "rabbitmq distribution": 25673,
    "epmd": 14369,
    "memcached": 21211,
}
# Erlang's port mapper, and RabbitMQ towards it, use the name localhost whatever they are told.
LOCALHOST_PORTS = frozenset({"rabbitmq distribution", "epmd"})

SERVICES: Mapping[str, tuple[str, str]] = {
    "keystone": ("identity", "/v3"),
    "placement": ("placement", ""),
    "nova": ("compute", "/v2.1"),
    "glance": ("image", ""),
    "neutron": ("network", ""),
}
SERVICE_USERS = ("placement", "nova", "glance", "neutron")
DATABASES = ("keystone", "placement", "glance", "nova_api", "nova", "nova_cell0", "neutron")


@dataclass(frozen=True)
class DemoHost:
    """One simulated host, as far as the cloud must know it."""

    name: str
    address: str


def url(service: str) -> str:
    return f"http://{ADDRESS}:{PORTS[service]}"


def endpoint_url(service: str) -> str:
    return url(service) + SERVICES[service][1]


@dataclass(frozen=True)
class State:
    """The folder of one demo cloud, and in what the cloud differs from others.

    :param hosts_template: its simulated hosts.
    :param settings: by file below ``etc``: what is added to its services' configuration, by section.
    """

    root: Path
    hosts_template: Path = HOSTS_TEMPLATE
    settings: Mapping[str, Mapping[str, Mapping[str, object]]] = field(default_factory=dict)

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def simulator(self) -> Path:
        return self.root / "simulator"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def openrc(self) -> Path:
        return self.root / "openrc"

    @property
    def initialised(self) -> Path:
        """Holds the fingerprint of the configuration with which the tables were made; missing until all are."""
        return self.data / "initialised"

    def make_folders(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        for folder in (self.etc, self.log, self.data, self.run, self.images):
            folder.mkdir(exist_ok=True)

    @cached_property
    def passwords(self) -> Mapping[str, str]:
        """Random ones, made once per checkout: for each service, the database, the bus and the hosts."""
        names = ("admin", *SERVICE_USERS, "database", "rabbitmq", "hosts")
        path = self.root / "passwords.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        if missing := set(names) - set(known):
            known |= {name: secrets.token_hex(16) for name in missing}
            path.touch(mode=0o600)
            path.write_text(json.dumps(known, indent=1))
        return known


STATE = State(CHECKOUT / ".state" / "demo")


def hosts(state: State = STATE) -> list[DemoHost]:
    described = tomllib.loads(state.hosts_template.read_text())
    return [DemoHost(host["name"], host["address"]) for host in described["host"]]
