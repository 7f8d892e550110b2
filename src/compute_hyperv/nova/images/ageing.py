"""Which files of the image cache nobody needs any more.

The time stamp of a file says when it was last used: every service notes there, each time Nova's image cache manager
runs, which images its instances have. In a folder that hosts share (a share, a cluster volume) nothing is removed but
what was left unfinished: a service that is down cannot note what its instances use, and their disks would lose their
parent.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Set
from dataclasses import dataclass

from oslo_config import cfg
from oslo_log import log as logging

from compute_hyperv.cim.errors import Busy
from compute_hyperv.host import paths
from compute_hyperv.host.errors import FileMissing
from compute_hyperv.host.files import Files
from compute_hyperv.host.model import FileEntry

LOG = logging.getLogger(__name__)

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# <image>.vhdx and the like, and the retired driver's <image>_<size>.vhd.
_IMAGE = re.compile(rf"({_UUID})(_\d+)?\.(?:vhdx?|iso)", re.IGNORECASE)
# Empty disks with a file system (``names.formatted_disk``).
_FORMATTED = re.compile(r"(?:ephemeral\d+|swap)_\w+\.vhdx", re.IGNORECASE)
# Unfinished uploads (``placing``): ours, and what the file service makes of their names.
_UNFINISHED = re.compile(
    rf"\.?(?:{_UUID}|(?:ephemeral\d+|swap)_\w+)\.[0-9a-f]{{8}}\.partial\.(?:vhdx|iso).*", re.IGNORECASE
)
_UNFINISHED_AGE = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Policy:
    """What ``[image_cache]`` says."""

    remove: bool
    minimum_age: dt.timedelta
    minimum_age_resized: dt.timedelta


def policy(conf: cfg.ConfigOpts) -> Policy:
    group = conf.image_cache
    return Policy(
        group.remove_unused_base_images,
        dt.timedelta(seconds=group.remove_unused_original_minimum_age_seconds),
        dt.timedelta(seconds=group.remove_unused_resized_minimum_age_seconds),
    )


def is_shared(base_folder: str) -> bool:
    """Whether other hosts may be using the folder too, as far as its path tells."""
    return paths.is_unc(base_folder) or paths.is_cluster_volume(base_folder)


def age(files: Files, base_folder: str, images_in_use: Set[str], rules: Policy) -> None:
    """Notes the use of images in use, removes unused ones that are old enough, and what was never finished."""
    try:
        entries = files.list(base_folder)
    except FileMissing:
        return
    in_use = {image_id.lower() for image_id in images_in_use}
    removing = rules.remove and not is_shared(base_folder)
    for entry in entries:
        path = paths.join(base_folder, entry.name)
        image = _IMAGE.fullmatch(entry.name)
        try:
            if image and image[1].lower() in in_use:
                files.touch(path)
            elif image and removing:
                _remove_if_old(files, path, entry, rules.minimum_age_resized if image[2] else rules.minimum_age)
            elif removing and _FORMATTED.fullmatch(entry.name):
                _remove_if_old(files, path, entry, rules.minimum_age)
            elif _UNFINISHED.fullmatch(entry.name):
                _remove_if_old(files, path, entry, _UNFINISHED_AGE)
        except Busy as error:
            # A machine that Nova does not know of uses it, or an upload is still going on.
            LOG.info("Leaving %s in the image cache: %s", path, error)


def _remove_if_old(files: Files, path: str, entry: FileEntry, minimum_age: dt.timedelta) -> None:
    if _age(entry) < minimum_age:
        return
    now = files.stat(path)  # a build may have noted its use since the folder was read
    if now is None or _age(now) < minimum_age:
        return
    LOG.info("Removing %s from the image cache: unused since %s", path, now.modified_at)
    files.delete(path, missing_ok=True)


def _age(entry: FileEntry) -> dt.timedelta:
    return dt.datetime.now(dt.UTC) - entry.modified_at
