"""The authority is kept, so that whoever trusts it goes on trusting; certificates name the host they are for."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from hyperv_simulator.server.tls import Authority


def test_the_authority_is_the_same_after_a_restart(tmp_path: Path) -> None:
    first = Authority(tmp_path).ca_file.read_bytes()
    assert Authority(tmp_path).ca_file.read_bytes() == first


def test_a_damaged_authority_is_made_anew(tmp_path: Path) -> None:
    Authority(tmp_path).ca_file.write_text("not a certificate")
    assert Authority(tmp_path).ca_file.read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")


def test_a_certificate_is_for_the_name_and_the_address_of_its_host(tmp_path: Path) -> None:
    Authority(tmp_path / "ca").certificate_for("HV1", "127.0.1.1", tmp_path / "host")
    certificate = x509.load_pem_x509_certificate((tmp_path / "host" / "host.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "HV1" in names.get_values_for_type(x509.DNSName)
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.1.1"]


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    Authority(tmp_path / "ca").certificate_for("HV1", "127.0.1.1", tmp_path / "host")
    modes = {key.stat().st_mode & 0o777 for key in tmp_path.rglob("*-key.pem")}
    assert modes == {0o600}
