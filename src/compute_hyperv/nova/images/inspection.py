"""Decides whether the file that a tenant uploaded may be used, before any byte of it reaches Hyper-V.

Four judges, in this order, and all must agree: oslo.utils' format detection (one format only, its safety checks), our
own readers where those are blind (VHD and VHDX: facts from MS-VHDX and the VHD specification; VMDK: extents and
parents), ``qemu-img info`` under resource limits, and the format that Glance claims. Nova's option ``[workarounds]
disable_deep_image_inspection`` is not honoured: on Hyper-V a parent locator in a tenant's image would read any file of
the host.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nova import exception
from nova.virt import images
from oslo_utils.imageutils import format_inspector

from compute_hyperv.nova.images import vhd, vhdx, vmdk
from compute_hyperv.nova.images.structures import DiskStructure, Refused

# Glance's disk_format to qemu's driver.
FORMATS = {"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vhd": "vpc", "vhdx": "vhdx", "iso": "raw"}
HYPERV_FORMATS = ("vhd", "vhdx")

_CONVERT = "convert the image to qcow2 or vhdx and upload it again"
_REGISTER = "upload the image with the disk_format that it really has"


@dataclass(frozen=True, slots=True)
class InspectedImage:
    """A file that passed.

    :param format: what the content is, in Glance's words (``raw``, ``qcow2``, ``vmdk``, ``vhd``, ``vhdx``, ``iso``).
    :param qemu_format: the driver that qemu-img must be told to use.
    """

    path: Path
    format: str
    qemu_format: str
    virtual_size_bytes: int


def check_claim(image_id: str, disk_format: str | None) -> str:
    """Gives the format back, if it is one that can be accepted; needs no file, so it is asked before the download.

    :raises nova.exception.ImageUnacceptable: for all others.
    """
    if disk_format is None or disk_format not in FORMATS:
        accepted = ", ".join(sorted(FORMATS))
        raise unacceptable(image_id, f"has the disk_format {disk_format}, accepted are {accepted}", _CONVERT)
    return disk_format


def unacceptable(image_id: str, found: str, remedy: str) -> exception.ImageUnacceptable:
    return exception.ImageUnacceptable(image_id=image_id, reason=f"the image {found}. Remedy: {remedy}.")


def inspect(path: Path, *, image_id: str, disk_format: str | None) -> InspectedImage:
    """Looks at the whole file.

    :param disk_format: what Glance says it is. Between VHD and VHDX the content decides, as the old driver had it.
    :raises nova.exception.ImageUnacceptable: with what was found and what to do about it.
    """
    claimed = check_claim(image_id, disk_format)
    try:
        with path.open("rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            if claimed in HYPERV_FORMATS:
                structure = _hyperv_disk(file, size_bytes, _detect(path), claimed)
                found: str = structure.format
                virtual_size = _ask_qemu(path, found, structure.virtual_size_bytes)
            elif claimed == "iso":  # to the host it is bytes and nothing else: it reads sectors of it
                found, virtual_size = _iso(_detect(path)), size_bytes
            else:
                found = _other_disk(file, size_bytes, _detect(path), claimed)
                virtual_size = _ask_qemu(path, found, None)
    except Refused as refusal:
        raise unacceptable(image_id, refusal.found, refusal.remedy) from None
    return InspectedImage(path, found, FORMATS[found], virtual_size)


def _detect(path: Path) -> format_inspector.FileInspector:
    """One format, and only one, by Nova's detection, with its safety checks passed."""
    try:
        inspector: format_inspector.FileInspector = images.get_image_format(str(path))
        inspector.safety_check()
    except format_inspector.SafetyCheckFailed as failed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failed.failures.items())
        raise Refused(f"does not pass its format's safety check ({reasons})", _CONVERT) from None
    except format_inspector.ImageFormatError as error:
        raise Refused(f"is in no single format, or is cut off ({error})", _CONVERT) from None
    except Exception as error:  # oslo's readers stumble over some broken files with whatever Python raises
        raise Refused(f"is in no format that can be recognised ({error!r})", _CONVERT) from None
    return inspector


def _hyperv_disk(
    file: BinaryIO, size_bytes: int, inspector: format_inspector.FileInspector, claimed: str
) -> DiskStructure:
    detected = str(inspector)
    if detected == "vhdx":
        return vhdx.read(file, size_bytes)
    # A fixed VHD has nothing at its start but the guest's own first sector: raw or a partition table.
    if detected == "vhd" or (detected in ("raw", "gpt") and vhd.has_footer(file, size_bytes)):
        return vhd.read(file, size_bytes)
    raise Refused(f"is claimed to be {claimed} but its content is {detected}", _REGISTER)


def _iso(inspector: format_inspector.FileInspector) -> str:
    if str(inspector) != "iso":
        raise Refused(f"is claimed to be iso but its content is {inspector}", _REGISTER)
    return "iso"


def _other_disk(file: BinaryIO, size_bytes: int, inspector: format_inspector.FileInspector, claimed: str) -> str:
    detected = str(inspector)
    # Whole-disk images with a partition table are what most raw images are (Nova allows them as well).
    matches = detected in ("raw", "gpt") if claimed == "raw" else detected == claimed
    if not matches:
        raise Refused(f"is claimed to be {claimed} but its content is {detected}", _REGISTER)
    if claimed == "raw" and vhd.has_footer(file, size_bytes):
        raise Refused("is claimed to be raw but ends as a fixed VHD does", _REGISTER)
    if claimed == "vmdk":
        vmdk.read(file, size_bytes)
    return claimed


def _ask_qemu(path: Path, found: str, expected_size: int | None) -> int:
    """The virtual size, if qemu-img sees the same disk as we do."""
    if shutil.which("qemu-img") is None:
        raise exception.NovaException("qemu-img is missing. Remedy: install it (Debian: qemu-utils) for nova-compute.")
    # A fixed VHD's start says nothing, so qemu's probing takes it for raw: it is told the format that we found.
    told = FORMATS[found] if found == "vhd" else None
    try:
        info = images.qemu_img_info(str(path), format=told)
    except exception.InvalidDiskInfo as error:
        raise Refused(f"is not readable by qemu-img ({error.format_message()})", _CONVERT) from None
    if info.file_format != FORMATS[found]:
        raise Refused(f"looks like {found}, but qemu-img takes it for {info.file_format}", _CONVERT)
    if info.backing_file is not None:
        raise Refused(
            f"is backed by another file ({info.backing_file})", "flatten it with qemu-img convert and upload that"
        )
    specific = (info.format_specific or {}).get("data") or {}
    if specific.get("data-file") is not None:
        raise Refused(f"keeps its data in another file ({specific['data-file']})", _CONVERT)
    if info.encrypted:
        raise Refused("is encrypted", "upload it without encryption")
    if found == "vmdk":
        _check_vmdk_policy(info)
    size = info.virtual_size
    if not isinstance(size, int) or not 0 < size <= vhdx.MAX_VIRTUAL_SIZE_BYTES:
        raise Refused(f"has a virtual size of {size} bytes, a VHDX holds 1 byte to 64 TiB", _CONVERT)
    # qemu computes a VHD's size from its geometry for some creators; Hyper-V goes by the footer's size, and so do we.
    if found == "vhdx" and size != expected_size:
        raise Refused(f"has {expected_size} bytes by its metadata and {size} bytes by qemu-img", _CONVERT)
    return size if expected_size is None else expected_size


def _check_vmdk_policy(info: object) -> None:
    """``[compute]vmdk_allowed_types`` is the operator's word."""
    try:
        images.check_vmdk_image("", info)
    except exception.ImageUnacceptable:
        raise Refused("is a VMDK of a type that [compute]vmdk_allowed_types does not allow", _CONVERT) from None
