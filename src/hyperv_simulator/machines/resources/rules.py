"""What all resource rules share.

Rule 1: a rule checks everything before it changes anything; what it finds wrong in the request is ``Refused``, what the
host can't do is ``OperationFailed``.
Rule 2: the texts of a failed modification are Hyper-V's own frame: "Failed to modify device 'X'." (real-instances 3.7).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from compute_hyperv.cim.errors import CimError
from compute_hyperv.cim.paths import format_path, parse_path
from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.settings import SettingsFactory
from hyperv_simulator.outcomes import INVALID_PARAMETER, INVALID_STATE, OperationFailed, Refused
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.storage.vhd import DiskStore
from hyperv_simulator.switches import Switches
from hyperv_simulator.windows import WindowsVersion


class ResourceHost(Protocol):
    """What the rules need of the host."""

    @property
    def host_name(self) -> str: ...

    @property
    def version(self) -> WindowsVersion: ...

    @property
    def repository(self) -> Repository: ...

    @property
    def disks(self) -> DiskStore: ...

    @property
    def factory(self) -> SettingsFactory: ...

    @property
    def switches(self) -> Switches: ...

    @property
    def logical_processors(self) -> int: ...

    @property
    def device_rules(self) -> Mapping[str, ResourceRules]:
        """The rules of what the host may have to hand out, by ResourceSubType or class, in lower case."""


class ResourceRules(Protocol):
    """Adds, changes and removes one kind of resource. The machine's lock is held by whoever calls."""

    def add(self, machine: Machine, given: CimInstance) -> CimInstance:
        """The settings object that was made."""

    def modify(self, machine: Machine, current: CimInstance, given: CimInstance) -> None: ...

    def remove(self, machine: Machine, current: CimInstance) -> None: ...


# What no client may set: identity and kind of a resource.
FIXED = ("instanceid", "resourcetype", "resourcesubtype", "otherresourcetype", "poolid")


def changes_of(given: CimInstance, *fixed: str) -> dict[str, CimValue]:
    """What a modification wants to change: everything that the text names and that may change."""
    kept = {*FIXED, *fixed}
    return {name: value for name, value in given.items() if name.lower() not in kept and value is not None}


def own_values(given: CimInstance, *ignored: str) -> dict[str, CimValue]:
    """What an addition brings along; NULLs and identity are left to the host."""
    dropped = {*FIXED, *ignored, "caption", "description"}
    return {name: value for name, value in given.items() if value is not None and name.lower() not in dropped}


def parent_in(machine: Machine, repository: Repository, given: CimInstance) -> CimInstance:
    """The settings object of this machine that ``Parent`` points to.

    :raises Refused: 32773: no path, an EPR, another machine's object, or nothing there (real-instances 3.6).
    """
    path = given.get("Parent")
    if not isinstance(path, str) or not path:
        raise Refused(INVALID_PARAMETER, "no Parent")
    parent = instance_at(repository, path)
    if parent is None or not parent.text("InstanceID", "").lower().startswith(
        f"microsoft:{machine.machine_id}\\".lower()
    ):
        raise Refused(INVALID_PARAMETER, f"Parent {path}")
    return parent


def instance_at(repository: Repository, path: str) -> CimInstance | None:
    """The instance at a WMI path; None where the text is no path, or nothing is there."""
    try:
        return repository.find(parse_path(path))
    except CimError:
        return None


def full_path(repository: Repository, host_name: str, instance: CimInstance) -> str:
    """The path of an instance as Hyper-V writes it into properties, host included."""
    return format_path(repository.reference_of(instance), host_name)


def must_be_off(machine: Machine, what: str) -> None:
    """:raises OperationFailed: the machine is on, and this can't be changed then."""
    if machine.is_on:
        name = machine.reader.name
        raise OperationFailed(
            f"Failed to modify device '{what}'.",
            f"'{name}' failed to modify device '{what}'.",
            f"Cannot modify property on '{what}' while the machine is running.",
            code=INVALID_STATE,
            machine_id=machine.machine_id,
        )


def modify_failed(machine: Machine, what: str, why: str, code: int = INVALID_PARAMETER) -> OperationFailed:
    """A value that a device can't have."""
    return OperationFailed(
        f"Failed to modify device '{what}'.",
        f"'{machine.reader.name}' failed to modify device '{what}'.",
        why,
        code=code,
        machine_id=machine.machine_id,
    )
