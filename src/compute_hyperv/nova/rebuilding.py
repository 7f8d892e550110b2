"""Rebuilding an instance that keeps its ephemeral disks.

Nova's own rebuild destroys and spawns, which is right where nothing is kept. This one goes the same way, task states
included, and leaves ``eph*.vhdx`` where they are: the build that follows uses what it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nova.compute import task_states
from nova.compute import utils as compute_utils
from nova.network import model as network_model
from nova.objects.block_device import BlockDeviceMappingList
from nova.objects.image_meta import ImageMeta
from nova.objects.instance import Instance

from compute_hyperv.nova import names
from compute_hyperv.nova.builder import Builder
from compute_hyperv.nova.options import CONF
from compute_hyperv.nova.power import Power


class Rebuilding:
    def __init__(self, builder: Builder, power: Power) -> None:
        self._builder = builder
        self._power = power

    def rebuild(
        self,
        context: Any,
        instance: Instance,
        image_meta: ImageMeta,
        injected_files: Sequence[tuple[str, bytes]],
        admin_password: str | None,
        bdms: BlockDeviceMappingList,
        detach_block_devices: Callable[..., None],
        attach_block_devices: Callable[..., Any],
        network_info: Sequence[network_model.VIF],
    ) -> None:
        """:raises nova.exception.NovaException: it failed; the ephemeral disks are still there."""
        timeout_s = compute_utils.get_value_from_system_metadata(
            instance, key="image_os_shutdown_timeout", type=int, default=CONF.shutdown_timeout
        )
        self._power.off(instance, timeout_s)
        detach_block_devices(context, bdms)
        self._builder.clear(instance, keep=names.is_ephemeral_disk)
        self._enter(instance, task_states.REBUILD_BLOCK_DEVICE_MAPPING, after=task_states.REBUILDING)
        block_device_info = attach_block_devices(context, instance, bdms)
        self._enter(instance, task_states.REBUILD_SPAWNING, after=task_states.REBUILD_BLOCK_DEVICE_MAPPING)
        self._builder.spawn(
            context,
            instance,
            image_meta,
            injected_files,
            admin_password,
            network_info,
            block_device_info,
            power_on=True,
        )

    def _enter(self, instance: Instance, task_state: str, *, after: str) -> None:
        """:raises nova.exception.UnexpectedTaskStateError: somebody does something else with it, deletes it say."""
        instance.task_state = task_state
        instance.save(expected_task_state=[after])
