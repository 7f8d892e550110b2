"""A real Active Directory domain: Samba as its controller, on a loopback address of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hyperv_simulator.server.tls import Authority
from tests.simulated import free_address

REALM, NETBIOS = "HV.TEST", "HV"
ADMINISTRATOR, PASSWORD = "Administrator", "Secret-Passw0rd"
CONTROLLER = "dc1.hv.test"
_PATIENCE_S = 60


@dataclass(frozen=True)
class Domain:
    """:param ca_file: authority of the controller's certificate."""

    folder: Path
    address: str
    ca_file: Path

    @property
    def environment(self) -> dict[str, str]:
        """What Kerberos' libraries find this realm by."""
        return {"KRB5_CONFIG": str(self.folder / "krb5.conf"), "KRB5CCNAME": str(self.folder / "no-cache")}

    def add_computer(self, name: str) -> None:
        self.tool("computer", "create", name)

    def delegate(self, source: str, service: str) -> None:
        """Constrained delegation: the computer may go to the service on behalf of others."""
        self.tool("delegation", "add-service", f"{source}$", service)

    def let_any_protocol(self, source: str) -> None:
        """ "Use any authentication protocol"."""
        self.tool("delegation", "for-any-protocol", f"{source}$", "on")

    def accept(self, target: str, source: str) -> None:
        """Resource-based delegation: the source may come to the target on behalf of others."""
        self.tool("delegation", "add-principal", f"{target}$", f"{source}$")

    def tool(self, *arguments: str) -> None:
        _run(["samba-tool", *arguments, "-s", str(self.folder / "etc/smb.conf")], self.environment)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Domain]:
    """Provisions the domain and runs it; needs root for the ports of LDAP and Kerberos, as a controller does."""
    address = free_address()
    _provision(folder, address)
    authority = Authority(folder / "authority")
    authority.certificate_for(CONTROLLER, address, folder / "certificate")
    domain = Domain(folder, address, authority.ca_file)
    _configure(domain, folder / "certificate")
    log = folder / "samba.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            ["samba", "--foreground", "--no-process-group", "-s", str(folder / "etc/smb.conf")],
            env={**os.environ, **domain.environment, "PATH": _path()},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait(process, address, log)
            yield domain
        finally:
            process.terminate()


def _provision(folder: Path, address: str) -> None:
    command = [
        "samba-tool",
        "domain",
        "provision",
        f"--realm={REALM}",
        f"--domain={NETBIOS}",
        "--host-name=dc1",
        "--server-role=dc",
        "--dns-backend=NONE",
        f"--adminpass={PASSWORD}",
        f"--host-ip={address}",
        f"--targetdir={folder}",
        f"--option=interfaces={address}/8",
        "--option=bind interfaces only=yes",
        "--option=vfs objects=acl_xattr",
    ]
    _run(command, {})


def _configure(domain: Domain, certificate: Path) -> None:
    """Only what these tests need runs: the directory and the KDC."""
    configuration = domain.folder / "etc/smb.conf"
    added = (
        "[global]\n\tserver services = ldap, kdc, cldap\n\tdcerpc endpoint servers = none\n"
        # other Samba servers of this machine must not meet it
        f"\tpid directory = {domain.folder}/pid\n\twinbindd socket directory = {domain.folder}/winbindd\n"
        # as Windows; Samba would not take a ticket inside TLS
        "\tldap server require strong auth = allow_sasl_over_tls\n"
        f"\ttls certfile = {certificate}/host.pem\n\ttls keyfile = {certificate}/host-key.pem\n"
        f"\ttls cafile = {domain.ca_file}\n"
    )
    configuration.write_text(configuration.read_text().replace("[global]\n", added, 1))
    (domain.folder / "krb5.conf").write_text(
        f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n"
        f" dns_canonicalize_hostname = false\n[realms]\n {REALM} = {{\n  kdc = {domain.address}\n }}\n"
    )


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, **environment, "PATH": _path()},
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
    )
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command[:3])} failed (packages samba, samba-ad-provision, winbind?): {done.stderr}"
        )


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        if all(_answers(address, port) for port in (88, 389, 636)):
            return
        time.sleep(0.05)
    raise RuntimeError(f"the domain controller does not answer: {log.read_text(errors='replace')[-2000:]}")


def _answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0
