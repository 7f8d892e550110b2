"""The configuration files of the demo's services, as one would write them for a small cloud; nothing is done here.

``write(state, hosts)`` puts them under ``.state/demo/etc``. Each nova-compute gets a folder of its own: Nova keeps the
identity of a compute node (the file ``compute_id``) beside its configuration and in its ``state_path``.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from demo.settings import (
    ADDRESS,
    LOCALHOST_PORTS,
    PHYSICAL_NETWORK,
    PORTS,
    REGION,
    SWITCH,
    VENV,
    DemoHost,
    State,
    endpoint_url,
    url,
)

Ini = Mapping[str, Mapping[str, object]]

CONTROLLER = "controller"
VLAN_RANGE = "100:199"
# Nova's own choice, and what finds hosts for servers with NUMA nodes.
FILTERS = (
    "ComputeFilter",
    "ComputeCapabilitiesFilter",
    "ImagePropertiesFilter",
    "ServerGroupAntiAffinityFilter",
    "ServerGroupAffinityFilter",
    "NUMATopologyFilter",
)
MEMCACHED = f"{ADDRESS}:{PORTS['memcached']}"


def write(state: State, hosts: Sequence[DemoHost]) -> None:
    """Writes every file; what is there is replaced."""
    paste = {"nova": "api-paste.ini", "neutron": "api-paste.ini", "glance": "glance-api-paste.ini"}
    files: dict[str, Ini] = {
        "keystone/keystone.conf": keystone(state),
        "placement/placement.conf": placement(state),
        "glance/glance-api.conf": glance(state),
        "neutron/neutron.conf": neutron(state),
        "neutron/ml2_conf.ini": ml2(),
        "nova/nova.conf": nova_controller(state),
        **{f"nova-{host.name}/nova.conf": nova_compute(state, host) for host in hosts},
    }
    for name, ini in files.items():
        added = state.settings.get(name, {})
        sections = {section: {**ini.get(section, {}), **added.get(section, {})} for section in {**ini, **added}}
        save(state.etc / name, render(sections))
    for host in (CONTROLLER, *(host.name for host in hosts)):
        nova_state(state, host).mkdir(exist_ok=True)
    for service, name in paste.items():
        shutil.copy(VENV / "etc" / service / name, state.etc / service)
    save(state.etc / "rabbitmq.conf", rabbitmq(state))
    save(state.etc / "rabbitmq_plugins", "[].\n")
    save(state.etc / "hosts.toml", simulated_hosts(state))
    save(state.openrc, openrc(state))
    if "SUDO_UID" in os.environ:
        # Who started the demo with sudo is to use it without.
        for path in (state.root, state.openrc, state.log):
            os.chown(path, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))


def save(path: Path, text: str) -> None:
    """Only the owner may read it: most of these files hold passwords."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def render(ini: Ini) -> str:
    sections = []
    for name, values in ini.items():
        sections.append("\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in values.items())]))
    return "\n\n".join(sections) + "\n"


def database(state: State, name: str) -> Mapping[str, object]:
    return {"connection": database_url(state, name), "max_pool_size": 10, "max_overflow": 20, "max_retries": 5}


def database_url(state: State, name: str) -> str:
    return f"mysql+pymysql://openstack:{state.passwords['database']}@{ADDRESS}:{PORTS['mariadb']}/{name}"


def bus(state: State) -> Mapping[str, object]:
    password = state.passwords["rabbitmq"]
    return {"transport_url": f"rabbit://openstack:{password}@{ADDRESS}:{PORTS['rabbitmq']}/"}


def user(state: State, name: str) -> Mapping[str, object]:
    """How a service authenticates with keystone."""
    return {
        "auth_type": "password",
        "auth_url": endpoint_url("keystone"),
        "username": name,
        "password": state.passwords[name],
        "user_domain_name": "Default",
        "project_name": "service",
        "project_domain_name": "Default",
        "region_name": REGION,
    }


def token_check(state: State, name: str) -> Mapping[str, object]:
    return {
        **user(state, name),
        "www_authenticate_uri": endpoint_url("keystone"),
        "memcached_servers": MEMCACHED,
        "service_token_roles": "service",
        "service_token_roles_required": True,
    }


def keystone(state: State) -> Ini:
    keys = {"key_repository": state.data / "keystone" / "fernet-keys"}
    return {
        "DEFAULT": {},
        "database": database(state, "keystone"),
        "token": {"provider": "fernet", "expiration": 24 * 3600},
        "fernet_tokens": keys,
        "fernet_receipts": keys,
        "credential": {"key_repository": state.data / "keystone" / "credential-keys"},
        "cache": {"enabled": True, "backend": "dogpile.cache.memcached", "memcache_servers": MEMCACHED},
        # The demo's passwords are random and its users few; strong hashing would only cost start-up time.
        "identity": {"password_hash_rounds": 4},
    }


def placement(state: State) -> Ini:
    return {
        "DEFAULT": {},
        "api": {"auth_strategy": "keystone"},
        "placement_database": database(state, "placement"),
        "keystone_authtoken": token_check(state, "placement"),
    }


def glance(state: State) -> Ini:
    data = state.data / "glance"
    return {
        "DEFAULT": {
            **bus(state),
            "enabled_backends": "files:file",
            "worker_self_reference_url": url("glance"),
            "enabled_import_methods": "[glance-direct,web-download,copy-image]",
        },
        "database": database(state, "glance"),
        "glance_store": {"default_backend": "files"},
        "files": {"filesystem_store_datadir": data / "images"},
        "os_glance_staging_store": {"filesystem_store_datadir": data / "staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": data / "tasks"},
        "paste_deploy": {"flavor": "keystone"},
        "oslo_concurrency": {"lock_path": data / "lock"},
        "keystone_authtoken": token_check(state, "glance"),
    }


def neutron(state: State) -> Ini:
    """No agents, so no RPC server either: the API alone binds ports and tells Nova."""
    return {
        "DEFAULT": {
            **bus(state),
            "core_plugin": "ml2",
            "service_plugins": "",
            "auth_strategy": "keystone",
            "host": CONTROLLER,
            "state_path": state.data / "neutron",
            "api_paste_config": state.etc / "neutron" / "api-paste.ini",
            "notify_nova_on_port_status_changes": True,
            "notify_nova_on_port_data_changes": True,
            "send_events_interval": 1,
            "dhcp_agent_notification": False,
        },
        "database": database(state, "neutron"),
        "oslo_concurrency": {"lock_path": state.data / "neutron" / "lock"},
        "keystone_authtoken": token_check(state, "neutron"),
        "nova": user(state, "nova"),
        "placement": user(state, "placement"),
    }


def ml2() -> Ini:
    return {
        "ml2": {
            "type_drivers": "flat,vlan",
            "tenant_network_types": "vlan",
            "mechanism_drivers": "hyperv",
            "extension_drivers": "port_security",
        },
        "ml2_type_flat": {"flat_networks": PHYSICAL_NETWORK},
        "ml2_type_vlan": {"network_vlan_ranges": f"{PHYSICAL_NETWORK}:{VLAN_RANGE}"},
    }


def nova(state: State, host: str) -> dict[str, Mapping[str, object]]:
    """What all of Nova's services have in common."""
    data = nova_state(state, host)
    return {
        "DEFAULT": {
            **bus(state),
            "host": host,
            "my_ip": ADDRESS,
            "state_path": data,
            "report_interval": 2,
            "service_down_time": 60,
            # A new host is useful as soon as it has reported, not up to a minute later.
            "periodic_fuzzy_delay": 0,
            # `make demo-stop` shall not wait for what will be gone anyway.
            "graceful_shutdown_timeout": 2,
            "manager_shutdown_timeout": 2,
        },
        # Guests are called what their servers are called, without a domain that nobody serves.
        "api": {"auth_strategy": "keystone", "dhcp_domain": ""},
        "oslo_concurrency": {"lock_path": data / "lock"},
        "keystone_authtoken": token_check(state, "nova"),
        "service_user": {"send_service_user_token": True, **user(state, "nova")},
        "placement": user(state, "placement"),
        "neutron": user(state, "neutron"),
    }


def nova_state(state: State, host: str) -> Path:
    return state.data / f"nova-{host}"


def nova_conf(state: State, host: DemoHost) -> Path:
    """Of the nova-compute that manages the host."""
    return state.etc / f"nova-{host.name}" / "nova.conf"


def nova_controller(state: State) -> Ini:
    """The API, the conductor and the scheduler. Only they know the databases."""
    return {
        **nova(state, CONTROLLER),
        "api_database": database(state, "nova_api"),
        "database": database(state, "nova"),
        "conductor": {"workers": 1},
        "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 2},
        "filter_scheduler": {"enabled_filters": ",".join(FILTERS)},
    }


def nova_compute(state: State, host: DemoHost) -> Ini:
    """One per Hyper-V host. Section ``hyperv`` is what an operator writes for a real one."""
    ini = nova(state, host.name)
    ini["DEFAULT"] = {**ini["DEFAULT"], "compute_driver": "compute_hyperv.driver.HyperVDriver"}
    ini["hyperv"] = {
        "server": host.address,
        "username": "Administrator",
        "password": state.passwords["hosts"],
        "winrm_scheme": "https",
        "winrm_ca_file": certificate_authority(state),
        "physical_network_vswitch_mappings": f"{PHYSICAL_NETWORK}:{SWITCH}",
    }
    return ini


def certificate_authority(state: State) -> Path:
    """The simulator's authority, which signs its hosts' WinRM certificates."""
    return state.simulator / "tls" / "ca.pem"


def rabbitmq(state: State) -> str:
    return f"""listeners.tcp.1 = {ADDRESS}:{PORTS["rabbitmq"]}
default_user = openstack
default_pass = {state.passwords["rabbitmq"]}
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
"""


def simulated_hosts(state: State) -> str:
    return state.hosts_template.read_text().replace("[[host]]", f'[[host]]\npassword = "{state.passwords["hosts"]}"')


def openrc(state: State) -> str:
    settings = client_environment(state)
    lines = [f"export {name}={value}" for name, value in settings.items()]
    return "\n".join([*lines, f'export PATH="{VENV}/bin:$PATH"', ""])


def client_environment(state: State) -> Mapping[str, str]:
    """What the ``openstack`` client needs to be the administrator."""
    return {
        "OS_AUTH_URL": endpoint_url("keystone"),
        "OS_USERNAME": "admin",
        "OS_PASSWORD": state.passwords["admin"],
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_REGION_NAME": REGION,
        "OS_IDENTITY_API_VERSION": "3",
        "OS_COMPUTE_API_VERSION": "2.latest",
        "OS_PLACEMENT_API_VERSION": "1.39",
    }


def addresses_in_use(hosts: Sequence[DemoHost]) -> list[str]:
    return ["localhost", "127.0.0.1", ADDRESS, *(host.address for host in hosts)]


def listening_address(port_name: str) -> str:
    return "127.0.0.1" if port_name in LOCALHOST_PORTS else ADDRESS
