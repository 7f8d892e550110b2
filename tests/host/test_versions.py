"""What each Windows version has."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.errors import InvalidRequest
from compute_hyperv.host import versions
from compute_hyperv.host.errors import UnsupportedByHost
from compute_hyperv.host.versions import Feature

SERVER_2012_R2 = (6, 3, 9600)
SERVER_2016 = (10, 0, 14393)
SERVER_2022 = (10, 0, 20348)


@pytest.mark.parametrize("feature", list(Feature))
def test_every_feature_is_refused_below_its_version_and_there_from_it_on(feature: Feature) -> None:
    since = feature.value.build
    assert versions.has((10, 0, since), feature)
    assert not versions.has((10, 0, since - 1), feature)
    with pytest.raises(UnsupportedByHost, match=versions.RELEASES[since]):
        versions.require((10, 0, since - 1), feature)


def test_the_refusal_names_host_feature_and_the_version_that_has_it() -> None:
    with pytest.raises(UnsupportedByHost) as refused:
        versions.require(SERVER_2012_R2, Feature.NESTED_VIRTUALIZATION, host="hv7")
    assert "Nested virtualization needs Windows Server 2016 or later" in refused.value.message
    assert "hv7 runs Windows Server 2012 R2" in refused.value.message
    assert isinstance(refused.value, InvalidRequest)


def test_what_the_host_has_is_not_refused() -> None:
    versions.require(SERVER_2016, Feature.NESTED_VIRTUALIZATION)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (SERVER_2022, "Windows Server 2022"),
        ((10, 0, 25398), "Windows Server 2022 or later (build 25398)"),
        ((6, 1, 7601), "Windows 6.1 build 7601"),
    ],
)
def test_a_version_has_the_name_that_people_know(version: versions.Version, name: str) -> None:
    assert versions.release_name(version) == name


@pytest.mark.parametrize(
    ("version", "expected"), [(SERVER_2012_R2, "5.0"), (SERVER_2022, "10.0"), ((10, 0, 27000), "12.0")]
)
def test_new_machines_get_the_configuration_version_of_the_release(version: versions.Version, expected: str) -> None:
    assert versions.configuration_version(version) == expected
