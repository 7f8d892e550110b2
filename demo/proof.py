"""What is on a Hyper-V host, asked of the host itself over WinRM and SMB, past Nova and Neutron.

It goes through ``compute_hyperv.host``, the library that the Nova driver uses, with a connection of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from ntpath import join

from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.cim.wql import select
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.model import MachineSummary
from compute_hyperv.host.smb.endpoint import SmbEndpoint
from demo.cloud.config import certificate_authority
from demo.cloud.processes import DemoError
from demo.settings import DemoHost, State

INSTANCES = r"C:\OpenStack\Instances"
# Nova's image cache: kept on purpose, for the next server with the same image.
CACHE = "_base"


@dataclass(frozen=True)
class HostInventory:
    """Everything on the host that a server could leave behind."""

    machines: frozenset[str]
    files: frozenset[str]
    switch_ports: frozenset[str]

    def beyond(self, earlier: "HostInventory") -> list[str]:
        """What is here and was not there."""
        return sorted(
            f"{field.name}: {name}"
            for field in fields(self)
            for name in getattr(self, field.name) - getattr(earlier, field.name)
        )

    def __str__(self) -> str:
        return ", ".join(f"{len(getattr(self, field.name))} {field.name.replace('_', ' ')}" for field in fields(self))


class HostSide:
    """One host. Safe to use from several threads.

    :ivar hyperv: for what is done to it by hand.
    """

    def __init__(self, state: State, host: DemoHost) -> None:
        self.name = host.name
        password = state.passwords["hosts"]
        endpoint = Endpoint(
            host.address, username="Administrator", password=password, ca_file=str(certificate_authority(state))
        )
        smb = SmbEndpoint(host.address, username="Administrator", password=password)
        self.hyperv = HyperVHost(endpoint, smb)

    def inventory(self) -> HostInventory:
        ports = self.hyperv.cim.query(select("Msvm_EthernetPortAllocationSettingData", ["InstanceID", "ElementName"]))
        return HostInventory(
            frozenset(machine.name for machine in self.hyperv.machines.list()),
            frozenset(self._files(INSTANCES)),
            # Settings of a real connection begin with the machine or switch that they are of; the rest are templates.
            frozenset(str(port["InstanceID"]) for port in ports if "Definition" not in str(port["InstanceID"])),
        )

    def machine(self, server_id: str) -> MachineSummary:
        found = self.find(server_id)
        if found is None:
            raise DemoError(f"{self.name} has no machine for server {server_id}")
        return found

    def find(self, server_id: str) -> MachineSummary | None:
        """The machine of a server: its notes begin with the server's id."""
        machines = self.hyperv.machines.list(with_notes=True)
        return next((machine for machine in machines if machine.notes[:1] == (server_id,)), None)

    def files_of(self, machine: str) -> list[str]:
        """Names of the files in the machine's folder, with those of folders in it."""
        folder = join(INSTANCES, machine)
        return [path.removeprefix(folder + "\\") for path in self._files(folder)]

    def cached(self) -> Sequence[str]:
        """Names of the files in the image cache."""
        folder = join(INSTANCES, CACHE)
        return [entry.name for entry in self.hyperv.files.list(folder)] if self.hyperv.files.exists(folder) else []

    def _files(self, folder: str) -> list[str]:
        """Files and folders below, the image cache left out."""
        if not self.hyperv.files.exists(folder):
            return []
        found = []
        for entry in self.hyperv.files.list(folder):
            if entry.name == CACHE:
                continue
            path = join(folder, entry.name)
            found.append(path)
            if entry.is_folder:
                found += self._files(path)
        return found
