"""What a host answers, as values; written as Windows writes it, read from any host.

The first items of an optimized enumeration come in ``w:Items`` and end with ``w:EndOfSequence``, those of a Pull in
``n:Items`` with ``n:EndOfSequence`` (DSP0226 8.2.3; recorded answers); both are read anywhere. An enumeration that has
ended has no context any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from compute_hyperv.cim import xml
from compute_hyperv.cim.errors import ProtocolError
from compute_hyperv.cim.soap import envelope, eventing, faults, names, parameters, reading, references, uris, writing
from compute_hyperv.cim.soap.eventing import SubscribeResponse, UnsubscribeResponse
from compute_hyperv.cim.soap.reading import ClassHint
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue

_W, _N, _A, _X = (f"{{{uri}}}" for uri in (names.WSMAN, names.ENUMERATION, names.ADDRESSING, names.TRANSFER))


@dataclass(frozen=True, slots=True)
class Fragment:
    """An item of a query that names the properties it wants: it holds only those, and does not say its class."""

    instance: CimInstance


@dataclass(frozen=True, slots=True)
class ObjectAndReference:
    instance: CimInstance
    reference: CimReference


@dataclass(frozen=True, slots=True)
class EncodedItem:
    """An item that is encoded already: a host has to know how long items are before it puts them into an answer."""

    text: str


Item: TypeAlias = CimInstance | CimReference | Fragment | ObjectAndReference | EncodedItem


@dataclass(frozen=True, slots=True)
class GetResponse:
    instance: CimInstance


@dataclass(frozen=True, slots=True)
class PutResponse:
    """The instance as it is now; a host may leave it out."""

    instance: CimInstance | None = None


@dataclass(frozen=True, slots=True)
class CreateResponse:
    reference: CimReference


@dataclass(frozen=True, slots=True)
class DeleteResponse:
    pass


@dataclass(frozen=True, slots=True)
class InvokeResponse:
    """What a method gave back; ``outputs`` has the return value as ``ReturnValue``, absent for a void method."""

    reference: CimReference
    method: str
    outputs: Mapping[str, CimValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EnumerateResponse:
    """The answer to Enumerate.

    :param context: to pull with; empty once the sequence has ended.
    :param optimized: the request asked for items at once; without, only the context is answered.
    """

    items: tuple[Item, ...] = ()
    context: str = ""
    end_of_sequence: bool = False
    optimized: bool = True


@dataclass(frozen=True, slots=True)
class PullResponse:
    items: tuple[Item, ...] = ()
    context: str = ""
    end_of_sequence: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseResponse:
    pass


@dataclass(frozen=True, slots=True)
class IdentifyResponse:
    """Who is there.

    :param product_version: of Windows, ``OS: 10.0.20348 SP: 0.0 Stack: 3.0``; zeros before authentication.
    :param security_profiles: how clients may authenticate; none before authentication (MS-WSMV 3.1.4.1.23).
    """

    protocol_version: str = names.WSMAN
    product_vendor: str = "Microsoft Corporation"
    product_version: str = "OS: 0.0.0 SP: 0.0 Stack: 3.0"
    security_profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OtherResponse:
    """The answer to a request to a resource that is no CIM class.

    :param action: the action URI of the answer.
    :param prefixes: of ``names.PREFIXES``, those that the body uses.
    :param body: XML, complete but for these prefixes.
    :param header: header blocks besides those of every answer.
    """

    action: str
    prefixes: str
    body: str
    header: str = ""


Response: TypeAlias = (
    GetResponse
    | PutResponse
    | CreateResponse
    | DeleteResponse
    | InvokeResponse
    | EnumerateResponse
    | PullResponse
    | ReleaseResponse
    | IdentifyResponse
    | SubscribeResponse
    | UnsubscribeResponse
    | OtherResponse
)


def encode_response(response: Response, relates_to: str, *, message_id: str = "", language: str = "en-US") -> bytes:
    """The message that answers the request ``relates_to``.

    Raises InvalidRequest, naming class and member, for what the schema does not have.
    """
    if isinstance(response, IdentifyResponse):
        return envelope.write("s", "", _identify(response), language)
    action, prefixes, body = _encoded(response)
    header = (
        f"<a:Action>{xml.text(action)}</a:Action><a:MessageID>{xml.text(message_id or envelope.new_message_id())}"
        f"</a:MessageID><a:To>{names.ANONYMOUS}</a:To><a:RelatesTo>{xml.text(relates_to)}</a:RelatesTo>"
    )
    if isinstance(response, OtherResponse):
        header += response.header
    return envelope.write(prefixes, header, body, language)


def encode_item(item: Item) -> str:
    """One item of an enumeration, as it will stand in the answer: its length tells a host how many of them fit."""
    if isinstance(item, CimInstance):
        return writing.instance(item)
    if isinstance(item, CimReference):
        return f"<a:EndpointReference>{references.write_content(item)}</a:EndpointReference>"
    if isinstance(item, EncodedItem):
        return item.text
    if isinstance(item, Fragment):
        return writing.fragment(item.instance)
    return f"<w:Item>{writing.instance(item.instance)}{encode_item(item.reference)}</w:Item>"


def decode_response(data: bytes, *, answers: str = "", hint: ClassHint | None = None) -> Response:
    """The response.

    :param answers: the message id of the request; an answer to another one is a ProtocolError.
    :param hint: the class that a query selects from, for answers that do not say it.

    Raises SoapFault for a fault, ProtocolError for anything that is no answer.
    """
    message = envelope.read(data, "The answer")
    if answers and message.relates_to and message.relates_to.lower() != answers.lower():
        raise ProtocolError(f"The answer belongs to request {message.relates_to}, not to {answers}.")
    body = message.body
    if body is None:
        return _empty(message.action)
    if body.tag == f"{{{names.SOAP}}}Fault":
        raise faults.read(body).relating_to(message.relates_to)
    if body.tag == f"{_N}EnumerateResponse":
        items, context, end = _sequence(body, hint)
        return EnumerateResponse(items, context, end, optimized=end or bool(items))
    if body.tag == f"{_N}PullResponse":
        return PullResponse(*_sequence(body, hint))
    if body.tag == f"{_X}ResourceCreated":
        return CreateResponse(references.read(body))
    if body.tag == f"{{{names.EVENTING}}}SubscribeResponse":
        return eventing.read_subscribe_response(body)
    if xml.local_name(body.tag) == "IdentifyResponse":
        texts = {name: _child_text(body, tag) for name, tag in _IDENTITY.items()}
        profiles = (each.text or "" for each in body.iter(f"{{{names.IDENTITY}}}SecurityProfileName"))
        return IdentifyResponse(**texts, security_profiles=tuple(profiles))
    if message.action == f"{names.PUT}Response":
        return PutResponse(reading.instance(body))
    if parameters.is_output(body):
        return InvokeResponse(*parameters.read_output(body))
    return GetResponse(reading.instance(body))


_IDENTITY = {
    "protocol_version": "ProtocolVersion",
    "product_vendor": "ProductVendor",
    "product_version": "ProductVersion",
}


def _encoded(response: Response) -> tuple[str, str, str]:
    """Action, prefixes to declare (each operation has its own), body."""
    if isinstance(response, GetResponse):
        return f"{names.GET}Response", "saxwp", writing.instance(response.instance)
    if isinstance(response, PutResponse):
        body = "" if response.instance is None else writing.instance(response.instance)
        return f"{names.PUT}Response", "saxwp", body
    if isinstance(response, CreateResponse):
        content = references.write_content(response.reference)
        return f"{names.CREATE}Response", "saxwp", f"<x:ResourceCreated>{content}</x:ResourceCreated>"
    if isinstance(response, DeleteResponse):
        return f"{names.DELETE}Response", "saxwp", ""
    if isinstance(response, InvokeResponse):
        target = response.reference
        action = f"{uris.resource_uri(target.namespace, target.class_name)}/{response.method}Response"
        return action, "sawp", parameters.write_output(target, response.method, response.outputs)
    if isinstance(response, EnumerateResponse):
        return f"{names.ENUMERATE}Response", "sanw", _enumerate(response)
    if isinstance(response, PullResponse):
        return f"{names.PULL}Response", "sanw", _pull(response)
    if isinstance(response, OtherResponse):
        return response.action, response.prefixes, response.body
    if isinstance(response, SubscribeResponse):
        return f"{names.SUBSCRIBE}Response", "sanwe", eventing.write_subscribe_response(response)
    if isinstance(response, UnsubscribeResponse):
        return f"{names.UNSUBSCRIBE}Response", "sawe", ""
    return f"{names.RELEASE}Response", "sanw", ""


def _enumerate(response: EnumerateResponse) -> str:
    parts = [_context(response.context)]
    if response.optimized:
        parts.append(f"<w:Items>{''.join(map(encode_item, response.items))}</w:Items>")
        if response.end_of_sequence:
            parts.append("<w:EndOfSequence/>")
    return f"<n:EnumerateResponse>{''.join(parts)}</n:EnumerateResponse>"


def _pull(response: PullResponse) -> str:
    context = "" if response.end_of_sequence else _context(response.context)
    end = "<n:EndOfSequence/>" if response.end_of_sequence else ""
    items = "".join(map(encode_item, response.items))
    return f"<n:PullResponse>{context}<n:Items>{items}</n:Items>{end}</n:PullResponse>"


def _context(context: str) -> str:
    text = xml.text(context)
    return f"<n:EnumerationContext>{text}</n:EnumerationContext>" if text else "<n:EnumerationContext/>"


def _identify(response: IdentifyResponse) -> str:
    content = "".join(
        f"<wsmid:{tag}>{xml.text(getattr(response, name))}</wsmid:{tag}>" for name, tag in _IDENTITY.items()
    )
    if response.security_profiles:
        profiles = "".join(
            f"<wsmid:SecurityProfileName>{xml.text(profile)}</wsmid:SecurityProfileName>"
            for profile in response.security_profiles
        )
        content += f"<wsmid:SecurityProfiles>{profiles}</wsmid:SecurityProfiles>"
    return f'<wsmid:IdentifyResponse xmlns:wsmid="{names.IDENTITY}">{content}</wsmid:IdentifyResponse>'


def _empty(action: str) -> Response:
    if action == f"{names.DELETE}Response":
        return DeleteResponse()
    if action == f"{names.PUT}Response":
        return PutResponse()
    if action == f"{names.RELEASE}Response":
        return ReleaseResponse()
    if action == f"{names.UNSUBSCRIBE}Response":
        return UnsubscribeResponse()
    raise ProtocolError(f"The answer with action {action!r} is empty.")


def _sequence(body: xml.Element, hint: ClassHint | None) -> tuple[tuple[Item, ...], str, bool]:
    items: list[Item] = []
    context, end = "", False
    for child in body:
        if child.tag == f"{_N}EnumerationContext":
            context = (child.text or "").strip()
        elif child.tag in (f"{_W}Items", f"{_N}Items"):
            items.extend(_item(element, hint) for element in child)
        elif child.tag in (f"{_W}EndOfSequence", f"{_N}EndOfSequence"):
            end = True
    return tuple(items), "" if end else context, end


def _item(element: xml.Element, hint: ClassHint | None) -> Item:
    if element.tag == f"{_A}EndpointReference":
        found = references.find(element)
        if found is None:
            raise ProtocolError("An endpoint reference has no reference parameters.")
        return found
    if element.tag == f"{_W}Item":
        if len(element) != 2:
            raise ProtocolError(f"An item of object and reference has {len(element)} parts.")
        return ObjectAndReference(reading.instance(element[0], hint), references.read(element[1]))
    instance = reading.instance(element, hint)
    return Fragment(instance) if reading.is_fragment(element) else instance


def _child_text(element: xml.Element, local_name: str) -> str:
    return next((child.text or "" for child in element if xml.local_name(child.tag) == local_name), "")
