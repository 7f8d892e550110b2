"""Power: on, off (softly first, where Nova gives time for it), reboot."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import nova.conf
from nova import exception
from nova.objects.instance import Instance
from oslo_log import log as logging

from compute_hyperv.cim.errors import CimError, MethodFailed, NotFound
from compute_hyperv.host.model import MachineState, MachineSummary
from compute_hyperv.nova.console import ConsoleLogs, log_pipe
from compute_hyperv.nova.errors import in_novas_words
from compute_hyperv.nova.instances import Instances

if TYPE_CHECKING:
    from compute_hyperv.host.host import HyperVHost

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# A guest can only be asked to shut down while it runs.
_GUEST_LISTENS = frozenset({MachineState.RUNNING, MachineState.STARTING, MachineState.RESUMING})
_CAN_BE_RESET = frozenset({MachineState.RUNNING, MachineState.PAUSED})


class Power:
    def __init__(self, host: HyperVHost, instances: Instances, console: ConsoleLogs) -> None:
        self._host = host
        self._instances = instances
        self._console = console

    @in_novas_words
    def on(self, instance: Instance) -> None:
        """Starts the machine; a running one is fine.

        :raises nova.exception.InstanceNotFound: it has no machine.
        :raises nova.exception.InstancePowerOnFailure: the host could not.
        """
        self.start(instance, self._instances.machine_id(instance))

    @in_novas_words
    def off(self, instance: Instance, timeout_s: int = 0) -> None:
        """Shuts the guest down within ``timeout_s``, or turns the machine off where it does not obey or that is 0.

        A machine that is gone is off.

        :raises nova.exception.InstancePowerOffFailure: the host could not.
        """
        machine = self._instances.find(instance)
        if machine is None:
            LOG.info("There is no machine to power off", instance=instance)
            return
        try:
            if machine.state is not MachineState.OFF and not self._shut_down(instance, machine, timeout_s):
                self._host.machines.turn_off(machine.machine_id)
        except NotFound:
            LOG.info("The machine vanished while it was powered off", instance=instance)
        except MethodFailed as error:
            raise exception.InstancePowerOffFailure(reason=str(error)) from error
        else:
            self._instances.confirm(instance, machine.machine_id, MachineState.OFF)
        self._console.finish(instance.uuid)

    @in_novas_words
    def reboot(self, instance: Instance, *, soft: bool, repair: Callable[[], None]) -> None:
        """A soft reboot shuts the guest down and starts it again; where the guest does not obey, or for a hard one, the
        machine is reset. One that is off is started.

        :param repair: puts right what a start depends on (its ports); done before a reset or start.
        :raises nova.exception.InstanceNotFound: it has no machine.
        :raises nova.exception.InstanceRebootFailure: the host could not.
        """
        machine = self._instances.require(instance)
        try:
            if soft and self._shut_down(instance, machine, CONF.hyperv.wait_soft_reboot_seconds):
                repair()
                self.start(instance, machine.machine_id)
                return
            repair()
            if machine.state in _CAN_BE_RESET:
                self._host.machines.reset(machine.machine_id)
                self._console.watch(instance.uuid, log_pipe(instance))
            else:
                self.start(instance, machine.machine_id)
        except MethodFailed as error:
            raise exception.InstanceRebootFailure(reason=str(error)) from error

    @in_novas_words
    def pause(self, instance: Instance) -> None:
        """Stops the guest's clock; its memory stays where it is. A paused machine is fine.

        :raises nova.exception.InstanceNotFound: it has no machine.
        """
        machine_id = self._instances.machine_id(instance)
        self._host.machines.pause(machine_id)
        self._instances.confirm(instance, machine_id, MachineState.PAUSED)

    @in_novas_words
    def unpause(self, instance: Instance) -> None:
        """:raises nova.exception.InstanceNotFound: it has no machine."""
        machine_id = self._instances.machine_id(instance)
        self._host.machines.resume(machine_id)
        self._instances.confirm(instance, machine_id, MachineState.RUNNING)

    @in_novas_words
    def suspend(self, instance: Instance) -> None:
        """Writes the memory to the host's disk and frees it. A saved machine is fine.

        :raises nova.exception.InstanceNotFound: it has no machine.
        :raises nova.exception.InstanceSuspendFailure: the host could not, say because of an assigned device.
        """
        machine_id = self._instances.machine_id(instance)
        try:
            self._host.machines.save(machine_id)
        except MethodFailed as error:
            raise exception.InstanceSuspendFailure(reason=str(error)) from error
        self._instances.confirm(instance, machine_id, MachineState.SAVED)
        self._console.finish(instance.uuid)

    @in_novas_words
    def resume(self, instance: Instance) -> None:
        """Goes on from the saved memory.

        :raises nova.exception.InstanceNotFound: it has no machine.
        :raises nova.exception.InstanceResumeFailure: the host could not.
        """
        try:
            self.start(instance, self._instances.machine_id(instance))
        except exception.InstancePowerOnFailure as error:
            raise exception.InstanceResumeFailure(reason=str(error)) from error

    @in_novas_words
    def interrupt(self, instance: Instance) -> None:
        """A non-maskable interrupt: a guest that is set up for it writes a crash dump.

        :raises nova.exception.InstanceNotFound: it has no machine.
        """
        self._host.machines.interrupt(self._instances.machine_id(instance))

    def start(self, instance: Instance, machine_id: str) -> None:
        """Starts a machine that the caller has found or made.

        :raises nova.exception.InstancePowerOnFailure: the host could not.
        """
        # The reader knocks at the pipe already while the machine starts, so that it misses little of the first output.
        self._console.watch(instance.uuid, log_pipe(instance))
        try:
            self._host.machines.start(machine_id)
        except CimError as error:
            self._console.finish(instance.uuid)
            if isinstance(error, MethodFailed):
                raise exception.InstancePowerOnFailure(reason=str(error)) from error
            raise
        self._instances.confirm(instance, machine_id, MachineState.RUNNING)

    def _shut_down(self, instance: Instance, machine: MachineSummary, timeout_s: int) -> bool:
        if timeout_s <= 0 or machine.state not in _GUEST_LISTENS:
            return False
        try:
            obeyed = self._host.machines.shutdown(machine.machine_id, timeout_s)
        except MethodFailed as error:
            LOG.info("The guest cannot be asked to shut down: %s", error, instance=instance)
            return False
        if not obeyed:
            LOG.warning("The guest did not shut down within %s s", timeout_s, instance=instance)
        return obeyed
