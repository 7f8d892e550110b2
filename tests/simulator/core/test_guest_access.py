"""What a machine shows and takes from outside: screen, keyboard, mouse, key-value pairs, files, interrupts."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from compute_hyperv.cim.cimxml import text_to_instance
from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.assembly import assemble
from hyperv_simulator.config.guest import GuestConfig
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.fault_rules import FaultRules
from hyperv_simulator.guests.none import NoneGuest
from hyperv_simulator.guests.none_console import NoneConsole
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.conftest import MakeHost

START, OFF, SAVE, PAUSE, RESET = 2, 3, 6, 9, 11
ITEM = "Msvm_KvpExchangeDataItem"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    inside = assemble(HostConfig(), tmp_path_factory.mktemp("hv1"), FaultRules())
    yield Client(inside)
    inside.close()


@pytest.fixture
def running(client: Client, machine: CimReference) -> CimReference:
    client.change_state(machine, START)
    return machine


def device(client: Client, machine: CimReference, class_name: str) -> CimInstance:
    return client.one(f"select * from {class_name} where SystemName = '{machine.key('Name')}'")


def address(client: Client, machine: CimReference, class_name: str) -> CimReference:
    return client.service.reference_of(device(client, machine, class_name))


def guest_of(client: Client, machine: CimReference) -> NoneGuest:
    found = client.inside.machines.of(machine).guest
    assert isinstance(found, NoneGuest)
    return found


def console(client: Client, machine: CimReference) -> NoneConsole:
    return guest_of(client, machine).console


class TestKeyboard:
    def test_a_text_is_typed(self, client: Client, running: CimReference) -> None:
        keyboard = address(client, running, "Msvm_Keyboard")

        client.do(keyboard, "TypeText", AsciiText="Hello, World! ~{1}\n")

        assert console(client, running).typed == "Hello, World! ~{1}\n"

    def test_keys_are_pressed_and_released(self, client: Client, running: CimReference) -> None:
        keyboard = address(client, running, "Msvm_Keyboard")
        shift, left, letter = 0x10, 0xA0, ord("A")

        client.do(keyboard, "PressKey", KeyCode=shift)
        client.do(keyboard, "TypeKey", KeyCode=letter)

        # HVWMI keyboard_input: Shift counts as the left one
        assert client.do(keyboard, "IsKeyPressed", KeyCode=left)["KeyState"] is True
        assert client.do(keyboard, "IsKeyPressed", KeyCode=shift)["KeyState"] is False
        client.do(keyboard, "ReleaseKey", KeyCode=shift)
        client.do(keyboard, "TypeKey", KeyCode=letter)
        assert client.do(keyboard, "IsKeyPressed", KeyCode=left)["KeyState"] is False
        assert console(client, running).typed == "Aa"

    def test_scan_codes_are_those_of_set_1(self, client: Client, running: CimReference) -> None:
        keyboard = address(client, running, "Msvm_Keyboard")

        # shift down, q down and up, shift up; the Delete key has a prefix
        client.do(keyboard, "TypeScancodes", Scancodes=bytes.fromhex("2a 10 90 aa e0 53"))

        assert console(client, running).typed == "Q"
        assert client.do(keyboard, "IsKeyPressed", KeyCode=0x2E)["KeyState"] is True

    def test_ctrl_alt_del_leaves_nothing_pressed(self, client: Client, running: CimReference) -> None:
        client.do(address(client, running, "Msvm_Keyboard"), "TypeCtrlAltDel")

        assert not console(client, running).pressed

    @pytest.mark.parametrize(("text", "code"), [("x" * 513, 32773), ("\x01", 32773), ("é", 1)])
    def test_what_no_key_types_or_is_too_long_is_refused(
        self, client: Client, running: CimReference, text: str, code: int
    ) -> None:
        # hyperv-ops 11: at most 512 ASCII characters; HVWMI keyboard_input: 1 for what is no ASCII
        assert client.refused(address(client, running, "Msvm_Keyboard"), "TypeText", AsciiText=text) == code
        assert console(client, running).typed == ""

    def test_a_key_that_does_not_exist_is_an_invalid_parameter(self, client: Client, running: CimReference) -> None:
        assert client.refused(address(client, running, "Msvm_Keyboard"), "TypeKey", KeyCode=0xFF) == 32773

    def test_the_keyboard_has_the_id_that_hosts_give_it(self, client: Client, running: CimReference) -> None:
        # HVWMI keyboard_input, on generation 2
        keyboard = device(client, running, "Msvm_Keyboard")
        assert keyboard.get("DeviceID") == "Microsoft:DE6CDC86-E1FB-4940-801B-C3C1A26C4DA4"
        assert (keyboard.get("Layout"), keyboard.get("UnicodeSupported")) == ("00000409", True)
        assert keyboard.get("NumberOfFunctionKeys") == 12

    def test_a_paused_machine_takes_nothing(self, client: Client, running: CimReference) -> None:
        keyboard = address(client, running, "Msvm_Keyboard")
        client.change_state(running, PAUSE)

        assert client.refused(keyboard, "TypeText", AsciiText="x") == 32775


class TestMouse:
    def test_the_pointer_stays_on_the_screen(self, client: Client, running: CimReference) -> None:
        mouse = address(client, running, "Msvm_SyntheticMouse")

        client.do(mouse, "SetAbsolutePosition", HorizontalPosition=100, VerticalPosition=5000)
        client.do(mouse, "SetScrollPosition", ScrollPositionDelta=-3)

        now = device(client, running, "Msvm_SyntheticMouse")
        assert (now.get("HorizontalPosition"), now.get("VerticalPosition"), now.get("ScrollPosition")) == (100, 767, -3)

    def test_a_guest_without_driver_takes_no_pointer(self, make_host: MakeHost) -> None:
        # HVWMI mouse_input: the codes that a machine without a system gave
        client = make_host(guest=GuestConfig(integration_services=False))
        machine = client.define()
        client.change_state(machine, START)
        mouse = address(client, machine, "Msvm_SyntheticMouse")
        assert client.refused(mouse, "SetAbsolutePosition", HorizontalPosition=0, VerticalPosition=0) == 32773
        assert client.refused(mouse, "ClickButton", ButtonIndex=1) == 32768
        assert client.refused(mouse, "SetScrollPosition", ScrollPositionDelta=120) == 32768

    def test_buttons_go_down_and_up(self, client: Client, running: CimReference) -> None:
        mouse = address(client, running, "Msvm_SyntheticMouse")

        client.do(mouse, "SetButtonState", ButtonIndex=1, IsDown=True)
        client.do(mouse, "ClickButton", ButtonIndex=2)

        assert client.do(mouse, "GetButtonState", ButtonIndex=1)["IsDown"] is True
        assert client.do(mouse, "GetButtonState", ButtonIndex=2)["IsDown"] is False
        assert client.refused(mouse, "ClickButton", ButtonIndex=6) == 32773

    def test_an_emulated_mouse_moves_by_steps(self, client: Client) -> None:
        machine = client.define(generation=1)
        client.change_state(machine, START)
        mouse = address(client, machine, "Msvm_Ps2Mouse")

        client.do(mouse, "SetRelativePosition", HorizontalDelta=5, VerticalDelta=-5)
        client.do(mouse, "SetButtonState", ButtonIndex=1, ButtonState=True)

        assert client.do(mouse, "GetButtonState", ButtonIndex=1)["ButtonState"] is True


class TestScreen:
    def thumbnail(self, client: Client, machine: CimReference, width: int = 80, height: int = 60) -> bytes:
        outputs = client.do(
            client.management,
            "GetVirtualSystemThumbnailImage",
            TargetSystem=client.system_settings_reference(machine),
            WidthPixels=width,
            HeightPixels=height,
        )
        image = outputs["ImageData"]
        assert isinstance(image, bytes)
        return image

    def test_a_thumbnail_is_two_bytes_per_pixel_and_shows_what_is_typed(
        self, client: Client, running: CimReference
    ) -> None:
        head = device(client, running, "Msvm_VideoHead")
        size = (head.integer("CurrentHorizontalResolution"), head.integer("CurrentVerticalResolution"))
        before = self.thumbnail(client, running, *size)

        client.do(address(client, running, "Msvm_Keyboard"), "TypeText", AsciiText="something")

        assert size == (1024, 768)
        assert len(before) == 2 * 1024 * 768
        assert self.thumbnail(client, running, *size) != before

    def test_it_is_rgb565_little_endian(self, client: Client, running: CimReference) -> None:
        client.do(running, "InjectNonMaskableInterrupt")  # the stop screen is one known colour: #0078d7

        last = self.thumbnail(client, running)[-2:]

        assert struct.unpack("<H", last) == ((0x00 >> 3) << 11 | (0x78 >> 2) << 5 | 0xD7 >> 3,)

    def test_a_saved_machine_shows_what_it_showed_and_one_that_is_off_nothing(
        self, client: Client, running: CimReference
    ) -> None:
        client.do(address(client, running, "Msvm_Keyboard"), "TypeText", AsciiText="kept")
        before = self.thumbnail(client, running)

        client.change_state(running, SAVE)

        assert self.thumbnail(client, running) == before
        client.change_state(running, START)
        assert console(client, running).typed == "kept", "the guest has kept its memory"
        client.change_state(running, OFF)
        target = client.system_settings_reference(running)
        assert (
            client.refused(
                client.management,
                "GetVirtualSystemThumbnailImage",
                TargetSystem=target,
                WidthPixels=80,
                HeightPixels=60,
            )
            == 32775
        )

    def test_a_size_of_nothing_is_an_invalid_parameter(self, client: Client, running: CimReference) -> None:
        target = client.system_settings_reference(running)
        for width, height in ((0, 60), (80, 0), (65535, 65535)):
            sizes = {"WidthPixels": width, "HeightPixels": height}
            assert (
                client.refused(client.management, "GetVirtualSystemThumbnailImage", TargetSystem=target, **sizes)
                == 32773
            )

    @pytest.mark.parametrize(("number", "width", "height"), [(5, 80, 60), (6, 160, 120), (7, 320, 240)])
    def test_summaries_show_it_too(
        self, client: Client, running: CimReference, number: int, width: int, height: int
    ) -> None:
        summary = self.summary(client, running, number)

        image = summary.get("ThumbnailImage")
        assert isinstance(image, bytes)
        assert len(image) == 2 * width * height
        assert (summary.get("ThumbnailImageWidth"), summary.get("ThumbnailImageHeight")) == (width, height)

    def test_summaries_name_the_guests_system(self, client: Client, running: CimReference) -> None:
        assert self.summary(client, running, 106).get("GuestOperatingSystem") == "Debian GNU/Linux"

    @staticmethod
    def summary(client: Client, machine: CimReference, number: int) -> CimInstance:
        outputs = client.do(
            client.management,
            "GetSummaryInformation",
            SettingData=[client.system_settings_reference(machine)],
            RequestedInformation=[number],
        )
        found = outputs["SummaryInformation"]
        assert isinstance(found, list)
        assert isinstance(found[0], CimInstance)
        return found[0]


class TestInterrupt:
    def test_a_guest_that_got_one_stands_still_until_it_is_reset(self, client: Client, running: CimReference) -> None:
        client.do(running, "InjectNonMaskableInterrupt")

        assert client.state(running) == 2
        assert device(client, running, "Msvm_HeartbeatComponent").get("OperationalStatus") == [13]
        assert not client.query(f"select * from Msvm_ShutdownComponent where SystemName = '{running.key('Name')}'")
        client.change_state(running, RESET)
        assert device(client, running, "Msvm_HeartbeatComponent").get("OperationalStatus") == [2]

    def test_a_machine_that_is_off_gets_none(self, client: Client, machine: CimReference) -> None:
        assert client.refused(machine, "InjectNonMaskableInterrupt") == 32775


class TestKeyValueExchange:
    def items(self, client: Client, machine: CimReference, name: str) -> dict[str, CimInstance]:
        texts = device(client, machine, "Msvm_KvpExchangeComponent").texts(name)
        found = [text_to_instance(text) for text in texts]
        assert all(item.class_name == ITEM for item in found)
        return {item.text("Name"): item for item in found}

    def push(
        self, client: Client, machine: CimReference, method: str, name: str, data: str = "", source: int = 0
    ) -> None:
        text = settings_text(ITEM, Name=name, Data=data, Source=source)
        client.do(client.management, method, TargetSystem=machine, DataItems=[text])

    def test_a_guest_says_what_runs_in_it(self, client: Client, running: CimReference) -> None:
        # real-instances 3.10
        found = self.items(client, running, "GuestIntrinsicExchangeItems")

        assert found["OSName"].get("Data") == "Debian GNU/Linux"
        assert found["OSPlatformId"].get("Data") == "129"
        assert found["FullyQualifiedDomainName"].get("Data") == "machine"
        assert {item.get("Source") for item in found.values()} == {2}

    def test_an_item_that_is_too_long_is_an_invalid_parameter(self, client: Client, machine: CimReference) -> None:
        for name, data in (("x" * 1025, ""), ("x", "y" * 1025)):
            text = settings_text(ITEM, Name=name, Data=data, Source=0)
            assert client.refused(client.management, "AddKvpItems", TargetSystem=machine, DataItems=[text]) == 32773

    def test_a_guest_hears_the_hosts_items_but_not_those_that_stay_with_the_host(
        self, client: Client, machine: CimReference
    ) -> None:
        self.push(client, machine, "AddKvpItems", "before", "1")
        client.change_state(machine, START)
        self.push(client, machine, "AddKvpItems", "later", "2")
        self.push(client, machine, "AddKvpItems", "secret", "3", source=4)
        exchange = guest_of(client, machine).exchange
        assert exchange.host_items == {"before": "1", "later": "2"}

        self.push(client, machine, "ModifyKvpItems", "later", "4")
        self.push(client, machine, "RemoveKvpItems", "before")

        assert exchange.host_items == {"later": "4"}

    def test_a_password_is_set_without_being_seen(self, client: Client, running: CimReference) -> None:
        key = load_der_public_key(
            base64.b64decode(self.items(client, running, "GuestExchangeItems")["OpenStack.PasswordKey"].text("Data"))
        )
        assert isinstance(key, RSAPublicKey)
        oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
        for number, user, wrong in (("1", "root", False), ("2", "nobody", True)):
            sealed = base64.b64encode(key.encrypt("pässword".encode(), oaep)).decode()
            request = json.dumps({"id": number, "user": user, "password": sealed})
            method = "AddKvpItems" if number == "1" else "ModifyKvpItems"
            self.push(client, running, method, "OpenStack.SetPassword", request)

            item = self.items(client, running, "GuestExchangeItems")["OpenStack.SetPasswordResult"]
            result = json.loads(item.text("Data"))
            assert result["id"] == number
            assert bool(result["error"]) is wrong
        assert guest_of(client, running).exchange.passwords == {"root": "pässword"}

    def test_nonsense_instead_of_a_password_is_answered_as_such(self, client: Client, running: CimReference) -> None:
        self.push(client, running, "AddKvpItems", "OpenStack.SetPassword", '{"id": "7"}')

        result = self.items(client, running, "GuestExchangeItems")["OpenStack.SetPasswordResult"].text("Data")
        assert json.loads(result)["id"] == "7"
        assert "no request" in json.loads(result)["error"]

    def test_guests_are_as_the_host_is_told(self, make_host: MakeHost) -> None:
        client = make_host(guest=GuestConfig(system="windows", takes_passwords=False))
        machine = client.define()
        client.change_state(machine, START)

        assert self.items(client, machine, "GuestIntrinsicExchangeItems")["OSPlatformId"].get("Data") == "2"
        assert not self.items(client, machine, "GuestExchangeItems")

    @pytest.mark.parametrize("config", [GuestConfig(key_value_exchange=False), GuestConfig(integration_services=False)])
    def test_a_guest_that_does_not_answer_has_no_contact(self, make_host: MakeHost, config: GuestConfig) -> None:
        client = make_host(guest=config)
        machine = client.define()
        client.change_state(machine, START)

        found = device(client, machine, "Msvm_KvpExchangeComponent")

        assert found.get("OperationalStatus") == [12]
        assert not found.texts("GuestIntrinsicExchangeItems")


class TestFilesIntoTheGuest:
    def test_services_are_turned_on_as_resources_too(self, client: Client, machine: CimReference) -> None:
        # HVWMI integration_services
        for class_name, state in (
            ("Msvm_GuestServiceInterfaceComponentSettingData", 2),
            ("Msvm_TimeSyncComponentSettingData", 3),
        ):
            (settings,) = client.settings(machine, class_name)
            text = settings_text(class_name, InstanceID=settings.get("InstanceID"), EnabledState=state)
            client.do(client.management, "ModifyResourceSettings", ResourceSettings=[text])
            assert client.settings(machine, class_name)[0].get("EnabledState") == state

    @pytest.fixture
    def service(self, client: Client, running: CimReference) -> CimReference:
        """Found as clients do: from the component, which is off in a fresh machine."""
        name = running.key("Name")
        assert not client.query(f"select * from Msvm_GuestFileService where SystemName = '{name}'")
        (settings,) = client.settings(running, "Msvm_GuestServiceInterfaceComponentSettingData")
        text = settings_text(settings.class_name, InstanceID=settings.get("InstanceID"), EnabledState=2)
        client.do(client.management, "ModifyGuestServiceSettings", GuestServiceSettings=[text])
        component = address(client, running, "Msvm_GuestServiceInterfaceComponent")
        (found,) = client.query(
            f"associators of {{{client.path(component)}}} where AssocClass = Msvm_RegisteredGuestService"
        )
        return client.service.reference_of(found)

    def copy(self, source: str, target: str, **options: bool) -> list[str]:
        return [settings_text("Msvm_CopyFileToGuestSettingData", SourcePath=source, DestinationPath=target, **options)]

    def test_a_file_of_the_host_is_in_the_guest(
        self, client: Client, running: CimReference, service: CimReference
    ) -> None:
        local = client.inside.disks.folder.to_local("C:\\note.txt")
        Path(local).write_bytes(b"hello")

        outputs = client.do(
            service, "CopyFilesToGuest", CopyFileToGuestSettings=self.copy("C:\\note.txt", "/root/note")
        )

        job = outputs["Job"]
        assert isinstance(job, CimReference)
        assert job.class_name == "Msvm_CopyFileToGuestJob"
        assert guest_of(client, running).exchange.files == {"/root/note": b"hello"}
        again = client.failed(
            service, "CopyFilesToGuest", CopyFileToGuestSettings=self.copy("C:\\note.txt", "/root/note")
        )
        assert "(0x80070050)" in again.text("ErrorDescription")
        for target, options in (("/root/note", {"OverwriteExisting": True}), ("/a/b", {"CreateFullPath": True})):
            wanted = self.copy("C:\\note.txt", target, **options)
            client.do(service, "CopyFilesToGuest", CopyFileToGuestSettings=wanted)

    def test_what_is_missing_is_said(self, client: Client, service: CimReference) -> None:
        job = client.failed(service, "CopyFilesToGuest", CopyFileToGuestSettings=self.copy("C:\\none", "/root/none"))
        assert "(0x80070002)" in job.text("ErrorDescription")
        assert client.refused(service, "CopyFilesToGuest", CopyFileToGuestSettings=[]) == 32773


class TestShutdown:
    def test_older_hosts_can_only_shut_down(self, make_host: MakeHost) -> None:
        # HVWMI graceful_shutdown
        client = make_host(version="2012r2")
        machine = client.define()
        client.change_state(machine, START)
        component = address(client, machine, "Msvm_ShutdownComponent")
        with pytest.raises(SoapFault):
            client.call(component, "InitiateReboot", Force=False, Reason="")

    def test_hibernating_has_to_be_allowed(self, client: Client, running: CimReference) -> None:
        component = address(client, running, "Msvm_ShutdownComponent")
        assert client.refused(component, "InitiateHibernate") == 32770

    def test_services_are_not_switched_by_themselves(self, client: Client, running: CimReference) -> None:
        # the value maps of these methods: 0 or 1
        for class_name in ("Msvm_ShutdownComponent", "Msvm_HeartbeatComponent", "Msvm_VideoHead", "Msvm_Keyboard"):
            assert client.refused(address(client, running, class_name), "RequestStateChange", RequestedState=3) == 1

    def test_a_paused_machine_has_a_paused_heartbeat(self, client: Client, running: CimReference) -> None:
        client.change_state(running, PAUSE)
        assert device(client, running, "Msvm_HeartbeatComponent").get("OperationalStatus") == [15]
