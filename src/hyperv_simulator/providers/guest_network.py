"""SetGuestNetworkAdapterConfiguration: a guest's addresses, set from its host through the key-value exchange.

Sources: hyperv-ops 4 (it needs the integration service), real-instances 1.4 (ids). That a machine which does not run is
refused with 32775 is an assumption.
"""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.guests.base import Guest, GuestError
from hyperv_simulator.guests.exchange import Addresses
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.machines.companions import GUEST_NETWORK, guest_network_id
from hyperv_simulator.machines.device_kinds import NIC
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.outcomes import INVALID_PARAMETER, INVALID_STATE, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, job_started

# JobType has no value for it.
_SETTING = JobKind("Setting Guest Network Configuration", "Setting Guest Network Configuration", 0)


class GuestNetwork:
    def __init__(self, machines: Machines, jobs: Jobs) -> None:
        self._machines = machines
        self._jobs = jobs

    def methods(self) -> Mapping[str, Method]:
        return {"SetGuestNetworkAdapterConfiguration": self._set}

    def _set(self, call: Call) -> Outputs:
        machine = self._machines.of(call.target_of("ComputerSystem"))
        try:
            given = call.all_embedded("NetworkConfiguration", GUEST_NETWORK)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_SETTING, failure, user=call.caller.user))
        macs = {guest_network_id(nic).lower(): nic.text("Address", "") for nic in machine.reader.all(NIC)}
        wanted: dict[str, Addresses] = {}
        for item in given:
            mac = macs.get(item.text("InstanceID", "").lower())
            if mac is None:
                raise Refused(INVALID_PARAMETER, f"no adapter {item.get('InstanceID')!r}")
            wanted[mac] = _addresses(item)
        guest = machine.guest
        if not wanted:
            raise Refused(INVALID_PARAMETER, "nothing to set")
        if guest is None or machine.state is not State.RUNNING:
            raise Refused(INVALID_STATE, "the machine does not run")

        def work(_: JobControl) -> None:
            _tell(machine, guest, wanted)

        origin = ("Msvm_VirtualSystemManagementService", call.method)
        job = self._jobs.start(_SETTING, work, user=call.caller.user, affected=machine.reference, origin=origin)
        return job_started(job)


def _tell(machine: Machine, guest: Guest, wanted: Mapping[str, Addresses]) -> None:
    name = machine.reader.name
    summary = f"Failed to set the network configuration of the guest in '{name}'."
    if not machine.reader.has_key_value_exchange or guest.exchange.report() is None:
        why = f"The key-value pair exchange of '{name}' does not respond."
        raise OperationFailed(summary, why, machine_id=machine.machine_id)
    try:
        for mac, addresses in wanted.items():
            guest.exchange.set_addresses(mac, addresses)
    except GuestError as error:
        cause = f"{error.text} (0x{error.code:08X})."
        raise OperationFailed(summary, cause, machine_id=machine.machine_id, result=error.code) from None


def _addresses(given: CimInstance) -> Addresses:
    """:raises Refused: 32773: neither DHCP nor an address, or addresses without their subnets."""
    addresses, subnets = given.texts("IPAddresses"), given.texts("Subnets")
    dhcp = given.boolean("DHCPEnabled", False)
    if len(addresses) != len(subnets) or not (dhcp or addresses):
        raise Refused(INVALID_PARAMETER, f"addresses {addresses} with subnets {subnets}")
    return Addresses(
        dhcp, tuple(addresses), tuple(subnets), tuple(given.texts("DefaultGateways")), tuple(given.texts("DNSServers"))
    )
