"""Msvm_Keyboard, Msvm_SyntheticMouse and Msvm_Ps2Mouse: what somebody at the machine would type and click.

A machine that stands still takes nothing (32775, hyperv-ops 11). The synthetic mouse needs a driver in the guest
(HVWMI mouse_input, also the codes, the numbers of buttons and that a notch is 120). Positions are pixels (Microsoft's
page of SetAbsolutePosition; HVWMI takes them for 0 to 65535, but tried them on a guest without driver only).
"""

from __future__ import annotations

from collections.abc import Mapping

from hyperv_simulator.guests import keys
from hyperv_simulator.guests.base import GuestError
from hyperv_simulator.guests.console import BUTTONS, Console
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.machines.transitions import State
from hyperv_simulator.outcomes import FAILED, INVALID_PARAMETER, INVALID_STATE, NOT_SUPPORTED, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done

_LONGEST = 512  # Microsoft's page of TypeText
_CONSOLE_OF_SHIELDED = 2019
# Shift, Ctrl, Alt without a side are typed as the left ones, and never count as pressed (HVWMI keyboard_input).
_SIDELESS = (0x10, 0x11, 0x12)


class _InputDevice(Provider):
    """:param release: of Windows Server: before 2019 a shielded machine has no console (Microsoft: "Guarded fabric and
    shielded VMs overview"); the code is an assumption."""

    def __init__(self, machines: Machines, release: int) -> None:
        self._machines = machines
        self._release = release

    def invoke(self, call: Call) -> Outputs | None:
        try:
            return super().invoke(call)
        except GuestError:
            return {"ReturnValue": FAILED}

    def _console(self, call: Call) -> Console:
        machine = self._machines.of(call.reference)
        guest = machine.guest
        if guest is None or machine.state is not State.RUNNING:
            raise Refused(INVALID_STATE, "the machine does not run")
        if machine.reader.is_shielded and self._release < _CONSOLE_OF_SHIELDED:
            raise Refused(INVALID_STATE, "a shielded machine has no console")
        return guest.console


class KeyboardProvider(_InputDevice):
    class_name = "Msvm_Keyboard"

    def methods(self) -> Mapping[str, Method]:
        return {
            "PressKey": lambda call: self._set_key(call, True),
            "ReleaseKey": lambda call: self._set_key(call, False),
            "TypeKey": self._type_key,
            "IsKeyPressed": self._is_pressed,
            "TypeText": self._type_text,
            "TypeCtrlAltDel": self._type_ctrl_alt_del,
            "TypeScancodes": self._type_scan_codes,
            **_NEVER,
        }

    def _set_key(self, call: Call, down: bool) -> Outputs:
        self._console(call).set_key(self._key(call), down)
        return done()

    def _is_pressed(self, call: Call) -> Outputs:
        pressed = self._key(call) in self._console(call).pressed
        return done(KeyState=pressed and call.integer("KeyCode") not in _SIDELESS)

    def _type_key(self, call: Call) -> Outputs:
        self._console(call).type_key(self._key(call))
        return done()

    def _type_text(self, call: Call) -> Outputs:
        text = call.text("AsciiText")
        if not text.isascii():
            raise Refused(NOT_SUPPORTED, "no ASCII")  # HVWMI keyboard_input
        if len(text) > _LONGEST:
            raise Refused(INVALID_PARAMETER, f"{len(text)} characters")
        try:
            self._console(call).type_text(text)
        except KeyError as missing:
            raise Refused(INVALID_PARAMETER, f"no key types {missing}") from None
        return done()

    def _type_ctrl_alt_del(self, call: Call) -> Outputs:
        self._console(call).type_key(*keys.CTRL_ALT_DEL)
        return done()

    def _type_scan_codes(self, call: Call) -> Outputs:
        codes = call.given("Scancodes")
        self._console(call).type_scan_codes(codes if isinstance(codes, bytes) else bytes(call.integers("Scancodes")))
        return done()

    @staticmethod
    def _key(call: Call) -> int:
        code = call.integer("KeyCode")
        if code not in keys.VIRTUAL_KEYS:
            raise Refused(INVALID_PARAMETER, f"no key has the code {code}")
        return keys.VIRTUAL_KEYS[code]


class SyntheticMouseProvider(_InputDevice):
    class_name = "Msvm_SyntheticMouse"
    state_parameter = "IsDown"

    def methods(self) -> Mapping[str, Method]:
        return {
            "GetButtonState": self._button_state,
            "SetButtonState": self._set_button,
            "ClickButton": self._click,
            "SetAbsolutePosition": self._point,
            "SetScrollPosition": self._scroll,
            **_NEVER,
        }

    def _mouse(self, call: Call, refusal: int = FAILED) -> Console:
        console = self._console(call)
        if not self._machines.of(call.reference).integration_ready:
            raise Refused(refusal, "no driver in the guest")
        return console

    def _button_state(self, call: Call) -> Outputs:
        return done(**{self.state_parameter: self._button(call) in self._mouse(call).buttons})

    def _set_button(self, call: Call) -> Outputs:
        self._mouse(call).set_button(self._button(call), call.boolean(self.state_parameter))
        return done()

    def _click(self, call: Call) -> Outputs:
        self._mouse(call).click(self._button(call))
        return done()

    def _point(self, call: Call) -> Outputs:
        mouse = self._mouse(call, INVALID_PARAMETER)
        mouse.point_at(call.integer("HorizontalPosition"), call.integer("VerticalPosition"))
        return done()

    def _scroll(self, call: Call) -> Outputs:
        self._mouse(call).scroll(call.integer("ScrollPositionDelta"))
        return done()

    @staticmethod
    def _button(call: Call) -> int:
        index = call.integer("ButtonIndex")
        if not 1 <= index <= len(BUTTONS):
            raise Refused(INVALID_PARAMETER, f"button {index}")
        return index - 1


class Ps2MouseProvider(SyntheticMouseProvider):
    class_name = "Msvm_Ps2Mouse"
    state_parameter = "ButtonState"

    def methods(self) -> Mapping[str, Method]:
        methods = {name: method for name, method in super().methods().items() if name != "SetAbsolutePosition"}
        return {**methods, "SetRelativePosition": self._move}

    def _mouse(self, call: Call, refusal: int = FAILED) -> Console:  # noqa: ARG002  (every system drives this one)
        return self._console(call)

    def _move(self, call: Call) -> Outputs:
        self._console(call).move_by(call.integer("HorizontalDelta"), call.integer("VerticalDelta"))
        return done()


def _never(_call: Call) -> Outputs:
    return {"ReturnValue": NOT_SUPPORTED}


# Devices of a machine are not switched on and off by themselves: 1, not supported (the schema's value maps).
_NEVER: Mapping[str, Method] = {"RequestStateChange": _never, "Reset": _never}


class FixedDeviceProvider(Provider):
    """A device of a machine that has no other methods."""

    def __init__(self, class_name: str) -> None:
        self.class_name = class_name

    def methods(self) -> Mapping[str, Method]:
        return _NEVER


FIXED_DEVICES = (
    "Msvm_HeartbeatComponent",
    "Msvm_KvpExchangeComponent",
    "Msvm_S3DisplayController",
    "Msvm_SerialPort",
    "Msvm_SyntheticDisplayController",
    "Msvm_TimeSyncComponent",
    "Msvm_VideoHead",
    "Msvm_VssComponent",
)
