"""What is on a Hyper-V host, asked of the host itself over WinRM and SMB, past Nova and Neutron.

It goes through ``compute_hyperv.host``, the library that the Nova driver uses, with a connection of its own.
"""

from dataclasses import dataclass, fields
from ntpath import join

from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.cim.wql import select
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.smb.endpoint import SmbEndpoint
from demo.cloud.config import certificate_authority
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


def inventory(state: State, host: DemoHost) -> HostInventory:
    password = state.passwords["hosts"]
    endpoint = Endpoint(
        host.address, username="Administrator", password=password, ca_file=str(certificate_authority(state))
    )
    smb = SmbEndpoint(host.address, username="Administrator", password=password)
    with HyperVHost(endpoint, smb) as hyperv:
        ports = hyperv.cim.query(select("Msvm_EthernetPortAllocationSettingData", ["InstanceID", "ElementName"]))
        return HostInventory(
            frozenset(machine.name for machine in hyperv.machines.list()),
            frozenset(_files(hyperv, INSTANCES)),
            # Settings of a real connection begin with the machine or switch that they are of; the rest are templates.
            frozenset(str(port["InstanceID"]) for port in ports if "Definition" not in str(port["InstanceID"])),
        )


def _files(hyperv: HyperVHost, folder: str) -> list[str]:
    """Files and folders below, the image cache left out."""
    if not hyperv.files.exists(folder):
        return []
    found = []
    for entry in hyperv.files.list(folder):
        if entry.name == CACHE:
            continue
        path = join(folder, entry.name)
        found.append(path)
        if entry.is_folder:
            found += _files(hyperv, path)
    return found
