"""``shutdown /r`` and ``/s``; with a delay the host goes down at once nevertheless, since nobody could take it back."""

from __future__ import annotations

from hyperv_simulator.operating_system.shell.context import Command, Output, Windows, complained, unknown


def shutdown(windows: Windows, command: Command) -> Output:
    if not {"/r", "/s", "-r", "-s"} & set(command.switches):
        return unknown(" ".join((command.program, *command.arguments)))
    if not windows.accounts.is_administrator(command.user):
        return complained("Access is denied.(5)", exit_code=5)
    windows.power.request("restart" if {"/r", "-r"} & set(command.switches) else "shut down")
    return Output()
