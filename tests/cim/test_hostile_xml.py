"""Messages made to break their reader: each ends in our own error, soon, and nothing is fetched or expanded."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_hyperv.cim import cimxml
from compute_hyperv.cim.errors import ProtocolError
from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.soap.requests import decode_request
from compute_hyperv.cim.soap.responses import decode_response

SAMPLES = Path(__file__).parent / "samples"
ENVELOPE = '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>{}</s:Body></s:Envelope>'
BOMB = (
    '<!DOCTYPE s [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "&a;" * 10}">' for n in range(12))
    + "]>"
    + ENVELOPE.format("<x>&a11;</x>")
)
EXTERNAL = '<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + ENVELOPE.format("<x>&x;</x>")

HOSTILE = {
    "nothing": b"",
    "no XML": b"HTTP/1.1 200 OK",
    "bytes": bytes(range(256)),
    "HTML": b"<html><body>Service Unavailable</body></html>",
    "another root": b"<a/>",
    "no body": b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"/>',
    "SOAP 1.1": b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>',
    "entity bomb": BOMB.encode(),
    "external entity": EXTERNAL.encode(),
    "external document type": b'<!DOCTYPE s SYSTEM "http://127.0.0.1:9/x.dtd">' + ENVELOPE.format("<x/>").encode(),
    "depth": ENVELOPE.format("<x>" * 50_000 + "</x>" * 50_000).encode(),
    "wrong encoding": ENVELOPE.format("<x>\u00e4</x>").encode("latin-1"),
    "unknown encoding": b'<?xml version="1.0" encoding="nonsense"?><a/>',
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("decode", [decode_response, decode_request])
def test_a_hostile_message_is_a_protocol_error(decode: Callable[[bytes], object], data: bytes) -> None:
    started = time.process_time()
    with pytest.raises(ProtocolError):
        decode(data)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("data", [BOMB, EXTERNAL])
def test_a_hostile_embedded_instance_is_a_protocol_error(data: str) -> None:
    with pytest.raises(ProtocolError):
        cimxml.text_to_instance(data)


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.xml")), ids=lambda path: path.stem)
def test_an_answer_that_was_cut_off_anywhere_is_a_protocol_error(sample: Path) -> None:
    whole = sample.read_bytes().rstrip()
    for length in range(0, len(whole) - 1, 37):
        with pytest.raises(ProtocolError):
            decode_response(whole[:length])


@given(st.data())
def test_an_answer_with_damage_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray((SAMPLES / "computersystem_pull_vm_running.xml").read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        position = data.draw(st.integers(0, len(whole) - 1))
        whole[position : position + data.draw(st.integers(0, 12))] = data.draw(st.binary(max_size=8))
    with contextlib.suppress(ProtocolError, SoapFault):
        decode_response(bytes(whole))
