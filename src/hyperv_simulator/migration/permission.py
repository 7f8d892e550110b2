"""Whether two hosts let a machine go from one to the other, and what they say where they don't.

Texts: real-instances 3.7 for authentication and the frame; winsock's own for connections; the processors' is the
console's. That a host that is not enabled refuses connections is an assumption (nothing listens on port 6600).
"""

from __future__ import annotations

import ipaddress

from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.migration.neighbours import MigrationHost, Neighbours, service_settings
from hyperv_simulator.migration.processors import needs_of
from hyperv_simulator.migration.request import MigrationRequest
from hyperv_simulator.outcomes import OperationFailed

NETWORK_SETTINGS = "Msvm_VirtualSystemMigrationNetworkSettingData"
_FAILED = "21024"  # MessageID of the frame
_KERBEROS = 1

_NO_SUCH_HOST = "No such host is known. (0x80072AF9)."
_NO_ANSWER = (
    "A connection attempt failed because the connected party did not properly respond after a period of time, or "
    "established connection failed because connected host has failed to respond. (0x8007274C)."
)
_REFUSED = "No connection could be made because the target machine actively refused it. (0x8007274D)."
_NO_CREDENTIALS = "No credentials are available in the security package (0x8009030E)."
_LOGON_FAILED = "The logon attempt failed (0x8009030C)."
_DELEGATION = (
    "The Virtual Machine Management Service failed to authenticate the connection for a Virtual Machine migration at "
    "the source host: no suitable credentials available. Make sure the operation is initiated on the source host of "
    "the migration, or the source host is configured to use Kerberos for the authentication of migration connections "
    "and Constrained Delegation is enabled for the host in Active Directory."
)


def failed(machine: Machine, source: str, *causes: str, at: str = "") -> OperationFailed:
    """The frame of every failed migration.

    :param at: the destination, where it failed there.
    """
    name = machine.reader.name
    end = f"destination '{at}'" if at else f"source '{source}'"
    text = f"Virtual machine migration operation for '{name}' failed at migration {end}."
    return OperationFailed(text, *causes, machine_id=machine.machine_id, message_id=_FAILED)


def listener_addresses(host: MigrationHost) -> list[str]:
    """Where the host takes migrations: its addresses in the networks for it, or all; none while it is not enabled."""
    if service_settings(host).get("EnableVirtualSystemMigration") is not True:
        return []
    networks = [
        ipaddress.ip_network(f"{item.text('SubnetNumber')}/{item.integer('PrefixLength', 32)}", strict=False)
        for item in host.repository.instances(NETWORK_SETTINGS)
    ]
    address = ipaddress.ip_address(host.config.address)
    return [str(address)] if not networks or any(address in network for network in networks) else []


def find_destination(
    machine: Machine, source: MigrationHost, request: MigrationRequest, neighbours: Neighbours
) -> MigrationHost:
    """The destination, connected and authenticated.

    :raises OperationFailed: it can't be reached, or does not let the source in.
    """
    if service_settings(source).get("EnableVirtualSystemMigration") is not True:
        raise failed(machine, source.host_name, f"Virtual machine migration is not enabled on '{source.host_name}'.")
    name = request.destination
    destination = neighbours.find(name)

    def no_connection(why: str, *more: str) -> OperationFailed:
        return failed(machine, source.host_name, f"Failed to establish a connection with host '{name}': {why}", *more)

    if destination is None:
        raise no_connection(_NO_ANSWER if neighbours.is_known(name) else _NO_SUCH_HOST)
    listening = listener_addresses(destination)
    if not listening:
        raise no_connection(_REFUSED)
    if request.addresses and not set(request.addresses) & set(listening):
        raise no_connection(_NO_ANSWER)
    kind = service_settings(source).integer("AuthenticationType", 0)
    may_go_on = _may_delegate(source, destination) if kind == _KERBEROS else request.has_credentials
    if not may_go_on or not _share_a_domain(source, destination):
        raise no_connection(_NO_CREDENTIALS, _DELEGATION)
    if service_settings(destination).integer("AuthenticationType", 0) != kind:
        raise no_connection(_LOGON_FAILED)
    return destination


def check_processors(machine: Machine, source: MigrationHost, destination: MigrationHost) -> None:
    """:raises OperationFailed: the machine uses what the destination's processors lack."""
    needs = needs_of(machine, source.config)
    if needs is None or needs.met_by(destination.config):
        return
    name = machine.reader.name
    raise failed(
        machine,
        source.host_name,
        "The virtual machine cannot be moved to the destination computer. The hardware on the destination computer is "
        "not compatible with the hardware requirements of this virtual machine.",
        f"The virtual machine '{name}' is using processor-specific features not supported on physical computer "
        f"'{destination.host_name}'. To allow for the migration of this virtual machine to physical computers with "
        "different processors, modify the virtual machine settings to limit the processor features used by the "
        "virtual machine.",
    )


def _share_a_domain(source: MigrationHost, destination: MigrationHost) -> bool:
    return bool(source.config.domain) and source.config.domain.lower() == destination.config.domain.lower()


def _may_delegate(source: MigrationHost, destination: MigrationHost) -> bool:
    """Kerberos: the directory lets the source delegate to the destination."""
    allowed = {name.lower().partition(".")[0] for name in source.config.migration.delegates_to}
    return "*" in allowed or destination.config.name.lower() in allowed
