"""Reading and writing XML: the one place that touches a parser, and the one place that escapes text.

Reading: whatever comes in may be hostile. No document type, no entities beyond the five of XML, no network, libxml2's
own limits on depth and size left on (``huge_tree`` off). Everything that is not well-formed is a ProtocolError.

Writing: messages are put together as text, because the order of attributes and namespace declarations is part of what
must look as Windows writes it. No value reaches a message but through :func:`text` or :func:`attribute`.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from lxml import etree

from compute_hyperv.cim.errors import ProtocolError

Element: TypeAlias = Any  # lxml's stubs know no public name for it

# What XML 1.0 cannot carry, not even as a character reference. Windows returns a question mark in its place
# (MS-WSMV 3.1.4.1.25); so do we, in both directions.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
_PLAIN = re.compile(r"[A-Za-z0-9 .:;,_{}()/\\#*+@=-]*")


def parse(data: bytes | str, what: str) -> Element:
    """The root element of a document. ``what`` names the document in the ProtocolError that anything else raises."""
    encoding = None
    if isinstance(data, str):
        # A prolog in text names the encoding that the text no longer has: ours overrides it.
        encoding = "utf-8"
        try:
            data = data.encode()
        except UnicodeEncodeError as error:
            raise ProtocolError(f"{what} is not well-formed XML: {error.reason}.") from None
    # A parser of its own for each document: one that is shared would make threads wait for each other.
    parser = etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ProtocolError(f"{what} is not well-formed XML: {error}.") from None
    if root is None:
        raise ProtocolError(f"{what} is empty.")
    if root.getroottree().docinfo.internalDTD is not None:
        raise ProtocolError(f"{what} declares a document type, which no message of this protocol has.")
    return root


def text(value: str) -> str:
    """A value as the content of an element."""
    if _PLAIN.fullmatch(value):
        return value
    return _ILLEGAL.sub("?", value).translate(_TEXT)


def attribute(value: str) -> str:
    """A value as an attribute's, to be put between double quotes."""
    return _ILLEGAL.sub("?", value).translate(_ATTRIBUTE)


def local_name(tag: str) -> str:
    """``{namespace}name`` to ``name``."""
    return tag.rpartition("}")[2]


def namespace(tag: str) -> str:
    """``{namespace}name`` to ``namespace``; empty where there is none."""
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""
