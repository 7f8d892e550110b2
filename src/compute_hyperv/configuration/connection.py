"""From options to a ``HyperVHost``: endpoints and credentials, and nothing else."""

from __future__ import annotations

from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.configuration.host_settings import HostSettings
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.smb.endpoint import SmbEndpoint


def connect(settings: HostSettings) -> HyperVHost:
    """The host that the settings describe. Sends nothing yet.

    :raises ValueError: the settings contradict each other.
    """
    endpoint = Endpoint(
        host=settings.server,
        port=settings.winrm_port,
        scheme=settings.winrm_scheme,
        auth=settings.winrm_auth,
        username=settings.username,
        password=settings.password,
        ca_file=settings.winrm_ca_file,
        client_certificate=settings.winrm_client_certificate,
        client_key=settings.winrm_client_key,
        allow_unencrypted=settings.winrm_allow_unencrypted,
        connections=settings.winrm_connections,
        operation_timeout_s=settings.winrm_timeout_s,
    )
    smb = SmbEndpoint(
        host=settings.server, port=settings.smb_port, username=settings.smb_username, password=settings.smb_password
    )
    return HyperVHost(endpoint, smb, file_in_use_timeout_s=settings.file_in_use_timeout_s)
