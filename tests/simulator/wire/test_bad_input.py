"""Whatever comes in, something documented goes out, and the host serves on."""

from __future__ import annotations

import base64

import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator.wire.conftest import WireHost
from tests.simulator.wire.raw import NS, V2, WQL, envelope, selectors

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
MESSAGES = (
    envelope(f"{NS['x']}/Get", f"{V2}/Msvm_ComputerSystem", selectors=selectors({"Name": "HV1"})),
    envelope(
        f"{NS['n']}/Enumerate",
        f"{V2}/*",
        f'<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>5</w:MaxElements><w:Filter Dialect="{WQL}">'
        "select * from Msvm_ComputerSystem where Name like '%a_[b-c]%'</w:Filter></n:Enumerate>",
    ),
    envelope(
        f"{NS['e']}/Subscribe",
        f"{V2}/*",
        '<e:Subscribe><e:Delivery Mode="http://schemas.dmtf.org/wbem/wsman/1/wsman/Pull"><w:Heartbeats>PT9S</w:Heartbeats>'
        f'</e:Delivery><e:Expires>PT60.5S</e:Expires><w:Filter Dialect="{WQL}">'
        "select * from __InstanceCreationEvent within 2 where TargetInstance isa 'Msvm_ComputerSystem'"
        " and TargetInstance.Name != 'x'</w:Filter></e:Subscribe>",
    ),
    envelope(
        f"{NS['x']}/Create",
        f"{SHELL}/cmd",
        f'<r:Shell xmlns:r="{SHELL}" ShellId="11111111-2222-4333-8444-555555555555"><r:Lifetime>PT60S</r:Lifetime>'
        "<r:InputStreams>stdin</r:InputStreams></r:Shell>",
        headers='<w:OptionSet><w:Option Name="WINRS_CODEPAGE">437</w:Option></w:OptionSet>',
    ),
    envelope(
        f"{NS['x']}/Get",
        "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*",
        selectors=selectors({"ClassName": "Msvm_ComputerSystem", "__cimnamespace": "root/virtualization/v2"}),
        headers='<w:OptionSet><w:Option Name="IncludeQualifiers">true</w:Option></w:OptionSet>',
    ),
    envelope(
        f"{NS['x']}/Get",
        f"{V2}/Msvm_ComputerSystem",
        selectors=selectors({"Name": "HV1"}),
        headers='<w:FragmentTransfer s:mustUnderstand="true">p:OperationalStatus[1]/text()</w:FragmentTransfer>',
    ),
    envelope(
        f"{NS['n']}/Enumerate",
        f"{V2}/*",
        '<n:Enumerate><w:Filter Dialect="http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter">'
        '<b:AssociatedInstances xmlns:b="http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd"><b:Object>'
        f"<a:ReferenceParameters><w:ResourceURI>{V2}/Msvm_ComputerSystem</w:ResourceURI>"
        '<w:SelectorSet><w:Selector Name="Name">HV1</w:Selector></w:SelectorSet></a:ReferenceParameters></b:Object>'
        "</b:AssociatedInstances></w:Filter></n:Enumerate>",
    ),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A message with some of it cut out, repeated, or replaced by anything."""
    text = draw(st.sampled_from(MESSAGES)).encode()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        text = text[:start] + draw(st.one_of(st.binary(max_size=20), st.just(text[start:end] * 2))) + text[end:]
    return text


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(body=damaged())
def test_a_damaged_message_gets_an_answer_and_is_no_defect(wire: WireHost, body: bytes) -> None:
    wire.requests.clear()
    url = f"http://{wire.config.address}:5985/wsman"
    answer = requests.post(url, data=body, auth=("Administrator", "Passw0rd!"), timeout=10)
    assert answer.status_code in (200, 400, 500)
    assert "internal error" not in [each.outcome for each in wire.requests]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(
    token=st.binary(max_size=200),
    head=st.sampled_from([b"", b"NTLMSSP\x00\x01\x00\x00\x00", b"NTLMSSP\x00\x03\x00\x00\x00", b"\x60\x28"]),
)
def test_a_damaged_token_is_401(wire: WireHost, token: bytes, head: bytes) -> None:

    header = {"Authorization": f"Negotiate {base64.b64encode(head + token).decode()}"}
    with requests.Session() as session:
        for _ in range(2):
            answer = session.post(f"http://{wire.config.address}:5985/wsman", headers=header, timeout=10)
            assert answer.status_code == 401
