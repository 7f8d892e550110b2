"""What flavors can ask for and we do not give: a table, and the one function that reads it.

An entry goes away when the feature comes. What the scheduler keeps away from us by traits or resource classes needs
none, except where a promise of the flavor would be broken in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nova.objects.instance import Instance

from compute_hyperv.nova.errors import InstanceRefused


@dataclass(frozen=True, slots=True)
class Refusal:
    """:param asked_by: the keys, for the message.  :param reason: why not, and what to do."""

    asked_by: str
    asked: Callable[[Instance], bool]
    reason: str


def _extra_spec(*prefixes: str) -> Callable[[Instance], bool]:
    return lambda instance: any(key.startswith(prefixes) for key in instance.flavor.extra_specs)


TABLE = (
    Refusal(
        "os:resolution, os:monitors, os:vram",
        _extra_spec("os:resolution", "os:monitors", "os:vram"),
        "RemoteFX was removed from Windows by Microsoft in 2021. Remove these extra specs from the flavor; a share of "
        "a graphics card is resources:VGPU, a whole one pci_passthrough:alias.",
    ),
)


def check(instance: Instance) -> None:
    """:raises InstanceRefused: for the first entry of the table that the instance asks for."""
    for refusal in TABLE:
        if refusal.asked(instance):
            raise InstanceRefused(instance_id=instance.uuid, reason=f"{refusal.asked_by}: {refusal.reason}")
