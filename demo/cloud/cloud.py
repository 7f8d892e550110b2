"""The cloud as a whole: what starts after what, what is made once, and whether it runs."""

import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from demo import graph
from demo.cloud import config, identity, infrastructure, ports, services, tables
from demo.cloud.processes import Processes
from demo.display import Display
from demo.graph import Step
from demo.settings import CHECKOUT, PORTS, SMB_PORT, WINRM_PORTS, DemoHost, State

# More than there are cores: half of the steps wait for something.
WORKERS = 4

NOVA_CONTROLLERS = ("nova-conductor", "nova-scheduler")
APIS = ("placement", "glance", "neutron", "nova")
TABLES: tuple[tuple[str, Callable[[Processes, State], None]], ...] = (
    ("nova", tables.make_nova),
    ("neutron", tables.make_neutron),
    ("keystone", tables.make_keystone),
    ("placement", tables.make_placement),
    ("glance", tables.make_glance),
)


class Cloud:
    def __init__(self, state: State, hosts: Sequence[DemoHost], display: Display) -> None:
        self._state = state
        self._hosts = hosts
        self._display = display
        self._started_at = 0.0
        self.processes = Processes(state)

    @property
    def expected_programs(self) -> set[str]:
        return {
            *("memcached", "mariadb", "epmd", "rabbitmq", "hyperv-simulator", *NOVA_CONTROLLERS),
            *(f"{service}-api" for service in ("keystone", *APIS)),
            *(f"nova-compute-{host.name}" for host in self._hosts),
        }

    @property
    def runs(self) -> bool:
        """Whether everything is there. What runs only in part is of no use and has to be stopped first."""
        if not self.processes.kept:
            return False
        return {row.name for row in self.processes.status() if row.exit_status is None} >= self.expected_programs

    def start(self, *others: Step) -> None:
        """Makes what was never made, starts everything, and returns when servers can be created.

        ``others`` are steps of the caller's that can be done meanwhile.
        """
        self._started_at = time.time()
        self.processes.stop()
        self._require_ports()
        fingerprint = initial_fingerprint()
        fresh = not self._state.initialised.exists() or self._state.initialised.read_text() != fingerprint
        if fresh:
            for folder in (self._state.data, self._state.simulator):
                shutil.rmtree(folder, ignore_errors=True)
        self._state.make_folders()
        for log in self._state.log.iterdir():
            log.unlink()
        config.write(self._state, self._hosts)
        self.processes.take_possession()
        with self._display.live():
            if fresh:
                graph.run([*self._base_steps(), *self._first_steps(), *others], self._display, WORKERS)
                self._state.initialised.write_text(fingerprint)
            else:
                graph.run([*self._base_steps(), *self._service_steps(), *others], self._display, WORKERS)

    def _require_ports(self) -> None:
        control_plane = [(config.listening_address(name), port) for name, port in PORTS.items()]
        host_ports = [(host.address, port) for host in self._hosts for port in (*WINRM_PORTS, SMB_PORT)]
        ports.require_free([*control_plane, *host_ports])

    def _base_steps(self) -> list[Step]:
        processes, state = self.processes, self._state
        return [
            Step("MariaDB", partial(infrastructure.start_mariadb, processes, state)),
            Step("RabbitMQ", partial(infrastructure.start_rabbitmq, processes, state)),
            Step("memcached", partial(infrastructure.start_memcached, processes)),
            Step("simulated hosts", partial(services.start_simulator, processes, state)),
        ]

    def _first_steps(self) -> list[Step]:
        processes, state = self.processes, self._state
        making = [
            Step(f"tables of {service}", partial(make, processes, state), ("MariaDB", "RabbitMQ", "memcached"))
            for service, make in TABLES
        ]
        catalogue = Step("service catalogue", partial(identity.register_services, state), ("keystone API",))
        return [*making, *self._service_steps(), catalogue]

    def _service_steps(self) -> list[Step]:
        """Each waits for its tables, if these are being made; and for the catalogue, when something is asked of it."""
        processes, state = self.processes, self._state
        base = ("MariaDB", "RabbitMQ", "memcached")
        apis = [
            Step(
                f"{service} API",
                partial(services.start_wsgi, processes, state, service),
                (*base, f"tables of {service}"),
            )
            for service in ("keystone", *APIS)
        ]
        controllers = [
            Step(
                service,
                partial(services.start_nova_controller, processes, state, service),
                (*base, "tables of nova", "keystone API", "service catalogue"),
            )
            for service in NOVA_CONTROLLERS
        ]
        # nova-compute gives a conductor that does not answer yet ten seconds; so it is not started before.
        conducting = Step("Nova's services", self._wait_for_controllers, ("nova API", *NOVA_CONTROLLERS))
        needed = ("simulated hosts", conducting.name, *(f"{service} API" for service in APIS))
        return [*apis, *controllers, conducting, Step("Hyper-V hosts in service", self._start_computes, needed)]

    def _wait_for_controllers(self) -> None:
        wanted = {f"{service} on {config.CONTROLLER}": service for service in NOVA_CONTROLLERS}
        services.wait_for_nova(self.processes, self._state, wanted, self._started_at)

    def _start_computes(self) -> None:
        since = time.time()
        for host in self._hosts:
            services.start_nova_compute(self.processes, self._state, host)
        wanted = {f"nova-compute on {host.name}": f"nova-compute-{host.name}" for host in self._hosts}
        services.wait_for_nova(self.processes, self._state, wanted, since)
        services.wait_for_mapping(self.processes, self._state, self._hosts)


def initial_fingerprint() -> str:
    """Changes with whatever the tables' content depends on: the services' versions, and the code that makes them."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in (CHECKOUT / "constraints.txt", *(folder / name for name in ("tables.py", "identity.py"))):
        digest.update(path.read_bytes())
    digest.update(repr((config.ADDRESS, PORTS)).encode())
    return digest.hexdigest()
