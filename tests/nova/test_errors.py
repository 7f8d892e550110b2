"""Errors of the host in Nova's words."""

from __future__ import annotations

import pytest
from nova import exception

from compute_hyperv.cim import errors as cim
from compute_hyperv.nova import errors

TABLE = [
    (cim.Unreachable, exception.HypervisorUnavailable),
    (cim.TimedOut, exception.HypervisorUnavailable),
    (cim.AccessDenied, exception.HypervisorUnavailable),
    (cim.Busy, errors.HostOperationFailed),
    (cim.NotFound, errors.HostOperationFailed),
    (cim.InvalidRequest, errors.HostOperationFailed),
    (cim.JobFailed, errors.HostOperationFailed),
    (cim.ProtocolError, errors.HostOperationFailed),
]


@pytest.mark.parametrize(("host_error", "nova_error"), TABLE)
def test_each_error_of_the_host_is_one_of_nova_with_the_same_text(host_error, nova_error):
    @errors.in_novas_words
    def work():
        raise host_error("The host did not.", remedy="Try harder.")

    with pytest.raises(nova_error, match=r"The host did not\. Remedy: Try harder\.") as raised:
        work()

    assert isinstance(raised.value.__cause__, host_error)


def test_novas_own_errors_pass():
    @errors.in_novas_words
    def work():
        raise exception.InstanceNotFound(instance_id="x")

    with pytest.raises(exception.InstanceNotFound):
        work()
