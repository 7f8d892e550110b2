"""Machines of a whole simulated host whose guests are real: what is done to a machine by WMI arrives in its guest.

A guest here is a program in a boot sector (`boot_program`) that is up in a second; what needs an operating system is
looked at in one guest that boots once.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from compute_hyperv.cim.cimxml import text_to_instance
from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.guest_image.build import write_uefi_disk
from hyperv_simulator.guest_image.packages import default_cache, unpacked
from hyperv_simulator.host import SimulatedHost
from hyperv_simulator.identifiers import SECURE_BOOT_TEMPLATES
from tests.simulated import simulating
from tests.simulator.core.client import Client, settings_text
from tests.simulator.devices import boot_program
from tests.simulator.devices.clients import Console, FileClient

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(240)]

START, OFF, SAVE, PAUSE, RESET = 2, 3, 6, 9, 11


class Bench:
    """A host, what talks to it, and machines on it."""

    def __init__(self, host: SimulatedHost) -> None:
        self.host = host
        self.client = Client(host.inside)
        self.files = FileClient(host.config)

    def restart(self) -> None:
        self.files.close()
        self.host.stop()
        self.host.start()
        self.client = Client(self.host.inside)
        self.files = FileClient(self.host.config)

    def put(self, path: str, content: bytes) -> str:
        self.client.inside.disks.folder.to_local(path).write_bytes(content)
        return path

    def disk(self, path: str, raw: bytes) -> str:
        """A VHDX with this content."""
        target = self.client.inside.disks.folder.to_local(path)
        source = target.with_suffix(".raw")
        source.write_bytes(raw)
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vhdx", source, target], check=True)
        source.unlink()
        return path

    def define(self, name: str, generation: int = 1, memory_mb: int = 64, **settings: object) -> CimReference:
        client = self.client
        machine = client.define(name, generation=generation, AutomaticStartupAction=2, **settings)
        self.modify(machine, "Msvm_MemorySettingData", VirtualQuantity=memory_mb, DynamicMemoryEnabled=False)
        for number, port in enumerate(client.settings(machine, self.serial_class, "Serial Port"), start=1):
            self.modify_instance(port, Connection=[rf"\\.\pipe\{name}-{number}"])
        return machine

    serial_class = "Msvm_SerialPortSettingData"

    def modify(self, machine: CimReference, class_name: str, **values: object) -> None:
        self.modify_instance(self.client.settings(machine, class_name)[0], **values)

    def modify_instance(self, instance: CimInstance, **values: object) -> None:
        text = settings_text(instance.class_name, InstanceID=instance.get("InstanceID"), **values)
        self.client.do(self.client.management, "ModifyResourceSettings", ResourceSettings=[text])

    def ide(self, machine: CimReference, slot: int, path: str, *, dvd: bool = False) -> None:
        client = self.client
        controller = client.settings(machine, "Msvm_ResourceAllocationSettingData", "Emulated IDE Controller")[0]
        place = client.service.reference_of(controller)
        drive = client.add_drive(machine, place, slot, "Synthetic DVD Drive" if dvd else "Synthetic Disk Drive")
        client.add_medium(machine, drive, path, "Virtual CD/DVD Disk" if dvd else "Virtual Hard Disk")

    def start(self, machine: CimReference) -> None:
        self.client.change_state(machine, START)

    def console(self, name: str, number: int = 1) -> Console:
        return Console(self.files, f"{name}-{number}")

    def device(self, machine: CimReference, class_name: str) -> CimReference:
        return self.client.service.reference_of(self.instance(machine, class_name))

    def instance(self, machine: CimReference, class_name: str) -> CimInstance:
        return self.client.one(f"select * from {class_name} where SystemName = '{machine.key('Name')}'")

    def type(self, machine: CimReference, text: str) -> None:
        self.client.do(self.device(machine, "Msvm_Keyboard"), "TypeText", AsciiText=text)

    def thumbnail(self, machine: CimReference) -> object:
        target = self.client.system_settings_reference(machine)
        return self.client.do(
            self.client.management,
            "GetVirtualSystemThumbnailImage",
            TargetSystem=target,
            WidthPixels=160,
            HeightPixels=120,
        )["ImageData"]

    def wait(self, condition: Callable[[], bool], what: str, timeout_s: float = 90) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, what
            time.sleep(0.05)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with ExitStack() as stack:
        simulate = stack.enter_context(simulating(tmp_path_factory.mktemp("simulator")))
        yield Bench(simulate(guests="qemu", samba=True))


@pytest.fixture
def typist(bench: Bench) -> Iterator[CimReference]:
    """A generation 1 machine that runs and says what is typed."""
    name = "typist"
    machine = bench.define(name)
    path = rf"C:\{machine.key('Name')}.vhdx"
    bench.ide(machine, 0, bench.disk(path, boot_program.disk()))
    bench.start(machine)
    yield machine
    if bench.client.state(machine) != OFF:
        bench.client.change_state(machine, OFF)
    bench.client.do(bench.client.management, "DestroySystem", AffectedSystem=machine)


def test_keys_reach_the_guest_and_the_screen_shows_them(bench: Bench, typist: CimReference) -> None:
    console = bench.console("typist")
    console.wait_for("R", prompt=True)
    head = bench.instance(typist, "Msvm_VideoHead")
    before = bench.thumbnail(typist)

    bench.type(typist, "aB")

    console.wait_for("Ra1B2", prompt=True)
    bench.wait(lambda: bench.thumbnail(typist) != before, "nothing new on the screen")
    assert isinstance(before, bytes)
    assert len(before) == 2 * 160 * 120
    assert head.get("CurrentHorizontalResolution") in (640, 720), "a text screen"


def test_an_interrupt_reaches_the_guest(bench: Bench, typist: CimReference) -> None:
    console = bench.console("typist")
    console.wait_for("R", prompt=True)

    bench.client.do(typist, "InjectNonMaskableInterrupt")

    console.wait_for("RN", prompt=True)


def test_a_saved_machine_keeps_its_memory_even_when_the_simulator_restarts(bench: Bench, typist: CimReference) -> None:
    console = bench.console("typist")
    console.wait_for("R", prompt=True)
    bench.type(typist, "ab")
    console.wait_for("b2", prompt=True)
    before = bench.thumbnail(typist)

    bench.client.change_state(typist, SAVE)
    assert bench.thumbnail(typist) == before
    bench.restart()
    assert bench.client.state(typist) == SAVE
    bench.start(typist)

    console = bench.console("typist")
    bench.type(typist, "c")
    assert "R" not in console.wait_for("c3", prompt=True), "it went on, and did not boot"


def test_a_guest_that_turns_itself_off_or_crashes_is_off(bench: Bench, typist: CimReference) -> None:
    bench.console("typist").wait_for("R", prompt=True)

    bench.client.call(bench.device(typist, "Msvm_Keyboard"), "PressKey", KeyCode=ord("Q"))

    bench.wait(lambda: bench.client.state(typist) == OFF, "the guest turned itself off")
    bench.start(typist)
    os.kill(bench.client.service.get(typist).integer("ProcessID"), 9)
    bench.wait(lambda: bench.client.state(typist) == OFF, "the worker process was killed")


def test_a_guest_of_qemu_keeps_its_memory_while_it_runs(bench: Bench, typist: CimReference) -> None:
    (memory,) = bench.client.settings(typist, "Msvm_MemorySettingData")
    text = settings_text(memory.class_name, InstanceID=memory.get("InstanceID"), VirtualQuantity=128)

    job = bench.client.failed(bench.client.management, "ModifyResourceSettings", ResourceSettings=[text])

    assert "turn it off" in job.text("ErrorDescription")


def test_a_reset_starts_anew(bench: Bench, typist: CimReference) -> None:
    console = bench.console("typist")
    console.wait_for("R", prompt=True)
    bench.type(typist, "x")
    console.wait_for("x1", prompt=True)

    bench.client.change_state(typist, RESET)
    console.wait_for("x1R", prompt=True)
    bench.type(typist, "r")  # now it resets itself
    console.wait_for("x1RR", prompt=True)

    assert bench.client.state(typist) == START


@pytest.mark.parametrize(("order", "first"), [([1, 2, 3, 4], "I"), ([2, 1, 3, 4], "D")])
def test_a_machine_boots_in_the_order_of_its_settings(bench: Bench, order: list[int], first: str) -> None:
    name = f"order{order[0]}"
    machine = bench.define(name, BootOrder=order)
    bench.ide(machine, 0, bench.disk(rf"C:\{name}.vhdx", boot_program.disk("D")))
    iso = boot_program.bootable_iso(boot_program.disk("I", size=2048))
    bench.ide(machine, 1, bench.put(rf"C:\{name}.iso", iso), dvd=True)

    bench.start(machine)

    assert bench.console(name).wait_for("[ID]", prompt=True).endswith(first)
    bench.client.change_state(machine, OFF)


# ---------------------------------------------------------------- one guest with an operating system


@pytest.fixture(scope="module")
def linux(bench: Bench, guest_image: dict[int, Path]) -> CimReference:
    """Generation 2, two processors on two NUMA nodes, a TPM, two serial ports; it runs and is logged in on COM1."""
    client, name = bench.client, "linux"
    machine = bench.define(name, 2, 384, SecureBootEnabled=False, VirtualNumaEnabled=True)
    bench.modify(machine, "Msvm_ProcessorSettingData", VirtualQuantity=2, MaxProcessorsPerNumaNode=1)
    client.add_disk(machine, bench.put(r"C:\linux.vhdx", guest_image[2].read_bytes()))
    security = client.service_reference("Msvm_SecurityService")
    (settings,) = client.settings(machine, "Msvm_SecuritySettingData")
    text = settings_text(settings.class_name, InstanceID=settings.get("InstanceID"))
    client.do(security, "SetKeyProtector", SecuritySettingData=text, KeyProtector=b"\1" * 64)
    text = settings_text(settings.class_name, InstanceID=settings.get("InstanceID"), TpmEnabled=True)
    client.do(security, "ModifySecuritySettings", SecuritySettingData=text)
    bench.start(machine)
    return machine


@pytest.fixture(scope="module")
def shell(bench: Bench, linux: CimReference) -> Console:
    console = bench.console("linux")
    console.wait_for("login:", prompt=True)
    console.type("root\n")
    console.wait_for("# ", prompt=True)
    return console


def test_the_guest_sees_its_numa_nodes_its_tpm_and_its_serial_ports(
    bench: Bench, linux: CimReference, shell: Console
) -> None:
    second = bench.console("linux", 2)

    shell.type("cd /sys/devices/system/node; for node in 0 1; do echo NODE$node=$(cat node$node/cpulist); done\n")
    shell.type("echo TPM=$(cat /sys/class/tpm/tpm0/tpm_version_major); echo hello > /dev/ttyS1\n")

    shell.wait_for("^NODE0=0")
    shell.wait_for("^NODE1=1")
    shell.wait_for("^TPM=2")
    second.wait_for("hello")


def test_what_is_typed_on_the_keyboard_is_typed_on_the_guests_screen(
    bench: Bench, linux: CimReference, shell: Console
) -> None:
    bench.type(linux, "root\n")
    shell.wait_for("login on 'tty1'")
    for _ in range(30):  # what is typed before the shell reads is lost
        bench.type(linux, "echo Typed_It > /dev/ttyS0\n")
        with suppress(AssertionError):
            shell.wait_for("^Typed_It", timeout_s=1)
            break

    shell.wait_for("^Typed_It", timeout_s=1)
    head = bench.instance(linux, "Msvm_VideoHead")
    assert (head.get("CurrentHorizontalResolution"), head.get("CurrentVerticalResolution")) == (1024, 768)


def test_the_guest_and_its_host_exchange_pairs_and_files(bench: Bench, linux: CimReference, shell: Console) -> None:
    client = bench.client
    shell.type("echo from-inside > /run/guest_items/Answer\n")
    bench.wait(lambda: exchanged(bench, linux, "GuestExchangeItems").get("Answer") == "from-inside", "no item came")
    assert exchanged(bench, linux, "GuestIntrinsicExchangeItems")["OSName"] == "Guest of hyperv-simulator"

    push(client, linux, "AddKvpItems", "Question", "from outside")
    shell.type("until cat /run/host_items/Question 2> /dev/null; do usleep 100000; done; echo\n")
    shell.wait_for("^from outside")

    (settings,) = client.settings(linux, "Msvm_GuestServiceInterfaceComponentSettingData")
    text = settings_text(settings.class_name, InstanceID=settings.get("InstanceID"), EnabledState=2)
    client.do(client.management, "ModifyGuestServiceSettings", GuestServiceSettings=[text])
    bench.put(r"C:\big.bin", bytes(range(256)) * 64)
    wanted = settings_text(
        "Msvm_CopyFileToGuestSettingData", SourcePath=r"C:\big.bin", DestinationPath="/a/b/big", CreateFullPath=True
    )
    client.do(bench.device(linux, "Msvm_GuestFileService"), "CopyFilesToGuest", CopyFileToGuestSettings=[wanted])
    shell.type("echo SIZE=$(wc -c < /a/b/big)\n")
    shell.wait_for(f"^SIZE={256 * 64}")
    job = client.failed(
        bench.device(linux, "Msvm_GuestFileService"), "CopyFilesToGuest", CopyFileToGuestSettings=[wanted]
    )
    assert "The file exists." in job.text("ErrorDescription")


def test_a_password_is_set_in_the_guest(bench: Bench, linux: CimReference, shell: Console) -> None:
    bench.wait(lambda: "OpenStack.PasswordKey" in exchanged(bench, linux, "GuestExchangeItems"), "no key came")
    key = load_der_public_key(base64.b64decode(exchanged(bench, linux, "GuestExchangeItems")["OpenStack.PasswordKey"]))
    assert isinstance(key, RSAPublicKey)
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    sealed = base64.b64encode(key.encrypt(b"new password", oaep)).decode()

    request = json.dumps({"id": "1", "user": "root", "password": sealed})
    push(bench.client, linux, "AddKvpItems", "OpenStack.SetPassword", request)

    bench.wait(
        lambda: "OpenStack.SetPasswordResult" in exchanged(bench, linux, "GuestExchangeItems"), "the guest says nothing"
    )
    assert json.loads(exchanged(bench, linux, "GuestExchangeItems")["OpenStack.SetPasswordResult"])["error"] == ""
    shell.type("exit\n")
    shell.wait_for(r"exit[\s\S]*login:", prompt=True)
    shell.type("root\n")
    shell.wait_for("Password:", prompt=True)
    shell.type("new password\n")
    shell.wait_for(r"Password:[\s\S]*# ", prompt=True)


def test_an_adapter_that_came_while_it_ran_is_there_after_save_and_restore(
    bench: Bench, linux: CimReference, shell: Console
) -> None:
    client = bench.client
    nic = client.add_nic(linux, StaticMacAddress=True, Address="00155D0A0B0C")
    client.connect(linux, nic)
    shell.type("until cat /sys/class/net/eth0/address 2> /dev/null; do usleep 100000; done; ip link set eth0 up\n")
    shell.wait_for("^00:15:5d:0a:0b:0c")

    client.change_state(linux, SAVE)
    bench.start(linux)

    console = bench.console("linux")
    console.type("until grep -q up /sys/class/net/eth0/operstate; do usleep 100000; done\n")
    console.type("echo UP TPM=$(cat /sys/class/tpm/tpm0/tpm_version_major)\n")
    console.wait_for("^UP TPM=2")
    client.do(client.management, "RemoveResourceSettings", ResourceSettings=[nic])
    console.type("ls /sys/class/net/eth0 2> /dev/null || echo GONE\n")
    console.wait_for("^GONE")
    client.change_state(linux, OFF)


def exchanged(bench: Bench, machine: CimReference, name: str) -> dict[str, str]:
    items = map(text_to_instance, bench.instance(machine, "Msvm_KvpExchangeComponent").texts(name))
    return {item.text("Name"): item.text("Data", "") for item in items}


def push(client: Client, machine: CimReference, method: str, name: str, data: str) -> None:
    text = settings_text("Msvm_KvpExchangeDataItem", Name=name, Data=data, Source=0)
    client.do(client.management, method, TargetSystem=machine, DataItems=[text])


# ---------------------------------------------------------------- Secure Boot


SHIM_IS_STARTED, REFUSED = r"grubx64\.efi", "Access Denied"
TEMPLATES = {name: guid for guid, name in SECURE_BOOT_TEMPLATES.items()}
WINDOWS, EVERYBODY = TEMPLATES["Microsoft Windows"], TEMPLATES["Microsoft UEFI Certificate Authority"]


@pytest.mark.parametrize(
    ("loader", "template", "said"),
    [
        ("shim", EVERYBODY, SHIM_IS_STARTED),  # signed by Microsoft for others; it looks for a loader that is not there
        ("shim", WINDOWS, REFUSED),
        ("unsigned", EVERYBODY, REFUSED),
    ],
)
def test_secure_boot_starts_what_its_template_trusts(
    bench: Bench, guest_image: dict[int, Path], tmp_path: Path, loader: str, template: str, said: str
) -> None:
    name = f"{loader}-{template[:4]}"
    machine = bench.define(name, 2, 256, SecureBootEnabled=True, SecureBootTemplateId=template)
    image = guest_image[2].read_bytes() if loader == "unsigned" else disk_with_shim(tmp_path)
    bench.client.add_disk(machine, bench.put(rf"C:\{name}.vhdx", image))

    bench.start(machine)

    assert bench.console(name).wait_for(f"{SHIM_IS_STARTED}|{REFUSED}|GUEST-READY").count(said.replace("\\", ""))
    bench.client.change_state(machine, OFF)


def disk_with_shim(folder: Path) -> bytes:
    shim = unpacked("shim-signed", default_cache()) / "usr/lib/shim/shimx64.efi.signed"
    raw, done = folder / "raw", folder / "done"
    write_uefi_disk(raw, shim)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vhdx", raw, done], check=True)
    return done.read_bytes()
