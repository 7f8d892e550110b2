"""Msvm_GuestFileService: files of the host copied into a guest that runs.

It is there while the guest's end of the guest service interface answers, which is off in a fresh machine. Way there and
job class: hyperv-ops 10. Its Name and the job's texts: assumption (texts as Copy-VMFile shows them).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import identifiers as ids
from hyperv_simulator.guests.base import Guest, GuestError
from hyperv_simulator.jobs import JobControl, JobKind, Jobs
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.outcomes import INVALID_PARAMETER, INVALID_STATE, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, job_started
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage.errors import DiskError
from hyperv_simulator.storage.paths import HostFolder

FILE_SERVICE, COPY_SETTINGS = "Msvm_GuestFileService", "Msvm_CopyFileToGuestSettingData"
_COPYING = JobKind("Copying File", "Copying File to Guest", 180, "Msvm_CopyFileToGuestJob")


class GuestFileServiceProvider(Provider):
    class_name = FILE_SERVICE

    def __init__(self, repository: Repository, machines: Machines, jobs: Jobs, folder: HostFolder) -> None:
        self._repository = repository
        self._machines = machines
        self._jobs = jobs
        self._folder = folder
        repository.add_source(FILE_SERVICE, self._services)

    def methods(self) -> Mapping[str, Method]:
        return {"CopyFilesToGuest": self._copy}

    def _services(self, owner: str) -> Iterator[CimInstance]:
        for component in (
            self._repository.owned("Msvm_GuestServiceInterfaceComponent", owner)
            if owner
            else (self._repository.instances("Msvm_GuestServiceInterfaceComponent"))
        ):
            machine = self._machines.find(component.text("SystemName"))
            if machine is None or not machine.integration_ready:
                continue
            yield new_instance(
                self._repository.catalogue,
                FILE_SERVICE,
                {
                    "CreationClassName": FILE_SERVICE,
                    "ElementName": "Guest File Service",
                    "EnabledState": 2,
                    "Name": ids.GUEST_SERVICE_INTERFACE,
                    "OperationalStatus": [2],
                    "Started": True,
                    "SystemCreationClassName": "Msvm_ComputerSystem",
                    "SystemName": machine.machine_id,
                },
            )

    def _copy(self, call: Call) -> Outputs:
        machine = self._machines.of(call.reference)
        wanted = call.all_embedded("CopyFileToGuestSettings", COPY_SETTINGS)
        if not wanted or not all(item.text("SourcePath", "") and item.text("DestinationPath", "") for item in wanted):
            raise Refused(INVALID_PARAMETER, "nothing to copy, or no path")
        guest = machine.guest
        if guest is None:
            raise Refused(INVALID_STATE, "the machine does not run")

        def copy(control: JobControl) -> None:
            for number, item in enumerate(wanted, start=1):
                self._copy_file(machine, guest, item)
                control.progress(100 * number // len(wanted))

        return job_started(
            self._jobs.start(
                _COPYING,
                copy,
                user=call.caller.user,
                affected=machine.reference,
                origin=(self.class_name, call.method),
            )
        )

    def _copy_file(self, machine: Machine, guest: Guest, item: CimInstance) -> None:
        source, target = item.text("SourcePath"), item.text("DestinationPath")
        try:
            data = Path(self._folder.existing(source)).read_bytes()
            guest.exchange.copy_file(
                target,
                data,
                overwrite=item.boolean("OverwriteExisting", False),
                create_folders=item.boolean("CreateFullPath", False),
            )
        except (DiskError, GuestError) as error:
            name = machine.reader.name
            raise OperationFailed(
                "Failed to initiate copying files to the guest.",
                f"'{name}' failed to copy the source file '{source}' to the destination '{target}' in the guest: "
                f"{error.text} (0x{error.code:08X}).",
                machine_id=machine.machine_id,
                result=error.code,
            ) from None
