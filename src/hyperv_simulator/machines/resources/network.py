r"""Network adapters and what they are plugged into.

An adapter is one object, its cable to a switch another (``<adapter>\C``), the switch port's features hang on the cable
(``<adapter>\C\<feature>\<GUID>``, assumption for the tail: real-instances 7). A fresh cable has the Offload feature and
no other (real-instances 3.13).
"""

from __future__ import annotations

import re

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.device_kinds import LEGACY_NIC, NIC
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.reader import host_resource, switch_at
from hyperv_simulator.machines.resources import boot_sources
from hyperv_simulator.machines.resources.rules import (
    ResourceHost,
    changes_of,
    full_path,
    modify_failed,
    own_values,
    parent_in,
)
from hyperv_simulator.outcomes import INVALID_PARAMETER, INVALID_STATE, Refused
from hyperv_simulator.repository.defaults import new_instance

MAX_LEGACY = 4
OFFLOAD = "Msvm_EthernetSwitchPortOffloadSettingData"
_MAC = re.compile(r"[0-9A-Fa-f]{12}")


class NicRules:
    """Synthetic and legacy adapters."""

    def __init__(self, host: ResourceHost) -> None:
        self._host = host

    def add(self, machine: Machine, given: CimInstance) -> CimInstance:
        is_legacy = given.class_name == LEGACY_NIC
        if is_legacy and (machine.reader.generation == 2 or machine.is_on):
            raise Refused(INVALID_STATE if machine.is_on else INVALID_PARAMETER, "no legacy adapter here")
        if machine.is_on and (self._host.version.release < 2016 or machine.reader.generation == 1):
            # Adapters can be added to a running machine since 2016, on generation 2 (Microsoft's list of new features).
            raise Refused(INVALID_STATE, "an adapter can't be added while the machine is on")
        if len(machine.reader.all(given.class_name)) >= (
            MAX_LEGACY if is_legacy else self._host.version.limits.adapters
        ):
            raise Refused(INVALID_PARAMETER, "no more adapters")
        values: dict[str, CimValue] = own_values(given)
        values["Address"] = self._address(machine, given)
        values["StaticMacAddress"] = given.get("StaticMacAddress", False)
        if not given.texts("VirtualSystemIdentifiers"):
            values["VirtualSystemIdentifiers"] = ["{" + ids.new_guid().lower() + "}"]
        tail = ids.new_guid() + ("\\0" if is_legacy else "")
        kind = "Emulated Ethernet Port" if is_legacy else "Synthetic Ethernet Port"
        nic = self._host.factory.device(machine.machine_id, kind.lower(), tail, values)
        self._host.repository.add(nic)
        boot_sources.add(self._host, machine, nic)
        machine.refresh_guest("nics")
        return nic

    def modify(self, machine: Machine, current: CimInstance, given: CimInstance) -> None:
        changes = changes_of(given)
        names = {name.lower() for name in changes}
        if "address" in names:
            wanted = str(given.get("Address")).upper()
            if wanted != current.get("Address") and machine.is_on:
                raise modify_failed(
                    machine,
                    "Network Adapter",
                    "The MAC address can't be changed while the machine runs.",
                    INVALID_STATE,
                )
            changes["Address"] = self._address(machine, given)
        self._host.repository.change(self._host.repository.reference_of(current), changes)
        machine.refresh_guest("nics")

    def remove(self, machine: Machine, current: CimInstance) -> None:
        if machine.is_on and (self._host.version.release < 2016 or machine.reader.generation == 1):
            raise Refused(INVALID_STATE, "an adapter can't be removed while the machine is on")
        repository = self._host.repository
        connection = machine.reader.connection_of(current)
        if connection is not None:
            _remove_connection(self._host, machine, connection)
        boot_sources.remove(self._host, machine, current)
        repository.remove(repository.reference_of(current))
        machine.refresh_guest("nics")

    def _address(self, machine: Machine, given: CimInstance) -> str:
        """The MAC: the static one that was given, or one out of the host's range.

        :raises Refused: 32773 for anything but 12 hexadecimal digits of a unicast address.
        """
        address = given.get("Address")
        if isinstance(address, str) and address:
            if not _MAC.fullmatch(address) or int(address[1], 16) & 1:
                raise Refused(INVALID_PARAMETER, f"MAC {address!r}")
            return address.upper()
        if given.get("StaticMacAddress") is True:
            return "0" * 12  # a static address that nobody gave (assumption: as the console shows it)
        return self._host.switches.addresses.next()


class ConnectionRules:
    """The cable between an adapter and a switch."""

    def __init__(self, host: ResourceHost) -> None:
        self._host = host

    def add(self, machine: Machine, given: CimInstance) -> CimInstance:
        repository = self._host.repository
        nic = parent_in(machine, repository, given)
        if nic.class_name not in (NIC, LEGACY_NIC):
            raise Refused(INVALID_PARAMETER, "Parent is no adapter")
        if machine.reader.connection_of(nic) is not None:
            raise Refused(INVALID_PARAMETER, "the adapter has a connection")  # seen on a host: real-instances 3.4
        values: dict[str, CimValue] = {
            **own_values(given),
            "Parent": full_path(repository, self._host.host_name, nic),
            **self._plugged(given),
        }
        tail = ids.tail_of(nic.text("InstanceID")) + "\\C"
        connection = self._host.factory.device(machine.machine_id, "Ethernet Connection".lower(), tail, values)
        repository.add(connection)
        offload = new_instance(
            repository.catalogue,
            OFFLOAD,
            {"InstanceID": feature_id(connection, OFFLOAD)},
        )
        repository.add(offload)
        machine.refresh_guest("nics")
        return connection

    def modify(self, machine: Machine, current: CimInstance, given: CimInstance) -> None:
        changes = changes_of(given, "parent")
        if "hostresource" in {name.lower() for name in changes}:
            changes |= self._plugged(given)
        self._host.repository.change(self._host.repository.reference_of(current), changes)
        machine.refresh_guest("nics")

    def remove(self, machine: Machine, current: CimInstance) -> None:
        _remove_connection(self._host, machine, current)
        machine.refresh_guest("nics")

    def _plugged(self, given: CimInstance) -> dict[str, CimValue]:
        """HostResource as the host writes it, and the switch's name.

        :raises Refused: 32773 where it leads to no switch.
        """
        path = host_resource(given)
        if not path:
            return {"HostResource": []}
        switch = switch_at(self._host.repository, path)
        if switch is None:
            raise Refused(INVALID_PARAMETER, f"no switch at {path}")
        return {
            "HostResource": [full_path(self._host.repository, self._host.host_name, switch)],
            "LastKnownSwitchName": switch.get("ElementName"),
        }


def feature_id(connection: CimInstance, class_name: str) -> str:
    r"""A fresh id for a feature: ``<connection>\<FeatureId>\<GUID>``."""
    return f"{connection.text('InstanceID')}\\{ids.FEATURE_IDS[class_name]}\\{ids.new_guid()}"


def _remove_connection(host: ResourceHost, machine: Machine, connection: CimInstance) -> None:
    repository = host.repository
    for feature in machine.reader.features_of(connection):
        repository.remove(repository.reference_of(feature))
    repository.remove(repository.reference_of(connection))
