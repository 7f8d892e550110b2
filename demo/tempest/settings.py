"""The cloud that tempest is run against, and what tempest is told of it."""

from dataclasses import dataclass

from demo.cloud.config import Ini
from demo.settings import CHECKOUT, PHYSICAL_NETWORK, REGION, State, endpoint_url, url

STATE = State(
    CHECKOUT / ".state" / "tempest",
    hosts_template=CHECKOUT / "demo" / "tempest" / "hosts.toml",
    settings={
        # Floating IPs and routers, as far as the API goes: there is no agent that would make them work.
        "neutron/neutron.conf": {"DEFAULT": {"service_plugins": "router"}},
        # Every project of tempest's gets networks of its own, and several run at once.
        "neutron/ml2_conf.ini": {"ml2_type_vlan": {"network_vlan_ranges": f"{PHYSICAL_NETWORK}:100:4000"}},
        "nova/nova.conf": {
            # Tempest tests each filter that an operator may have switched on.
            "filter_scheduler": {
                "enabled_filters": "ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,"
                "ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter,SameHostFilter,DifferentHostFilter"
            }
        },
    },
)

SHARED_NETWORK, PUBLIC_NETWORK = "shared", "public"
FLAVOR, FLAVOR_ALT = "42", "84"


@dataclass(frozen=True)
class Prepared:
    """What was made in the cloud for tempest, by id."""

    image: str
    image_alt: str
    public_network: str


# What the tests may expect of servers. What is off belongs to work that is not done yet, or to a guest that answers.
FEATURES = {
    "resize": False,
    "cold_migration": False,
    "live_migration": False,
    "block_migration_for_live_migration": False,
    "volume_backed_live_migration": False,
    "vnc_console": False,
    "console_output": True,
    "pause": True,
    "suspend": True,
    "shelve": True,
    "rescue": True,
    "stable_rescue": True,
    "ide_bus": False,  # generation 2
    "snapshot": True,
    "interface_attach": True,
    "change_password": True,
    "personality": True,
    "config_drive": True,
    "hostname_fqdn_sanitization": True,
    "dhcp_domain": "",
    "metadata_service": False,
    "swap_volume": False,
    "attach_encrypted_volume": False,
    "unified_limits": False,
    "scheduler_enabled_filters": "all",
}


def tempest_conf(state: State, prepared: Prepared, computes: int) -> Ini:
    folder = state.data / "tempest"
    return {
        "DEFAULT": {"log_file": state.log / "tempest-debug.log"},
        "oslo_concurrency": {"lock_path": folder / "lock"},
        "auth": {
            "use_dynamic_credentials": True,
            "admin_username": "admin",
            "admin_password": state.passwords["admin"],
            "admin_project_name": "admin",
            "admin_domain_name": "Default",
            "default_credentials_domain_name": "Default",
        },
        "identity": {
            "uri_v3": endpoint_url("keystone"),
            "auth_version": "v3",
            "region": REGION,
            "v3_endpoint_type": "public",
        },
        "service_available": {
            "nova": True,
            "glance": True,
            "neutron": True,
            "cinder": False,
            "swift": False,
            "horizon": False,
        },
        "compute": {
            "image_ref": prepared.image,
            "image_ref_alt": prepared.image_alt,
            "flavor_ref": FLAVOR,
            "flavor_ref_alt": FLAVOR_ALT,
            "fixed_network_name": SHARED_NETWORK,
            "min_compute_nodes": computes,
            "max_microversion": "latest",
            "build_timeout": 120,
            "build_interval": 1,
            "hypervisor_type": "hyperv",
        },
        "compute-feature-enabled": FEATURES,
        "network": {
            "public_network_id": prepared.public_network,
            "floating_network_name": PUBLIC_NETWORK,
            "project_networks_reachable": False,
        },
        "network-feature-enabled": {"port_security": True, "floating_ips": True, "ipv6": True},
        "validation": {"run_validation": False, "connect_method": "fixed"},
        "image": {"http_image": f"{url('glance')}/", "build_timeout": 120},
    }
