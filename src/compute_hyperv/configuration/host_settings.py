"""What the options mean together, as plain values.

An option that cannot be understood is found here, before anything is connected, with a message that names it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from oslo_config import cfg

from compute_hyperv.configuration.options import DEFAULT_INSTANCES_PATH
from compute_hyperv.host import paths


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Where a Hyper-V host is and how to get in."""

    server: str
    username: str | None
    password: str | None = field(repr=False)
    winrm_scheme: str
    winrm_port: int | None
    winrm_auth: str
    winrm_ca_file: str | None
    winrm_client_certificate: str | None
    winrm_client_key: str | None
    winrm_allow_unencrypted: bool
    winrm_connections: int
    winrm_timeout_s: int
    smb_port: int
    smb_username: str | None
    smb_password: str | None = field(repr=False)
    file_in_use_timeout_s: int
    instances_path: str
    switches: tuple[tuple[str, str], ...]
    default_switch: str | None


def host_settings(conf: cfg.ConfigOpts, service_host: str) -> HostSettings:
    """What nova.conf says about the Hyper-V host of one nova-compute service.

    :param service_host: the name of the service (``[DEFAULT] host``); the host's address where ``server`` is not set.
    :raises ValueError: an option cannot be understood; the message names it and says what to write.
    """
    group = conf.hyperv
    password = _password(group)
    return HostSettings(
        server=group.server or service_host,
        username=group.username or None,
        password=password,
        winrm_scheme=group.winrm_scheme,
        winrm_port=group.winrm_port,
        winrm_auth=group.winrm_auth,
        winrm_ca_file=group.winrm_ca_file,
        winrm_client_certificate=group.winrm_client_certificate,
        winrm_client_key=group.winrm_client_key,
        winrm_allow_unencrypted=group.winrm_allow_unencrypted,
        winrm_connections=group.winrm_connections,
        winrm_timeout_s=group.winrm_timeout,
        smb_port=group.smb_port,
        smb_username=group.smb_username or group.username or None,
        smb_password=group.smb_password or password,
        file_in_use_timeout_s=conf.os_win.file_in_use_timeout,
        instances_path=instances_path(conf),
        switches=tuple(_switch_mapping(entry) for entry in group.physical_network_vswitch_mappings),
        default_switch=group.vswitch_name,
    )


def _password(group: cfg.ConfigOpts.GroupAttr) -> str | None:
    if not group.password_file:
        given: str | None = group.password
        return given
    try:
        text = Path(group.password_file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"[hyperv] password_file {group.password_file} cannot be read: {error}.") from error
    return text.split("\n", 1)[0].rstrip("\r")


def instances_path(conf: cfg.ConfigOpts) -> str:
    """The folder on the host for instances, from whichever of two options names one.

    :raises ValueError: it is no folder on a Windows host.
    """
    # Nova's own default, $state_path/instances, is a folder on Linux and says nothing about the host.
    nova_path = conf.instances_path
    path = nova_path if paths.is_absolute(nova_path) else conf.hyperv.instances_path
    if not paths.is_absolute(path):
        raise ValueError(
            f"[hyperv] instances_path is {path!r}, which is no folder on a Windows host: write one like "
            f"{DEFAULT_INSTANCES_PATH} or \\\\server\\share\\folder."
        )
    return paths.normalise(path)


def _switch_mapping(entry: str) -> tuple[str, str]:
    network, colon, switch = (part.strip() for part in entry.partition(":"))
    if not (network and colon and switch):
        raise ValueError(
            f"[hyperv] physical_network_vswitch_mappings has the entry {entry!r}: write physical_network:switch_name."
        )
    return network, switch
