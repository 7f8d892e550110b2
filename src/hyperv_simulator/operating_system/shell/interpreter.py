"""cmd: a line to the programs that it names. It knows ``cmd /c``, quotes, and ``&`` and ``&&`` between commands."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hyperv_simulator.operating_system.shell import (
    boot,
    folders,
    information,
    multipath,
    network,
    registry_editor,
    service_control,
    servicing,
    shutdown,
    time,
)
from hyperv_simulator.operating_system.shell.context import Command, Output, Program, Windows, unknown

_PROGRAMS: Mapping[str, Program] = {
    "hostname": information.hostname,
    "systeminfo": information.systeminfo,
    "ver": information.ver,
    "whoami": information.whoami,
    "ipconfig": network.ipconfig,
    "w32tm": time.w32tm,
    "net": service_control.net,
    "sc": service_control.sc,
    "reg": registry_editor.reg,
    "bcdedit": boot.bcdedit,
    "dism": servicing.dism,
    "mpclaim": multipath.mpclaim,
    "shutdown": shutdown.shutdown,
    "mkdir": folders.mkdir,
    "md": folders.mkdir,
    "rmdir": folders.rmdir,
    "rd": folders.rmdir,
}
_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
_PARTS = re.compile(r'(?:[^"&]|"[^"]*"?)+|&&?')


class Shell:
    """The command line of one host."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows

    def knows(self, line: str) -> bool:
        """Whether the line's program is there."""
        words = _words(line)
        return bool(words) and (program_of(words[0]) in _PROGRAMS or program_of(words[0]) == "cmd")

    def run(self, line: str, user: str) -> Output:
        """The output of a command line; of several commands in it, all output and the last exit code."""
        words = _words(line)
        if len(words) > 2 and program_of(words[0]) == "cmd" and words[1].lower() in ("/c", "/s"):
            return self.run(_after_cmd(line), user)
        stdout, stderr, code, joint = "", "", 0, ""
        for part in _PARTS.findall(line):
            if part in ("&", "&&"):
                joint = part
            elif part.strip() and not (joint == "&&" and code):
                output = self._one(part, user)
                stdout, stderr, code = stdout + output.stdout, stderr + output.stderr, output.exit_code
        return Output(stdout, stderr, code)

    def _one(self, line: str, user: str) -> Output:
        words = _words(line)
        if not words:
            return Output()
        program = _PROGRAMS.get(program_of(words[0]))
        if program is None:
            return unknown(words[0])
        return program(self._windows, Command(words[0], tuple(words[1:]), user))


def program_of(word: str) -> str:
    r"""``C:\Windows\System32\HOSTNAME.EXE -x`` is ``hostname``."""
    name = word.strip('"').replace("/", "\\").rpartition("\\")[2].lower()
    return name.partition(" ")[0].strip('"').removesuffix(".exe")


def _after_cmd(line: str) -> str:
    """What ``cmd /s /c "..."`` is to run: without the outer quotes."""
    rest = re.sub(r"^\s*\S+\s+", "", line)
    rest = re.sub(r"^(/[a-zA-Z]\s+)+", "", rest).strip()
    return rest[1:-1] if len(rest) > 1 and rest[0] == rest[-1] == '"' else rest


def _words(line: str) -> list[str]:
    """The words of a line; quotes keep blanks together, wherever in a word they stand."""
    return [word.replace('"', "") for word in _WORD.findall(line) if word.strip('"')]
