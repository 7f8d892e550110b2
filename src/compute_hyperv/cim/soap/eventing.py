"""Subscriptions to events: Subscribe, Unsubscribe and Renew, and their answers. Events are then fetched with Pull.

What a WinRM client sends, and what is therefore written here: pull delivery, WQL as the filter, the identifier of a
subscription as a header block ``e:Identifier`` (DSP0226 10.2 to 10.5; wsman-cim 9). Reading takes the reference
parameters of an endpoint reference by either of their names, ReferenceParameters or ReferenceProperties.
"""

from __future__ import annotations

from dataclasses import dataclass

from compute_hyperv.cim import xml
from compute_hyperv.cim.errors import ProtocolError
from compute_hyperv.cim.soap import envelope, faults, names, uris
from compute_hyperv.cim.values import CimReference

PULL_DELIVERY = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Pull"

_E, _W, _N, _A = (f"{{{uri}}}" for uri in (names.EVENTING, names.WSMAN, names.ENUMERATION, names.ADDRESSING))


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Asks for events: of an indication class, or of what a query says (then ``class_name`` is ``*``).

    :param selectors: names of the selectors of a request that was read, where none belong.
    :param mode: the delivery mode; empty where a request that was read names none.
    :param heartbeat_s: the host shall say at least this often that there was nothing.
    :param expires_s: the life of the subscription; ``None``: until it is ended.
    """

    namespace: str
    class_name: str = uris.ALL_CLASSES
    filter: str = ""
    dialect: str = names.WQL
    mode: str = PULL_DELIVERY
    heartbeat_s: float | None = None
    expires_s: float | None = None
    selectors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Ends a subscription."""

    namespace: str
    class_name: str
    identifier: str


@dataclass(frozen=True, slots=True)
class Renew:
    """Asks for a longer life; Windows refuses it (MS-WSMV 3.1.4.1.30.4)."""

    namespace: str
    class_name: str
    identifier: str


@dataclass(frozen=True, slots=True)
class SubscribeResponse:
    """The answer to Subscribe: ``identifier`` ends the subscription, ``context`` pulls its events."""

    namespace: str
    class_name: str
    identifier: str
    context: str
    expires_s: float | None = None


@dataclass(frozen=True, slots=True)
class UnsubscribeResponse:
    pass


def write_subscribe(request: Subscribe) -> str:
    """The body of Subscribe."""
    delivery = ""
    if request.heartbeat_s is not None:
        delivery = f"<w:Heartbeats>{envelope.write_duration(request.heartbeat_s)}</w:Heartbeats>"
    parts = [f'<e:Delivery Mode="{xml.attribute(request.mode)}">{delivery}</e:Delivery>']
    if request.expires_s is not None:
        parts.append(f"<e:Expires>{envelope.write_duration(request.expires_s)}</e:Expires>")
    if request.filter:
        parts.append(f'<w:Filter Dialect="{xml.attribute(request.dialect)}">{xml.text(request.filter)}</w:Filter>')
    return f"<e:Subscribe>{''.join(parts)}</e:Subscribe>"


def write_identifier(identifier: str) -> str:
    """The header block that says which subscription a message is about."""
    return f"<e:Identifier>{xml.text(identifier)}</e:Identifier>"


def read_identifier(header: xml.Element | None) -> str:
    """Empty where there is none."""
    return "" if header is None else str(header.findtext(f"{_E}Identifier") or "").strip()


def read_subscribe(target: CimReference, body: xml.Element | None) -> Subscribe:
    """Raises the fault of a Subscribe that is not written as it must be."""
    delivery = None if body is None else body.find(f"{_E}Delivery")
    if body is None or delivery is None:
        raise faults.SoapFault.known("ERROR_WSMAN_EVENTING_INVALID_MESSAGE")
    stated = body.find(f"{_W}Filter")
    if stated is None:
        stated = body.find(f"{_E}Filter")
    return Subscribe(
        target.namespace,
        target.class_name,
        filter="" if stated is None else (stated.text or "").strip(),
        dialect=names.WQL if stated is None else stated.get("Dialect", ""),
        mode=delivery.get("Mode", "").strip(),
        heartbeat_s=_duration(delivery.findtext(f"{_W}Heartbeats"), "ERROR_WSMAN_EVENTING_INVALID_HEARTBEAT"),
        expires_s=_duration(body.findtext(f"{_E}Expires"), "ERROR_WSMAN_EVENTING_UNSUPPORTED_EXPIRATION_TYPE"),
        selectors=tuple(target.keys),
    )


def write_subscribe_response(response: SubscribeResponse) -> str:
    """The body of SubscribeResponse."""
    uri = xml.text(uris.resource_uri(response.namespace, response.class_name))
    expires = (
        "" if response.expires_s is None else f"<e:Expires>{envelope.write_duration(response.expires_s)}</e:Expires>"
    )
    return (
        f"<e:SubscribeResponse><e:SubscriptionManager><a:Address>{names.ANONYMOUS}</a:Address><a:ReferenceParameters>"
        f"<w:ResourceURI>{uri}</w:ResourceURI>{write_identifier(response.identifier)}</a:ReferenceParameters>"
        f"</e:SubscriptionManager>{expires}"
        f"<n:EnumerationContext>{xml.text(response.context)}</n:EnumerationContext></e:SubscribeResponse>"
    )


def read_subscribe_response(body: xml.Element) -> SubscribeResponse:
    manager = body.find(f"{_E}SubscriptionManager")
    parameters = None
    if manager is not None:
        parameters = manager.find(f"{_A}ReferenceParameters")
        if parameters is None:
            parameters = manager.find(f"{_A}ReferenceProperties")
    context = str(body.findtext(f"{_N}EnumerationContext") or "").strip()
    if parameters is None or not context:
        raise ProtocolError("The answer to Subscribe names no subscription to pull from.")
    namespace, class_name = _parsed(str(parameters.findtext(f"{_W}ResourceURI") or "").strip())
    expires = body.findtext(f"{_E}Expires")
    return SubscribeResponse(
        namespace,
        class_name,
        identifier=read_identifier(parameters),
        context=context,
        # Another host may write a date here: what it says does not matter, a subscription that ends is made anew.
        expires_s=envelope.read_duration(expires) if expires and expires.strip().startswith("P") else None,
    )


def _parsed(uri: str) -> tuple[str, str]:
    try:
        return uris.parse_resource_uri(uri)
    except ProtocolError:
        return "", ""  # the manager may be a resource of its own


def _duration(text: str | None, error: str) -> float | None:
    if text is None:
        return None
    try:
        return envelope.read_duration(text)
    except ProtocolError:
        raise faults.SoapFault.known(error) from None
