"""The options in Nova's own configuration, and which of them do nothing yet.

Options that are read by features which this release does not have are accepted, and listed in ``WITHOUT_EFFECT``:
``settings_without_effect`` names those that somebody has set, so that the log can say so at start. The options
themselves are in ``configuration.options``.
"""

from __future__ import annotations

from collections.abc import Mapping

import nova.conf
from oslo_config import cfg

from compute_hyperv.configuration.options import GROUPS, register

CONF = nova.conf.CONF

# Accepted and kept for features that are not there yet, by group.
WITHOUT_EFFECT: Mapping[str, frozenset[str]] = {
    "hyperv": frozenset(
        {
            "enable_instance_metrics_collection",
            "instances_path_share",
            "mounted_disk_query_retry_count",
            "mounted_disk_query_retry_interval",
            "volume_attach_retry_count",
            "volume_attach_retry_interval",
            "use_multipath_io",
            "iscsi_initiator_list",
            "evacuate_task_state_timeout",
            "instance_live_migration_timeout",
            "max_failover_count",
            "failover_period",
            "recreate_ports_on_failover",
            "auto_failback",
            "move_disks_on_cold_migration",
        }
    ),
    "coordination": frozenset({"backend_url"}),
    "os_win": frozenset({"wmi_job_terminate_timeout", "connect_cluster_timeout"}),
}


register(CONF)


def qemu_img_command(conf: cfg.ConfigOpts) -> str:
    """qemu-img on this machine; a Windows path from an old nova.conf is of no use here."""
    command: str = conf.hyperv.qemu_img_cmd
    return "qemu-img" if command.lower().endswith(".exe") else command


def settings_without_effect(conf: cfg.ConfigOpts) -> list[str]:
    """``[group] name`` of each option that somebody set to other than its default and that does nothing yet."""
    found = []
    for group, opts in GROUPS.items():
        for opt in opts:
            if opt.name in WITHOUT_EFFECT.get(group, ()) and conf[group][opt.name] != opt.default:
                found.append(f"[{group}] {opt.name}")
    return found
