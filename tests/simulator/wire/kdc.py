"""A real KDC (MIT's krb5kdc) for one realm, on a loopback address of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.simulated import free_address

REALM = "HV.TEST"
_PORT = 10088


@dataclass(frozen=True)
class Kdc:
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What Kerberos' libraries and programs find this realm by."""
        names = {"KRB5_CONFIG": "krb5.conf", "KRB5_KDC_PROFILE": "kdc.conf", "KRB5CCNAME": "no-cache"}
        return {name: str(self.folder / file) for name, file in names.items()}

    def add_user(self, name: str, password: str) -> None:
        self._admin(f"addprinc -pw {password} {name}@{REALM}")

    def keytab(self, host: str) -> Path:
        """The keys of a host, under the names by which clients of WinRM ask for it (pypsrp: ``host``)."""
        file = self.folder / f"{host}.keytab"
        for service in ("host", "WSMAN", "HTTP"):
            self._admin(f"addprinc -randkey {service}/{host}@{REALM}")
            self._admin(f"ktadd -k {file} {service}/{host}@{REALM}")
        return file

    def _admin(self, command: str) -> None:
        run(["kadmin.local", "-r", REALM, "-q", command], self.environment)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Kdc]:
    address = free_address()
    folder.mkdir(parents=True)
    (folder / "krb5.conf").write_text(
        f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n"
        f" dns_canonicalize_hostname = false\n[realms]\n {REALM} = {{\n  kdc = {address}:{_PORT}\n }}\n"
    )
    (folder / "kdc.conf").write_text(
        f"[realms]\n {REALM} = {{\n  database_name = {folder}/principal\n  key_stash_file = {folder}/stash\n"
        f"  acl_file = {folder}/acl\n  kdc_listen = {address}:{_PORT}\n  kdc_tcp_listen = {address}:{_PORT}\n }}\n"
        f"[logging]\n kdc = FILE:{folder}/kdc.log\n admin_server = FILE:{folder}/admin.log\n"
    )
    kdc = Kdc(folder)
    run(["kdb5_util", "-r", REALM, "create", "-s", "-P", "master"], kdc.environment)
    with subprocess.Popen(
        ["krb5kdc", "-n", "-r", REALM],
        env={**os.environ, **kdc.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            _wait(address)
            yield kdc
        finally:
            process.terminate()


def run(command: list[str], environment: dict[str, str]) -> None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    subprocess.run(
        command, env={**os.environ, **environment, "PATH": path}, check=True, capture_output=True, timeout=30
    )


def _wait(address: str) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((address, _PORT)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError("the KDC does not answer")
