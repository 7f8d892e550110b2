"""MSFT_Disk's methods: on- and offline, initializing, attributes. Codes: R23 to R28 of hyperv-ops."""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim.values import CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.operating_system.storage.disks import DISK, Disks
from hyperv_simulator.operating_system.storage.names import STORAGE
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done

_NOT_SUPPORTED = 1
_INVALID_PARAMETER = 5
_ALREADY_INITIALIZED = 41001
_READ_ONLY = 41002
_IS_OFFLINE = 41003
_NOT_INITIALIZED = 41000
_CRITICAL_DISK = 41009
_DATA_PARTITIONS = 41008
_RAW, _MBR, _GPT = 0, 1, 2


class DiskProvider(Provider):
    class_name = DISK
    namespace = STORAGE

    def __init__(self, disks: Disks) -> None:
        self._disks = disks

    def methods(self) -> Mapping[str, Method]:
        return {
            "Online": self._online,
            "Offline": self._offline,
            "Initialize": self._initialize,
            "SetAttributes": self._set_attributes,
            "Refresh": self._refresh,
            "Clear": self._clear,
        }

    def _online(self, call: Call) -> Outputs:
        self._disks.show(call.reference, offline=False)
        return done()

    def _offline(self, call: Call) -> Outputs:
        if call.target.get("IsSystem") or call.target.get("IsBoot"):
            return {"ReturnValue": _CRITICAL_DISK}
        self._disks.show(call.reference, offline=True)
        return done()

    def _initialize(self, call: Call) -> Outputs:
        style = call.integer("PartitionStyle", _GPT)
        if style not in (_MBR, _GPT):
            return {"ReturnValue": _INVALID_PARAMETER}
        if refusal := self._not_writable(call):
            return refusal
        if call.target.get("PartitionStyle") != _RAW:
            return {"ReturnValue": _ALREADY_INITIALIZED}
        guid = "{" + ids.new_guid().lower() + "}"
        identity: dict[str, CimValue] = {"Guid": guid} if style == _GPT else {"Signature": int(guid[1:9], 16)}
        self._disks.change(call.reference, {"PartitionStyle": style, **identity})
        return done()

    def _set_attributes(self, call: Call) -> Outputs:
        changes = {n: call.given(n) for n in ("IsReadOnly", "Signature", "Guid") if call.given(n) is not None}
        style = call.target.get("PartitionStyle")
        if style == _RAW and ("Guid" in changes or "Signature" in changes):
            return {"ReturnValue": _NOT_INITIALIZED}
        if (style == _MBR and "Guid" in changes) or (style == _GPT and "Signature" in changes):
            return {"ReturnValue": _NOT_SUPPORTED}
        self._disks.change(call.reference, changes)
        return done()

    def _refresh(self, _call: Call) -> Outputs:
        self._disks.refresh()
        return done()

    def _clear(self, call: Call) -> Outputs:
        if call.target.get("IsSystem") or call.target.get("IsBoot"):
            return {"ReturnValue": _CRITICAL_DISK}
        if refusal := self._not_writable(call):
            return refusal
        if call.target.get("PartitionStyle") == _RAW:
            return {"ReturnValue": _NOT_INITIALIZED}
        if call.target.get("NumberOfPartitions") and not call.boolean("RemoveData"):
            return {"ReturnValue": _DATA_PARTITIONS}
        cleared: dict[str, CimValue] = {"PartitionStyle": _RAW, "Guid": None, "Signature": None, "AllocatedSize": 0}
        self._disks.change(call.reference, {**cleared, "NumberOfPartitions": 0})
        return done()

    @staticmethod
    def _not_writable(call: Call) -> Outputs | None:
        if call.target.get("IsOffline"):
            return {"ReturnValue": _IS_OFFLINE}
        return {"ReturnValue": _READ_ONLY} if call.target.get("IsReadOnly") else None
