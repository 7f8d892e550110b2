"""``dump`` and ``import``: a host's instances as a file, and a simulated host made of one."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import Any

from compute_hyperv.cim.endpoint import AUTHENTICATIONS, Endpoint
from hyperv_simulator.cli.options import Commands
from hyperv_simulator.recordings.errors import RecordingError

_DUMP_EPILOG = """\
Nothing is changed on the host: only Enumerate and queries are sent. Classes whose reading does something
(Win32_Product repairs packages) or reads whole disks, logs or domains are left out. What stands in the file
is what an administrator of the host can read: host and machine names, addresses, serial numbers.

examples:
  hyperv-simulator dump 127.0.1.1 --ca-file ~/.local/state/hyperv-simulator/tls/ca.pem --output hv1.json
  hyperv-simulator dump hv7.example.org --user 'EXAMPLE\\operator' --output hv7.json
"""
_AUTHENTICATIONS = [each for each in AUTHENTICATIONS if each != "certificate"]
_HOST_HELP = "name or address; with https the name in its certificate"
_IMPORT_EPILOG = """\
What hosts.toml has keys for (Windows, processors, memory, adapters, switches, volumes, features, services) is written
into it and can be changed; machines, switches and all other instances come from the recording, which hosts.toml names.
The content of virtual disks is not recorded: machines that have some stay off until their files are there.

examples:
  hyperv-simulator import hv7.json --address 127.0.1.7 --output hosts.toml
  hyperv-simulator run hosts.toml
  hyperv-simulator import hv8.json --from hv8.example.org --user 'EXAMPLE\\operator' --output hv8.toml
"""


def add_to(commands: Commands) -> None:
    dumped = commands.add_parser(
        "dump",
        help="record all instances of a host as JSON",
        description="Reads a running simulated or real Hyper-V host over WS-Man and writes what it answered to a file.",
        epilog=_DUMP_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    dumped.add_argument("host", metavar="HOST", help=_HOST_HELP)
    dumped.add_argument("--output", dest="recording", type=Path, required=True, metavar="FILE")
    _add_connection(dumped)
    dumped.set_defaults(run=_dump)

    imported = commands.add_parser(
        "import",
        help="make a simulated host of a recording",
        description="Makes a hosts.toml with a host that answers as the recorded one did.",
        epilog=_IMPORT_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    imported.add_argument(
        "recording", type=Path, metavar="FILE", help="what 'dump' wrote, or with --from is to be kept"
    )
    imported.add_argument("--from", dest="host", metavar="HOST", help=f"dump this host first: {_HOST_HELP}")
    imported.add_argument("--output", type=Path, required=True, metavar="hosts.toml", help="a new file")
    imported.add_argument("--name", default="", help="another computer name")
    imported.add_argument("--address", help="where the simulated host listens (127.0.1.1)")
    _add_connection(imported)
    imported.set_defaults(run=_import)


def _add_connection(parser: argparse.ArgumentParser) -> None:
    """How the host is reached, and what is read of it."""
    reading = parser.add_argument_group("reading the host")
    reading.add_argument("--user", default="Administrator", help="user, DOMAIN\\user or user@REALM (%(default)s)")
    reading.add_argument(
        "--password-file", type=Path, metavar="FILE", help="its first line is the password; without, it is asked for"
    )
    reading.add_argument("--http", action="store_true", help="WinRM over HTTP, with messages encrypted by themselves")
    reading.add_argument("--port", type=int, help="5986; with --http 5985")
    reading.add_argument("--auth", choices=_AUTHENTICATIONS, default="negotiate", help="(%(default)s)")
    trust = reading.add_mutually_exclusive_group()
    trust.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="whom to trust, in PEM; default: whom this system does"
    )
    trust.add_argument("--insecure", action="store_true", help="take any certificate")
    reading.add_argument(
        "--namespace",
        action="append",
        metavar="NAME",
        help="only this one; may be repeated (all that Hyper-V's managers read)",
    )
    reading.add_argument("--timeout", type=float, default=300.0, metavar="SECONDS", help="for each class (%(default)g)")


def _dump(options: argparse.Namespace) -> int:
    from compute_hyperv.cim.session import CimSession  # the other commands need not wait for its libraries
    from hyperv_simulator.recordings import dump

    if not options.recording.absolute().parent.is_dir():
        raise RecordingError(f"{options.recording} can't be written (no such folder); name another file")
    session = CimSession(_endpoint(options))
    try:
        read = dump.read_host(session, options.namespace or dump.NAMESPACES, lambda line: print(line, flush=True))
    finally:
        session.close()
    read.write(options.recording)
    return 0


def _endpoint(options: argparse.Namespace) -> Endpoint:
    try:
        return Endpoint(
            options.host,
            port=options.port,
            scheme="http" if options.http else "https",
            auth=options.auth,
            username=options.user,
            password=_password(options),
            ca_file=str(options.ca_file) if options.ca_file else None,
            verify=not options.insecure,
            operation_timeout_s=options.timeout,
        )
    except ValueError as error:
        raise RecordingError(str(error)) from None


def _password(options: argparse.Namespace) -> str:
    if options.password_file is None:
        return getpass.getpass(f"Password of {options.user}: ")
    try:
        return str(options.password_file.read_text(encoding="utf-8").partition("\n")[0])
    except OSError as error:
        raise RecordingError(f"{options.password_file} can't be read ({error.strerror}); name another file") from None


def _import(options: argparse.Namespace) -> int:
    from hyperv_simulator.recordings import describe, recording

    if options.host:
        _dump(options)
    values, left_out = describe.host_values(recording.read(options.recording), name=options.name)
    settings: dict[str, Any] = {**values, "recording": str(options.recording.resolve())}
    if options.address:
        settings["address"] = options.address
    try:
        with options.output.open("x", encoding="utf-8") as file:
            file.write(describe.as_toml(settings))
    except FileExistsError:
        raise RecordingError(f"{options.output} is there already; name a new file") from None
    except OSError as error:
        raise RecordingError(f"{options.output} can't be written ({error.strerror}); name another file") from None
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    return 0
