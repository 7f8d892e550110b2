r"""``mpclaim``: which devices MPIO claims; a claim is a registry value and counts from the next start (``mpio``)."""

from __future__ import annotations

from hyperv_simulator.operating_system.registry import Kind, Value
from hyperv_simulator.operating_system.registry_defaults import CONTROL
from hyperv_simulator.operating_system.shell.context import Command, Output, Windows, access_denied, said, unknown

_KEY, _NAME = rf"{CONTROL}\MPDEV", "MPIOSupportedDeviceList"


def mpclaim(windows: Windows, command: Command) -> Output:
    """``mpclaim -n|-r -i|-u -d "VENDOR  PRODUCT"``: -r restarts at once, -i claims, -u gives up, -a means all."""
    if not windows.features.works("Multipath-IO"):
        return unknown(command.program)
    if not windows.accounts.is_administrator(command.user):
        return access_denied()
    switches = command.switches
    claimed = list(windows.registry.texts(_KEY, _NAME))
    if "-h" in switches:
        return said("", *(f'"{item}"' for item in claimed), "")
    if switches[:1] not in (("-n",), ("-r",)) or not {"-i", "-u"} & set(switches):
        return unknown(" ".join((command.program, *command.arguments)))
    devices = [item for item in command.arguments if not item.startswith("-")]
    if "-i" in switches:
        claimed += [device for device in devices if device not in claimed]
    else:
        claimed = [] if "-a" in switches else [item for item in claimed if item not in devices]
    windows.registry.create_key(_KEY)
    windows.registry.set(_KEY, _NAME, Value(Kind.MULTI_SZ, tuple(claimed)))
    if switches[0] == "-r":
        windows.power.request("restart")
        return said("Success. The system restarts.")
    return said("Success, reboot required.")
