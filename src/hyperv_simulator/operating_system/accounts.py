"""Local accounts and groups, and what who may do over the wire.

Rights, as Windows grants them by default: WinRM and the WMI namespaces let in Administrators and Remote Management
Users; Hyper-V's namespace is for Administrators and Hyper-V Administrators; services, storage, clusters and everything
that changes the host are for Administrators. That the denied get a fault rather than nothing is an assumption.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.repository import wmi_faults
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

CIMV2 = "root/cimv2"
ADMINISTRATORS = "Administrators"
HYPERV_ADMINISTRATORS = "Hyper-V Administrators"
REMOTE_MANAGEMENT_USERS = "Remote Management Users"

_LET_IN = (ADMINISTRATORS, REMOTE_MANAGEMENT_USERS)
_VIRTUALIZATION = "root/virtualization/v2"
# What any account that WinRM lets in may read.
_OPEN_NAMESPACES = frozenset({CIMV2, "root/default", "root/standardcimv2", "root/interop", _VIRTUALIZATION})
_OPEN_STATIC_CLASSES = frozenset({"stdregprov"})  # judges each call by itself
# The service control manager and the volume manager answer administrators only.
_CLOSED_CLASSES = frozenset({"win32_service", "win32_baseservice", "win32_systemdriver", "win32_volume"})

# Name, relative id (S-1-5-32-...), description
_GROUPS = (
    (ADMINISTRATORS, 544, "Administrators have complete and unrestricted access to the computer/domain"),
    ("Users", 545, "Users are prevented from making accidental or intentional system-wide changes"),
    ("Guests", 546, "Guests have the same access as members of the Users group by default"),
    (
        "Performance Monitor Users",
        558,
        "Members of this group can access performance counter data locally and remotely",
    ),
    ("Event Log Readers", 573, "Members of this group can read event logs from local machine"),
    (
        HYPERV_ADMINISTRATORS,
        578,
        "Members of this group have complete and unrestricted access to all features of Hyper-V",
    ),
    (REMOTE_MANAGEMENT_USERS, 580, "Members of this group can access WMI resources over management protocols"),
)


class Accounts:
    """The accounts of one host."""

    def __init__(self, config: HostConfig) -> None:
        self._computer = config.name.lower()
        self._groups: dict[str, tuple[str, ...]] = {config.username.lower(): (ADMINISTRATORS,)}
        self._groups.update({account.name.lower(): account.groups for account in config.account})

    def groups_of(self, user: str) -> tuple[str, ...]:
        """The local groups of a user; who comes from the domain is in Administrators (assumption)."""
        if "@" in user:
            return (ADMINISTRATORS,)
        domain, _, name = user.rpartition("\\")
        local = domain.lower() in ("", ".", self._computer)
        return self._groups.get(name.lower(), ()) if local else (ADMINISTRATORS,)

    def is_administrator(self, user: str) -> bool:
        return self._is_in(user, (ADMINISTRATORS,))

    def admit(self, user: str) -> None:
        """Raises the fault of an account that WinRM does not let in."""
        if not self._is_in(user, _LET_IN):
            raise wmi_faults.winrm_access_denied()

    def admit_to(self, user: str, namespace: str, class_name: str, *, changes: bool) -> None:
        """Raises the fault of an account that may not read (or change) instances of this class."""
        self.admit(user)
        if self.is_administrator(user):
            return
        namespace, class_name = namespace.replace("\\", "/").lower(), class_name.lower()
        if namespace == _VIRTUALIZATION:
            allowed = self._is_in(user, (HYPERV_ADMINISTRATORS,))
        elif class_name in _OPEN_STATIC_CLASSES:
            allowed = True
        else:
            allowed = not changes and namespace in _OPEN_NAMESPACES and class_name not in _CLOSED_CLASSES
        if not allowed:
            raise wmi_faults.access_denied(class_name or namespace)

    def _is_in(self, user: str, groups: Iterable[str]) -> bool:
        wanted = {group.lower() for group in groups}
        return any(group.lower() in wanted for group in self.groups_of(user))


class AccountInstances:
    """Win32_UserAccount, Win32_Group and who is in which."""

    def __init__(self, repository: Repository, facts: HostFacts, accounts: Accounts) -> None:
        self._repository = repository
        self._facts = facts
        self._accounts = accounts

    def populate(self) -> None:
        config = self._facts.config
        self._account(config.username, "Built-in account for administering the computer/domain", 500)
        self._account("Guest", "Built-in account for guest access to the computer/domain", 501, disabled=True)
        for number, item in enumerate(config.account):
            self._account(item.name, "", 1000 + number, disabled=item.disabled, locked_out=item.locked_out)
        for name, relative_id, description in _GROUPS:
            self._group(name, relative_id, description)

    def rows(self) -> Iterable[Association]:
        yield Association(
            "Win32_GroupUser",
            "GroupComponent",
            "Win32_Group",
            "PartComponent",
            "Win32_UserAccount",
            self._members,
            self._groups,
            namespace=CIMV2,
        )

    def _members(self, group: CimInstance) -> list[CimInstance]:
        wanted = group.text("Name").lower()
        accounts = self._repository.instances("Win32_UserAccount", CIMV2)
        return [item for item in accounts if wanted in map(str.lower, self._accounts.groups_of(item.text("Name")))]

    def _groups(self, account: CimInstance) -> list[CimInstance]:
        found = []
        for name in self._accounts.groups_of(account.text("Name")):
            keys = {"Domain": self._facts.name, "Name": name}
            group = self._repository.find(CimReference("Win32_Group", keys, CIMV2))
            found += [group] if group is not None else []
        return found

    def _account(
        self, name: str, description: str, relative_id: int, *, disabled: bool = False, locked_out: bool = False
    ) -> None:
        computer = self._facts.name
        self._repository.add(
            new_instance(
                self._repository.catalogue,
                "Win32_UserAccount",
                {
                    "Name": name,
                    "Domain": computer,
                    "Caption": f"{computer}\\{name}",
                    "Description": description,
                    "FullName": "",
                    "AccountType": 512,
                    "Disabled": disabled,
                    "LocalAccount": True,
                    "Lockout": locked_out,
                    "PasswordChangeable": True,
                    "PasswordExpires": False,
                    "PasswordRequired": not disabled,
                    "SID": f"{self._computer_sid()}-{relative_id}",
                    "SIDType": 1,
                    "Status": "Degraded" if disabled else "OK",
                },
                CIMV2,
            )
        )

    def _group(self, name: str, relative_id: int, description: str) -> None:
        computer = self._facts.name
        self._repository.add(
            new_instance(
                self._repository.catalogue,
                "Win32_Group",
                {
                    "Name": name,
                    "Domain": computer,
                    "Caption": f"{computer}\\{name}",
                    "Description": description,
                    "LocalAccount": True,
                    "SID": f"S-1-5-32-{relative_id}",
                    "SIDType": 4,
                    "Status": "OK",
                },
                CIMV2,
            )
        )

    def _computer_sid(self) -> str:
        parts = (zlib.crc32(f"{self._facts.name}{number}".encode()) for number in range(3))
        return "S-1-5-21-" + "-".join(map(str, parts))
