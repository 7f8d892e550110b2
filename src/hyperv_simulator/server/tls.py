"""The simulator's certificate authority and the certificates it gives to hosts.

What lives here and only here: keys, certificates, their files, and the channel binding that follows from a certificate.
The authority is made once per state folder and kept, so that a client that trusts it goes on trusting; a host's
certificate is cheap and is made at every start, for the name and address it has then.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = dt.timedelta(days=3650)
_RENEW_BEFORE = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class HostCertificate:
    """What a listener needs for TLS.

    :param context: server side, TLS 1.2 and later.
    :param channel_binding: ``tls-server-end-point`` data (RFC 5929) that clients bind their authentication to.
    """

    context: ssl.SSLContext
    channel_binding: bytes


class Authority:
    """Signs hosts' certificates.

    :param folder: keeps ``ca.pem`` (hand this to clients) and ``ca-key.pem``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ca_file = folder / "ca.pem"
        self._key_file = folder / "ca-key.pem"
        folder.mkdir(parents=True, exist_ok=True)
        if not self._load():
            self._create()

    def certificate_for(self, name: str, address: str, folder: Path) -> HostCertificate:
        """A new certificate for a host, its files in ``folder``."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [
            x509.DNSName(name),
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address(address)),
        ]
        certificate = (
            _builder(name, key)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        folder.mkdir(parents=True, exist_ok=True)
        certificate_file, key_file = folder / "host.pem", folder / "host-key.pem"
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(key_file, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate_file, key_file)
        digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()
        return HostCertificate(context, b"tls-server-end-point:" + digest)

    def _load(self) -> bool:
        """Whether a kept authority is there and will last."""
        try:
            self._certificate = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
            key = serialization.load_pem_private_key(self._key_file.read_bytes(), password=None)
        except (OSError, ValueError):
            return False
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            return False
        self._key = key
        return self._certificate.not_valid_after_utc > dt.datetime.now(dt.UTC) + _RENEW_BEFORE

    def _create(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder("hyperv-simulator CA", self._key)
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        self._certificate = (
            builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hyperv-simulator CA")]))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        _write_key(self._key_file, self._key)
        self.ca_file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))


def _builder(name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.unlink(missing_ok=True)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
