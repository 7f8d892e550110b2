r"""Win32_Process: Windows' own processes, those of services, a worker per running machine; and Create.

A process that Create starts runs its command line as a remote shell would (``shell``) and has ended when Create
returns: its output goes nowhere, as on a host.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.machines.registry import COMPUTER_SYSTEM
from hyperv_simulator.operating_system.accounts import CIMV2, Accounts
from hyperv_simulator.operating_system.edition import edition_facts
from hyperv_simulator.operating_system.services import SERVICE
from hyperv_simulator.operating_system.shell.interpreter import Shell, program_of
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

_PROCESS = "Win32_Process"
_PATH_NOT_FOUND = 9
_ACCESS_DENIED = 2
_INVALID_PARAMETER = 21
_SYSTEM = (
    ("System Idle Process", 0),
    ("System", 4),
    ("smss.exe", 400),
    ("csrss.exe", 560),
    ("wininit.exe", 640),
    ("lsass.exe", 760),
)
_SYSTEM32 = "C:\\Windows\\System32\\"


def populate(repository: Repository, facts: HostFacts) -> None:
    """Declares the class; its instances are computed at every read."""
    caption = edition_facts(facts.config.edition, facts.version).caption

    def processes(_owner: str) -> list[CimInstance]:
        return [
            new_instance(
                repository.catalogue,
                _PROCESS,
                {
                    "Handle": str(process_id),
                    "ProcessId": process_id,
                    "Name": name,
                    "Caption": name,
                    "Description": name,
                    "CommandLine": line,
                    "ExecutablePath": line and line.split(" ")[0],
                    "CreationClassName": _PROCESS,
                    "CreationDate": facts.booted_at,
                    "CSCreationClassName": "Win32_ComputerSystem",
                    "CSName": facts.name,
                    "OSCreationClassName": "Win32_OperatingSystem",
                    "OSName": caption,
                    "ParentProcessId": 640 if process_id > 640 else 0,
                    "Priority": 8,
                    "SessionId": 0,
                    "ThreadCount": 8,
                    "HandleCount": 200,
                    "WorkingSetSize": 16 << 20,
                    "WindowsVersion": facts.version.version,
                },
                CIMV2,
            )
            for name, process_id, line in _listed(repository)
        ]

    repository.add_source(_PROCESS, processes, CIMV2)


def count(repository: Repository) -> int:
    """How many there are."""
    return sum(1 for _ in _listed(repository))


def _listed(repository: Repository) -> Iterator[tuple[str, int, str | None]]:
    """Name, id and command line of every process."""
    for name, process_id in _SYSTEM:
        yield name, process_id, None
    for service in repository.instances(SERVICE, CIMV2):
        process_id = service.integer("ProcessId", 0)
        if process_id:
            line = service.text("PathName", "")
            yield program_of(line) + ".exe", process_id, line
    for machine in repository.instances(COMPUTER_SYSTEM):
        worker = machine.get("ProcessID")
        if isinstance(worker, int):
            yield "vmwp.exe", worker, f"{_SYSTEM32}vmwp.exe {machine.text('Name')}"


class ProcessProvider(Provider):
    """Create, and what can be asked of a process."""

    class_name = _PROCESS
    namespace = CIMV2

    def __init__(self, shell: Shell, accounts: Accounts) -> None:
        self._shell = shell
        self._accounts = accounts
        self._ids = itertools.count(9000, 4)

    def methods(self) -> Mapping[str, Method]:
        return {"GetOwner": self._owner, "Terminate": self._terminate}

    def static_methods(self) -> Mapping[str, Method]:
        return {"Create": self._create}

    def _create(self, call: Call) -> Outputs:
        line = call.text("CommandLine", "")
        if not line.strip():
            return {"ReturnValue": _INVALID_PARAMETER}
        if not self._accounts.is_administrator(call.caller.user):
            return {"ReturnValue": _ACCESS_DENIED}
        if not self._shell.knows(line):
            return {"ReturnValue": _PATH_NOT_FOUND}
        self._shell.run(line, call.caller.user)
        process_id: CimValue = next(self._ids)
        return done(ProcessId=process_id)

    @staticmethod
    def _owner(_: Call) -> Outputs:
        return done(User="SYSTEM", Domain="NT AUTHORITY")

    @staticmethod
    def _terminate(_: Call) -> Outputs:
        """What is listed belongs to Windows; workers of machines end with them."""
        return {"ReturnValue": _ACCESS_DENIED}
