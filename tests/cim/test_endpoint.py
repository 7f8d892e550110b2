"""Which connections can work, and what is said about those that cannot."""

from __future__ import annotations

from typing import Any

import pytest

from compute_hyperv.cim.endpoint import Endpoint

USER: dict[str, Any] = {"username": "u", "password": "p"}


def test_https_with_negotiate_is_what_is_meant_where_nothing_is_said() -> None:
    endpoint = Endpoint("hv1", **USER)
    assert endpoint.url == "https://hv1:5986/wsman"
    assert (endpoint.auth, endpoint.verify) == ("negotiate", True)


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"scheme": "http"}, "http://hv1:5985/wsman"),
        ({"port": 443}, "https://hv1:443/wsman"),
        ({"host": "fe80::0:1"}, "https://[fe80::1]:5986/wsman"),
    ],
)
def test_the_url_follows_from_scheme_host_and_port(options: dict[str, Any], url: str) -> None:
    assert Endpoint(**({"host": "hv1"} | USER | options)).url == url


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"host": ""}, "name the host"),
        ({"scheme": "ftp"}, "https or http"),
        ({"auth": "digest"}, "one of negotiate"),
        ({"port": 0}, "port"),
        ({"auth": "basic", "scheme": "http"}, "Use https"),
        ({"auth": "certificate", "scheme": "http"}, "needs https"),
        ({"auth": "certificate"}, "files of the client's certificate"),
        ({"auth": "ntlm", "username": None}, "user name and a password"),
        ({"auth": "basic", "password": None}, "user name and a password"),
        ({"password": None}, "password of the user"),
        ({"ca_file": "x.pem", "verify": False}, "Decide"),
        ({"operation_timeout_s": 0}, "timeouts"),
        ({"max_envelope_kb": 4}, "envelope"),
        ({"connections": 0}, "connection"),
    ],
)
def test_a_contradiction_is_refused_with_its_remedy(options: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        Endpoint(**({"host": "hv1"} | USER | options))


@pytest.mark.parametrize(
    "options",
    [
        {"auth": "basic"},
        {"auth": "basic", "scheme": "http", "allow_unencrypted": True},
        {"auth": "kerberos", "username": None, "password": None},
        {"username": None, "password": None},
        {"auth": "certificate", "client_certificate": "c.pem", "client_key": "k.pem"},
    ],
)
def test_what_can_work_is_accepted(options: dict[str, Any]) -> None:
    assert Endpoint(**({"host": "hv1"} | USER | options))


def test_the_password_is_never_shown() -> None:
    assert "secret" not in repr(Endpoint("hv1", username="u", password="secret"))
