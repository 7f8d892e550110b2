"""``hyperv-simulator``: the command line.

What lives here and only here: options, what a person reads on the terminal, exit codes. Exit code 0: ended when asked
to; 2: something in the options, in hosts.toml or on this machine prevents the start, and one line says what.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from hyperv_simulator.config import file as config
from hyperv_simulator.config.errors import ConfigError
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.host import StartError
from hyperv_simulator.simulator import Simulator, default_state_folder

_EXIT_WRONG = 2

_DESCRIPTION = """\
Hyper-V hosts for tests and demonstrations: they answer WS-Management (WinRM) and SMB clients as Windows Server does.
"""

_RUN_EPILOG = """\
hosts.toml describes the hosts; every key has a default:

  [[host]]
  name = "hv1"               # computer name
  address = "127.0.1.1"      # every 127.x.y.z answers on Linux
  version = "2022"           # 2012r2, 2016, 2019, 2022, 2025
  username = "Administrator"
  password = "Passw0rd!"
  sockets = 1
  cores = 8                  # of all sockets
  threads = 16               # logical processors
  memory_mb = 65536
  numa_nodes = 1
  disk_gb = 500
  guests = "none"            # or "qemu": machines boot
  http_port = 5985
  https_port = 5986
  smb_port = 445             # needs root
  samba = true               # false: no files, no pipes
  allow_basic = false
  allow_unencrypted = false
  round_trip_ms = 0          # latency added to every HTTP exchange
  client_ca_file = ""         # certificates signed by this authority let clients in

  [[host.switch]]            # default: one external switch "external"
  name = "external"
  type = "external"          # or "internal", "private"

  [host.quotas]              # WinRM's limits, with WinRM's defaults
  max_envelope_size_kb = 500
  max_timeout_ms = 60000
  max_batch_items = 32000
  max_concurrent_operations_per_user = 1500
  max_connections = 300
  enumeration_timeout_ms = 60000
  max_packet_retrieval_time_seconds = 120
  max_shells_per_user = 30
  max_processes_per_shell = 25
  shell_idle_timeout_ms = 180000

  [host.kerberos]            # of a host in a domain; default: none
  keytab = "/etc/hv1.keytab"  # keys of HTTP/name and WSMAN/name
  realm = "HV.TEST"          # all of its principals are let in

  [[host.fault]]             # what shall go wrong; default: nothing
  effect = "drop-after"      # delay, drop-before, drop-after, http-500, fault, job-error
  class_name = "Msvm_VirtualSystemManagementService"
  method = "DefineSystem"
  nth = 1                    # the first matching request
  times = 1                  # how many in a row; 0: all

example: point a client at the default host, messages unencrypted, as simple clients want it
  hyperv-simulator run --allow-basic --allow-unencrypted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command. Returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (ConfigError, StartError) as error:
        print(f"hyperv-simulator: {error}", file=sys.stderr)
        return _EXIT_WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hyperv-simulator", description=_DESCRIPTION)
    commands = parser.add_subparsers(metavar="command", required=True)

    run = commands.add_parser(
        "run",
        help="run simulated hosts until Ctrl-C",
        description="Runs simulated hosts until Ctrl-C or SIGTERM. Prints 'ready' when all of them listen.",
        epilog=_RUN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("file", nargs="?", type=Path, metavar="hosts.toml", help="default: one Windows Server 2022 host")
    run.add_argument("--guests", choices=("none", "qemu"), help="for every host, whatever the file says")
    run.add_argument("--state", type=Path, metavar="DIR", help=f"where state is kept ({default_state_folder()})")
    run.add_argument("--allow-basic", action="store_true", help="accept Basic authentication")
    run.add_argument("--allow-unencrypted", action="store_true", help="accept plain SOAP over HTTP")
    run.add_argument("--no-samba", action="store_true", help="serve no files and pipes; needs no root then")
    run.add_argument("-v", "--verbose", action="store_true", help="print every request")
    run.set_defaults(run=_run)

    image = commands.add_parser(
        "image",
        help="build the tiny guest image",
        description="Builds a disk image with a tiny Linux that boots on simulated and on real Hyper-V hosts.",
    )
    image.add_argument("--generation", type=int, choices=(1, 2), default=2, help="1: BIOS, 2: UEFI (default)")
    image.add_argument("--format", choices=("qcow2", "raw", "vhd", "vhdx", "vmdk"), default="qcow2")
    image.add_argument("--output", type=Path, required=True, metavar="FILE")
    image.set_defaults(run=_image)
    return parser


def _run(options: argparse.Namespace) -> int:
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


def _image(options: argparse.Namespace) -> int:
    from hyperv_simulator.guest_image import build, packages  # only this command needs them

    try:
        print(build.build(options.generation, options.output, options.format))
    except packages.ImageError as error:
        raise StartError(str(error)) from None
    return 0


if __name__ == "__main__":
    sys.exit(main())
