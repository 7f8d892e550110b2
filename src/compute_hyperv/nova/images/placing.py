"""Putting a file into the image cache so that it is there as a whole, or not at all.

Work in progress has a name of its own, which ``ageing`` knows; the rename at its end never replaces anything. So any
number of services can make the same file at the same time: who comes second throws his own away.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from oslo_log import log as logging

from compute_hyperv.cim.errors import CimError
from compute_hyperv.host import paths
from compute_hyperv.host.errors import FileExists
from compute_hyperv.host.files import Files

LOG = logging.getLogger(__name__)


def put_whole(files: Files, local: Path, path: str, *, check: Callable[[str], None]) -> None:
    """Uploads a file under a name of its own and renames it to ``path``; one that is there meanwhile stays.

    :param check: looks at the uploaded file, given its path; what it raises ends the attempt.
    """
    # Hyper-V tells formats by the extension, so work in progress has it as well.
    extension = paths.extension(path)
    partial = f"{path.removesuffix(f'.{extension}')}.{secrets.token_hex(4)}.partial.{extension}"
    files.make_folder(paths.parent(path))
    try:
        files.upload(local, partial)
        check(partial)
        files.rename(partial, path)
    except FileExists:
        _delete(files, partial)
        LOG.info("Another service has put %s into the cache meanwhile", path)
    except BaseException:  # whatever it was: what is unfinished does not stay
        _delete(files, partial)
        raise


def _delete(files: Files, partial: str) -> None:
    try:
        files.delete(partial, missing_ok=True)
    except CimError as error:
        LOG.warning("%s stays until the image cache is cleaned: %s", partial, error)
