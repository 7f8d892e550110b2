"""Arguments to hosts: who is asked, with which credentials, and what is asked of them."""

from __future__ import annotations

import argparse
import dataclasses
import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from compute_hyperv.cim.endpoint import AUTHENTICATIONS
from compute_hyperv.cli import directory
from compute_hyperv.configuration.connection import connect
from compute_hyperv.configuration.host_settings import HostSettings
from compute_hyperv.readiness.cluster_nodes import NotClustered, addresses_of_nodes
from compute_hyperv.readiness.expectations import ConfigurationError, from_nova_conf, read_nova_conf
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.runner import Subject

PASSWORD_VARIABLE = "COMPUTE_HYPERV_PASSWORD"  # noqa: S105 - its name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The hosts, and how to get in."""
    parser.add_argument("hosts", nargs="*", metavar="HOST", help="name or address of a Hyper-V host")
    parser.add_argument(
        "--cluster", action="store_true", help="all nodes of the clusters that the hosts belong to, not these alone"
    )
    parser.add_argument(
        "--config-file",
        action="append",
        default=[],
        type=Path,
        metavar="NOVA.CONF",
        help="nova.conf of a compute service: its host, credentials and what it asks of the host (may be repeated for "
        "parts of one configuration)",
    )
    group = parser.add_argument_group("credentials")
    group.add_argument("--user", help="account on the hosts; without one, the Kerberos ticket of the cache is used")
    group.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help=f"file whose first line is the password; else {PASSWORD_VARIABLE} counts, else you are asked",
    )
    group = parser.add_argument_group("connection")
    group.add_argument("--transport", choices=("https", "http"), help="how to talk to WinRM (default: https)")
    group.add_argument("--port", type=int, help="port of WinRM (default: 5986 with https, 5985 with http)")
    group.add_argument("--auth", choices=AUTHENTICATIONS, help="how to authenticate (default: negotiate)")
    group.add_argument("--ca-file", type=Path, metavar="PEM", help="authority that vouches for the hosts' certificates")
    group.add_argument("--timeout", type=int, metavar="SECONDS", help="for one request (default: 60)")
    directory.add_arguments(parser)


@contextmanager
def subjects(arguments: argparse.Namespace) -> Iterator[tuple[Subject, ...]]:
    """The hosts that the arguments name, each with what is asked of it; closed at the end.

    :raises ConfigurationError: the arguments or nova.conf are wrong; in one line.
    """
    conf = read_nova_conf(tuple(arguments.config_file))
    settings, wanted = from_nova_conf(conf)
    names = tuple(dict.fromkeys(arguments.hosts)) or ((settings.server,) if settings.server else ())
    if not names:
        raise ConfigurationError("No host is named; write its name or address, or --config-file with a nova.conf.")
    settings = _with_arguments(settings, arguments, given_by_file=bool(arguments.config_file))
    with ExitStack() as hosts:
        directories = directory.directories(arguments, settings.username, settings.password)
        if directories is not None:
            hosts.callback(directories.close)

        def subject(name: str) -> Subject:
            try:
                host = hosts.enter_context(connect(dataclasses.replace(settings, server=name)))
            except ValueError as error:
                raise ConfigurationError(str(error)) from None
            return Subject(Readings(name, host, settings.username or "", directories), wanted)

        found = {name: subject(name) for name in names}
        if arguments.cluster:
            for name in names:
                for node in _nodes(found[name]):
                    if node not in found:
                        found[node] = subject(node)
        yield tuple(found.values())


def _nodes(subject: Subject) -> tuple[str, ...]:
    try:
        return addresses_of_nodes(subject.host)
    except NotClustered as error:
        raise ConfigurationError(f"--cluster: {error}") from None


def _with_arguments(settings: HostSettings, arguments: argparse.Namespace, *, given_by_file: bool) -> HostSettings:
    """What the command line says takes the place of what the file says."""
    username = arguments.user or (settings.username if given_by_file else None)
    password = _password(arguments, username, settings.password if given_by_file and not arguments.user else None)
    return dataclasses.replace(
        settings,
        username=username,
        password=password,
        smb_username=username if arguments.user or not given_by_file else settings.smb_username,
        smb_password=password if arguments.user or not given_by_file else settings.smb_password,
        winrm_scheme=arguments.transport or settings.winrm_scheme,
        winrm_port=arguments.port or settings.winrm_port,
        winrm_auth=arguments.auth or settings.winrm_auth,
        winrm_ca_file=str(arguments.ca_file) if arguments.ca_file else settings.winrm_ca_file,
        winrm_timeout_s=arguments.timeout or settings.winrm_timeout_s,
        winrm_connections=4,  # a check is a short visit
    )


def _password(arguments: argparse.Namespace, username: str | None, configured: str | None) -> str | None:
    if arguments.password_file:
        try:
            text = arguments.password_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"--password-file {arguments.password_file} can't be read: {error}") from None
        return str(text.split("\n", 1)[0].rstrip("\r"))
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if configured is not None or username is None:
        return configured
    if not sys.stdin.isatty():
        raise ConfigurationError(f"No password for {username}; give --password-file or set {PASSWORD_VARIABLE}.")
    return getpass.getpass(f"Password of {username}: ")
