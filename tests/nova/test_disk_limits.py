"""From a flavor's quotas to what Hyper-V can limit (old-driver facts 3.6)."""

from __future__ import annotations

import pytest

from compute_hyperv.nova.disk_limits import iops_limit
from compute_hyperv.nova.errors import InstanceRefused
from tests.nova.making import make_flavor, make_instance


def limit_of(**quotas):
    extra_specs = {f"quota:disk_{name}_sec": value for name, value in quotas.items()}
    return iops_limit(make_instance(flavor=make_flavor(extra_specs=extra_specs)))


LIMITS = [
    ({}, 0),
    ({"total_iops": "100"}, 100),
    ({"total_iops": "0"}, 0),
    ({"total_bytes": "8192"}, 1),
    ({"total_bytes": "8193"}, 2),
    ({"total_bytes": "819200"}, 100),
    ({"total_iops": "7", "total_bytes": "819200"}, 7),
    ({"total_iops": "0", "total_bytes": "819200"}, 100),
    ({"read_iops": "30", "write_iops": "12"}, 42),
    ({"read_bytes": "8192", "write_bytes": "8193"}, 3),
    ({"read_iops": "30", "write_iops": "12", "read_bytes": "8192", "write_bytes": "8192"}, 42),
    ({"total_iops": "100", "read_iops": "0"}, 100),
]


@pytest.mark.parametrize(("quotas", "limit"), LIMITS)
def test_quotas_become_normalised_operations(quotas, limit):
    assert limit_of(**quotas) == limit


REFUSED = [
    ({"read_iops": "30"}, "quota:disk_read_iops_sec alone .* set quota:disk_total_iops_sec, or both"),
    ({"write_bytes": "30"}, "quota:disk_write_bytes_sec alone"),
    ({"read_iops": "30", "write_bytes": "30"}, "alone"),
    ({"total_iops": "30", "read_iops": "30"}, "remove either"),
    ({"total_iops": "many"}, "quota:disk_total_iops_sec=many"),
    ({"total_iops": "-1"}, "quota:disk_total_iops_sec=-1"),
]


@pytest.mark.parametrize(("quotas", "says"), REFUSED)
def test_a_quota_that_hyperv_cannot_keep_is_refused(quotas, says):
    with pytest.raises(InstanceRefused, match=says):
        limit_of(**quotas)
