"""Who may come in: the administrator and the accounts of ``[[host.account]]``."""

from __future__ import annotations

import pytest

from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.config.operating_system import AccountConfig
from hyperv_simulator.server.accounts import accounts_of


@pytest.mark.parametrize("name", ["operator", "OPERATOR", ".\\operator", "HV1\\Operator"])
def test_an_account_of_the_host_comes_in(name: str) -> None:
    account = accounts_of(HostConfig(account=(AccountConfig("operator", "0perator!"),))).find(name)
    assert account is not None
    assert account.username == "operator"


@pytest.mark.parametrize("reason", ["disabled", "locked_out", "password_expired"])
def test_a_barred_account_is_no_other_than_a_missing_one(reason: str) -> None:
    """Windows answers 401 to all of them; what is wrong stands in its event log only."""
    accounts = accounts_of(HostConfig(account=(AccountConfig("operator", "0perator!", **{reason: True}),)))
    assert accounts.find("operator") is None
    assert b"operator" not in accounts.smbpasswd().lower()


def test_another_computers_account_does_not() -> None:
    assert accounts_of(HostConfig()).find("OTHER\\Administrator") is None
