"""What happens to instances when their host was started anew while nova-compute went on running.

Hyper-V starts none of our machines by itself (AutomaticStartupAction: nothing; old-driver 5.2): Nova decides. What the
host saved when it went down goes on, for nobody asked to stop it, and Nova would discard the saved memory of a machine
that it finds suspended unexpectedly. What was off is started where ``[DEFAULT] resume_guests_state_on_host_boot`` says
so, which Nova itself honours only when nova-compute starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import nova.conf
from nova import context as nova_context
from nova import exception, objects
from nova.compute import power_state, vm_states
from oslo_log import log as logging

from compute_hyperv.host.model import MachineState
from compute_hyperv.nova.instances import Instances
from compute_hyperv.nova.power import Power

if TYPE_CHECKING:
    from nova.objects.instance import Instance

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

_SAVED = frozenset({MachineState.SAVED, MachineState.FAST_SAVED})


class HostBoot:
    """:param service_host: the name of the nova-compute service, by which Nova knows its instances."""

    def __init__(self, service_host: str, instances: Instances, power: Power) -> None:
        self._service_host = service_host
        self._instances = instances
        self._power = power

    def resume_instances(self) -> None:
        """Starts what ran before. One that fails does not hold up the others: Nova will find it off."""
        context = nova_context.get_admin_context()
        ran = {
            instance.uuid: instance
            for instance in objects.InstanceList.get_by_host(context, self._service_host)
            if instance.vm_state == vm_states.ACTIVE
            and instance.power_state == power_state.RUNNING
            and instance.task_state is None
        }
        for uuid, machine in self._instances.ours().items():
            if uuid in ran and self._shall_go_on(machine.state):
                self._start(ran[uuid], machine.machine_id)

    @staticmethod
    def _shall_go_on(state: MachineState) -> bool:
        return state in _SAVED or (state is MachineState.OFF and CONF.resume_guests_state_on_host_boot)

    def _start(self, instance: Instance, machine_id: str) -> None:
        try:
            self._power.start(instance, machine_id)
        except exception.NovaException as error:
            LOG.error("It ran before its host was started anew, and cannot be started: %s", error, instance=instance)
