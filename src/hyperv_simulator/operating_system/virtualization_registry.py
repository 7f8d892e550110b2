"""Settings of Hyper-V that stand in the registry, too: those of its management service (real-instances 5.6)."""

from __future__ import annotations

from functools import partial

from compute_hyperv.cim.values import CimReference
from hyperv_simulator import identifiers as ids
from hyperv_simulator.operating_system.registry import Kind, Registry, Value, sz
from hyperv_simulator.operating_system.registry_defaults import VIRTUALIZATION
from hyperv_simulator.repository.instances import Repository

_SETTINGS = "Msvm_VirtualSystemManagementServiceSettingData"
_PATHS = ("DefaultExternalDataRoot", "DefaultVirtualHardDiskPath")
_ADDRESSES = ("MinimumMacAddress", "MaximumMacAddress")


def bind(registry: Registry, repository: Repository, host_name: str) -> None:
    """Lets each value be read and written in both places."""
    reference = CimReference(_SETTINGS, {"InstanceID": ids.settings_id(host_name)})
    for name in (*_PATHS, *_ADDRESSES):
        registry.bind(
            VIRTUALIZATION,
            name,
            partial(_read, repository, reference, name),
            partial(_write, repository, reference, name),
        )


def _read(repository: Repository, reference: CimReference, name: str) -> Value | None:
    settings = repository.find(reference)
    text = settings.text(name, "") if settings is not None else ""
    if not text:
        return None
    return Value(Kind.BINARY, bytes.fromhex(text)) if name in _ADDRESSES else sz(text)


def _write(repository: Repository, reference: CimReference, name: str, value: Value) -> None:
    if isinstance(value.data, bytes) and name in _ADDRESSES:
        repository.change(reference, {name: value.data.hex().upper()})
    elif isinstance(value.data, str) and name in _PATHS:
        repository.change(reference, {name: value.data})
