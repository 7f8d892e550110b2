r"""MSFT_StorageSetting: the SAN policy, which decides about disks that appear, and the rescan.

The policy stands in the registry (``partmgr\Parameters\SanPolicy``, same numbers), which keeps it over a restart.

Policies and methods: hyperv-ops 15. What Windows Server begins with is "offline shared" on Datacenter
(Microsoft's page on diskpart's ``san``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compute_hyperv.cim.cimxml import instance_to_text
from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.config.storage import BusType, DiskConfig, SanPolicy
from hyperv_simulator.operating_system.registry import Registry, dword
from hyperv_simulator.operating_system.storage.names import STORAGE
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

SETTING = "MSFT_StorageSetting"
SAN_POLICY = (r"HKLM\SYSTEM\CurrentControlSet\Services\partmgr\Parameters", "SanPolicy")
_SCRUB_POLICY = (r"HKLM\SYSTEM\CurrentControlSet\Control\FileSystem", "RefsScrubPolicy")
SAN_POLICIES: Mapping[SanPolicy, int] = {"online_all": 1, "offline_shared": 2, "offline_all": 3, "offline_internal": 4}
_ONLINE_ALL, _OFFLINE_SHARED, _OFFLINE_ALL, _OFFLINE_INTERNAL = SAN_POLICIES.values()
_SHARED_BUSES: frozenset[BusType] = frozenset({"scsi", "fc", "iscsi", "sas"})
_INVALID_PARAMETER = 5  # R23


class SanPolicies:
    """The policy of one host."""

    def __init__(self, repository: Repository, registry: Registry) -> None:
        self._repository = repository
        self._registry = registry
        repository.add_source(SETTING, lambda _owner: [self.setting], STORAGE)

    @property
    def policy(self) -> int:
        return self._registry.number(*SAN_POLICY, _OFFLINE_SHARED)

    @property
    def setting(self) -> CimInstance:
        values = {"NewDiskPolicy": self.policy, "ScrubPolicy": self._registry.number(*_SCRUB_POLICY, 1)}
        return new_instance(self._repository.catalogue, SETTING, dict(values), STORAGE)

    def set(self, policy: int, scrub: int) -> None:
        self._registry.set(*SAN_POLICY, dword(policy))
        self._registry.create_key(_SCRUB_POLICY[0])
        self._registry.set(*_SCRUB_POLICY, dword(scrub))

    def takes_offline(self, disk: DiskConfig) -> bool:
        """Whether a disk that appears stays offline; the disk of C: never does."""
        if disk.number == 0:
            return False
        shared = disk.bus_type in _SHARED_BUSES
        return self.policy == _OFFLINE_ALL or self.policy == (_OFFLINE_SHARED if shared else _OFFLINE_INTERNAL)


class StorageSettingProvider(Provider):
    class_name = SETTING
    namespace = STORAGE

    def __init__(self, repository: Repository, policies: SanPolicies, rescan: Callable[[], None]) -> None:
        self._repository = repository
        self._policies = policies
        self._rescan = rescan

    def methods(self) -> Mapping[str, Method]:
        return {}

    def static_methods(self) -> Mapping[str, Method]:
        return {"Get": self._get, "Set": self._set, "UpdateHostStorageCache": self._update}

    def _get(self, _call: Call) -> Outputs:
        setting = self._repository.finished(self._policies.setting)
        return done(StorageSettings=instance_to_text(setting), StorageSetting=setting)

    def _set(self, call: Call) -> Outputs:
        before = self._policies.setting
        policy = call.integer("NewDiskPolicy", before.integer("NewDiskPolicy"))
        if policy not in SAN_POLICIES.values():
            return {"ReturnValue": _INVALID_PARAMETER}
        self._policies.set(policy, call.integer("ScrubPolicy", before.integer("ScrubPolicy")))
        return done()

    def _update(self, _call: Call) -> Outputs:
        self._rescan()
        return done()
