"""The command as a whole: its help, and how it ends."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from compute_hyperv.cim.errors import CimError
from hyperv_simulator.cli import control, describe, image, recording, run
from hyperv_simulator.config.errors import ConfigError
from hyperv_simulator.control.client import ControlError
from hyperv_simulator.errors import StartError
from hyperv_simulator.recordings.errors import RecordingError

_EXIT_WRONG, _EXIT_INTERRUPTED = 2, 130

_DESCRIPTION = """\
Hyper-V hosts for tests and demonstrations: they answer WS-Management (WinRM) and SMB clients as Windows Server does.
"""
_EPILOG = """\
first steps:
  hyperv-simulator run --no-samba            one host at 127.0.1.1, no root needed
  hyperv-simulator keys > hosts.toml         a file with every key and its meaning, to be changed
  hyperv-simulator check hosts.toml          what is wrong in it
  hyperv-simulator run hosts.toml            the hosts that it describes

"hyperv-simulator COMMAND --help" says more about one command.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command. Returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ConfigError as error:
        complaints: Sequence[str] = error.problems
    except (StartError, ControlError, RecordingError, CimError) as error:
        complaints = [" ".join(str(error).split())]
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    except BrokenPipeError:  # "… | head"
        sys.stderr.close()
        return 0
    for complaint in complaints:
        print(f"hyperv-simulator: {complaint}", file=sys.stderr)
    return _EXIT_WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hyperv-simulator",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for group in (run, describe, control, recording, image):
        group.add_to(commands)
    return parser
