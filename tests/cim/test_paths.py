"""WMI object paths."""

from __future__ import annotations

import pytest
from hypothesis import given

from compute_hyperv.cim.errors import InvalidRequest
from compute_hyperv.cim.paths import format_path, parse_path
from compute_hyperv.cim.values import CimReference
from tests.cim import strategies

DRIVE = CimReference("Msvm_ResourceAllocationSettingData", {"InstanceID": "Microsoft:GUID\\0\\0\\D"})


def test_a_path_is_written_as_hyper_v_writes_it() -> None:
    written = format_path(DRIVE, "HV1")
    assert written == (
        '\\\\HV1\\root\\virtualization\\v2:Msvm_ResourceAllocationSettingData.InstanceID="Microsoft:GUID\\\\0\\\\0\\\\D"'
    )


@pytest.mark.parametrize(
    "text",
    [
        '\\\\HV1\\root\\virtualization\\v2:Msvm_ResourceAllocationSettingData.InstanceID="Microsoft:GUID\\\\0\\\\0\\\\D"',
        '//HV1/root/virtualization/v2:Msvm_ResourceAllocationSettingData.InstanceID="Microsoft:GUID\\\\0\\\\0\\\\D"',
        'root/virtualization/v2:Msvm_ResourceAllocationSettingData.InstanceID="Microsoft:GUID\\\\0\\\\0\\\\D"',
        'ROOT\\Virtualization\\V2:msvm_resourceallocationsettingdata.instanceid="MICROSOFT:guid\\\\0\\\\0\\\\D"',
        'Msvm_ResourceAllocationSettingData.InstanceID="Microsoft:GUID\\\\0\\\\0\\\\D"',
        # with single backslashes, as a host was seen to write them in BootSourceOrder
        'root/virtualization/v2:Msvm_ResourceAllocationSettingData.InstanceID="Microsoft:GUID\\0\\0\\D"',
        'Msvm_ResourceAllocationSettingData="Microsoft:GUID\\\\0\\\\0\\\\D"',
        "Msvm_ResourceAllocationSettingData.InstanceID = 'Microsoft:GUID\\\\0\\\\0\\\\D'",
    ],
)
def test_every_spelling_of_a_path_means_the_same(text: str) -> None:
    assert parse_path(text) == DRIVE


def test_the_host_is_kept_but_is_no_part_of_the_identity() -> None:
    parsed = parse_path('\\\\HV1\\root\\cimv2:Win32_Service.Name="vmms"')
    assert parsed.host == "HV1"
    assert parsed == CimReference("Win32_Service", {"Name": "vmms"}, "root/cimv2")
    assert format_path(parsed) == '\\\\HV1\\root\\cimv2:Win32_Service.Name="vmms"'


def test_numbers_are_written_bare_and_singletons_with_an_at_sign() -> None:
    index = CimReference("Win32_NetworkAdapterConfiguration", {"Index": "7"}, "root/cimv2")
    assert format_path(index) == "root/cimv2:Win32_NetworkAdapterConfiguration.Index=7"
    assert parse_path(format_path(index)) == index
    singleton = CimReference("Win32_OperatingSystem", {}, "root/cimv2")
    assert format_path(singleton) == "root/cimv2:Win32_OperatingSystem=@"
    assert parse_path("root/cimv2:Win32_OperatingSystem=@") == singleton


def test_a_key_that_is_a_reference_is_a_path_in_quotes() -> None:
    machine = CimReference("Msvm_ComputerSystem", {"CreationClassName": "Msvm_ComputerSystem", "Name": "A"})
    settings = CimReference("Msvm_VirtualSystemSettingData", {"InstanceID": "Microsoft:A"})
    link = CimReference("Msvm_SettingsDefineState", {"ManagedElement": machine, "SettingData": settings})
    assert parse_path(format_path(link)) == link


@given(strategies.references(depth=0))
def test_any_text_survives_as_a_key(reference: CimReference) -> None:
    parsed = parse_path(format_path(reference, "HOST"))
    assert parsed == reference
    assert dict(parsed.keys) == dict(reference.keys)


@pytest.mark.parametrize(
    "text",
    ["", "  ", "1Class", "C:\\x.vhdx", "Class.", "Class.Key", "Class.Key=", 'Class.Key="x', 'Class.Key="x"y', "Class!"],
)
def test_other_texts_are_refused_and_quoted(text: str) -> None:
    with pytest.raises(InvalidRequest, match="not the path of a WMI object"):
        parse_path(text)
