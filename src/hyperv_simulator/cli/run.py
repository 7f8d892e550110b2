"""``run``: simulated hosts until Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from hyperv_simulator.cli.options import Commands, add_state
from hyperv_simulator.config import file as config
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.state_folder import default_state_folder

_EPILOG = """\
"hyperv-simulator keys" prints every key that hosts.toml may have, with its default and its meaning.

examples:
  hyperv-simulator run --no-samba
      one Windows Server 2022 host without files and pipes; needs no root
  hyperv-simulator run --allow-basic --allow-unencrypted
      the same with SMB, messages unencrypted, as simple clients want it
"""


def add_to(commands: Commands) -> None:
    run = commands.add_parser(
        "run",
        help="run simulated hosts until Ctrl-C",
        description="Runs simulated hosts until Ctrl-C or SIGTERM. Prints 'ready' when all of them listen.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("file", nargs="?", type=Path, metavar="hosts.toml", help="default: one Windows Server 2022 host")
    run.add_argument("--guests", choices=("none", "qemu"), help="for every host, whatever the file says")
    add_state(run)
    run.add_argument("--allow-basic", action="store_true", help="accept Basic authentication")
    run.add_argument("--allow-unencrypted", action="store_true", help="accept plain SOAP over HTTP")
    run.add_argument("--no-samba", action="store_true", help="serve no files and pipes; needs no root then")
    run.add_argument("-v", "--verbose", action="store_true", help="print every request")
    run.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from hyperv_simulator.simulator import Simulator  # the other commands need not wait for all of this

    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING, format="%(asctime)s %(message)s", stream=sys.stdout
    )
    stopping = threading.Event()

    def stop(signal_number: int, _: FrameType | None) -> None:
        if stopping.is_set():
            # Asked twice: the children die with this process (see ``children``).
            sys.exit(128 + signal_number)
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(number, stop)
    simulator = Simulator(_hosts(options), options.state or default_state_folder())
    with simulator:
        for host in simulator.hosts:
            print(_line(host.config))
        print(f"CA certificate: {simulator.ca_file}")
        print("ready", flush=True)
        stopping.wait()
    return 0


def _hosts(options: argparse.Namespace) -> tuple[HostConfig, ...]:
    overrides: dict[str, object] = {}
    if options.guests:
        overrides["guests"] = options.guests
    if options.allow_basic:
        overrides["allow_basic"] = True
    if options.allow_unencrypted:
        overrides["allow_unencrypted"] = True
    if options.no_samba:
        overrides["samba"] = False
    return config.with_defaults(config.load(options.file), **overrides)


def _line(host: HostConfig) -> str:
    smb = f", smb {host.smb_port}" if host.samba else ""
    return (
        f"{host.name}: Windows Server {host.version.replace('r2', ' R2')} at {host.address}, "
        f"http {host.http_port}, https {host.https_port}{smb}, user {host.username}, guests {host.guests}"
    )
