"""Arguments to the domain's directory: where it is, and who asks."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from compute_hyperv.readiness.directory.accounts import Directories
from compute_hyperv.readiness.directory.connection import DirectorySettings
from compute_hyperv.readiness.expectations import ConfigurationError

PASSWORD_VARIABLE = "COMPUTE_HYPERV_LDAP_PASSWORD"  # noqa: S105 - its name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "directory", "Active Directory, which is asked about delegation for live migration"
    )
    group.add_argument(
        "--ldap-server",
        metavar="URL",
        default="",
        help="domain controller: ldap://NAME (every message is sealed) or ldaps://NAME (default: ldap:// with the name "
        "of the hosts' domain)",
    )
    group.add_argument(
        "--ldap-user", metavar="USER", help=r"account that may read it, DOMAIN\name or name@domain (default: --user)"
    )
    group.add_argument(
        "--ldap-password-file",
        type=Path,
        metavar="FILE",
        help=f"its first line is the password of --ldap-user; else {PASSWORD_VARIABLE} counts, else you are asked",
    )
    group.add_argument(
        "--ldap-ca-file", type=Path, metavar="PEM", help="authority that vouches for the controller's certificate"
    )


def directories(arguments: argparse.Namespace, username: str | None, password: str | None) -> Directories | None:
    """How to ask the hosts' domains; None where nobody is known who might.

    :param username: who reads the hosts; that counts here as well where it may be an account of a domain.
    :raises ConfigurationError: the arguments are wrong.
    """
    server, use_tls, port = _server(arguments.ldap_server)
    if arguments.ldap_user:
        username, password = arguments.ldap_user, _password(arguments)
    elif username and "\\" not in username and "@" not in username:
        return None
    ca_file = str(arguments.ldap_ca_file) if arguments.ldap_ca_file else None
    return Directories(DirectorySettings(server, username, password, use_tls=use_tls, port=port, ca_file=ca_file))


def _server(url: str) -> tuple[str, bool, int | None]:
    """Name, whether with TLS, port."""
    try:
        parts = urlsplit(url if "://" in url else f"ldap://{url}")
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"--ldap-server {url!r} is no URL: {error}") from None
    if parts.scheme not in ("ldap", "ldaps") or (url and not parts.hostname):
        raise ConfigurationError(f"--ldap-server is {url!r}; write ldap://NAME or ldaps://NAME.")
    return parts.hostname or "", parts.scheme == "ldaps", port


def _password(arguments: argparse.Namespace) -> str:
    if arguments.ldap_password_file:
        try:
            text = arguments.ldap_password_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"--ldap-password-file {arguments.ldap_password_file} can't be read: {error}"
            ) from None
        return str(text.split("\n", 1)[0].rstrip("\r"))
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if not sys.stdin.isatty():
        raise ConfigurationError(
            f"No password for {arguments.ldap_user}; give --ldap-password-file or set {PASSWORD_VARIABLE}."
        )
    return getpass.getpass(f"Password of {arguments.ldap_user}: ")
