"""What can be done to a server: each operation is a row. Its points are found by running it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.nova.functional.cloud import Server

from cuts.stage import Stage

Act = Callable[[Stage, Server], None]


@dataclass(frozen=True)
class Operation:
    """:param act: asks Nova for it and does not wait.
    :param after: what has happened before to a server that runs; each is waited for.
    :param makes: it begins without a server.
    :param makes_image: it went well where there is an image of the server; Nova keeps no record of such an action.
    :param instead: what is done after a failure, where asking for the same again is not all.
    """

    name: str
    act: Act
    after: tuple[Act, ...] = ()
    makes: bool = False
    makes_image: bool = False
    instead: Act | None = None


def _action(name: str, body: Any = None) -> Act:
    return lambda stage, server: stage.act(server, {name: body})


def _attach(stage: Stage, server: Server) -> None:
    stage.cloud.api.attach_interface(server["id"], {"interfaceAttachment": {"port_id": stage.spare_port["id"]}})


def _detach(stage: Stage, server: Server) -> None:
    stage.cloud.api.detach_interface(server["id"], stage.spare_port["id"])


def _nothing(stage: Stage, server: Server) -> None:
    """Nova is at work already."""


def _rebuild(stage: Stage, server: Server) -> None:
    stage.act(server, {"rebuild": {"imageRef": stage.other_image_id}})


def _rebuild_preserving(stage: Stage, server: Server) -> None:
    """Which the driver does, where Nova would destroy the machine and build another one."""
    stage.act(server, {"rebuild": {"imageRef": stage.other_image_id, "preserve_ephemeral": True}})


def _with_healed_allocation(rebuild: Act) -> Act:
    """Nova 34 takes the allocation of a server whose rebuild fails for one of an evacuation, and deletes it."""

    def act(stage: Stage, server: Server) -> None:
        stage.heal_allocation(server)
        rebuild(stage, server)

    return act


def _rescue(stage: Stage, server: Server) -> None:
    stage.act(server, {"rescue": {"rescue_image_ref": stage.other_image_id}})


def _shelve_further(stage: Stage, server: Server) -> None:
    """What has its image is only offloaded. Where that failed, Nova may have left an image, which its user deletes."""
    if stage.is_shelved(server):
        stage.act(server, {"shelveOffload": None})
    else:
        stage.remove_images_of(server)
        _SHELVE(stage, server)


def _delete(stage: Stage, server: Server) -> None:
    stage.cloud.api.delete_server(server["id"])


_STOP, _PAUSE, _SUSPEND, _SHELVE = _action("os-stop"), _action("pause"), _action("suspend"), _action("shelve")
_HARD_REBOOT = _action("reboot", {"type": "HARD"})
_SNAPSHOT = _action("createImage", {"name": "snapshot"})
# The rotation deletes old ones: by all of its images, in Nova's stand-in for Glance, so that it must not come to that.
_BACKUP = _action("createBackup", {"name": "backup", "backup_type": "daily", "rotation": 100})

OPERATIONS = (
    Operation("boot", _nothing, makes=True),
    Operation("delete", _delete),
    Operation("stop", _STOP),
    Operation("start", _action("os-start"), after=(_STOP,)),
    Operation("soft-reboot", _action("reboot", {"type": "SOFT"})),
    Operation("hard-reboot", _HARD_REBOOT),
    Operation("pause", _PAUSE),
    Operation("unpause", _action("unpause"), after=(_PAUSE,)),
    Operation("suspend", _SUSPEND),
    Operation("resume", _action("resume"), after=(_SUSPEND,)),
    Operation("delete-suspended", _delete, after=(_SUSPEND,)),
    Operation("crash-dump", _action("trigger_crash_dump")),
    Operation("set-password", _action("changePassword", {"adminPass": "Correct-horse-1"})),
    Operation("snapshot", _SNAPSHOT, makes_image=True),
    Operation("snapshot-stopped", _SNAPSHOT, after=(_STOP,), makes_image=True),
    Operation("backup", _BACKUP, makes_image=True),
    Operation("rebuild", _rebuild, instead=_with_healed_allocation(_rebuild)),
    Operation("rebuild-preserving", _rebuild_preserving, instead=_with_healed_allocation(_rebuild_preserving)),
    Operation("shelve", _SHELVE, instead=_shelve_further),  # and offload, which comes by itself
    Operation("unshelve", _action("unshelve"), after=(_SHELVE,)),
    Operation("rescue", _rescue),
    Operation("unrescue", _action("unrescue"), after=(_rescue,), instead=_HARD_REBOOT),
    Operation("delete-rescued", _delete, after=(_rescue,)),
    Operation("attach-interface", _attach),
    Operation("detach-interface", _detach, after=(_attach,)),
)
