"""A client that owes nothing to our codec: envelopes as text, answers as lxml elements.

It speaks as clients written in C do: it waits for the 401 before it sends credentials, and writes only the headers that
it must.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

import requests
from lxml import etree

from hyperv_simulator.config.host import HostConfig

NS = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "n": "http://schemas.xmlsoap.org/ws/2004/09/enumeration",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "e": "http://schemas.xmlsoap.org/ws/2004/08/eventing",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
V2 = f"{WMI}root/virtualization/v2"
CIMV2 = f"{WMI}root/cimv2"
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
XSI_NIL = f"{{{NS['xsi']}}}nil"
XSI_TYPE = f"{{{NS['xsi']}}}type"

_DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NS.items() if prefix != "f")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    root: etree._Element

    def find(self, path: str) -> etree._Element | None:
        return self.root.find(path, NS)

    def all(self, path: str) -> list[etree._Element]:
        return list(self.root.iterfind(path, NS))

    def text(self, path: str) -> str | None:
        return self.root.findtext(path, None, NS)

    @property
    def items(self) -> list[etree._Element]:
        """The items of an Enumerate or Pull response."""
        return [child for tag in (".//n:Items", ".//w:Items") for items in self.all(tag) for child in items]

    @property
    def context(self) -> str | None:
        return self.text(".//n:EnumerationContext") or None

    @property
    def ended(self) -> bool:
        return self.find(".//n:EndOfSequence") is not None or self.find(".//w:EndOfSequence") is not None

    @property
    def fault(self) -> tuple[str | None, str | None, str | None]:
        """Subcode, the last part of the detail's URI, and the code of the outer WSManFault."""
        detail = self.text(".//w:FaultDetail")
        fault = self.find(".//f:WSManFault")
        return (
            self.text(".//s:Subcode/s:Value"),
            detail.rpartition("/")[2] if detail else None,
            fault.get("Code") if fault is not None else None,
        )


class RawClient:
    """Basic over plain HTTP, one connection."""

    def __init__(self, config: HostConfig) -> None:
        self._session = requests.Session()
        self._url = f"http://{config.address}:{config.http_port}/wsman"
        self._auth = (config.username, config.password)

    def close(self) -> None:
        self._session.close()

    def post(self, body: bytes) -> requests.Response:
        """A POST that learns from a 401 what to send, as libcurl does."""
        headers = {"Content-Type": "application/soap+xml;charset=UTF-8"}
        first = self._session.post(self._url, data=body, headers=headers, timeout=10)
        if first.status_code != 401:
            return first
        return self._session.post(self._url, data=body, headers=headers, auth=self._auth, timeout=10)

    def send(self, message: str | bytes) -> Answer:
        answer = self.post(message.encode() if isinstance(message, str) else message)
        assert answer.content, f"HTTP {answer.status_code} without a body"
        return Answer(answer.status_code, etree.fromstring(answer.content))

    def request(self, action: str, uri: str, body: str = "", *, selectors: str = "", headers: str = "") -> Answer:
        return self.send(envelope(action, uri, body, selectors=selectors, headers=headers))

    def get(self, uri: str, headers: str = "", **keys: str) -> Answer:
        return self.request(f"{NS['x']}/Get", uri, selectors=selectors(keys), headers=headers)

    def enumerate(self, uri: str, content: str = "", headers: str = "", **keys: str) -> Answer:
        return self.request(
            f"{NS['n']}/Enumerate",
            uri,
            f"<n:Enumerate>{content}</n:Enumerate>",
            selectors=selectors(keys),
            headers=headers,
        )

    def query(self, wql: str, content: str = "", uri: str = f"{V2}/*", headers: str = "") -> Answer:
        return self.enumerate(uri, f'{content}<w:Filter Dialect="{WQL}">{escape(wql)}</w:Filter>', headers)

    def pull(self, context: str | None, content: str = "", uri: str = f"{V2}/*", headers: str = "") -> Answer:
        body = f"<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext>{content}</n:Pull>"
        return self.request(f"{NS['n']}/Pull", uri, body, headers=headers)

    def release(self, context: str | None, uri: str = f"{V2}/*") -> Answer:
        body = f"<n:Release><n:EnumerationContext>{context}</n:EnumerationContext></n:Release>"
        return self.request(f"{NS['n']}/Release", uri, body)

    def invoke(self, uri: str, method: str, inputs: str = "", **keys: str) -> Answer:
        body = f'<p:{method}_INPUT xmlns:p="{uri}">{inputs}</p:{method}_INPUT>'
        return self.request(f"{uri}/{method}", uri, body, selectors=selectors(keys))


def envelope(action: str, uri: str, body: str = "", *, selectors: str = "", headers: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope {_DECLARED}><s:Header>'
        f'<a:To>http://host:5985/wsman</a:To><w:ResourceURI s:mustUnderstand="true">{uri}</w:ResourceURI>'
        f'<a:ReplyTo><a:Address s:mustUnderstand="true">{NS["a"]}/role/anonymous</a:Address></a:ReplyTo>'
        f'<a:Action s:mustUnderstand="true">{action}</a:Action>'
        f"<a:MessageID>uuid:11111111-2222-3333-4444-555555555555</a:MessageID>{selectors}{headers}"
        f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )


def selectors(keys: dict[str, str]) -> str:
    if not keys:
        return ""
    content = "".join(f'<w:Selector Name="{name}">{escape(value)}</w:Selector>' for name, value in keys.items())
    return f"<w:SelectorSet>{content}</w:SelectorSet>"


def local_name(element: etree._Element) -> str:
    return etree.QName(element).localname
