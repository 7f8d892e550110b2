"""The domain's directory, read from a real domain controller; and what its bytes mean."""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smbprotocol.security_descriptor import AccessAllowedAce, AccessDeniedAce, AclPacket, SIDPacket, SMB2CreateSDBuffer

from compute_hyperv.cim.errors import AccessDenied, NotFound, Unreachable
from compute_hyperv.cli import directory, targets
from compute_hyperv.cli.app import main
from compute_hyperv.readiness.checks.delegation import MIGRATION_SERVICE, way
from compute_hyperv.readiness.directory.accounts import Account, Directories, Directory
from compute_hyperv.readiness.directory.connection import DirectorySettings
from compute_hyperv.readiness.directory.descriptors import allowed_sids, sid_text
from compute_hyperv.readiness.expectations import Expectations
from compute_hyperv.readiness.model import Finding, Verdict
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.runner import Subject, run
from hyperv_simulator.config.migration import MigrationConfig
from tests.readiness import domain as domains
from tests.readiness.domain import Domain
from tests.readiness.examining import readings_of
from tests.simulated import Simulate

_USER = f"{domains.NETBIOS}\\{domains.ADMINISTRATOR}"


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
    """HV1 goes to HV2 by constrained delegation, HV2 to HV1 by resource-based delegation; HV3 goes nowhere, HV4 to HV1
    for Kerberos only."""
    with domains.running(tmp_path_factory.mktemp("domain") / "hv.test") as running:
        for name in ("HV1", "HV2", "HV3", "HV4"):
            running.add_computer(name)
            running.tool("spn", "add", f"{MIGRATION_SERVICE}/{name}", f"{name}$")
        for source, target in (("HV1", "hv2.hv.test"), ("HV4", "HV1")):
            for service in ("cifs", MIGRATION_SERVICE):
                running.delegate(source, f"{service}/{target}")
        running.let_any_protocol("HV1")
        running.delegate("HV3", "cifs/HV1")
        running.accept("HV1", "HV2")
        running.tool("user", "create", "guarded", domains.PASSWORD)
        running.tool("group", "addmembers", "Protected Users", "guarded")
        yield running


def _settings(domain: Domain, **changes: object) -> DirectorySettings:
    values = {"server": domain.address, "username": _USER, "password": domains.PASSWORD, **changes}
    return DirectorySettings(**values)  # type: ignore[arg-type]  # a table of settings


@pytest.mark.parametrize("tls", [False, True])
def test_accounts_are_read_sealed_and_inside_tls(domain: Domain, tls: bool) -> None:
    directory = Directory(_settings(domain, use_tls=tls, ca_file=str(domain.ca_file)))
    first, second = directory.computer("hv1"), directory.computer("HV2")
    assert first.any_protocol
    assert not second.any_protocol
    assert set(first.delegates_to) == {"cifs/hv2.hv.test", f"{MIGRATION_SERVICE}/hv2.hv.test"}
    assert first.accepts_from & second.sids
    assert not second.accepts_from
    directory.close()


@pytest.mark.parametrize("tls", [False, True])
def test_a_kerberos_ticket_is_enough(domain: Domain, tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = domain.folder / "tickets"
    for name, value in {**domain.environment, "KRB5CCNAME": str(cache)}.items():
        monkeypatch.setenv(name, value)
    user = f"{domains.ADMINISTRATOR}@{domains.REALM}"
    subprocess.run(["kinit", user], input=domains.PASSWORD, text=True, check=True, capture_output=True, timeout=30)
    _named(domain, monkeypatch)
    directory = Directory(
        DirectorySettings(domains.CONTROLLER, use_tls=tls, ca_file=str(domain.ca_file) if tls else None)
    )
    assert directory.computer("HV1").delegates_to
    directory.close()


def _named(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller is found by its name, as a domain's DNS would have it."""
    import socket

    found = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: found(domain.address if host == domains.CONTROLLER else host, *rest, **more),
    )


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"password": "wrong"}, AccessDenied, "--ldap-user"),
        ({"password": "wrong", "use_tls": True}, AccessDenied, "--ldap-user"),
        ({"use_tls": True, "ca_file": None}, Unreachable, "--ldap-ca-file"),
        ({"port": 1}, Unreachable, "--ldap-server"),
    ],
)
def test_who_does_not_get_in_is_told_what_to_do(
    domain: Domain, changes: dict[str, object], error: type[Exception], text: str
) -> None:
    directory = Directory(_settings(domain, **{"ca_file": str(domain.ca_file), **changes}))
    for _ in range(2):
        with pytest.raises(error, match=text):
            directory.computer("HV1")


def test_a_computer_that_the_domain_does_not_know_is_not_found(domain: Domain) -> None:
    with pytest.raises(NotFound, match="no account HV9"):
        Directory(_settings(domain)).computer("HV9")


@pytest.mark.parametrize("name", ["hv*", "*)(cn=*", "h\\00v", "(&"])
def test_a_name_is_never_a_pattern(domain: Domain, name: str) -> None:
    with pytest.raises(NotFound):
        Directory(_settings(domain)).computer(name)


def test_the_domain_of_a_host_is_asked_where_no_server_is_named() -> None:
    directories = Directories(DirectorySettings(""))
    assert directories.of("hv.test").settings.server == "hv.test"
    assert directories.of("hv.test") is directories.of("hv.test")
    assert Directories(DirectorySettings("dc1")).of("hv.test").settings.server == "dc1"


# Delegation between simulated hosts that are members of this domain


def _host(hosts: Simulate, name: str, **migration: object) -> Readings:
    settings = {"enabled": True, "authentication": "kerberos", **migration}
    return readings_of(hosts(name=name, domain="hv.test", migration=MigrationConfig(**settings)))  # type: ignore[arg-type]


def _delegation(readings: list[Readings]) -> list[Finding]:
    from compute_hyperv.readiness.checks import selected

    try:
        results = run([Subject(each, Expectations()) for each in readings], selected(["migration.delegation"]))
    finally:
        for each in readings:
            each.host.close()
    return [result.finding for result in results if result.check.name == "migration.delegation"]


def test_each_ordered_pair_is_judged(domain: Domain, hosts: Simulate) -> None:
    readings = [_host(hosts, name) for name in ("HV1", "HV2", "HV3")]
    for each in readings:
        each.directories = Directories(_settings(domain))
    one, two, three = (each.name for each in readings)
    first, second, third = _delegation(readings)
    assert (first.verdict, second.verdict, third.verdict) == (Verdict.FAIL, Verdict.FAIL, Verdict.FAIL)
    assert set(first.details) == {
        f"{one} to {two}: constrained",
        f"{one} to {three}: no delegation to cifs and {MIGRATION_SERVICE}",
    }
    assert f"{two} to {one}: resource-based" in second.details
    assert f"{three} to {one}: no delegation to {MIGRATION_SERVICE}" in third.details
    assert "Get-ADComputer HV3" in third.remedy


@pytest.mark.parametrize(("name", "verdict"), [("HV2", Verdict.PASS), ("HV4", Verdict.WARN)])
def test_a_pair_alone(domain: Domain, hosts: Simulate, name: str, verdict: Verdict) -> None:
    readings = [_host(hosts, name), _host(hosts, "HV1")]
    for each in readings:
        each.directories = Directories(_settings(domain))
    assert _delegation(readings)[0].verdict is verdict


def test_an_account_that_can_not_be_delegated_fails(domain: Domain, hosts: Simulate) -> None:
    readings = [_host(hosts, name) for name in ("HV1", "HV2")]
    for each in readings:
        each.directories = Directories(_settings(domain))
        each.account = r"HV\guarded"
    finding = _delegation(readings)[0]
    assert finding.verdict is Verdict.FAIL
    assert finding.found.startswith(r"HV\guarded is sensitive or a protected user")


def test_a_host_that_the_domain_does_not_know_is_named(domain: Domain, hosts: Simulate) -> None:
    readings = [_host(hosts, name) for name in ("HV1", "HV7")]
    for each in readings:
        each.directories = Directories(_settings(domain))
    known, unknown = _delegation(readings)
    assert known.verdict is Verdict.FAIL
    assert "no account HV7$" in known.details[0]
    assert unknown.verdict is Verdict.UNREADABLE


def test_without_an_account_the_directory_is_not_readable(hosts: Simulate) -> None:
    finding = _delegation([_host(hosts, name) for name in ("HV1", "HV2")])[0]
    assert finding.verdict is Verdict.UNREADABLE
    assert "--ldap-user" in finding.remedy


def test_with_credssp_nothing_is_delegated(hosts: Simulate) -> None:
    readings = [_host(hosts, name, authentication="credssp") for name in ("HV1", "HV2")]
    assert _delegation(readings)[0].verdict is Verdict.NOT_APPLICABLE


# From the command line


@pytest.fixture
def command(hosts: Simulate, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    pair = [
        hosts(name=name, domain="hv.test", migration=MigrationConfig(enabled=True, authentication="kerberos"))
        for name in ("HV1", "HV2")
    ]
    monkeypatch.setenv(targets.PASSWORD_VARIABLE, "Passw0rd!")
    monkeypatch.setenv(directory.PASSWORD_VARIABLE, domains.PASSWORD)
    options = ["--user", "Administrator", "--auth", "ntlm", "--ca-file", str(pair[0].ca_file), "-f", "json"]
    handlers = list(logging.getLogger().handlers)
    yield ["check", *(host.config.address for host in pair), *options, "--only", "migration.delegation"]
    logging.getLogger().handlers[:] = handlers


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
def test_the_command_asks_the_directory(
    domain: Domain, command: list[str], capsys: pytest.CaptureFixture[str], scheme: str
) -> None:
    asked = ["--ldap-server", f"{scheme}://{domain.address}", "--ldap-ca-file", str(domain.ca_file)]
    assert main([*command, *asked, "--ldap-user", _USER]) == 0
    rows = [row for row in json.loads(capsys.readouterr().out) if row["Check"] == "migration.delegation"]
    assert [row["Found"].partition(" to ")[2].partition(": ")[2] for row in rows] == ["constrained", "resource-based"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ldap-server", "https://dc1"], "write ldap://NAME or ldaps://NAME"),
        (["--ldap-server", "ldap://dc1:many"], "--ldap-server"),
        (["--ldap-user", _USER, "--ldap-password-file", "/nowhere"], "--ldap-password-file /nowhere"),
    ],
)
def test_wrong_arguments_end_with_2(
    command: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main([*command, *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


# Rules

_NAMES = frozenset({"HV2", "hv2.hv.test"})
_SERVICES = (f"{MIGRATION_SERVICE}/HV2",)
_TARGET = Account(
    "HV2$", frozenset({"S-1-5-21-1-2-3-1002"}), _SERVICES, accepts_from=frozenset({"S-1-5-21-1-2-3-1001"})
)
_BARE = Account("HV2$", frozenset(), _SERVICES)
_LISTED = ("CIFS/hv2", f"{MIGRATION_SERVICE.upper()}/HV2.hv.test")


@pytest.mark.parametrize(
    ("source", "target", "verdict"),
    [
        (Account("HV1$", frozenset({"S-1-5-21-1-2-3-1001"})), _TARGET, Verdict.PASS),
        (Account("HV1$", frozenset({"S-1-5-21-1-2-3-1009"})), _TARGET, Verdict.FAIL),
        (Account("HV1$", frozenset(), delegates_to=_LISTED, any_protocol=True), _BARE, Verdict.PASS),
        (Account("HV1$", frozenset(), delegates_to=_LISTED), _BARE, Verdict.WARN),
        (Account("HV1$", frozenset(), delegates_to=_LISTED[:1], any_protocol=True), _BARE, Verdict.FAIL),
        (Account("HV1$", frozenset(), delegates_to=("cifs/HV22",), any_protocol=True), _BARE, Verdict.FAIL),
        (Account("HV1$", frozenset(), unconstrained=True), _BARE, Verdict.WARN),
        (
            Account("HV1$", frozenset(), delegates_to=_LISTED, any_protocol=True),
            Account("HV2$", frozenset(), ("HOST/HV2", "WSMAN/HV2")),
            Verdict.FAIL,
        ),
    ],
)
def test_ways(source: Account, target: Account, verdict: Verdict) -> None:
    assert way(source, target, _NAMES).verdict is verdict


# Bytes

_SIDS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5).map(
    lambda parts: f"S-1-5-{'-'.join(map(str, parts))}"
)


def _sid(text: str) -> SIDPacket:
    sid = SIDPacket()
    sid.from_string(text)
    return sid


@given(_SIDS)
def test_a_sid_is_what_was_packed(text: str) -> None:
    assert sid_text(_sid(text).pack()) == text


@given(st.sets(_SIDS, max_size=6), st.sets(_SIDS, max_size=2))
def test_who_is_allowed_and_not_denied_is_let_in(allowed: set[str], denied: set[str]) -> None:
    entries = []
    for kind, texts in ((AccessAllowedAce, allowed), (AccessDeniedAce, denied)):
        for text in texts:
            ace = kind()
            ace["sid"] = _sid(text)
            entries.append(ace)
    acl, descriptor = AclPacket(), SMB2CreateSDBuffer()
    acl["aces"] = entries
    descriptor.set_dacl(acl)
    assert allowed_sids(descriptor.pack()) == allowed - denied


@given(st.binary(max_size=200))
def test_bytes_that_are_no_descriptor_are_refused(data: bytes) -> None:
    for read in (sid_text, allowed_sids):
        try:
            read(data)
        except ValueError:
            continue


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x02\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00"])
def test_what_is_cut_off_is_no_sid(data: bytes) -> None:
    with pytest.raises(ValueError, match="no SID"):
        sid_text(data)
