"""Instances inside strings."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_hyperv.cim import schema
from compute_hyperv.cim.cimxml import instance_to_text, text_to_instance
from compute_hyperv.cim.errors import InvalidRequest, ProtocolError
from compute_hyperv.cim.schema import CimType
from compute_hyperv.cim.values import CimInstance, CimReference
from tests.cim import strategies

V2 = "root/virtualization/v2"


def test_an_instance_is_written_as_hyper_v_takes_it() -> None:
    written = instance_to_text(
        CimInstance(
            "msvm_virtualsystemsettingdata",
            {
                "ElementName": "a<b",
                "Notes": ["one", "two"],
                "AutomaticStartupAction": 2,
                "SecureBootEnabled": True,
                "AutomaticStartupActionDelay": dt.timedelta(minutes=30),
                "Parent": None,
                "BootSourceOrder": [],
            },
        )
    )
    assert written == (
        '<INSTANCE CLASSNAME="Msvm_VirtualSystemSettingData">'
        '<PROPERTY NAME="ElementName" TYPE="string"><VALUE>a&lt;b</VALUE></PROPERTY>'
        '<PROPERTY.ARRAY NAME="Notes" TYPE="string"><VALUE.ARRAY><VALUE>one</VALUE><VALUE>two</VALUE></VALUE.ARRAY>'
        "</PROPERTY.ARRAY>"
        '<PROPERTY NAME="AutomaticStartupAction" TYPE="uint16"><VALUE>2</VALUE></PROPERTY>'
        '<PROPERTY NAME="SecureBootEnabled" TYPE="boolean"><VALUE>TRUE</VALUE></PROPERTY>'
        '<PROPERTY NAME="AutomaticStartupActionDelay" TYPE="datetime"><VALUE>00000000003000.000000:000</VALUE>'
        "</PROPERTY>"
        '<PROPERTY NAME="Parent" TYPE="string"></PROPERTY>'
        '<PROPERTY.ARRAY NAME="BootSourceOrder" TYPE="string"><VALUE.ARRAY></VALUE.ARRAY></PROPERTY.ARRAY>'
        "</INSTANCE>"
    )


def test_a_reference_in_a_string_property_becomes_an_object_path() -> None:
    drive = CimReference("Msvm_ResourceAllocationSettingData", {"InstanceID": "Microsoft:A\\0"})
    written = instance_to_text(CimInstance("Msvm_StorageAllocationSettingData", {"Parent": drive}))
    assert 'root/virtualization/v2:Msvm_ResourceAllocationSettingData.InstanceID="Microsoft:A\\\\0"' in written


SOURCES = [
    found
    for name in (
        "Msvm_VirtualSystemSettingData",
        "Msvm_MemorySettingData",
        "Msvm_SyntheticEthernetPortSettingData",
        "Msvm_ConcreteJob",
        "Msvm_SecuritySettingData",
    )
    for found in [schema.catalogue().find(V2, name)]
]


@st.composite
def instances(draw: st.DrawFn) -> CimInstance:
    cim_class = draw(st.sampled_from(SOURCES))
    chosen = draw(st.lists(st.sampled_from(sorted(cim_class.properties)), unique=True, max_size=8))
    values = {
        name: draw(strategies.values(cim_class.property(name)))
        for name in chosen
        if cim_class.property(name).type is not CimType.OBJECT
    }
    return CimInstance(cim_class.name, values)


@given(instances())
def test_nothing_is_lost_between_instance_and_text(instance: CimInstance) -> None:
    read = text_to_instance(instance_to_text(instance))
    assert read == instance
    assert list(read) == list(instance)


def test_bytes_travel_as_numbers() -> None:
    original = CimInstance("__EventFilter", {"CreatorSID": b"\x00\x01\xff"}, "root/cimv2")
    written = instance_to_text(original)
    assert "<VALUE>255</VALUE>" in written
    assert text_to_instance(written, "root/cimv2") == original


@pytest.mark.parametrize(
    ("class_name", "properties", "named"),
    [
        ("Msvm_Nothing", {}, "Msvm_Nothing"),
        ("Msvm_MemorySettingData", {"Colour": "red"}, "Msvm_MemorySettingData .* Colour"),
        ("Msvm_MemorySettingData", {"VirtualQuantity": -1}, r"Msvm_MemorySettingData\.VirtualQuantity"),
        ("Msvm_MemorySettingData", {"VirtualQuantity": "512"}, r"Msvm_MemorySettingData\.VirtualQuantity"),
        ("Msvm_MemorySettingData", {"DynamicMemoryEnabled": 1}, r"Msvm_MemorySettingData\.DynamicMemoryEnabled"),
        ("Msvm_VirtualSystemSettingData", {"Notes": "text"}, r"Msvm_VirtualSystemSettingData\.Notes"),
        ("Msvm_VirtualSystemSettingData", {"ElementName": ["a"]}, r"Msvm_VirtualSystemSettingData\.ElementName"),
    ],
)
def test_what_the_schema_lacks_is_refused_by_name(class_name: str, properties: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        instance_to_text(CimInstance(class_name, properties))


def test_the_text_of_another_writer_is_read() -> None:
    # a prolog that lies about the encoding, qualifiers, system properties, an unknown property, PROPAGATED NULLs
    text = (
        '<?xml version="1.0" encoding="utf-16"?><CIM CIMVERSION="2.0"><DECLARATION><DECLGROUP><VALUE.OBJECT>'
        '<INSTANCE CLASSNAME="msvm_virtualharddisksettingdata"><QUALIFIER NAME="dynamic"/>'
        '<PROPERTY NAME="__PATH" CLASSORIGIN="___SYSTEM" TYPE="string"><VALUE>\\\\HV1\\x</VALUE></PROPERTY>'
        '<PROPERTY NAME="Path" TYPE="string"><QUALIFIER NAME="q"/><VALUE>C:\\d\u00e4.vhdx</VALUE></PROPERTY>'
        '<PROPERTY NAME="MaxInternalSize" TYPE="uint64"><VALUE>1073741824</VALUE></PROPERTY>'
        '<PROPERTY NAME="DataAlignment" PROPAGATED="true" TYPE="uint64"></PROPERTY>'
        '<PROPERTY NAME="Colour" TYPE="uint16"><VALUE>7</VALUE></PROPERTY>'
        '<PROPERTY.ARRAY NAME="Names" TYPE="string"><VALUE.ARRAY><VALUE>a</VALUE></VALUE.ARRAY></PROPERTY.ARRAY>'
        "</INSTANCE></VALUE.OBJECT></DECLGROUP></DECLARATION></CIM>"
    )
    read = text_to_instance(text)
    assert read.class_name == "Msvm_VirtualHardDiskSettingData"
    assert dict(read.items()) == {
        "Path": "C:\\d\u00e4.vhdx",
        "MaxInternalSize": 1073741824,
        "DataAlignment": None,
        "Colour": 7,
        "Names": ["a"],
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no xml",
        "<INSTANCE>",
        "<INSTANCE/>",
        "<X/>",
        '<INSTANCE CLASSNAME="Msvm_ConcreteJob"><PROPERTY NAME="JobState"><VALUE>x</VALUE></PROPERTY></INSTANCE>',
        '<INSTANCE CLASSNAME="Msvm_ConcreteJob"><PROPERTY NAME="StartTime"><VALUE>2026</VALUE></PROPERTY></INSTANCE>',
        "\ud800",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        text_to_instance(text)
