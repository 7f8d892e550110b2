"""The HTTP side of WinRM, before any SOAP is looked at: sockets, authentication, sealed messages.

The service behind it echoes, so that what is tested here is the endpoint alone; the clients are pypsrp, requests_ntlm
(pywinrm's) and bare sockets.
"""

from __future__ import annotations

import base64
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pypsrp.exceptions
import pytest
import requests
from pypsrp.wsman import WSMan
from requests_credssp.exceptions import NTStatusException
from winrm.exceptions import InvalidCredentialsError
from winrm.transport import Transport

from hyperv_simulator.server.accounts import Account, Accounts
from hyperv_simulator.server.auth import NtlmAcceptor
from hyperv_simulator.server.endpoint import EndpointSettings, SoapAnswer, WsManConnection
from hyperv_simulator.server.http import HttpListener
from hyperv_simulator.server.tls import Authority
from tests.simulated import free_address

USER, PASSWORD = "Administrator", "Pa:ss wörd!"
OPERATOR, OPERATORS_PASSWORD = "operator", "0perator!"
ENVELOPE_BYTES = 512_000


class Echo:
    """Answers with what it was asked, and with the caller's name in front."""

    def answer(self, message: bytes, user: str | None) -> SoapAnswer:
        if message == b"fault":
            return SoapAnswer(500, b"<fault/>")
        return SoapAnswer(200, f"{user}:".encode() + message)


@dataclass
class Listening:
    """Two listeners over one endpoint."""

    address: str
    ca_file: Path
    settings: EndpointSettings

    @property
    def http(self) -> str:
        return f"http://{self.address}:5985/wsman"

    @property
    def https(self) -> str:
        return f"https://{self.address}:5986/wsman"


@contextlib.contextmanager
def listening(folder: Path, **settings: object) -> Iterator[Listening]:
    address = free_address()
    authority = Authority(folder / "ca")
    certificate = authority.certificate_for("HV1", address, folder / "host")
    accounts = Accounts([Account("HV1", USER, PASSWORD), Account("HV1", OPERATOR, OPERATORS_PASSWORD)])
    plain = replace(
        EndpointSettings(accounts, allow_basic=False, allow_unencrypted=False, max_envelope_bytes=ENVELOPE_BYTES),
        **settings,
    )
    acceptor = NtlmAcceptor(plain.accounts)
    tls = replace(plain, channel_binding=certificate.channel_binding)
    listeners = [
        HttpListener(
            address,
            port,
            lambda chosen=chosen: WsManConnection(chosen, acceptor, Echo(), lambda: None),
            tls=certificate.context if chosen is tls else None,
            max_body_bytes=ENVELOPE_BYTES + 1024,
        )
        for port, chosen in ((5985, plain), (5986, tls))
    ]
    for listener in listeners:
        listener.start()
    try:
        yield Listening(address, authority.ca_file, plain)
    finally:
        for listener in listeners:
            listener.stop()
        acceptor.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Listening]:
    with listening(tmp_path) as it:
        yield it


@pytest.fixture
def open_server(tmp_path: Path) -> Iterator[Listening]:
    with listening(tmp_path, allow_basic=True, allow_unencrypted=True) as it:
        yield it


@pytest.fixture(scope="module")
def credssp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    with listening(tmp_path_factory.mktemp("credssp"), allow_credssp=True) as it:
        yield it


def pypsrp_client(server: Listening, *, ssl: bool, **options: object) -> WSMan:
    arguments: dict[str, object] = {"username": USER, "password": PASSWORD, "auth": "negotiate", **options}
    verify: object = str(server.ca_file) if ssl else True
    return WSMan(server.address, ssl=ssl, cert_validation=verify, reconnection_retries=0, **arguments)


def sent_by_pypsrp(client: WSMan, message: bytes) -> bytes:
    try:
        return client.transport.send(message)
    finally:
        client.transport.close()


class TestChallenges:
    def test_without_credentials_401_offers_negotiate_and_kerberos(self, server: Listening) -> None:
        answer = requests.post(server.http, data=b"hello", timeout=10)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Negotiate, Kerberos"

    def test_basic_is_offered_only_where_it_is_allowed(self, open_server: Listening) -> None:
        """MS-WSMV 3.1.4.1.29.2: Basic is a scheme if and only if the service's Basic property is true."""
        answer = requests.post(open_server.http, timeout=10)
        assert answer.headers["WWW-Authenticate"] == 'Negotiate, Kerberos, Basic realm="WSMAN"'

    @pytest.mark.parametrize("header", ["Negotiate", "Negotiate !!", "Negotiate AAAA", "Digest x", "Basic", "x"])
    def test_a_broken_authorization_header_is_refused_and_the_connection_lives(
        self, server: Listening, header: str
    ) -> None:
        with requests.Session() as session:
            for _ in range(2):
                answer = session.post(server.http, headers={"Authorization": header}, timeout=10)
                assert answer.status_code == 401

    def test_another_path_is_404_and_another_method_405(self, server: Listening) -> None:
        assert requests.post(server.http.replace("wsman", "nothing"), timeout=10).status_code == 404
        assert requests.get(server.http, timeout=10).status_code == 405


class TestNegotiate:
    @pytest.mark.parametrize("user", [USER, f"HV1\\{USER}", f".\\{USER}", "hv1\\administrator"])
    def test_pypsrp_over_http_seals_both_ways(self, server: Listening, user: str) -> None:
        client = pypsrp_client(server, ssl=False, username=user)
        assert sent_by_pypsrp(client, b"hello") == b"Administrator:hello"

    @pytest.mark.parametrize("basic", [False, True])
    def test_each_account_comes_in_under_its_own_name(self, open_server: Listening, basic: bool) -> None:
        auth = "basic" if basic else "negotiate"
        client = pypsrp_client(
            open_server,
            ssl=False,
            auth=auth,
            username=OPERATOR,
            password=OPERATORS_PASSWORD,
            encryption="never" if basic else "auto",
        )
        assert sent_by_pypsrp(client, b"hello") == b"operator:hello"

    @pytest.mark.parametrize("encryption", ["auto", "always"])
    @pytest.mark.parametrize("auth", ["negotiate", "ntlm"])
    def test_pypsrp_over_https(self, server: Listening, encryption: str, auth: str) -> None:
        client = pypsrp_client(server, ssl=True, encryption=encryption, auth=auth)
        assert sent_by_pypsrp(client, b"hello") == b"Administrator:hello"

    def test_pywinrm_over_http_seals_both_ways(self, server: Listening) -> None:
        transport = Transport(server.http, username=USER, password=PASSWORD, auth_method="ntlm")
        assert transport.send_message(b"hello") == b"Administrator:hello"
        transport.close_session()

    def test_pywinrm_over_https(self, server: Listening) -> None:
        transport = Transport(
            server.https, username=USER, password=PASSWORD, auth_method="ntlm", ca_trust_path=str(server.ca_file)
        )
        assert transport.send_message(b"hello") == b"Administrator:hello"
        transport.close_session()

    def test_one_authentication_serves_many_requests_of_its_connection(self, server: Listening) -> None:
        client = pypsrp_client(server, ssl=False)
        for number in range(20):
            message = b"%d" % number * (1 + number * 1000)
            assert client.transport.send(message) == b"Administrator:" + message
        client.transport.close()

    def test_a_fault_is_sealed_as_any_answer(self, server: Listening) -> None:
        with pytest.raises(pypsrp.exceptions.WinRMTransportError) as caught:
            sent_by_pypsrp(pypsrp_client(server, ssl=False), b"fault")
        assert (caught.value.code, caught.value.response_text) == (500, "<fault/>")

    @pytest.mark.parametrize("ssl", [False, True])
    @pytest.mark.parametrize(
        ("user", "password"), [(USER, "wrong"), ("nobody", PASSWORD), (f"OTHER\\{USER}", PASSWORD)]
    )
    def test_wrong_credentials_are_401(self, server: Listening, ssl: bool, user: str, password: str) -> None:
        with pytest.raises(pypsrp.exceptions.AuthenticationError):
            sent_by_pypsrp(pypsrp_client(server, ssl=ssl, username=user, password=password), b"hello")

    def test_pywinrm_sees_wrong_credentials_as_such(self, server: Listening) -> None:
        transport = Transport(server.http, username=USER, password="wrong", auth_method="ntlm")
        with pytest.raises(InvalidCredentialsError):
            transport.send_message(b"hello")

    def test_two_hosts_in_one_process_keep_their_own_passwords(self, tmp_path: Path) -> None:
        other = Accounts([Account("HV2", USER, "other")])
        with listening(tmp_path / "1") as first, listening(tmp_path / "2", accounts=other) as second:
            assert sent_by_pypsrp(pypsrp_client(first, ssl=False), b"1") == b"Administrator:1"
            assert sent_by_pypsrp(pypsrp_client(second, ssl=False, password="other"), b"2") == b"Administrator:2"
            with pytest.raises(pypsrp.exceptions.AuthenticationError):
                sent_by_pypsrp(pypsrp_client(second, ssl=False), b"3")

    def test_a_client_that_sends_no_channel_binding_is_accepted(self, server: Listening) -> None:
        """CbtHardeningLevel is Relaxed by default."""
        client = pypsrp_client(server, ssl=True, negotiate_send_cbt=False)
        assert sent_by_pypsrp(client, b"hello") == b"Administrator:hello"

    def test_a_wrong_channel_binding_is_401(self, server: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a man in the middle with a certificate of its own would bring about."""
        monkeypatch.setattr(
            "pypsrp.negotiate.HTTPNegotiateAuth._get_cbt_data",
            staticmethod(lambda response: b"tls-server-end-point:" + b"x" * 32),
        )
        with pytest.raises(pypsrp.exceptions.AuthenticationError):
            sent_by_pypsrp(pypsrp_client(server, ssl=True), b"hello")


class TestCredSsp:
    """MS-CSSP inside HTTP; long messages come in several frames (pypsrp and requests-credssp read and write them)."""

    @pytest.mark.parametrize(("ssl", "encryption"), [(False, "auto"), (True, "auto"), (True, "always")])
    @pytest.mark.parametrize("length", [5, 16384, 16385, 100_000])
    def test_pypsrp_seals_both_ways(self, credssp: Listening, ssl: bool, encryption: str, length: int) -> None:
        client = pypsrp_client(credssp, ssl=ssl, auth="credssp", encryption=encryption)
        assert sent_by_pypsrp(client, b"x" * length) == b"Administrator:" + b"x" * length

    def test_pywinrm_seals_both_ways(self, credssp: Listening) -> None:
        transport = Transport(credssp.http, username=USER, password=PASSWORD, auth_method="credssp")
        assert transport.send_message(b"hello") == b"Administrator:hello"
        transport.close_session()

    def test_a_wrong_password_is_401(self, credssp: Listening) -> None:
        with pytest.raises(NTStatusException):
            sent_by_pypsrp(pypsrp_client(credssp, ssl=False, auth="credssp", password="wrong"), b"hello")

    def test_it_is_offered_and_taken_only_where_it_is_allowed(self, credssp: Listening, server: Listening) -> None:
        assert "CredSSP" in requests.post(credssp.http, timeout=10).headers["WWW-Authenticate"]
        answer = requests.post(server.http, headers={"Authorization": "CredSSP AAAA"}, timeout=10)
        assert answer.status_code == 401
        assert "CredSSP" not in answer.headers["WWW-Authenticate"]

    def test_noise_is_401_and_the_server_keeps_serving(self, credssp: Listening) -> None:
        for token in ("AAAA", "FgMBAAA=", ""):
            answer = requests.post(credssp.http, headers={"Authorization": f"CredSSP {token}"}, timeout=10)
            assert answer.status_code == 401
        assert sent_by_pypsrp(pypsrp_client(credssp, ssl=False, auth="credssp"), b"1") == b"Administrator:1"


class TestUnencrypted:
    def test_a_plain_body_over_http_is_500_without_a_body(self, server: Listening) -> None:
        """AllowUnencrypted is false by default (MS-WSMV 2.2.4.36); clients see an empty 500 (diyan/pywinrm #208)."""
        with pytest.raises(pypsrp.exceptions.WinRMTransportError) as caught:
            sent_by_pypsrp(pypsrp_client(server, ssl=False, encryption="never"), b"hello")
        assert (caught.value.code, caught.value.response_text) == (500, "")

    def test_a_plain_body_over_http_is_accepted_where_it_is_allowed(self, open_server: Listening) -> None:
        client = pypsrp_client(open_server, ssl=False, encryption="never")
        assert sent_by_pypsrp(client, b"hello") == b"Administrator:hello"

    @pytest.mark.parametrize("name", [USER, f"HV1\\{USER}", f".\\{USER}"])
    def test_basic_over_http(self, open_server: Listening, name: str) -> None:
        # as bytes: requests would write Latin-1
        auth = (name.encode(), PASSWORD.encode())
        answer = requests.post(open_server.http, data=b"hello", auth=auth, timeout=10)
        assert (answer.status_code, answer.content) == (200, b"Administrator:hello")

    def test_basic_over_https_needs_no_more_than_basic(self, tmp_path: Path) -> None:
        with listening(tmp_path, allow_basic=True) as server:
            auth = (USER.encode(), PASSWORD.encode())
            answer = requests.post(server.https, data=b"x", auth=auth, verify=str(server.ca_file), timeout=10)
            assert answer.content == b"Administrator:x"
            assert requests.post(server.http, data=b"x", auth=auth, timeout=10).status_code == 500

    def test_basic_is_401_where_it_is_not_allowed(self, server: Listening) -> None:
        auth = (USER.encode(), PASSWORD.encode())
        answer = requests.post(server.https, data=b"x", auth=auth, verify=str(server.ca_file), timeout=10)
        assert answer.status_code == 401

    def test_basic_with_a_wrong_password_is_401(self, open_server: Listening) -> None:
        assert requests.post(open_server.http, data=b"x", auth=(USER, "wrong"), timeout=10).status_code == 401

    def test_basic_authenticates_one_request_only(self, open_server: Listening) -> None:
        with requests.Session() as session:
            first = session.post(open_server.http, auth=(USER.encode(), PASSWORD.encode()), timeout=10)
            second = session.post(open_server.http, timeout=10)
        assert (first.status_code, second.status_code) == (200, 401)

    def test_identify_may_be_anonymous(self, server: Listening) -> None:
        """MS-WSMV 3.1.4.1.23."""
        answer = requests.post(server.http, data=b"identify", headers={"WSMANIDENTIFY": "unauthenticated"}, timeout=10)
        assert answer.content == b"None:identify"


class TestBodies:
    def test_a_body_over_the_envelope_limit_is_413(self, open_server: Listening) -> None:
        """MS-WSMV 3.1.4.1.20: bigger than MaxEnvelopeSizekb, HTTP 413, no SOAP processing."""
        auth = (USER.encode(), PASSWORD.encode())
        with requests.Session() as session:
            for size, status in ((ENVELOPE_BYTES + 1, 413), (4 * ENVELOPE_BYTES, 413), (ENVELOPE_BYTES, 200)):
                answer = session.post(open_server.http, data=b"x" * size, auth=auth, timeout=10)
                assert answer.status_code == status

    def test_a_sealed_body_over_the_limit_is_413(self, server: Listening) -> None:
        with pytest.raises(pypsrp.exceptions.WinRMTransportError) as caught:
            sent_by_pypsrp(pypsrp_client(server, ssl=False), b"x" * (ENVELOPE_BYTES + 1))
        assert caught.value.code == 413

    def test_a_chunked_body_is_read(self, open_server: Listening) -> None:
        auth = (USER.encode(), PASSWORD.encode())
        answer = requests.post(open_server.http, data=iter([b"he", b"llo"]), auth=auth, timeout=10)
        assert answer.content == b"Administrator:hello"

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"no frame",
            b"--Encrypted Boundary--\r\n",
            b"--Encrypted Boundary\r\n\tContent-Type: x\r\n\tOriginalContent: type=t;Length=5\r\n"
            b"--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n\xff\xff\xff\xff"
            b"--Encrypted Boundary--\r\n",
            b"--Encrypted Boundary\r\n\tContent-Type: x\r\n\tOriginalContent: type=t;Length=5\r\n"
            b"--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n\x10\x00\x00\x00"
            + b"s" * 16
            + b"hello--Encrypted Boundary--\r\n",
        ],
        ids=["empty", "noise", "end only", "length too big", "wrong signature"],
    )
    def test_a_sealed_body_that_cannot_be_opened_is_400(self, server: Listening, body: bytes) -> None:
        client = pypsrp_client(server, ssl=False)
        client.transport.send(b"hello")
        protocol = "application/HTTP-SPNEGO-session-encrypted"
        content_type = f'multipart/encrypted;protocol="{protocol}";boundary="Encrypted Boundary"'
        answer = client.transport.session.post(
            server.http, data=body, headers={"Content-Type": content_type}, timeout=10
        )
        client.transport.close()
        assert answer.status_code == 400


class TestConnections:
    def exchange(self, server: Listening, data: bytes) -> bytes:
        """What a bare socket gets back until the server closes or one second passes."""
        with socket.create_connection((server.address, 5985), timeout=1) as connection:
            connection.sendall(data)
            received = b""
            with contextlib.suppress(TimeoutError, ConnectionResetError):
                while chunk := connection.recv(65536):
                    received += chunk
            return received

    def test_noise_is_400_and_the_server_keeps_serving(self, server: Listening) -> None:
        assert self.exchange(server, b"\x16\x03\x01 this is no HTTP\r\n\r\n").startswith(b"HTTP/1.1 400")
        assert requests.post(server.http, timeout=10).status_code == 401

    def test_half_a_request_holds_nobody_up(self, server: Listening) -> None:
        with socket.create_connection((server.address, 5985)) as half:
            half.sendall(b"POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
            assert requests.post(server.http, timeout=10).status_code == 401

    def test_a_client_that_waits_for_100_continue_gets_it(self, open_server: Listening) -> None:
        credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        head = (
            f"POST /wsman HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\n"
            "Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
        )
        with socket.create_connection((open_server.address, 5985), timeout=5) as connection:
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100")
            connection.sendall(b"hi")
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
        assert received.endswith(b"Administrator:hi")

    def test_two_requests_in_one_packet_are_answered_in_order(self, server: Listening) -> None:
        request = b"POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        last = request.replace(b"Host: x", b"Host: x\r\nConnection: close").replace(b"/wsman", b"/other")
        received = self.exchange(server, request + last)
        assert received.index(b"HTTP/1.1 401") < received.index(b"HTTP/1.1 404")

    def test_http_on_the_https_port_is_closed_and_the_server_keeps_serving(self, server: Listening) -> None:
        with pytest.raises(requests.ConnectionError):
            requests.post(server.https.replace("https", "http"), timeout=10)
        assert requests.post(server.https, verify=str(server.ca_file), timeout=10).status_code == 401
