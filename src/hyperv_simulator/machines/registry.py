r"""The machines of a host: how one comes into the world, is found, and leaves it.

What DefineSystem makes besides instances: the configuration files that Hyper-V writes (``Virtual Machines\<id>.vmcx``
under ConfigurationDataRoot), so that who looks at the folders over SMB sees what is on a real host.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.jobs import NEVER
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.settings import PLANNED, REALIZED, VSSD, SettingsFactory
from hyperv_simulator.machines.surroundings import Surroundings
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.outcomes import INVALID_PARAMETER, OperationFailed, Refused
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import owner_in
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.paths import HostFolder

COMPUTER_SYSTEM = "Msvm_ComputerSystem"
PLANNED_SYSTEM = "Msvm_PlannedComputerSystem"


class Machines:
    """The registry of a host's machines. Safe for threads."""

    def __init__(self, host: Surroundings, factory: SettingsFactory, folder: HostFolder) -> None:
        self.factory = factory
        self._host = host
        self._folder = folder
        self._machines: dict[str, Machine] = {}
        self.before_start: Callable[[Machine], None] = lambda _machine: None
        self.after_stop: Callable[[Machine], None] = lambda _machine: None
        self._lock = threading.Lock()
        host.repository.serve(PLANNED_SYSTEM)

    def watch_uptime(self) -> None:
        """Lets OnTimeInMilliseconds be computed at every read."""

        def uptime(system: CimInstance) -> Mapping[str, CimValue]:
            machine = self.find(system.text("Name", ""))
            return {"OnTimeInMilliseconds": machine.uptime_ms if machine is not None else None}

        self._host.repository.add_dynamic(COMPUTER_SYSTEM, ("OnTimeInMilliseconds",), uptime)

    # Finding

    def all(self) -> list[Machine]:
        """Without those that are only planned."""
        with self._lock:
            return [machine for machine in self._machines.values() if not machine.is_planned]

    def find(self, machine_id: str) -> Machine | None:
        with self._lock:
            return self._machines.get(machine_id.lower())

    def of(self, reference: CimReference) -> Machine:
        """The machine that a reference to it, or to anything that belongs to it, means.

        :raises Refused: 32773 where there is none.
        """
        for value in reference.keys.values():
            machine = self.find(owner_in(value)) if isinstance(value, str) else None
            if machine is not None:
                return machine
        raise Refused(INVALID_PARAMETER, f"no machine at {reference}")

    # Coming and going

    def define(
        self,
        given: CimInstance,
        *,
        machine_id: str = "",
        is_planned: bool = False,
        and_then: Callable[[Machine], None] = lambda _machine: None,
    ) -> Machine:
        """Makes a machine with what the caller gives of its settings.

        :param is_planned: only a planned one, which has no configuration file yet.
        :param and_then: what belongs to the definition (resources); if it raises, there is no machine.
        """
        now = dt.datetime.now(dt.UTC)
        machine_id = machine_id or ids.new_guid()
        system = self.factory.system(machine_id, given, now)
        devices = self.factory.fresh_devices(machine_id, generation_2=self.factory.is_generation_2(system))
        if is_planned:
            system["VirtualSystemType"] = PLANNED
            machine = self.plan(machine_id, [system, *devices], State.OFF)
        else:
            computer = self._computer_system(machine_id, system.text("ElementName"), now)
            machine = self.adopt(machine_id, [system, *devices], computer)
        try:
            if not is_planned:
                self._write_configuration(system)
            and_then(machine)
        except BaseException:
            self.destroy(machine)
            raise
        return machine

    def adopt(
        self, machine_id: str, settings: Iterable[CimInstance], computer_system: CimInstance, state: State = State.OFF
    ) -> Machine:
        """Takes in a machine whose instances exist already: a fresh one, or one read from a file."""
        is_planned = computer_system.class_name == PLANNED_SYSTEM
        machine = Machine(self._host, machine_id, state, is_planned=is_planned)
        machine.before_start, machine.after_stop = self.before_start, self.after_stop
        for instance in settings:
            self._host.repository.add(instance)
        with self._lock:
            self._machines[machine_id.lower()] = machine
        self._host.repository.add(computer_system)
        return machine

    def plan(self, machine_id: str, settings: Iterable[CimInstance], state: State) -> Machine:
        """Takes in a machine that can be looked at and changed, but not run, until ``realize``."""
        instances = list(settings)
        name = next(item.text("ElementName", "") for item in instances if item.class_name == VSSD)
        now = dt.datetime.now(dt.UTC)
        system = new_instance(
            self._host.repository.catalogue,
            PLANNED_SYSTEM,
            {
                "Name": machine_id,
                "CreationClassName": PLANNED_SYSTEM,
                "ElementName": name,
                "EnabledDefault": 3,
                "EnabledState": int(state),
                "HealthState": 5,
                "OperationalStatus": [2],
                "Status": "OK",
                "StatusDescriptions": ["Operating normally"],
                "InstallDate": now,
                "TimeOfLastConfigurationChange": now,
                "TransitioningToState": None,
            },
        )
        return self.adopt(machine_id, instances, system, state)

    def realize(self, machine: Machine) -> None:
        """Makes a planned machine a real one, with its configuration file.

        :raises OperationFailed: the file can't be written; the machine stays planned.
        """
        repository = self._host.repository
        settings = CimReference(VSSD, {"InstanceID": ids.settings_id(machine.machine_id)})
        system = repository.get(settings)
        self._write_configuration(system)
        computer = self._computer_system(machine.machine_id, system.text("ElementName", ""), dt.datetime.now(dt.UTC))
        computer["EnabledState"] = int(machine.state)
        with repository.lock:
            repository.remove(machine.reference)
            repository.change(settings, {"VirtualSystemType": REALIZED})
            machine.is_planned = False
            repository.add(computer)

    def move_configuration(self, machine: Machine, folders: Mapping[str, CimValue]) -> None:
        """Puts a machine's configuration into other folders.

        :param folders: by property of its settings.
        :raises OperationFailed: the file can't be written; nothing has changed.
        """
        settings = CimReference(VSSD, {"InstanceID": ids.settings_id(machine.machine_id)})
        before = machine.reader.system
        after = before.copy()
        for name, value in folders.items():
            after[name] = value
        if self._configuration_path(after) != self._configuration_path(before):
            self._write_configuration(after)
            self._remove_configuration(before)
        self._host.repository.change(settings, folders)

    def destroy(self, machine: Machine, *, keeps_configuration: bool = False) -> None:
        """Takes a machine away with its settings and configuration files; its disks stay (hyperv-ops 1).

        :param keeps_configuration: the file is another host's now.
        """
        machine.leave()
        repository = self._host.repository
        system = repository.find(CimReference(VSSD, {"InstanceID": ids.settings_id(machine.machine_id)}))
        with repository.lock:
            repository.remove(machine.reference)
            for instance in repository.owned("CIM_SettingData", machine.machine_id):
                repository.remove(repository.reference_of(instance))
        with self._lock:
            self._machines.pop(machine.machine_id.lower(), None)
        self._host.guests.forget(machine.machine_id)
        # A planned machine's file is what it was imported from.
        if system is not None and not machine.is_planned and not keeps_configuration:
            self._remove_configuration(system)
        for extension in ("state", "png"):
            (self._host.state_folder / "saved" / f"{machine.machine_id}.{extension}").unlink(missing_ok=True)

    def configuration_file(self, machine: Machine) -> Path:
        """Where the machine's configuration is."""
        return self._folder.to_local(self._configuration_path(machine.reader.system))

    # Inside

    def _computer_system(self, machine_id: str, name: str, now: dt.datetime) -> CimInstance:
        """A machine that is off and never ran (real-instances 3.2)."""
        return new_instance(
            self._host.repository.catalogue,
            COMPUTER_SYSTEM,
            {
                "Name": machine_id,
                "CreationClassName": COMPUTER_SYSTEM,
                "ElementName": name,
                "Caption": "Virtual Machine",
                "Description": "Microsoft Virtual Machine",
                "EnabledDefault": 3,
                "EnabledState": 3,
                "RequestedState": 12 if self._host.repository.catalogue.version.release < 2016 else 5,
                "EnhancedSessionModeState": 3,
                "HealthState": 5,
                "OperationalStatus": [2],
                "Status": "OK",
                "StatusDescriptions": ["Operating normally"],
                "InstallDate": now,
                "NumberOfNumaNodes": 1,
                "ResetCapability": 1,
                "LastApplicationConsistentReplicationTime": NEVER,
                "LastReplicationTime": NEVER,
                "LastReplicationType": 0,
                "FailedOverReplicationType": 0,
                "ReplicationHealth": 0,
                "ReplicationMode": 0,
                "ReplicationState": 0,
                "TimeOfLastStateChange": NEVER,
                "TimeOfLastConfigurationChange": now,
                "TransitioningToState": None,
            },
        )

    def _write_configuration(self, system: CimInstance) -> None:
        path = self._configuration_path(system)
        try:
            local = self._folder.to_local(path)
            local.parent.mkdir(parents=True, exist_ok=True)
            local.write_bytes(b"")
        except (DiskError, OSError) as error:
            name = system.text("ElementName", "")
            raise OperationFailed(f"'{name}' failed to create the configuration.", f"'{path}': {error}") from None

    def _remove_configuration(self, system: CimInstance) -> None:
        with contextlib.suppress(DiskError):  # taken away over SMB meanwhile
            self._folder.to_local(self._configuration_path(system)).unlink(missing_ok=True)

    @staticmethod
    def _configuration_path(system: CimInstance) -> str:
        return system.text("ConfigurationDataRoot").rstrip("\\") + "\\" + system.text("ConfigurationFile")
