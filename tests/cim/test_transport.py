"""Messages over real sockets, to listeners that do what they should not and to one that is as strict as WinRM."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from compute_hyperv.cim import errors
from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.cim.failures import SendFailed
from compute_hyperv.cim.transport import WinRmTransport
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.server.endpoint import SoapAnswer
from hyperv_simulator.server.tls import Authority
from hyperv_simulator.server.winrm import WinRm
from tests.cim.listening import Answer, cut_short, drip, hang_up, http, listener, say_nothing
from tests.simulated import free_address

MESSAGE = b"<s:Envelope/>"


def failure(endpoint: Endpoint, timeout_s: float = 30) -> SendFailed:
    transport = WinRmTransport(endpoint)
    with pytest.raises(SendFailed) as caught:
        transport.send(MESSAGE, timeout_s)
    transport.close()
    return caught.value


@pytest.mark.parametrize(
    ("answer", "error", "words", "unprocessed"),
    [
        (http(401, headers='WWW-Authenticate: Basic realm="WSMAN"\r\n'), errors.AccessDenied, "password", True),
        (http(403), errors.AccessDenied, "IPv4Filter", True),
        (http(404), errors.ProtocolError, "URL prefix", True),
        (http(405), errors.ProtocolError, "Something else", True),
        (http(413), errors.InvalidRequest, "MaxEnvelopeSizekb", True),
        (http(500), errors.AccessDenied, "AllowUnencrypted", True),
        (http(500, b"<html>oops</html>"), errors.Unreachable, "HTTP 500", False),
        (http(502), errors.Unreachable, "HTTP 502", False),
        (http(503), errors.Unreachable, "stopped", True),
        (hang_up, errors.Unreachable, "broke", False),
        (cut_short, errors.Unreachable, "broke", False),
    ],
    ids=["401", "403", "404", "405", "413", "500 empty", "500", "502", "503", "hang up", "cut short"],
)
def test_each_refusal_has_its_error_and_its_remedy(
    answer: Answer, error: type[errors.CimError], words: str, unprocessed: bool
) -> None:
    with listener(answer) as server:
        failed = failure(server.endpoint)
    assert type(failed.error) is error
    assert words in str(failed.error)
    assert failed.unprocessed is unprocessed


def test_a_fault_is_an_answer() -> None:
    fault = b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"/>'
    with listener(http(500, fault)) as server:
        assert WinRmTransport(server.endpoint).send(MESSAGE, 30) == fault


@pytest.mark.parametrize("answer", [say_nothing, drip])
def test_a_deadline_ends_an_exchange_however_the_host_behaves(answer: Answer) -> None:
    with listener(answer) as server:
        started = time.monotonic()
        failed = failure(server.endpoint, timeout_s=0.3)
        assert time.monotonic() - started < 2
    assert isinstance(failed.error, errors.TimedOut)
    assert "may still take effect" in failed.error.remedy
    assert not failed.unprocessed


def test_nobody_listening_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    failed = failure(Endpoint("127.0.0.1", port, username="u", password="p"))
    assert isinstance(failed.error, errors.Unreachable)
    assert "winrm quickconfig" in failed.error.remedy
    assert failed.unprocessed


def test_a_name_that_does_not_exist_is_told_apart() -> None:
    failed = failure(Endpoint("no-such-host.invalid", username="u", password="p"))
    assert isinstance(failed.error, errors.Unreachable)
    assert "DNS" in failed.error.remedy


@dataclass
class Echo:
    """Answers a message with who sent it, and the message."""

    received: list[bytes] = field(default_factory=list)

    def answer(self, message: bytes, user: str | None) -> SoapAnswer:
        self.received.append(message)
        return SoapAnswer(200, f"{user}:".encode() + message)


@dataclass
class StrictHost:
    """WinRM's listeners with its rules about authentication and encryption, and an echo behind them."""

    address: str
    ca_file: str
    winrm: WinRm
    echo: Echo

    def endpoint(self, **options: Any) -> Endpoint:
        basis = {"host": self.address, "username": "Administrator", "password": "Passw0rd!"}
        return Endpoint(**(basis | options))


@pytest.fixture(scope="module")
def strict_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StrictHost]:
    folder: Path = tmp_path_factory.mktemp("tls")
    config = HostConfig(name="hv1", address=free_address(), allow_basic=True)
    authority, echo = Authority(folder), Echo()
    certificate = authority.certificate_for(config.name, config.address, folder)
    winrm = WinRm(config, certificate, echo, lambda: None)
    winrm.start()
    yield StrictHost(config.address, str(authority.ca_file), winrm, echo)
    winrm.stop()


@pytest.mark.parametrize(
    "options",
    [
        {"scheme": "http", "auth": "negotiate"},
        {"scheme": "http", "auth": "ntlm"},
        {"auth": "negotiate"},
        {"auth": "ntlm"},
        {"auth": "basic"},
        {"scheme": "http", "username": "hv1\\Administrator"},
    ],
    ids=str,
)
def test_a_message_gets_through_with_every_authentication(strict_host: StrictHost, options: dict[str, Any]) -> None:
    if options.get("scheme") != "http":
        options = options | {"ca_file": strict_host.ca_file}
    transport = WinRmTransport(strict_host.endpoint(**options))
    large = b"x" * 200_000
    assert transport.send(MESSAGE, 30).endswith(b"Administrator:" + MESSAGE)
    assert transport.send(large, 30).endswith(large)
    transport.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_that_the_host_closed_is_made_anew_and_nothing_is_done_twice(
    strict_host: StrictHost, scheme: str
) -> None:
    options: dict[str, Any] = {"ca_file": strict_host.ca_file} if scheme == "https" else {}
    transport = WinRmTransport(strict_host.endpoint(scheme=scheme, **options))
    transport.send(MESSAGE, 30)
    strict_host.winrm.drop_connections()
    strict_host.echo.received.clear()
    assert transport.send(b"again", 30) == b"Administrator:again"
    assert strict_host.echo.received == [b"again"]
    transport.close()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"scheme": "http", "password": "wrong"}, errors.AccessDenied, "Check user name and password"),
        ({"scheme": "http", "auth": "credssp"}, errors.AccessDenied, "does not offer"),
        ({"scheme": "http", "auth": "basic", "allow_unencrypted": True}, errors.AccessDenied, "AllowUnencrypted"),
        ({}, errors.Unreachable, "certificate is not trusted"),
        ({"port": 5985}, errors.Unreachable, "does not speak TLS"),
    ],
    ids=["password", "not offered", "unencrypted", "certificate", "no TLS"],
)
def test_winrms_refusals_have_remedies(
    strict_host: StrictHost, options: dict[str, Any], error: type[errors.CimError], words: str
) -> None:
    failed = failure(strict_host.endpoint(**options))
    assert type(failed.error) is error
    assert words in str(failed.error)
    assert failed.unprocessed


def test_a_certificate_for_another_name_is_told_apart(
    strict_host: StrictHost, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    address = free_address()
    authority = Authority(tmp_path)
    certificate = authority.certificate_for("hv1", "127.9.9.9", tmp_path)
    winrm = WinRm(HostConfig(name="hv1", address=address), certificate, Echo(), lambda: None)
    winrm.start()
    failed = failure(strict_host.endpoint(host=address, ca_file=str(authority.ca_file)))
    winrm.stop()
    assert isinstance(failed.error, errors.Unreachable)
    assert "does not name this address" in failed.error.remedy
