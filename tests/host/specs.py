"""Machine specs for tests."""

from __future__ import annotations

import dataclasses
import uuid

from compute_hyperv.host.model import (
    Bus,
    Drive,
    DriveKind,
    MachineSpec,
    Memory,
    Nic,
    Processor,
    SecureBootTemplate,
    SerialPort,
)

FOLDER = r"C:\OpenStack\Instances\instance-00000001"
ROOT = FOLDER + r"\root.vhdx"
CONFIG_DRIVE = FOLDER + r"\configdrive.iso"
PORT = "7f9a3a4e-6d0c-4c0a-9a51-1b1d6a9f7a10"


def generation_2(**changes: object) -> MachineSpec:
    """A full machine: root disk and config drive, an adapter with a VLAN, a serial port, secure boot."""
    spec = MachineSpec(
        name="instance-00000001",
        notes=(str(uuid.uuid4()),),
        generation=2,
        folder=FOLDER,
        memory=Memory(512, 512, 512),
        processor=Processor(2),
        drives=(
            Drive(ROOT, Bus.SCSI, 0, 0),
            Drive(CONFIG_DRIVE, Bus.SCSI, 0, 1, DriveKind.DVD),
        ),
        nics=(Nic(PORT, "FA163E010203", "external", 100),),
        serial_ports=(SerialPort(1, r"\\.\pipe\serial-of-1"),),
        boot_order=(("drive", 0),),
        secure_boot=SecureBootTemplate.UEFI_CA,
        asset_tag="OpenStack Nova",
    )
    return dataclasses.replace(spec, **changes)  # type: ignore[arg-type]


def generation_1(**changes: object) -> MachineSpec:
    drives = (
        Drive(ROOT, Bus.IDE, 0, 0),
        Drive(CONFIG_DRIVE, Bus.IDE, 1, 0, DriveKind.DVD),
    )
    return generation_2(**{"generation": 1, "drives": drives, "secure_boot": None, **changes})
