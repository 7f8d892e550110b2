"""Kerberos from our client to a simulated host, with tickets of a real KDC (MS-WSMV 2.2.9.1, RFC 4559)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pypsrp.exceptions
import pytest
import requests
from pypsrp.wsman import WSMan

from compute_hyperv.cim.errors import AccessDenied
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.wql import select
from hyperv_simulator.config.domain import KerberosConfig
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.errors import StartError
from hyperv_simulator.host import SimulatedHost
from tests.simulated import endpoint_of, free_address, simulating
from tests.simulator.wire import kdc

PASSWORD = "Secret-1"
USER = f"alice@{kdc.REALM}"


@dataclass
class Domain:
    kdc: kdc.Kdc
    host: SimulatedHost


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
    folder = tmp_path_factory.mktemp("domain")
    with (
        kdc.running(folder / "kdc") as running,
        simulating(folder / "simulator") as simulate,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in running.environment.items():
            patch.setenv(name, value)
        running.add_user("alice", PASSWORD)
        address = free_address()
        kerberos = KerberosConfig(keytab=str(running.keytab(address)), realm=kdc.REALM)
        yield Domain(running, simulate(name="HV1", address=address, kerberos=kerberos))


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("auth", ["kerberos", "negotiate"])
def test_a_ticket_lets_a_user_in_and_messages_are_sealed(domain: Domain, scheme: str, auth: str) -> None:
    """Over HTTP the simulator takes sealed messages only; over HTTPS the ticket is bound to the TLS channel."""
    endpoint = endpoint_of(
        domain.host,
        scheme=scheme,
        auth=auth,
        username=USER,
        password=PASSWORD,
        **({} if scheme == "https" else {"ca_file": None}),
    )
    session = CimSession(endpoint)
    for _ in range(3):
        assert [each["ElementName"] for each in session.query(select("Msvm_ComputerSystem", ["ElementName"]))] == [
            "HV1"
        ]
    session.close()


def test_a_big_message_is_sealed_in_both_directions(domain: Domain) -> None:
    session = CimSession(
        endpoint_of(domain.host, scheme="http", auth="kerberos", username=USER, password=PASSWORD, ca_file=None)
    )
    found = session.enumerate("Win32_Service", namespace="root/cimv2")
    assert len(found) > 5
    session.close()


def test_pypsrp_with_kerberos(domain: Domain) -> None:
    client = WSMan(
        domain.host.config.address, ssl=False, auth="kerberos", username=USER, password=PASSWORD, reconnection_retries=0
    )
    selectors = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_OperatingSystem"
    body = client.get(selectors)
    assert body[0].findtext(f"{{{selectors}}}CSName") == "HV1"
    client.transport.close()


def test_ntlm_still_works_for_the_local_account(domain: Domain) -> None:
    session = CimSession(endpoint_of(domain.host, auth="ntlm"))
    assert "10.0" in session.identify().product_version
    session.close()


@pytest.mark.parametrize(
    ("user", "remedy"), [("alice", "Check user name and password in the domain"), ("nobody", "Check the user's name")]
)
def test_what_the_kdc_refuses_is_access_denied_with_its_remedy(domain: Domain, user: str, remedy: str) -> None:
    username = f"{user}@{kdc.REALM}"
    session = CimSession(endpoint_of(domain.host, auth="kerberos", username=username, password="wrong"))
    with pytest.raises(AccessDenied, match=remedy):
        session.identify()


def test_a_ticket_for_another_host_is_refused(domain: Domain) -> None:
    other = domain.kdc.keytab("elsewhere.hv.test")
    assert other.exists()
    client = WSMan(
        domain.host.config.address,
        ssl=False,
        auth="kerberos",
        username=USER,
        password=PASSWORD,
        negotiate_hostname_override="elsewhere.hv.test",
        reconnection_retries=0,
    )
    with pytest.raises(pypsrp.exceptions.AuthenticationError):
        client.transport.send(b"x")
    client.transport.close()


def test_a_host_in_no_domain_refuses_tickets(domain: Domain, simulated_host: SimulatedHost) -> None:
    url = f"http://{simulated_host.config.address}:5985/wsman"
    token = "YIIBAAYJKoZIhvcSAQICAQBu"  # the head of a Kerberos token
    for scheme in ("Kerberos", "Negotiate"):
        answer = requests.post(url, headers={"Authorization": f"{scheme} {token}"}, timeout=10)
        assert answer.status_code == 401
    answer = requests.post(
        url.replace(simulated_host.config.address, domain.host.config.address),
        headers={"Authorization": f"Kerberos {token}"},
        timeout=10,
    )
    assert answer.status_code == 401


def test_a_keytab_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    missing = KerberosConfig(keytab=str(tmp_path / "none.keytab"), realm=kdc.REALM)
    host = SimulatedHost(HostConfig(address=free_address(), samba=False, kerberos=missing), tmp_path)
    with pytest.raises(StartError, match=r"keytab .*none\.keytab can't be used"):
        host.start()
