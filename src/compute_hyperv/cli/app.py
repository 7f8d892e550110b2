"""The frame: which commands there are, and how an error looks."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cliff.app import App
from cliff.command import Command
from cliff.commandmanager import CommandManager

from compute_hyperv.readiness.expectations import ConfigurationError


class ComputeHyperV(App):
    """Errors are one line; ``--debug`` shows where they come from."""

    def __init__(self) -> None:
        super().__init__(
            description="Checks whether Hyper-V hosts are ready to be OpenStack compute nodes, and prepares them.",
            version=version("compute-hyperv"),
            command_manager=CommandManager("compute_hyperv.cli"),
            deferred_help=True,
        )

    #: the command could not be begun: its arguments or nova.conf are wrong
    refused = False

    def clean_up(self, cmd: Command, result: int, err: BaseException | None) -> None:
        """cliff calls this when a command has ended."""
        self.refused = isinstance(err, ConfigurationError)

    def configure_logging(self) -> None:
        super().configure_logging()
        # what the libraries tell of retries and certificates is for --debug
        for name in ("urllib3", "spnego", "pypsrp", "smbprotocol", "stevedore"):
            logging.getLogger(name).setLevel(logging.DEBUG if self.options.debug else logging.ERROR)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Wrong arguments end it with 2, Ctrl-C with 130, as a shell expects."""
    app = ComputeHyperV()
    try:
        status: int = app.run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    return 2 if app.refused else status
