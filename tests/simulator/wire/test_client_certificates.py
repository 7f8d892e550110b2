"""Authentication by a client certificate over TLS (DSP0226 annex C.3.5; MS-WSMV 3.1.4.1.29.2 and 3.1.4.1.23)."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from compute_hyperv.cim.errors import CimError
from compute_hyperv.cim.session import CimSession
from hyperv_simulator.config.certificate import CertificateMapping
from hyperv_simulator.config.operating_system import AccountConfig
from hyperv_simulator.host import SimulatedHost
from tests.simulated import Simulate, endpoint_of

MUTUAL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"


class Clients:
    """An authority of clients, and the certificates that it signs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"clients of {folder.name}")])
        self.ca_file = folder / "ca.pem"
        ca = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        self.ca_file.write_bytes(ca.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def certificate(self) -> dict[str, str]:
        """A new certificate, as an Endpoint takes it."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "operator")])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        signed = self._builder(name, key).add_extension(usage, False).sign(self._key, hashes.SHA256())
        files = {"client_certificate": self._folder / "client.pem", "client_key": self._folder / "client-key.pem"}
        files["client_certificate"].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        files["client_key"].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return {name: str(path) for name, path in files.items()}

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
        )


@pytest.fixture
def clients(tmp_path: Path) -> Clients:
    return Clients(tmp_path / "trusted")


@pytest.fixture
def host(simulate: Simulate, clients: Clients) -> SimulatedHost:
    return simulate(client_ca_file=str(clients.ca_file))


def session_with(host: SimulatedHost, certificate: dict[str, str]) -> CimSession:
    return CimSession(endpoint_of(host, auth="certificate", username=None, password=None, **certificate))


def test_a_certificate_of_the_trusted_authority_lets_in(host: SimulatedHost, clients: Clients) -> None:
    session = session_with(host, clients.certificate())
    identity = session.identify()
    session.close()
    assert "10.0" in identity.product_version
    assert MUTUAL in identity.security_profiles


@pytest.mark.parametrize(
    ("subject", "username", "status"),
    [("operator", "backup", 200), ("oper*", "backup", 200), ("*", "backup", 200), ("other", "backup", 401)],
)
def test_a_mapping_says_whom_a_certificate_stands_for(
    simulate: Simulate, clients: Clients, subject: str, username: str, status: int
) -> None:
    """MS-WSMV 2.2.4.3."""
    host = simulate(
        client_ca_file=str(clients.ca_file),
        account=(AccountConfig("backup", "B4ckup!", groups=("Administrators",)),),
        certificate_mapping=(CertificateMapping(subject, username),),
    )
    files = clients.certificate()
    url = f"https://{host.config.address}:5986/wsman"
    certificate = (files["client_certificate"], files["client_key"])
    answer = requests.post(
        url, headers={"Authorization": MUTUAL}, cert=certificate, verify=str(host.ca_file), timeout=10
    )
    assert answer.status_code == status


def test_a_certificate_of_another_authority_does_not(host: SimulatedHost, tmp_path: Path) -> None:
    session = session_with(host, Clients(tmp_path / "other").certificate())
    with pytest.raises(CimError):
        session.identify()


def test_the_header_alone_does_not(host: SimulatedHost) -> None:
    url = f"https://{host.config.address}:5986/wsman"
    answer = requests.post(url, headers={"Authorization": MUTUAL}, verify=str(host.ca_file), timeout=10)
    assert answer.status_code == 401


def test_a_certificate_without_the_header_does_not(host: SimulatedHost, clients: Clients) -> None:
    """A certificate is shown by the TLS layer for any request; to authenticate with it, the client says so."""
    url, files = f"https://{host.config.address}:5986/wsman", clients.certificate()
    certificate = (files["client_certificate"], files["client_key"])
    answer = requests.post(url, cert=certificate, verify=str(host.ca_file), timeout=10)
    assert answer.status_code == 401


def test_other_ways_in_stay_open(host: SimulatedHost) -> None:
    session = CimSession(endpoint_of(host))
    assert "10.0" in session.identify().product_version
    session.close()


def test_without_an_authority_there_is_no_such_way_in(simulated_host: SimulatedHost, clients: Clients) -> None:
    session = session_with(simulated_host, clients.certificate())
    with pytest.raises(CimError):
        session.identify()
