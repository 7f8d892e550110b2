"""Machines of a host: finding them, making and removing them, and changing what they are made of.

Making and removing are all or nothing as far as the host lets itself be reached: whether something was made is seen by
looking, never concluded from an answer that did not come.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from compute_hyperv.cim.errors import CimError, InvalidRequest, MethodFailed, NotFound, TimedOut, Unreachable
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference
from compute_hyperv.cim.wql import eq, select
from compute_hyperv.host import jobs, versions
from compute_hyperv.host import machine_definition as definition
from compute_hyperv.host.adapters import Adapters
from compute_hyperv.host.components import Components
from compute_hyperv.host.construction import Construction
from compute_hyperv.host.errors import MachineExists
from compute_hyperv.host.machine_settings import MachineSettings, parent_id, reference_of, same_id
from compute_hyperv.host.model import Bus, Drive, HostInfo, MachineSpec, MachineState, MachineSummary, Nic, SerialPort
from compute_hyperv.host.pci_devices import PciDevices
from compute_hyperv.host.power import MACHINE_ID, STATE_PROPERTIES, Power
from compute_hyperv.host.services import (
    MACHINE,
    MANAGEMENT,
    SYSTEM,
    machine_reference,
    system_settings_reference,
)
from compute_hyperv.host.switches import Switches
from compute_hyperv.host.versions import Feature, Version
from compute_hyperv.host.watch import MachineWatch, summary_of

LOG = logging.getLogger(__name__)

# Inside the class, list is a method.
_Rows = list[CimInstance]
_Nics = list[Nic]

_REALIZED = "Microsoft:Hyper-V:System:Realized"
# In these DestroySystem is allowed (Msvm_VirtualSystemManagementService page: powered off or saved).
_DESTROYABLE = frozenset({MachineState.OFF, MachineState.SAVED, MachineState.FAST_SAVED})

# A DefineSystem whose answer was lost may still be at work: the machine is looked for again after these waits.
LOOK_AGAIN_AFTER_S: tuple[float, ...] = (0.0, 1.0, 3.0)


class Machines:
    """:param host_info: reads what the host is; called when a machine is made, so it should remember."""

    def __init__(
        self, session: CimSession, switches: Switches, pci_devices: PciDevices, host_info: Callable[[], HostInfo]
    ) -> None:
        self._session = session
        self._switches = switches
        self._host_info = host_info
        self._pci_devices = pci_devices
        self._power = Power(session)
        self._components = Components(session)
        self._adapters = Adapters(session, self._components, switches, self._check_plugging)
        self._construction = Construction(session, self._components, self._adapters)
        self._define_takes_resources = True

    # --- finding

    def find(self, name: str) -> MachineSummary | None:
        """The machine of that name, with state and notes; None where there is none. One or two requests.

        :raises InvalidRequest: several machines have that name.
        """
        rows = self._named(name)
        if not rows:
            return None
        if len(rows) > 1:
            raise InvalidRequest(
                f"The host has {len(rows)} machines named {name}.", remedy="Rename or remove all but one of them."
            )
        machine_id = rows[0].text("VirtualSystemIdentifier").upper()
        try:
            state = self._session.get(machine_reference(machine_id))
        except NotFound:  # it has just gone
            return None
        return summary_of(state, _notes(rows[0]))

    def list(self, *, with_notes: bool = False) -> list[MachineSummary]:
        """All machines with their state, in one query; their notes take a second one."""
        rows = self._session.query(select(MACHINE, STATE_PROPERTIES))
        notes: dict[str, tuple[str, ...]] = {}
        if with_notes:
            settings = select(SYSTEM, ["VirtualSystemIdentifier", "Notes"]).where(eq("VirtualSystemType", _REALIZED))
            notes = {row.text("VirtualSystemIdentifier").upper(): _notes(row) for row in self._session.query(settings)}
        return [
            summary_of(row, notes.get(row.text("Name").upper(), ()))
            for row in rows
            if MACHINE_ID.fullmatch(row.text("Name"))
        ]

    def watch(self) -> MachineWatch:
        """Changes of machines' states from now on; whoever asks for it closes it."""
        return MachineWatch(self._session)

    # --- making and removing

    def create(self, spec: MachineSpec, *, known_absent: bool = False) -> str:
        """Make a machine and all that belongs to it, turned off; its id.

        Requests: look, define, read what it became, add drives and adapters, add media and connections, set the VLAN,
        read it back, read the firmware's settings: 8 with one adapter. What did not take on the way is set in two more.

        :param known_absent: the caller has just looked and found no machine of that name.
        :raises MachineExists: there is a machine of that name; nothing was done.
        :raises UnsupportedByHost, InvalidRequest: the host or Hyper-V cannot have such a machine; nothing was done.
        :raises CimError: it failed; what had been made was removed, or the log says what is left.
        """
        info = self._host_info()
        definition.check(spec, info.version, info.name)
        switch_ids = {nic.switch_name: self._switches.id_of(nic.switch_name) for nic in spec.nics if nic.switch_name}
        pci_devices = self._pci_devices.settings_for(spec.pci_devices)
        if not known_absent and (rows := self._named(spec.name)):
            machine_id = rows[0].text("VirtualSystemIdentifier").upper()
            raise MachineExists(
                f"The host has a machine named {spec.name} already ({machine_id}).",
                machine_id=machine_id,
                remedy="Remove it, or give the new one another name.",
            )
        machine_id = ""
        try:
            machine_id = self._define(spec, info.version) or self._defined(spec)
            self._construction.equip(machine_id, spec, info.version, switch_ids, pci_devices)
        except BaseException as exc:  # whatever it was: a machine without all of its parts must not stay
            self._switches.forget()  # a switch that was made anew is one way to fail here
            self._undo(spec, machine_id, answer_lost=isinstance(exc, Unreachable | TimedOut))
            raise
        return machine_id

    def destroy(self, machine: str) -> None:
        """Remove a machine, turning it off first; its disks stay. One that is gone is fine.

        :param machine: its id or its name.
        """
        machine_id = machine if MACHINE_ID.fullmatch(machine) else self._id_of(machine)
        if machine_id is None:
            return
        try:
            self._destroy(machine_id)
        except (Unreachable, TimedOut, MethodFailed) as exc:
            # It may be gone all the same; or another job holds it: that is ended, and one more attempt made.
            if not self._exists(machine_id):
                return
            LOG.info("Removing machine %s is tried again: %s", machine_id, exc)
            self._power.cancel_jobs(machine_id)
            self._destroy(machine_id)

    # --- state

    def state(self, machine_id: str) -> MachineState:
        """:raises NotFound: there is no such machine."""
        return self._power.state(machine_id)

    def start(self, machine_id: str) -> None:
        """Start, or go on after a pause or from a saved state; a running machine is fine."""
        self._power.start(machine_id)

    def turn_off(self, machine_id: str) -> None:
        """As pulling the plug does; a machine that is off is fine."""
        self._power.turn_off(machine_id)

    def pause(self, machine_id: str) -> None:
        self._power.pause(machine_id)

    def resume(self, machine_id: str) -> None:
        self._power.start(machine_id)

    def save(self, machine_id: str) -> None:
        self._power.save(machine_id)

    def reset(self, machine_id: str) -> None:
        """As the reset button does; the machine runs."""
        self._power.reset(machine_id)

    def interrupt(self, machine_id: str) -> None:
        """Send a non-maskable interrupt to the guest. :raises MethodFailed: it does not run."""
        self._power.interrupt(machine_id)

    def shutdown(self, machine_id: str, timeout_s: float) -> bool:
        """Ask the guest to shut down; whether it did in time. A machine that is off has."""
        return self._power.shutdown(machine_id, timeout_s)

    # --- parts

    def nics(self, machine_id: str) -> _Nics:
        """The adapters as the host has them now, VLAN included. :raises NotFound: there is no such machine."""
        return self._adapters.list(machine_id)

    def connect_nic(self, machine_id: str, nic: Nic) -> None:
        """See that the machine has this adapter, connected as asked; a running machine gets it plugged in."""
        self._adapters.connect(machine_id, nic)

    def disconnect_nic(self, machine_id: str, name: str) -> None:
        """Disconnect an adapter from its switch; what is not there is fine."""
        self._adapters.disconnect(machine_id, name)

    def remove_nic(self, machine_id: str, name: str) -> None:
        """Take an adapter out of the machine; what is not there is fine."""
        self._adapters.remove(machine_id, name)

    def set_serial_port(self, machine_id: str, port: SerialPort) -> None:
        """Connect a serial port to a pipe; an empty pipe name disconnects it."""
        setting = MachineSettings.read(self._session, machine_id).serial_port(port.number)
        self._components.modify(
            [CimInstance(setting.class_name, {"InstanceID": setting.text("InstanceID"), "Connection": [port.pipe]})],
            f"Connecting COM{port.number} of machine {machine_id}",
        )

    def attach_drive(self, machine_id: str, drive: Drive) -> None:
        """Add a drive with its medium; one that is there as asked is fine.

        :raises InvalidRequest: there is no such place, or another drive is in it.
        """
        settings = MachineSettings.read(self._session, machine_id)
        definition.check_place(drive, 1 if settings.controllers(Bus.IDE) else 2)
        controller = settings.controller_for(drive)
        there = settings.drive_at(controller.text("InstanceID"), drive.slot)
        if there and any(
            same_id(parent_id(medium), there.text("InstanceID")) for medium in settings.media_of(drive.path)
        ):
            return
        if there and settings.is_empty(there):
            # An earlier attempt broke off between the drive and its medium.
            left = CimReference(definition.RASD, {"InstanceID": there.text("InstanceID")})
            self._components.remove([left], f"Removing the empty drive where {drive.path} shall be")
        elif there:
            raise InvalidRequest(f"{drive.bus.value} {drive.controller}:{drive.slot} of the machine is taken.")
        self._construction.add_drive(machine_id, drive, controller)

    def detach_drive(self, machine_id: str, path: str) -> None:
        """Take out the drives that hold this file; none is fine."""
        settings = MachineSettings.read(self._session, machine_id)
        for medium in settings.media_of(path):
            drive_id = parent_id(medium)
            # A drive with a medium in it cannot be removed (facts: real-instances 3.6).
            self._components.remove([reference_of(medium)], f"Taking {path} out of machine {machine_id}")
            self._components.remove(
                [CimReference(definition.RASD, {"InstanceID": drive_id})], f"Removing the drive of {path}"
            )

    # --- how

    def _check_plugging(self, machine_id: str) -> None:
        if self._power.state(machine_id) is MachineState.OFF:
            return
        info = self._host_info()
        versions.require(info.version, Feature.NIC_HOT_PLUG, host=info.name)
        # Generation 1 has no bus that could get an adapter while the guest runs (old-driver 5.6).
        subtype = self._session.get(system_settings_reference(machine_id)).text("VirtualSystemSubType", "")
        if subtype != definition.GENERATION_SUBTYPES[2]:
            raise InvalidRequest(
                f"Machine {machine_id} is of generation 1 and not off: its adapters cannot change.",
                remedy="Turn it off first.",
            )

    def _named(self, name: str) -> _Rows:
        wanted = select(SYSTEM, ["VirtualSystemIdentifier", "Notes"])
        return self._session.query(wanted.where(eq("ElementName", name), eq("VirtualSystemType", _REALIZED)))

    def _id_of(self, name: str) -> str | None:
        rows = self._named(name)
        if len(rows) > 1:
            raise InvalidRequest(
                f"The host has {len(rows)} machines named {name}.", remedy="Name the machine by its id."
            )
        return rows[0].text("VirtualSystemIdentifier") if rows else None

    def _exists(self, machine_id: str) -> bool:
        try:
            self._power.state(machine_id)
        except NotFound:
            return False
        return True

    def _define(self, spec: MachineSpec, version: Version) -> str | None:
        """Define the machine with its resources, or, on a host that refuses this, without: they are set afterwards."""
        if not self._define_takes_resources:
            return self._construction.define(spec, version, with_resources=False)
        try:
            return self._construction.define(spec, version, with_resources=True)
        except (InvalidRequest, MethodFailed) as exc:
            self._undo(spec, "", answer_lost=False)
            machine_id = self._construction.define(spec, version, with_resources=False)
            LOG.info("This host defines machines without resources only (%s); they are added afterwards.", exc)
            self._define_takes_resources = False
            return machine_id

    def _defined(self, spec: MachineSpec) -> str:
        """The id of a machine that a job has just defined: after a job the output is null (real-instances 3.5)."""
        machine_id = self._id_of(spec.name)
        if machine_id is None:
            raise MethodFailed(f"Defining machine {spec.name} failed: the host says it is there and does not list it.")
        return machine_id.upper()

    def _destroy(self, machine_id: str) -> None:
        try:
            if self._power.state(machine_id) not in _DESTROYABLE:
                self._power.turn_off(machine_id)
            jobs.run(
                self._session,
                MANAGEMENT,
                "DestroySystem",
                {"AffectedSystem": machine_reference(machine_id)},
                what=f"Removing machine {machine_id}",
                finished=lambda: not self._exists(machine_id),
            )
        except NotFound:
            return

    def _undo(self, spec: MachineSpec, machine_id: str, *, answer_lost: bool) -> None:
        """Remove what was made; never raises, because the reason for undoing matters more."""
        try:
            if machine_id:
                self.destroy(machine_id)
                return
            for wait_s in LOOK_AGAIN_AFTER_S if answer_lost else LOOK_AGAIN_AFTER_S[:1]:
                time.sleep(wait_s)
                ours = [row for row in self._named(spec.name) if _notes(row) == tuple(filter(None, spec.notes))]
                for row in ours:
                    self.destroy(row.text("VirtualSystemIdentifier"))
                if ours:
                    return
        except CimError as exc:
            LOG.error("Machine %s could not be made, and parts of it may be left on the host: %s", spec.name, exc)


def _notes(row: CimInstance) -> tuple[str, ...]:
    """A machine without notes has one empty one (facts: real-instances 2.2)."""
    return tuple(filter(None, row.texts("Notes")))
