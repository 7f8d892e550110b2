"""Msvm_ResourcePoolConfigurationService: child pools come, change and go.

Rules read on a host (HVWMI ``resource_pool_create``): an allocation bears the new pool's id, those of memory and
processors take nothing in advance, or the job fails with 32773; a pool that others take from can't be deleted (32774).
"""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.instances.resource_pools import ALLOCATION, POOL, POOL_SETTINGS, ResourcePools
from hyperv_simulator.jobs import JobKind, Jobs
from hyperv_simulator.machines.device_kinds import MEMORY, PROCESSOR
from hyperv_simulator.outcomes import IN_USE, INVALID_PARAMETER, OperationFailed, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done, job_started
from hyperv_simulator.providers.unsupported import service_control
from hyperv_simulator.repository.instances import Repository

_CREATING = JobKind("Creating Resource Pool", "Creating Resource Pool", 40)
_MODIFYING = JobKind("Modifying Resource Pool", "Modifying Resource Pool", 41)
_QUANTITIES = ("Reservation", "Limit", "VirtualQuantity", "Weight")


class ResourcePoolConfigurationProvider(Provider):
    class_name = "Msvm_ResourcePoolConfigurationService"

    def __init__(self, repository: Repository, pools: ResourcePools, jobs: Jobs) -> None:
        self._repository = repository
        self._pools = pools
        self._jobs = jobs

    def methods(self) -> Mapping[str, Method]:
        return {
            "CreatePool": self._create,
            "DeletePool": self._delete,
            "ModifyPoolResources": self._modify_resources,
            "ModifyPoolSettings": self._modify_settings,
            **service_control(),
        }

    def _create(self, call: Call) -> Outputs:
        try:
            settings = call.embedded("PoolSettings", POOL_SETTINGS)
            pool_id = settings.get("PoolID")
            if not isinstance(pool_id, str) or not pool_id:
                raise Refused(INVALID_PARAMETER, "a pool without PoolID")
            parents = self._parents(call)
            sub_type = parents[0].get("ResourceSubType")
            if settings.get("ResourceSubType") not in (None, sub_type):
                raise Refused(INVALID_PARAMETER, "the parents are of another kind")
            if self._pools.named(sub_type, pool_id) is not None:
                raise Refused(INVALID_PARAMETER, f"there is a pool {pool_id!r}")
            reference = self._pools.create(settings, parents, self._allocations(call, parents, pool_id))
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_CREATING, failure, user=call.caller.user))
        return done(Pool=reference)

    def _delete(self, call: Call) -> Outputs:
        pool = self._child(call.target_of("Pool"))
        if self._pools.children(pool):
            raise Refused(IN_USE, "other pools take from this one")
        self._pools.delete(pool)
        return done()

    def _modify_resources(self, call: Call) -> Outputs:
        pool = self._child(call.target_of("ChildPool"))
        try:
            parents = self._parents(call)
            if any(parent.get("ResourceSubType") != pool.get("ResourceSubType") for parent in parents):
                raise Refused(INVALID_PARAMETER, "the parents are of another kind")
            self._pools.reallocate(pool, parents, self._allocations(call, parents, pool.text("PoolID")))
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_MODIFYING, failure, user=call.caller.user))
        return done()

    def _modify_settings(self, call: Call) -> Outputs:
        pool = self._child(call.target_of("ChildPool"))
        try:
            given = call.embedded("PoolSettings", POOL_SETTINGS)
        except OperationFailed as failure:
            return job_started(self._jobs.failed(_MODIFYING, failure, user=call.caller.user))
        wanted = given.get("PoolID")
        if wanted not in (None, pool.get("PoolID")) and (
            wanted == "" or self._pools.named(pool.get("ResourceSubType"), wanted) is not None
        ):
            raise Refused(INVALID_PARAMETER, f"no pool can be called {wanted!r}")
        self._pools.change(pool, given)
        return done()

    # Inside

    def _found(self, reference: CimReference) -> CimInstance:
        pool = self._repository.find(reference)
        if pool is None or not self._repository.catalogue.find(pool.namespace, pool.class_name).is_a(POOL):
            raise Refused(INVALID_PARAMETER, f"no pool at {reference}")
        return pool

    def _child(self, reference: CimReference) -> CimInstance:
        pool = self._found(reference)
        if pool.get("Primordial") is True:
            raise Refused(INVALID_PARAMETER, "a primordial pool stays as it is")
        return pool

    def _parents(self, call: Call) -> list[CimInstance]:
        parents = [self._found(reference) for reference in call.targets_of("ParentPools")]
        if not parents or len({pool.get("ResourceSubType") for pool in parents}) > 1:
            raise Refused(INVALID_PARAMETER, "no parents, or of several kinds")
        return parents

    @staticmethod
    def _allocations(call: Call, parents: list[CimInstance], pool_id: str) -> list[CimInstance]:
        """:raises OperationFailed: an allocation is not as the host wants it."""
        found = call.all_embedded("AllocationSettings", ALLOCATION)
        fits = len(found) == len(parents) and all(
            item.get("PoolID") == pool_id and item.get("ResourceSubType") == parent.get("ResourceSubType")
            for item, parent in zip(found, parents, strict=False)
        )
        taken = any(
            item.get(name) not in (None, 0)
            for item in found
            if item.class_name in (MEMORY, PROCESSOR)
            for name in _QUANTITIES
        )
        if not fits or taken:
            raise OperationFailed(f"Failed to create resource pool '{pool_id}'.", code=INVALID_PARAMETER)
        return found
