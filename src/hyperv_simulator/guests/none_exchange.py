"""The integration services of a guest without an inside: they say what a Windows or a Linux guest's would."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath

from hyperv_simulator.config.guest import GuestConfig
from hyperv_simulator.guests.base import UNSPECIFIED, GuestError
from hyperv_simulator.guests.exchange import Addresses, Report
from hyperv_simulator.guests.password_exchange import PasswordExchange

FILE_EXISTS, PATH_NOT_FOUND = 0x80070050, 0x80070003
# Names: real-instances 3.10 and the value map of Msvm_KvpExchangeDataItem.Name. Values are those of one release each.
_WINDOWS = {
    "CSDVersion": "",
    "IntegrationServicesVersion": "10.0.20348",
    "OSBuildNumber": "20348",
    "OSEditionId": "8",
    "OSMajorVersion": "10",
    "OSMinorVersion": "0",
    "OSName": "Windows Server 2022 Datacenter",
    "OSPlatformId": "2",
    "OSVersion": "10.0.20348",
    "ProcessorArchitecture": "9",
    "ProductType": "3",
    "ServicePackMajor": "0",
    "ServicePackMinor": "0",
    "SuiteMask": "400",
}
_LINUX = {
    "OSBuildNumber": "6.1.0",
    "OSDistributionData": "",
    "OSDistributionName": "Debian GNU/Linux",
    "OSMajorVersion": "12",
    "OSMinorVersion": "0",
    "OSName": "Debian GNU/Linux",
    "OSPlatformId": "129",
    "OSVersion": "6.1.0-amd64",
    "ProcessorArchitecture": "x86_64",
}
_USERS = {"windows": ("administrator",), "linux": ("root",)}


class NoneExchange:
    """See `exchange.Exchange`.

    :ivar files: what was copied into the guest, by path.
    :ivar passwords: what was set, by user.
    :ivar host_items: what the host has told it.
    :ivar items: what programs in the guest want the host to know; a test may add to it.
    """

    def __init__(self, name: str, config: GuestConfig) -> None:
        self.files: dict[str, bytes] = {}
        self.passwords: dict[str, str] = {}
        self.host_items: dict[str, str] = {}
        self.items: dict[str, str] = {}
        self._addresses: dict[str, Addresses] = {}
        self._name = name
        self._config = config
        self._passwords = PasswordExchange(self._set_password) if config.takes_passwords else None
        self._lock = threading.Lock()

    def report(self) -> Report | None:
        if not self._config.key_value_exchange:
            return None
        system = _WINDOWS if self._config.system == "windows" else _LINUX
        addresses = {"NetworkAddressIPv4": "", "NetworkAddressIPv6": ""}
        own = self._passwords.items() if self._passwords is not None else {}
        return Report({"FullyQualifiedDomainName": self._name, **addresses, **system}, {**self.items, **own})

    def tell(self, items: Mapping[str, str]) -> None:
        with self._lock:
            self.host_items = dict(items)
            if self._passwords is not None and self._config.key_value_exchange:
                self._passwords.take(items)

    def addresses(self, mac: str) -> Addresses:
        with self._lock:
            return self._addresses.get(mac, Addresses())

    def set_addresses(self, mac: str, wanted: Addresses) -> None:
        with self._lock:
            self._addresses[mac] = wanted

    def copy_file(self, path: str, data: bytes, *, overwrite: bool, create_folders: bool) -> None:
        with self._lock:
            if path in self.files and not overwrite:
                raise GuestError(FILE_EXISTS, "The file exists.")
            folder = str((PureWindowsPath if self._config.system == "windows" else PurePosixPath)(path).parent)
            known = {"C:\\", "C:\\Windows\\Temp", "/", "/root", "/tmp"}  # noqa: S108  (the guest's)
            if folder not in known and not create_folders:
                raise GuestError(PATH_NOT_FOUND, "The system cannot find the path specified.")
            self.files[path] = data

    def _set_password(self, user: str, password: str) -> None:
        if user.lower() not in _USERS[self._config.system]:
            raise GuestError(UNSPECIFIED, f"There is no user {user}.")
        self.passwords[user] = password
