"""Neutron's ports and the adapters of machines.

The ML2 mechanism driver ``hyperv`` binds a port without any agent on the host, and puts the physical network and the
VLAN into the binding details. nova-compute holds the only connection to the host, so it connects the adapter to that
network's switch and sets the VLAN on the switch port.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import nova.conf
from nova import exception
from nova.network import model as network_model
from nova.objects.instance import Instance
from oslo_log import log as logging

from compute_hyperv.cim.errors import CimError, InvalidRequest, MethodFailed, NotFound
from compute_hyperv.host.model import Nic
from compute_hyperv.nova import device_metadata, extra_specs
from compute_hyperv.nova.errors import InstanceRefused, in_novas_words
from compute_hyperv.nova.instances import Instances
from compute_hyperv.nova.settings import BuildSettings

if TYPE_CHECKING:
    from compute_hyperv.host.host import HyperVHost

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

VLANS = range(1, 4095)


def nic(instance: Instance, vif: network_model.VIF, settings: BuildSettings) -> Nic:
    """What the adapter for a port must be.

    :raises InstanceRefused: a port of a kind that Hyper-V cannot have.
    :raises nova.exception.VirtualInterfacePlugException: the port is not bound for a Hyper-V host, or this host has no
        switch for its network. Another host may do better, so Nova shall try.
    """
    if vif["vnic_type"] != network_model.VNIC_TYPE_NORMAL:
        raise InstanceRefused(
            instance_id=instance.uuid,
            reason=f"port {vif['id']} has the VNIC type {vif['vnic_type']}: only {network_model.VNIC_TYPE_NORMAL} is "
            f"supported. For SR-IOV, take a normal port and a flavor with {extra_specs.SRIOV}=true.",
        )
    if vif["type"] != network_model.VIF_TYPE_HYPERV:
        raise exception.VirtualInterfacePlugException(
            f"Port {vif['id']} is bound as {vif['type']}, not {network_model.VIF_TYPE_HYPERV}. Remedy: see that "
            "neutron-server has the mechanism driver hyperv in [ml2] mechanism_drivers, and that no other binds ports "
            "of this host."
        )
    details = vif.get("details") or {}
    return Nic(
        name=vif["id"],
        mac_address=vif["address"].replace(":", "").replace("-", "").upper(),
        switch_name=_switch(vif["id"], details.get("physical_network"), settings),
        vlan_id=_vlan(vif["id"], details.get(network_model.VIF_DETAILS_VLAN)),
        trunk_vlans=_trunk(vif["id"], details.get("trunk_vlans")),
        mac_spoofing=details.get("mac_spoofing") is True,
        limit_kbps=_kbps(vif["id"], details.get("limit_kbps")),
        sriov=extra_specs.boolean(instance, extra_specs.SRIOV) or False,
    )


def _switch(port_id: str, physical_network: str | None, settings: BuildSettings) -> str:
    if not physical_network:
        raise exception.VirtualInterfacePlugException(
            f"Port {port_id} does not say its physical network. Remedy: let the mechanism driver hyperv of "
            "compute-hyperv bind it; the one of networking-hyperv needs an agent on the host."
        )
    for pattern, switch_name in settings.switches:
        if re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), physical_network):
            return switch_name
    if settings.default_switch:
        return settings.default_switch
    raise exception.VirtualInterfacePlugException(
        f"No virtual switch is known for physical network {physical_network} of port {port_id}. Remedy: add "
        f"{physical_network}:<switch name> to [hyperv] physical_network_vswitch_mappings of this nova-compute."
    )


def _vlan(port_id: str, text: Any) -> int | None:
    if text is None or text == "":
        return None
    if not str(text).isdecimal() or int(text) not in VLANS:
        raise exception.VirtualInterfacePlugException(
            f"Port {port_id} is bound to VLAN {text!r}, which is not between {VLANS.start} and {VLANS.stop - 1}."
        )
    return int(text)


def _trunk(port_id: str, text: str | None) -> tuple[int, ...]:
    """``"101,102"``: what else passes, tagged."""
    vlans = [_vlan(port_id, part) for part in text.split(",")] if text else []
    return tuple(sorted(vlan for vlan in vlans if vlan is not None))


def _kbps(port_id: str, text: str | None) -> int:
    if not text:
        return 0
    if not str(text).isdecimal():
        raise exception.VirtualInterfacePlugException(f"Port {port_id} is bound with the bandwidth {text!r} kbit/s.")
    return int(text)


@contextmanager
def waiting_for_plugs(virtapi: Any, instance: Instance, network_info: Iterable[network_model.VIF]) -> Iterator[None]:
    """Leaves the block only when Neutron has reported each port up that was not when the block began, as
    ``vif_plugging_timeout`` and ``vif_plugging_is_fatal`` say.

    :raises nova.exception.VirtualInterfaceCreateException: it failed or took too long, and that is fatal.
    """
    timeout_s = CONF.vif_plugging_timeout
    events = [("network-vif-plugged", vif["id"]) for vif in network_info if timeout_s and vif.get("active") is False]

    def failed(event_name: str, event_instance: Instance) -> None:
        LOG.error("Neutron reports failure on event %s", event_name, instance=event_instance)
        if CONF.vif_plugging_is_fatal:
            raise exception.VirtualInterfaceCreateException()

    try:
        with virtapi.wait_for_instance_event(instance, events, timeout=timeout_s, error_callback=failed):
            yield
    except exception.InstanceEventTimeout as error:
        waited = ", ".join(port for _, port in events)
        LOG.warning("Neutron did not report ports %s up within %s s", waited, timeout_s, instance=instance)
        if CONF.vif_plugging_is_fatal:
            raise exception.VirtualInterfaceCreateException(
                f"Neutron did not report ports {waited} up within {timeout_s} s. Remedy: look at neutron-server's log "
                "for these ports, or raise vif_plugging_timeout."
            ) from error


class Vifs:
    """Plugs and unplugs the adapters of machines that are there already."""

    def __init__(self, host: HyperVHost, instances: Instances, settings: BuildSettings) -> None:
        self._host = host
        self._instances = instances
        self._settings = settings

    @in_novas_words
    def plug(self, instance: Instance, network_info: Iterable[network_model.VIF]) -> None:
        """Connects what is not connected as its port says. Adapters that are right already are not touched.

        An instance without a machine has nothing to plug: Nova asks for all its instances at start, and must start.

        :raises nova.exception.VirtualInterfacePlugException: a port cannot be plugged, or the host refuses.
        """
        wanted = [nic(instance, vif, self._settings) for vif in network_info]
        machine = self._instances.find(instance) if wanted else None
        if machine is None:
            return
        present = {adapter.name.lower(): adapter for adapter in self._host.machines.nics(machine.machine_id)}
        for adapter in wanted:
            if present.get(adapter.name.lower()) != adapter:
                try:
                    self._host.machines.connect_nic(machine.machine_id, adapter)
                except (InvalidRequest, MethodFailed, NotFound) as error:
                    raise exception.VirtualInterfacePlugException(str(error)) from error

    @in_novas_words
    def attach(self, context: Any, instance: Instance, vif: network_model.VIF) -> None:
        """Gives the machine an adapter for a port; a running one gets it plugged in. One that is there is fine.

        Nova tells the user of any failure in one sentence of its own, so the log is where the reason is.

        :raises nova.exception.InterfaceAttachFailed: the host can't; nothing of the adapter is left.
        """
        adapter = nic(instance, vif, self._settings)
        machine_id = self._instances.machine_id(instance)
        try:
            self._host.machines.connect_nic(machine_id, adapter)
            device_metadata.describe_adapters(context, instance)
            instance.save()
        except Exception as error:  # whatever it was: Nova takes the port away
            LOG.error("Port %s cannot be attached: %s", vif["id"], error, instance=instance)
            with contextlib.suppress(CimError):  # a host that is away: unplugging is Nova's next step
                self._host.machines.remove_nic(machine_id, adapter.name)
            raise exception.InterfaceAttachFailed(instance_uuid=instance.uuid) from error

    @in_novas_words
    def detach(self, context: Any, instance: Instance, vif: network_model.VIF) -> None:
        """Takes the port's adapter out of the machine; one that is gone is fine.

        :raises nova.exception.InterfaceDetachFailed: the host can't, or there is no machine.
        """
        machine = self._instances.find(instance)
        if machine is None:
            LOG.error("Port %s cannot be detached: there is no machine", vif["id"], instance=instance)
            raise exception.InterfaceDetachFailed(instance_uuid=instance.uuid)
        try:
            self._host.machines.remove_nic(machine.machine_id, vif["id"])
        except (InvalidRequest, MethodFailed) as error:
            LOG.error("Port %s cannot be detached: %s", vif["id"], error, instance=instance)
            raise exception.InterfaceDetachFailed(instance_uuid=instance.uuid) from error
        device_metadata.describe_adapters(context, instance, without=vif["id"])
        instance.save()

    @in_novas_words
    def unplug(self, instance: Instance, network_info: Iterable[network_model.VIF]) -> None:
        """Disconnects the ports' adapters from their switches; what is gone already is fine."""
        machine = self._instances.find(instance)
        if machine is None:
            return
        for vif in network_info:
            self._host.machines.disconnect_nic(machine.machine_id, vif["id"])
