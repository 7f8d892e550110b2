"""What can be asked of a host, as values; written as Windows clients write it, read from any client.

A request says what it is about by itself (a reference, or namespace and class). The header's ``action``,
``resource_uri`` and ``selectors`` follow from it when it is written, and are filled in when it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from compute_hyperv.cim import xml
from compute_hyperv.cim.errors import ProtocolError
from compute_hyperv.cim.soap import (
    association_filter,
    envelope,
    eventing,
    faults,
    names,
    parameters,
    reading,
    references,
    uris,
    writing,
)
from compute_hyperv.cim.soap.association_filter import AssociationFilter
from compute_hyperv.cim.soap.eventing import Renew, Subscribe, Unsubscribe
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue, KeyValue

_W, _N, _A = f"{{{names.WSMAN}}}", f"{{{names.ENUMERATION}}}", f"{{{names.ADDRESSING}}}"
_LANG = f"{{{names.XML}}}lang"
_MUST_UNDERSTAND = f"{{{names.SOAP}}}mustUnderstand"


class EnumerationMode(StrEnum):
    """What the items of an enumeration are (DSP0226 8.7)."""

    OBJECT = ""
    REFERENCE = "EnumerateEPR"
    OBJECT_AND_REFERENCE = "EnumerateObjectAndEPR"


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """What goes with every request.

    :param message_id: of this message; the answer repeats it.
    :param to: the URL that the message is sent to.
    :param operation_timeout_s: after how many seconds the host shall answer that it gave up; ``None``: its own limit.
    :param max_envelope_bytes: the largest answer that is wanted; ``None``: the host's limit.
    :param options: of ``w:OptionSet``; ``wmi:X`` becomes the WMI context's ``X`` (MS-WSMV 3.1.4.1.10).
    :param fragment: path and dialect of the header FragmentTransfer, of a request that was read.
    :param identifier: of the subscription that a request which was read is about.
    :param must_understand: local names of the header blocks that a request which was read marks as mandatory.
    :param action: of a request that was read; not used for writing, as are the two that follow.
    """

    message_id: str
    to: str = ""
    operation_timeout_s: float | None = None
    max_envelope_bytes: int | None = None
    locale: str = "en-US"
    options: Mapping[str, str] = field(default_factory=dict)
    action: str = ""
    resource_uri: str = ""
    selectors: Mapping[str, KeyValue] = field(default_factory=dict)
    must_understand: frozenset[str] = frozenset()
    identifier: str = ""
    fragment: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Get:
    reference: CimReference


@dataclass(frozen=True, slots=True)
class Put:
    """Replaces the properties that ``instance`` has."""

    reference: CimReference
    instance: CimInstance


@dataclass(frozen=True, slots=True)
class Create:
    instance: CimInstance


@dataclass(frozen=True, slots=True)
class Delete:
    reference: CimReference


@dataclass(frozen=True, slots=True)
class Invoke:
    """Calls a method of an instance, or of a class (then the reference has no keys)."""

    reference: CimReference
    method: str
    parameters: Mapping[str, CimValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Enumerate:
    """Starts an enumeration: of a class, or with a filter (then ``class_name`` is ``*``).

    :param filter: the text of the filter, in ``dialect``.
    :param selectors: the property values of a filter in the dialect ``names.SELECTOR_FILTER``, which has no text.
    :param associations: of a filter in the dialect ``association_filter.DIALECT``, which has no text.
    :param optimize: the first items shall come with the answer.
    :param max_elements: the largest number of items in the answer.
    """

    namespace: str
    class_name: str = uris.ALL_CLASSES
    filter: str = ""
    dialect: str = names.WQL
    mode: EnumerationMode = EnumerationMode.OBJECT
    optimize: bool = False
    max_elements: int = 1
    selectors: Mapping[str, KeyValue] = field(default_factory=dict)
    associations: AssociationFilter | None = None


@dataclass(frozen=True, slots=True)
class Pull:
    """Asks for more items of the enumeration that ``context`` names; one, where the client does not say how many.

    :param max_time_s: how long the host may wait for items.
    """

    namespace: str
    class_name: str
    context: str
    max_elements: int = 1
    max_time_s: float | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """Ends an enumeration before its end."""

    namespace: str
    class_name: str
    context: str


@dataclass(frozen=True, slots=True)
class Identify:
    """Asks who is there."""


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """A request that was read, to a resource that is no CIM class (a remote shell, say). What its body means is known
    to whoever serves that resource.

    :param uri: of the resource, as the request has it.
    :param action: the action URI.
    :param body: what stands in the body; ``None`` where it is empty.
    """

    uri: str
    action: str
    body: xml.Element | None


Request: TypeAlias = (
    Get | Put | Create | Delete | Invoke | Enumerate | Pull | Release | Identify | Subscribe | Unsubscribe | Renew
)


def encode_request(request: Request, header: RequestHeader) -> bytes:
    """The message. Raises InvalidRequest, naming class and member, for what the schema does not have."""
    if isinstance(request, Identify):
        prefix = f'xmlns:wsmid="{names.IDENTITY}"'
        return envelope.write("s", "", f"<wsmid:Identify {prefix}/>")
    if isinstance(request, Get):
        return _message(header, names.GET, request.reference, "x", "")
    if isinstance(request, Put):
        return _message(header, names.PUT, request.reference, "x", writing.instance(request.instance))
    if isinstance(request, Create):
        owner = CimReference(request.instance.class_name, {}, request.instance.namespace)
        return _message(header, names.CREATE, owner, "x", writing.instance(request.instance))
    if isinstance(request, Delete):
        return _message(header, names.DELETE, request.reference, "x", "")
    if isinstance(request, Invoke):
        body = parameters.write_input(request.reference, request.method, request.parameters)
        action = f"{uris.resource_uri(request.reference.namespace, request.reference.class_name)}/{request.method}"
        return _message(header, action, request.reference, "", body)
    owner = CimReference(request.class_name, {}, request.namespace)
    if isinstance(request, Enumerate):
        return _message(header, names.ENUMERATE, owner, "n", _enumerate(request))
    if isinstance(request, Subscribe):
        return _message(header, names.SUBSCRIBE, owner, "ne", eventing.write_subscribe(request))
    if isinstance(request, (Unsubscribe, Renew)):
        action, tag = (names.UNSUBSCRIBE, "Unsubscribe") if isinstance(request, Unsubscribe) else (names.RENEW, "Renew")
        extra = eventing.write_identifier(request.identifier)
        return _message(header, action, owner, "e", f"<e:{tag}/>", extra)
    context = f"<n:EnumerationContext>{xml.text(request.context)}</n:EnumerationContext>"
    if isinstance(request, Pull):
        time = (
            ""
            if request.max_time_s is None
            else f"<n:MaxTime>{envelope.write_duration(request.max_time_s)}</n:MaxTime>"
        )
        body = f"<n:Pull>{context}{time}<n:MaxElements>{request.max_elements}</n:MaxElements></n:Pull>"
        return _message(header, names.PULL, owner, "n", body)
    return _message(header, names.RELEASE, owner, "n", f"<n:Release>{context}</n:Release>")


def decode_request(data: bytes) -> tuple[RequestHeader, Request | OtherRequest]:
    """Header and request.

    Raises ProtocolError for what is no SOAP message, and the SoapFault to answer with for a message that asks for
    something that does not exist or is not written as it must be; it knows which message it answers.
    """
    message = envelope.read(data, "The request")
    if message.body is not None and xml.local_name(message.body.tag) == "Identify":
        return RequestHeader(message.message_id), Identify()
    try:
        header = _header(message)
        if uris.is_shell(header.resource_uri) or uris.is_class_metadata(header.resource_uri):
            return header, OtherRequest(header.resource_uri, header.action, message.body)
        return header, _request(message, header)
    except faults.SoapFault as fault:
        raise fault.relating_to(message.message_id) from None
    except ProtocolError as error:
        invalid = faults.SoapFault.known("ERROR_WSMAN_SCHEMA_VALIDATION_ERROR", error.message)
        raise invalid.relating_to(message.message_id) from None


def _message(
    header: RequestHeader, action: str, target: CimReference, prefix: str, body: str, extra: str = ""
) -> bytes:
    uri = xml.text(uris.resource_uri(target.namespace, target.class_name))
    lang = f'xml:lang="{xml.attribute(header.locale)}" s:mustUnderstand="false"'
    parts = [
        f"<a:To>{xml.text(header.to)}</a:To>",
        f'<w:ResourceURI s:mustUnderstand="true">{uri}</w:ResourceURI>',
        f'<a:ReplyTo><a:Address s:mustUnderstand="true">{names.ANONYMOUS}</a:Address></a:ReplyTo>',
        f'<a:Action s:mustUnderstand="true">{xml.text(action)}</a:Action>',
    ]
    if header.max_envelope_bytes is not None:
        parts.append(f'<w:MaxEnvelopeSize s:mustUnderstand="true">{header.max_envelope_bytes}</w:MaxEnvelopeSize>')
    parts.append(f"<a:MessageID>{xml.text(header.message_id)}</a:MessageID>")
    # Never mustUnderstand="true" here: Windows answers that with a fault (MS-WSMV 3.1.4.1.8 and .9).
    parts.append(f"<w:Locale {lang}/><p:DataLocale {lang}/>")
    if header.operation_timeout_s is not None:
        timeout = envelope.write_duration(header.operation_timeout_s)
        parts.append(f"<w:OperationTimeout>{timeout}</w:OperationTimeout>")
    parts.append(references.write_selectors(target.keys))
    if header.options:
        options = "".join(
            f'<w:Option Name="{xml.attribute(name)}">{xml.text(value)}</w:Option>'
            for name, value in header.options.items()
        )
        parts.append(f"<w:OptionSet>{options}</w:OptionSet>")
    parts.append(extra)
    return envelope.write(f"sa{prefix}wp", "".join(parts), body)


def _enumerate(request: Enumerate) -> str:
    parts = ["<w:OptimizeEnumeration/>"] if request.optimize else []
    if request.optimize:
        parts.append(f"<w:MaxElements>{request.max_elements}</w:MaxElements>")
    if request.mode:
        parts.append(f"<w:EnumerationMode>{request.mode}</w:EnumerationMode>")
    if request.associations is not None:
        content = association_filter.write(request.associations)
        parts.append(f'<w:Filter Dialect="{association_filter.DIALECT}">{content}</w:Filter>')
    elif request.filter or request.selectors:
        content = xml.text(request.filter) + references.write_selectors(request.selectors)
        parts.append(f'<w:Filter Dialect="{xml.attribute(request.dialect)}">{content}</w:Filter>')
    return f"<n:Enumerate>{''.join(parts)}</n:Enumerate>"


def _header(message: envelope.Envelope) -> RequestHeader:
    header = message.header
    if header is None or not message.action:
        raise faults.SoapFault.known("ERROR_WSMAN_MESSAGE_INFORMATION_HEADER_REQUIRED")
    timeout = header.findtext(f"{_W}OperationTimeout")
    size = header.findtext(f"{_W}MaxEnvelopeSize")
    locale = header.find(f"{_W}Locale")
    options = header.find(f"{_W}OptionSet")
    return RequestHeader(
        message_id=message.message_id,
        to=header.findtext(f"{_A}To", "").strip(),
        operation_timeout_s=envelope.read_duration(timeout) if timeout else None,
        max_envelope_bytes=_number(size) if size else None,
        locale="en-US" if locale is None else locale.get(_LANG, "en-US"),
        options={} if options is None else {option.get("Name", ""): option.text or "" for option in options},
        action=message.action,
        resource_uri=header.findtext(f"{_W}ResourceURI", "").strip(),
        selectors=references.read_selectors(header.find(f"{_W}SelectorSet")),
        identifier=eventing.read_identifier(header),
        fragment=_fragment(header.find(f"{_W}FragmentTransfer")),
        must_understand=frozenset(
            xml.local_name(block.tag) for block in header if block.get(_MUST_UNDERSTAND) in ("true", "1")
        ),
    )


def _fragment(element: xml.Element | None) -> tuple[str, str] | None:
    return None if element is None else ((element.text or "").strip(), element.get("Dialect", "").strip())


def _request(message: envelope.Envelope, header: RequestHeader) -> Request:
    try:
        target = references.addressed(header.resource_uri, header.selectors)
    except ProtocolError as error:
        raise faults.SoapFault.known("ERROR_WSMAN_INVALID_RESOURCE_URI", error.message) from None
    reader = _READERS.get(header.action)
    if reader is not None:
        return reader(target, message.body)
    if header.action in (names.UNSUBSCRIBE, names.RENEW):
        kind = Unsubscribe if header.action == names.UNSUBSCRIBE else Renew
        return kind(target.namespace, target.class_name, header.identifier)
    uri, _, method = header.action.rpartition("/")
    if uri.lower() != header.resource_uri.lower() or not method:
        of_a_class = uri.lower().startswith((uris.WMI, uris.DMTF))
        raise faults.SoapFault.known(
            "ERROR_WSMAN_ACTION_MISMATCH" if of_a_class else "ERROR_WSMAN_ACTION_NOT_SUPPORTED"
        )
    given = {} if message.body is None else parameters.read_input(message.body, target, method)
    return Invoke(target, method, given)


def _read_put(target: CimReference, body: xml.Element | None) -> Put:
    # A fragment does not say its class.
    return Put(target, reading.instance(_required(body), reading.ClassHint(target.namespace, target.class_name)))


def _read_create(target: CimReference, body: xml.Element | None) -> Create:  # noqa: ARG001 - the body says it all
    return Create(reading.instance(_required(body)))


def _read_enumerate(target: CimReference, body: xml.Element | None) -> Enumerate:
    element = _required(body)
    # wsen:Filter and wsman:Filter mean the same (MS-WSMV 3.1.4.1.13).
    stated = element.find(f"{_W}Filter")
    if stated is None:
        stated = element.find(f"{_N}Filter")
    mode = element.findtext(f"{_W}EnumerationMode", "").strip()
    if mode == "EnumerateObject":
        mode = ""
    if mode not in list(EnumerationMode):
        raise faults.SoapFault.known("ERROR_WSMAN_ENUMERATION_MODE_UNSUPPORTED")
    return Enumerate(
        namespace=target.namespace,
        class_name=target.class_name,
        filter="" if stated is None else (stated.text or "").strip(),
        dialect=names.WQL if stated is None else stated.get("Dialect", ""),
        mode=EnumerationMode(mode),
        optimize=element.find(f"{_W}OptimizeEnumeration") is not None,
        max_elements=_number(element.findtext(f"{_W}MaxElements") or "1"),
        associations=None if stated is None else association_filter.read(stated),
        selectors={} if stated is None else _filter_selectors(stated),
    )


def _filter_selectors(stated: xml.Element) -> dict[str, KeyValue]:
    try:
        return references.read_selectors(stated.find(f"{_W}SelectorSet"))
    except faults.SoapFault as fault:  # a name that comes twice (MS-WSMV 3.1.4.1.13)
        raise faults.SoapFault.known("ERROR_WSMAN_ENUMERATE_CANNOT_PROCESS_FILTER", fault.message) from None


def _read_pull(target: CimReference, body: xml.Element | None) -> Pull:
    element = _required(body)
    longest = element.findtext(f"{_N}MaxTime")
    return Pull(
        target.namespace,
        target.class_name,
        context=_context(element),
        max_time_s=envelope.read_duration(longest) if longest else None,
        max_elements=_number(element.findtext(f"{_N}MaxElements") or "1"),
    )


def _read_release(target: CimReference, body: xml.Element | None) -> Release:
    return Release(target.namespace, target.class_name, _context(_required(body)))


def _context(element: xml.Element) -> str:
    return str(element.findtext(f"{_N}EnumerationContext", "")).strip()


def _required(body: xml.Element | None) -> xml.Element:
    if body is None:
        raise ProtocolError("The body of the request is empty.")
    return body


def _number(text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        raise ProtocolError(f"{text[:40]!r} is not a number of something.")
    return int(text)


_READERS: dict[str, Callable[[CimReference, xml.Element | None], Request]] = {
    names.GET: lambda target, _: Get(target),
    names.DELETE: lambda target, _: Delete(target),
    names.PUT: _read_put,
    names.CREATE: _read_create,
    names.ENUMERATE: _read_enumerate,
    names.PULL: _read_pull,
    names.RELEASE: _read_release,
    names.SUBSCRIBE: eventing.read_subscribe,
}
