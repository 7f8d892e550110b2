"""Settings of a machine as settings of a checkpoint, and back: the same objects under another id.

What is the machine's alone and does not travel: its name, its id, where its configuration is (real-instances 1.4, 2.2),
and its notes (HVWMI snapshot_apply).
"""

from __future__ import annotations

import datetime as dt
import re

from compute_hyperv.cim.values import CimInstance, CimScalar, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.machine import Machine
from hyperv_simulator.machines.settings import VSSD
from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused
from hyperv_simulator.repository.instances import Repository

# Texts that hold the id of the system they belong to.
_WITH_ID = ("InstanceID", "Parent", "BootSourceOrder")
# Of the machine's own settings: what applying a checkpoint leaves as it is.
_STAYS = (
    "InstanceID",
    "VirtualSystemType",
    "ElementName",
    "Notes",
    "Description",
    "ConfigurationID",
    "ConfigurationFile",
    "ConfigurationDataRoot",
    "SuspendDataRoot",
    "SnapshotDataRoot",
    "SwapFileDataRoot",
    "GuestStateFile",
    "GuestStateDataRoot",
    "CreationTime",
    "Parent",
    "IsSaved",
    "IsAutomaticSnapshot",
)


def parts_of(repository: Repository, machine: Machine) -> list[CimInstance]:
    """The settings of a machine's parts: all that is stored but the machine's own object."""
    owned = repository.owned("CIM_SettingData", machine.machine_id, computed=False)
    return [item for item in owned if item.class_name != VSSD]


def moved(settings: CimInstance, old_id: str, new_id: str) -> CimInstance:
    """A copy that belongs to another system."""
    pattern = re.compile(re.escape(old_id), re.IGNORECASE)

    def renamed(value: CimScalar) -> CimScalar:
        return pattern.sub(new_id, value) if isinstance(value, str) else value

    copy = settings.copy()
    for name in _WITH_ID:
        value = copy.get(name)
        if isinstance(value, list):
            copy[name] = [renamed(item) for item in value]
        elif isinstance(value, str):
            copy[name] = renamed(value)
    return copy


def default_name(machine_name: str, now: dt.datetime) -> str:
    """``<machine> - (10/4/2021 - 2:42:31 PM)``: the date as an English host writes it (real-instances 3.5)."""
    hour = now.hour % 12 or 12
    half = "PM" if now.hour >= 12 else "AM"
    return f"{machine_name} - ({now.month}/{now.day}/{now.year} - {hour}:{now:%M:%S} {half})"


def checkpoint_of(
    machine: Machine, checkpoint_id: str, now: dt.datetime, values: dict[str, CimValue], *, extension: str
) -> CimInstance:
    """The settings object of a new checkpoint.

    :param values: what tells it from the machine: type, name, whether it has memory.
    """
    system = moved(machine.reader.system, machine.machine_id, checkpoint_id)
    parent = machine.reader.system.get("Parent")
    changes: dict[str, CimValue] = {
        "Description": "Snapshot settings for the virtual machine.",
        "ConfigurationID": checkpoint_id,
        "ConfigurationFile": f"Snapshots\\{checkpoint_id}{extension}",
        "SuspendDataRoot": f"Snapshots\\{checkpoint_id}",
        "CreationTime": now,
        **({"Parent": parent} if parent else {}),
        **values,
    }
    if system.get("GuestStateFile"):
        changes["GuestStateFile"] = f"Snapshots\\{checkpoint_id}.vmgs"
    for name, value in changes.items():
        system[name] = value
    return system


def applied(machine: Machine, checkpoint: CimInstance) -> dict[str, CimValue]:
    """What a checkpoint changes in the machine's own settings, NULL included."""
    back = moved(checkpoint, ids.system_of(checkpoint.text("InstanceID")), machine.machine_id)
    names = {name for name, _ in [*machine.reader.system.items(), *back.items()]} - set(_STAYS)
    return {name: back.get(name) for name in names}


def checkpoint_changes(checkpoint: CimInstance, given: CimInstance) -> dict[str, CimValue]:
    """What ModifySystemSettings may change of a checkpoint: how it is called and what is noted of it.

    :raises Refused: 32773: anything else (assumption).
    """
    wanted: dict[str, CimValue] = {
        name: value for name, value in given.items() if value is not None and value != checkpoint.get(name)
    }
    for name in wanted:
        if name.lower() not in ("elementname", "notes"):
            raise Refused(INVALID_PARAMETER, f"{name} of a checkpoint")
    return wanted
