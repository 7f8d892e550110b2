"""Hosts that can reach each other, and moves between them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator.assembly import Inside, assemble
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.config.migration import MigrationConfig
from hyperv_simulator.fault_rules import FaultRules
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.migration.neighbours import Neighbours
from tests.simulator.core.client import Client, settings_text

MACHINE, STORAGE, STAGED, BOTH, DEEP_CHECK = range(32768, 32773)
DISKS = "Msvm_StorageAllocationSettingData"
PLANNED = "Msvm_PlannedComputerSystem"
RUNNING, OFF, SAVED, PAUSED = 2, 3, 6, 9
READY = MigrationConfig(enabled=True, authentication="kerberos", delegates_to=("*",))


class Hosts:
    """Hosts of one simulator that can reach each other, ready for migration unless told otherwise."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._neighbours = Neighbours()
        self._insides: list[Inside] = []

    def add(self, migration: MigrationConfig = READY, domain: str = "hv.test", **settings: Any) -> Client:
        number = len(self._insides) + 1
        config = HostConfig(
            **{
                "name": f"hv{number}",
                "address": f"127.0.1.{number}",
                "domain": domain,
                "migration": migration,
                **settings,
            }
        )
        folder = self._folder / config.name
        folder.mkdir()
        inside = assemble(config, folder, FaultRules(config.fault), neighbours=self._neighbours)
        self._insides.append(inside)
        return Client(inside)

    def killed(self) -> Hosts:
        """The same hosts after their simulator was killed at this moment."""
        later = Hosts(self._folder / "later")
        shutil.rmtree(later._folder, ignore_errors=True)
        shutil.copytree(self._folder, later._folder, ignore=shutil.ignore_patterns("later"))
        for inside in self._insides:
            folder = later._folder / inside.config.name
            later._insides.append(assemble(inside.config, folder, FaultRules(), neighbours=later._neighbours))
        return later

    def clients(self) -> list[Client]:
        return [Client(inside) for inside in self._insides]

    def close(self) -> None:
        for inside in self._insides:
            inside.close()


def service(client: Client) -> CimReference:
    return client.service_reference("Msvm_VirtualSystemMigrationService")


def request(
    client: Client, machine: CimReference, kind: int, to: str = "hv2", disk: str = "", **settings: Any
) -> dict[str, CimValue]:
    """The parameters of a move.

    :param disk: where the machine's disk shall be; empty: not said.
    """
    resources = [
        settings_text(
            DISKS, InstanceID=item.get("InstanceID"), ResourceSubType=item.get("ResourceSubType"), HostResource=[disk]
        )
        for item in (client.settings(machine, DISKS) if disk else [])
    ]
    return {
        "ComputerSystem": machine,
        "DestinationHost": to,
        "MigrationSettingData": settings_text(
            "Msvm_VirtualSystemMigrationSettingData", MigrationType=kind, TransportType=5, **settings
        ),
        "NewResourceSettingData": list(resources),
    }


def move(
    client: Client, machine: CimReference, kind: int, to: str = "hv2", disk: str = "", **settings: Any
) -> CimInstance:
    """Moves it and gives the job."""
    outputs = client.do(
        service(client), "MigrateVirtualSystemToHost", **request(client, machine, kind, to, disk, **settings)
    )
    job = outputs["Job"]
    assert isinstance(job, CimReference)
    return client.service.get(job)


def why_not(
    client: Client, machine: CimReference, kind: int = BOTH, to: str = "hv2", disk: str = r"C:\root.vhdx"
) -> str:
    """What the job says of a move that fails; the machine is there as before."""
    before = client.state(machine)
    job = client.failed(service(client), "MigrateVirtualSystemToHost", **request(client, machine, kind, to, disk))
    assert job.class_name == "Msvm_MigrationJob"
    assert client.state(machine) == before
    assert client.service.get(machine).get("OperationalStatus") == [2]
    return job.text("ErrorDescription")


def machine_names(client: Client) -> list[str]:
    found = client.query(f"select Name from Msvm_ComputerSystem where Name <> '{client.host_name}'")
    return [item.text("Name") for item in found]


def at(client: Client, machine: CimReference) -> Machine:
    found = client.inside.machines.find(str(machine.key("Name")))
    assert found is not None
    return found


def files(client: Client) -> list[str]:
    folder = client.inside.disks.folder.root / "C"
    return sorted(path.name for path in folder.rglob("*.*vhd*"))
