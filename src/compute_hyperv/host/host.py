"""One Hyper-V host: the services of this package over one CIM session and one pool of SMB connections."""

from __future__ import annotations

from types import TracebackType

from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.cim.session import CimSession
from compute_hyperv.host.assignable_devices import AssignableDevices
from compute_hyperv.host.disks import Disks
from compute_hyperv.host.drives import Drives
from compute_hyperv.host.files import Files
from compute_hyperv.host.gpus import Gpus
from compute_hyperv.host.guest_exchange import GuestExchange
from compute_hyperv.host.inventory import Inventory
from compute_hyperv.host.machines import Machines
from compute_hyperv.host.pci_devices import PciDevices
from compute_hyperv.host.pipes import Pipes
from compute_hyperv.host.promises import Promises
from compute_hyperv.host.provisioning import Provisioning
from compute_hyperv.host.settings import HypervSettings
from compute_hyperv.host.smb.endpoint import SmbEndpoint
from compute_hyperv.host.smb.pool import SmbPool
from compute_hyperv.host.snapshots import Snapshots
from compute_hyperv.host.switches import Switches
from compute_hyperv.host.vitals import Vitals
from compute_hyperv.host.windows.devices import Devices
from compute_hyperv.host.windows.features import Features
from compute_hyperv.host.windows.firewall import Firewall
from compute_hyperv.host.windows.network import Network
from compute_hyperv.host.windows.power import WindowsPower
from compute_hyperv.host.windows.registry import Registry
from compute_hyperv.host.windows.services import WindowsServices
from compute_hyperv.host.windows.storage_settings import StorageSettings


class HyperVHost:
    """Making one sends nothing. Safe for threads, as all of its services are.

    :param endpoint: where and how WinRM is reached.
    :param smb: where and how files and pipes are reached.
    :param file_in_use_timeout_s: how long to go on trying to change a file that somebody else has open.
    """

    def __init__(self, endpoint: Endpoint, smb: SmbEndpoint, *, file_in_use_timeout_s: float = 15.0) -> None:
        self.cim = CimSession(endpoint)
        self._smb = SmbPool(smb)
        self.files = Files(self._smb, patience_s=file_in_use_timeout_s)
        self.pipes = Pipes(smb)
        self.inventory = Inventory(self.cim, self.files)
        self.disks = Disks(self.cim)
        self.promises = Promises(self.cim, self.disks)
        self.switches = Switches(self.cim)
        self.pci_devices = PciDevices(self.cim)
        self.gpus = Gpus(self.cim)
        self.machines = Machines(self.cim, self.switches, self.pci_devices, self.inventory.host_info)
        self.provisioning = Provisioning(self.cim)
        self.drives = Drives(self.cim)
        self.guest_exchange = GuestExchange(self.cim)
        self.vitals = Vitals(self.cim)
        self.snapshots = Snapshots(self.cim, self.inventory.host_info)
        self.registry = Registry(self.cim)
        self.windows_services = WindowsServices(self.cim)
        self.features = Features(self.cim)
        self.power = WindowsPower(self.cim, self.inventory)
        self.settings = HypervSettings(self.cim)
        self.assignable_devices = AssignableDevices(self.cim)
        self.devices = Devices(self.cim)
        self.firewall = Firewall(self.cim)
        self.network = Network(self.cim, endpoint.host)
        self.storage_settings = StorageSettings(self.cim)

    def __enter__(self) -> HyperVHost:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; what is going on fails with Unreachable or comes to its end."""
        self.pipes.close()
        self._smb.close()
        self.cim.close()
