"""Every CIM type through the codec, in both directions, as a property, an input and an output parameter."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_hyperv.cim import schema, xml
from compute_hyperv.cim.errors import InvalidRequest, ProtocolError
from compute_hyperv.cim.schema import CimClass, CimMethod, CimParameter, CimProperty, CimType
from compute_hyperv.cim.soap import reading, requests, responses, writing
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from tests.cim import strategies

V2 = "root/virtualization/v2"
MACHINE = CimReference("Msvm_ComputerSystem", {"CreationClassName": "Msvm_ComputerSystem", "Name": "A"})


def through_xml(member: CimProperty, value: CimValue) -> CimValue:
    """Written as one element among others, and read again by the same schema."""
    written = writing.member("p:", "Test_Class", member, value)
    head = '<r xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common"'
    parameter = CimParameter(member.name, "in", member.type, member.is_array)
    element = xml.parse(f'{head} xmlns:p="urn:x">{written}</r>', "The test")
    return reading.parameters(element, [parameter], "Test_Class").get(member.name)


@pytest.mark.parametrize("member", strategies.members(), ids=lambda member: member.name)
@given(data=st.data())
def test_every_value_of_every_type_survives(member: CimProperty, data: st.DataObject) -> None:
    value = data.draw(strategies.values(member))
    assert through_xml(member, value) == value


def _classes_with_everything() -> list[CimClass]:
    catalogue = schema.catalogue()
    return [
        catalogue.find(V2, name)
        for name in ("Msvm_ComputerSystem", "Msvm_SummaryInformation", "Msvm_ConcreteJob", "Msvm_SettingsDefineState")
    ] + [catalogue.find("root/cimv2", name) for name in ("Win32_OperatingSystem", "Win32_Process", "CIM_DataFile")]


CLASSES = _classes_with_everything()


@st.composite
def instances(draw: st.DrawFn) -> CimInstance:
    cim_class = draw(st.sampled_from(CLASSES))
    names = draw(st.lists(st.sampled_from(sorted(cim_class.properties)), unique=True, max_size=10))
    members = [cim_class.property(name) for name in names if cim_class.property(name).type is not CimType.OBJECT]
    values = {member.name: draw(strategies.values(member)) for member in members}
    return CimInstance(cim_class.name, values, cim_class.namespace)


def without_null_arrays(instance: CimInstance) -> CimInstance:
    """What the wire can tell: a NULL array is not written at all."""
    cim_class = schema.catalogue().find(instance.namespace, instance.class_name)
    kept = {
        name: value for name, value in instance.items() if value is not None or not cim_class.property(name).is_array
    }
    return CimInstance(instance.class_name, kept, instance.namespace)


@given(instances())
def test_an_instance_survives_the_way_to_the_client(instance: CimInstance) -> None:
    pull = responses.PullResponse((instance,), end_of_sequence=True)
    read = responses.decode_response(responses.encode_response(pull, "uuid:1"))
    assert read == responses.PullResponse((without_null_arrays(instance),), end_of_sequence=True)


@given(instances())
def test_an_instance_survives_the_way_to_the_host(instance: CimInstance) -> None:
    put = requests.Put(CimReference(instance.class_name, {"Name": "x"}, instance.namespace), instance)
    header = requests.RequestHeader("uuid:1", "http://hv1:5985/wsman")
    _, read = requests.decode_request(requests.encode_request(put, header))
    assert read == requests.Put(put.reference, without_null_arrays(instance))


def _methods() -> list[tuple[str, CimMethod]]:
    catalogue = schema.catalogue()
    return [
        (owner, method)
        for owner in ("Msvm_VirtualSystemManagementService", "Msvm_ImageManagementService", "Msvm_ComputerSystem")
        for method in catalogue.find(V2, owner).methods.values()
    ]


@given(data=st.data())
def test_the_parameters_of_every_method_survive_in_both_directions(data: st.DataObject) -> None:
    owner, method = data.draw(st.sampled_from(_methods()))
    target = CimReference(owner, {"CreationClassName": owner})

    def some(*directions: str) -> dict[str, CimValue]:
        return {
            parameter.name: data.draw(strategies.values_given(parameter))
            for parameter in method.parameters
            if parameter.direction in directions and parameter.type is not CimType.OBJECT
        }

    invoke = requests.Invoke(target, method.name, some("in", "inout"))
    _, asked = requests.decode_request(requests.encode_request(invoke, requests.RequestHeader("uuid:1")))
    assert asked == invoke

    outputs = some("out", "inout") | {"ReturnValue": 4096}
    answer = responses.InvokeResponse(CimReference(owner), method.name, outputs)
    assert responses.decode_response(responses.encode_response(answer, "uuid:1")) == answer


def test_embedded_objects_survive_as_properties_and_as_output_parameters() -> None:
    machine = CimInstance("Msvm_ComputerSystem", {"Name": "A", "OperationalStatus": [2, 32768]})
    event = CimInstance("__InstanceModificationEvent", {"TargetInstance": machine, "TIME_CREATED": 1})
    pull = responses.PullResponse((event,), end_of_sequence=True)
    assert responses.decode_response(responses.encode_response(pull, "uuid:1")) == pull

    summaries: list[Any] = [CimInstance("Msvm_SummaryInformation", {"Name": name, "Heartbeat": 2}) for name in "AB"]
    outputs: dict[str, CimValue] = {"SummaryInformation": summaries, "ReturnValue": 0}
    service = CimReference("Msvm_VirtualSystemManagementService")
    answer = responses.InvokeResponse(service, "GetSummaryInformation", outputs)
    assert responses.decode_response(responses.encode_response(answer, "uuid:1")) == answer


def test_an_instance_for_a_string_parameter_travels_as_cim_xml_text() -> None:
    settings = CimInstance("Msvm_VirtualSystemSettingData", {"ElementName": "<one>"})
    service = CimReference("Msvm_VirtualSystemManagementService", {"CreationClassName": "X"})
    invoke = requests.Invoke(service, "DefineSystem", {"SystemSettings": settings})
    message = requests.encode_request(invoke, requests.RequestHeader("uuid:1"))
    assert b"&lt;INSTANCE CLASSNAME=" in message
    _, read = requests.decode_request(message)
    assert isinstance(read, requests.Invoke)
    assert read.parameters["SystemSettings"] == (
        '<INSTANCE CLASSNAME="Msvm_VirtualSystemSettingData"><PROPERTY NAME="ElementName" TYPE="string">'
        "<VALUE>&lt;one&gt;</VALUE></PROPERTY></INSTANCE>"
    )


@pytest.mark.parametrize(
    ("method", "parameters", "named"),
    [
        ("RequestStateChange", {"RequestedState": 70000}, r"Msvm_ComputerSystem\.RequestStateChange\.RequestedState"),
        ("RequestStateChange", {"RequestedState": "2"}, r"Msvm_ComputerSystem\.RequestStateChange\.RequestedState"),
        ("RequestStateChange", {"RequestedState": True}, r"Msvm_ComputerSystem\.RequestStateChange\.RequestedState"),
        ("RequestStateChange", {"Job": MACHINE}, r"Msvm_ComputerSystem\.RequestStateChange has no input .* Job"),
        ("RequestStateChange", {"Colour": 1}, r"Msvm_ComputerSystem\.RequestStateChange has no input .* Colour"),
        ("RequestStateChange", {"TimeoutPeriod": 5}, r"RequestStateChange\.TimeoutPeriod"),
        ("RequestStateChange", {"TimeoutPeriod": dt.timedelta(-1)}, r"RequestStateChange\.TimeoutPeriod"),
        ("Paint", {}, "Msvm_ComputerSystem .* Paint"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(method: str, parameters: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        requests.encode_request(requests.Invoke(MACHINE, method, parameters), requests.RequestHeader("uuid:1"))


def test_a_wrong_property_is_refused_by_name() -> None:
    for properties, named in [({"Colour": 1}, "Msvm_ComputerSystem .* Colour"), ({"Name": 1}, "ComputerSystem.Name")]:
        instance = CimInstance("Msvm_ComputerSystem", dict(properties))
        with pytest.raises(InvalidRequest, match=named):
            writing.instance(instance)


def test_a_character_that_xml_cannot_carry_becomes_a_question_mark() -> None:
    member = CimProperty("X", CimType.STRING)
    assert through_xml(member, "a\x00b\x1fc\ufffed\ud800e") == "a?b?c?d?e"


def _element(content: str, class_name: str = "Msvm_ComputerSystem") -> Any:
    return xml.parse(
        f'<q:{class_name} xmlns:q="http://schemas.microsoft.com/wbem/wsman/1/wmi/root/virtualization/v2/{class_name}"'
        ' xmlns:i="http://www.w3.org/2001/XMLSchema-instance" xmlns:c="http://schemas.dmtf.org/wbem/wscim/1/common"'
        ' xmlns:b="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
        f' xmlns:v="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd">{content}</q:{class_name}>',
        "The test",
    )


EPR = (
    "<b:Address>x</b:Address><b:ReferenceParameters><v:ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/wmi/root/"
    "virtualization/v2/Msvm_ConcreteJob</v:ResourceURI><v:SelectorSet><v:Selector Name='InstanceID'>7</v:Selector>"
    "</v:SelectorSet></b:ReferenceParameters>"
)
JOB = CimReference("Msvm_ConcreteJob", {"InstanceID": "7"})

FORGIVEN = {
    "any prefix": ("<q:EnabledState>2</q:EnabledState>", {"EnabledState": 2}),
    "no namespace": ("<EnabledState>2</EnabledState>", {"EnabledState": 2}),
    "other letter case": ("<q:ENABLEDSTATE> 2 </q:ENABLEDSTATE>", {"EnabledState": 2}),
    "unknown text": ("<q:Colour>red</q:Colour>", {"Colour": "red"}),
    "unknown list": ("<q:Colour>red</q:Colour><q:Colour>blue</q:Colour>", {"Colour": ["red", "blue"]}),
    "unknown date": ("<q:At><c:Interval>PT5S</c:Interval></q:At>", {"At": dt.timedelta(seconds=5)}),
    "unknown reference": (f"<q:Job>{EPR}</q:Job>", {"Job": JOB}),
    "reference in a wrapper": (f"<q:Job><b:EndpointReference>{EPR}</b:EndpointReference></q:Job>", {"Job": JOB}),
    "nil array": ('<q:OperationalStatus i:nil="true"/>', {"OperationalStatus": None}),
    "nil among strings": (
        '<q:StatusDescriptions>a</q:StatusDescriptions><q:StatusDescriptions i:nil="true"/>',
        {"StatusDescriptions": ["a", ""]},
    ),
    "date without a wrapper": (
        "<q:InstallDate>2026-01-01T00:00:00Z</q:InstallDate>",
        {"InstallDate": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)},
    ),
    "location": (f"<c:Location>{EPR}</c:Location>", {}),
}


@pytest.mark.parametrize(("content", "expected"), FORGIVEN.values(), ids=FORGIVEN.keys())
def test_reading_forgives(content: str, expected: dict[str, CimValue]) -> None:
    assert dict(reading.instance(_element(content)).items()) == expected


@pytest.mark.parametrize(
    "shape",
    [
        # flat, with the class in xsi:type
        '<q:SummaryInformation xmlns:z="{uri}" i:type="z:Msvm_SummaryInformation_Type"><z:Name>A</z:Name>'
        "</q:SummaryInformation>",
        # a class element inside
        '<q:SummaryInformation><z:Msvm_SummaryInformation xmlns:z="{uri}"><z:Name>A</z:Name>'
        "</z:Msvm_SummaryInformation></q:SummaryInformation>",
        # flat, told by the namespace of the properties
        '<q:SummaryInformation xmlns:z="{uri}"><z:Name>A</z:Name></q:SummaryInformation>',
    ],
)
def test_embedded_objects_are_read_in_each_shape_that_was_seen(shape: str) -> None:
    uri = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/virtualization/v2/Msvm_SummaryInformation"
    method = schema.catalogue().find(V2, "Msvm_VirtualSystemManagementService").method("GetSummaryInformation")
    element = _element(shape.format(uri=uri), "Msvm_VirtualSystemManagementService")
    read = reading.parameters(element, method.parameters, "Test")
    assert read == {"SummaryInformation": [CimInstance("Msvm_SummaryInformation", {"Name": "A"})]}


@pytest.mark.parametrize(("text", "value"), [("true", True), ("TRUE", True), ("False", False), ("1", True)])
def test_booleans_are_read_in_any_letter_case(text: str, value: bool) -> None:
    element = _element(f"<q:Started>{text}</q:Started>", "Msvm_VirtualSystemManagementService")
    assert reading.instance(element)["Started"] is value


def test_a_class_that_the_schema_lacks_is_kept() -> None:
    read = reading.instance(_element("<q:Name>a</q:Name>", "Msvm_FromTheFuture"))
    assert read == CimInstance("Msvm_FromTheFuture", {"Name": "a"})


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("<q:EnabledState>two</q:EnabledState>", "EnabledState"),
        ("<q:EnabledState>70000</q:EnabledState>", "EnabledState"),
        ("<q:InstallDate>soon</q:InstallDate>", "InstallDate"),
        ("<q:EnabledState>" + "9" * 10000 + "</q:EnabledState>", "EnabledState"),
    ],
)
def test_a_value_that_is_not_of_its_type_is_a_protocol_error_that_names_it(content: str, named: str) -> None:
    with pytest.raises(ProtocolError, match=named):
        reading.instance(_element(content))


def test_bytes_are_read_as_base64_and_as_numbers() -> None:
    thumbnail = CimParameter("ImageData", "out", CimType.UINT8, is_array=True)
    for content in (
        "<q:ImageData>AAH/\n</q:ImageData>",
        "".join(f"<q:ImageData>{n}</q:ImageData>" for n in (0, 1, 255)),
    ):
        assert reading.parameters(_element(content), [thumbnail], "Test") == {"ImageData": b"\x00\x01\xff"}
