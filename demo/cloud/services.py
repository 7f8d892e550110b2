"""OpenStack's own processes and the simulated hosts: how each is started and when it counts as ready."""

import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from demo.cloud.config import nova_conf
from demo.cloud.identity import connect
from demo.cloud.processes import LEVEL_IDENTITY, LEVEL_SERVICE, Processes
from demo.settings import ADDRESS, PORTS, VENV, DemoHost, State, url

# Simulated hosts end after nova-compute, which uses them.
LEVEL_HOSTS = LEVEL_IDENTITY

READY_WITHIN_S = 120

# WSGI module, threads, and the environment by which the service finds its configuration.
Wsgi = tuple[str, int, Mapping[str, str]]


def wsgi_services(state: State) -> Mapping[str, Wsgi]:
    etc = state.etc
    return {
        "keystone": (
            "keystone.wsgi.api",
            6,
            {"OS_KEYSTONE_CONFIG_FILES": f"{etc}/keystone/keystone.conf"},
        ),
        "placement": ("placement.wsgi.api", 4, {"OS_PLACEMENT_CONFIG_DIR": f"{etc}/placement"}),
        "glance": ("glance.wsgi.api", 4, {"OS_GLANCE_CONFIG_DIR": f"{etc}/glance"}),
        "neutron": (
            "neutron.wsgi.api",
            6,
            {"OS_NEUTRON_CONFIG_DIR": f"{etc}/neutron", "OS_NEUTRON_CONFIG_FILES": "neutron.conf;ml2_conf.ini"},
        ),
        "nova": ("nova.wsgi.osapi_compute", 6, {"OS_NOVA_CONFIG_DIR": f"{etc}/nova"}),
    }


def start_wsgi(processes: Processes, state: State, service: str) -> None:
    """An API under uWSGI: one process with a few threads."""
    module, threads, env = wsgi_services(state)[service]
    name = f"{service}-api"
    argv = [
        VENV / "bin" / "uwsgi",
        "--http-socket",
        f"{ADDRESS}:{PORTS[service]}",
        "--module",
        f"{module}:application",
        "--home",
        VENV,
        "--master",
        "--no-orphans",
        "--processes",
        "1",
        "--threads",
        str(threads),
        "--enable-threads",
        "--lazy-apps",
        "--need-app",
        "--die-on-term",
        "--http-chunked-input",
        # An image that comes from a busy host may make a pause; uWSGI would give up after four seconds.
        "--socket-timeout",
        "60",
        "--chunked-input-timeout",
        "60",
        "--disable-logging",
        "--buffer-size",
        "65535",
        # http-socket does not keep connections alive; clients must not believe that it does.
        "--add-header",
        "Connection: close",
        # oslo.config reads the command line, and uWSGI's is not for it.
        "--pyargv",
        "",
    ]
    level = LEVEL_IDENTITY if service == "keystone" else LEVEL_SERVICE
    processes.start(name, argv, level=level, env=env)
    processes.wait_for(name, lambda: answers(url(service)), READY_WITHIN_S)


def answers(address: str) -> bool:
    """Whether the service answers for itself: 503 and the like are uWSGI's while the application loads."""
    try:
        with urllib.request.urlopen(address, timeout=30):  # noqa: S310 an http address of ours
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def start_nova_controller(processes: Processes, state: State, service: str) -> None:
    """nova-conductor or nova-scheduler."""
    argv = [VENV / "bin" / service, "--config-file", state.etc / "nova" / "nova.conf"]
    processes.start(service, argv)


def start_simulator(processes: Processes, state: State) -> None:
    """Both simulated hosts in one process."""
    state.simulator.mkdir(exist_ok=True)
    log = state.log / "hyperv-simulator.log"
    known = log.stat().st_size if log.exists() else 0
    argv = [VENV / "bin" / "hyperv-simulator", "run", state.etc / "hosts.toml", "--state", state.simulator]
    processes.start("hyperv-simulator", argv, level=LEVEL_HOSTS)

    def ready() -> bool:
        with log.open("rb") as output:
            output.seek(known)
            return any(line.strip() == b"ready" for line in output)

    processes.wait_for("hyperv-simulator", ready, 60)


def start_nova_compute(processes: Processes, state: State, host: DemoHost) -> None:
    argv = [VENV / "bin" / "nova-compute", "--config-file", nova_conf(state, host)]
    processes.start(f"nova-compute-{host.name}", argv)


def wait_for_nova(processes: Processes, state: State, wanted: Mapping[str, str], since: float) -> None:
    """Until the Nova services have reported after ``since`` (epoch seconds).

    :param wanted: the services as the API lists them, "nova-compute on hv1", each with its program here.
    """
    compute = connect(state).compute
    oldest = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%S")

    def reported() -> set[str]:
        return {
            f"{service.binary} on {service.host}"
            for service in compute.services()
            if service.state == "up" and (service.updated_at or "") >= oldest
        }

    processes.wait_until(
        lambda: reported() >= wanted.keys(),
        READY_WITHIN_S,
        ", ".join(wanted),
        [state.log / f"{program}.log" for program in wanted.values()],
        lambda: any(processes.has_ended(program) for program in wanted.values()),
    )


def wait_for_mapping(processes: Processes, state: State, hosts: Sequence[DemoHost]) -> None:
    """Until the scheduler has mapped the hosts to the cell; before, they take no servers."""
    compute = connect(state).compute
    processes.wait_until(
        # Without details: for those the API would ask nova-compute itself.
        lambda: len(list(compute.hypervisors(details=False))) >= len(hosts),
        READY_WITHIN_S,
        "the mapping of the hosts to the cell",
        [state.log / "nova-scheduler.log"],
    )
