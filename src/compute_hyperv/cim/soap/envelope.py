"""The envelope and its addressing headers, which every message has; what is inside is of no concern here.

:class:`Written` holds a body that is ready to be put into an envelope, with the namespaces it uses there.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from compute_hyperv.cim import datetimes, xml
from compute_hyperv.cim.errors import ProtocolError
from compute_hyperv.cim.soap import names

_BODY = f"{{{names.SOAP}}}Body"
_HEADER = f"{{{names.SOAP}}}Header"
_ACTION = f"{{{names.ADDRESSING}}}Action"
_MESSAGE_ID = f"{{{names.ADDRESSING}}}MessageID"
_RELATES_TO = f"{{{names.ADDRESSING}}}RelatesTo"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message that has been taken apart.

    :param header: the element with the headers; ``None`` where there is none.
    :param body: what stands in the body; ``None`` where it is empty.
    """

    header: xml.Element | None
    body: xml.Element | None
    action: str
    message_id: str
    relates_to: str


def new_message_id() -> str:
    """``uuid:`` and a GUID in upper case, as Windows writes it."""
    return f"uuid:{str(uuid.uuid4()).upper()}"


def write(prefixes: Sequence[str], header: str, body: str, language: str = "") -> bytes:
    """The whole message. ``prefixes`` are those of ``names.PREFIXES`` to declare, ``p`` being Microsoft's own."""
    known = {**names.PREFIXES, "p": names.MICROSOFT}
    declared = "".join(f' xmlns:{prefix}="{known[prefix]}"' for prefix in prefixes)
    lang = f' xml:lang="{xml.attribute(language)}"' if language else ""
    return f"<s:Envelope{lang}{declared}><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>".encode()


def read(data: bytes, what: str) -> Envelope:
    """Takes a message apart. Raises ProtocolError for anything that is no SOAP 1.2 envelope with a body."""
    root = xml.parse(data, what)
    if root.tag != f"{{{names.SOAP}}}Envelope":
        raise ProtocolError(f"{what} is no SOAP 1.2 message: its root is {root.tag}.")
    header, body = root.find(_HEADER), root.find(_BODY)
    if body is None:
        raise ProtocolError(f"{what} has no SOAP body.")
    return Envelope(
        header=header,
        body=body[0] if len(body) else None,
        action=_text(header, _ACTION),
        message_id=_text(header, _MESSAGE_ID),
        relates_to=_text(header, _RELATES_TO),
    )


def write_duration(seconds: float) -> str:
    """As Windows clients write a timeout: ``PT60.000S``."""
    return f"PT{max(seconds, 0):.3f}S"


def read_duration(text: str) -> float:
    """Seconds of an ``xs:duration``. Raises ProtocolError for something else."""
    try:
        return datetimes.duration(text.strip()).total_seconds()
    except ValueError as error:
        raise ProtocolError(f"A timeout is not readable: {error}.") from None


def _text(header: xml.Element | None, tag: str) -> str:
    return "" if header is None else str(header.findtext(tag) or "").strip()
