"""Enumerate, Pull and Release on a CIM service: filters, modes, and answers that fit the client's envelope.

Sources: MS-WSMV 3.1.4.1.13 (filters), 3.1.4.1.14 (batches), 3.1.4.1.17 (modes); DSP0226 8.2.3 (optimization: without
MaxElements, one item).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from compute_hyperv.cim import scalars
from compute_hyperv.cim import wql as wql_text
from compute_hyperv.cim.errors import CimError
from compute_hyperv.cim.paths import parse_path
from compute_hyperv.cim.schema import CimType, catalogue
from compute_hyperv.cim.soap import association_filter, names, uris
from compute_hyperv.cim.soap.association_filter import AssociationFilter
from compute_hyperv.cim.soap.references import NAMESPACE_SELECTOR
from compute_hyperv.cim.soap.requests import Enumerate, EnumerationMode, Pull, Release
from compute_hyperv.cim.soap.responses import (
    EncodedItem,
    EnumerateResponse,
    Fragment,
    Item,
    ObjectAndReference,
    PullResponse,
    ReleaseResponse,
    encode_item,
)
from compute_hyperv.cim.values import CimInstance, CimReference, KeyValue
from hyperv_simulator import wql
from hyperv_simulator.quotas import Quotas
from hyperv_simulator.server import wire_faults
from hyperv_simulator.server.enumeration import Batch, ContextLost, Enumerations, ItemTooBig
from hyperv_simulator.service import CimService

_Batch: TypeAlias = Batch[EncodedItem]

# Envelope, headers and the response element around the items of an answer.
_AROUND_ITEMS_BYTES = 2048
_UNFILTERABLE = (CimType.DATETIME, CimType.REFERENCE, CimType.OBJECT)


class Enumerating:
    """The enumerations of one host. Safe for threads."""

    def __init__(self, service: CimService, quotas: Quotas) -> None:
        self._service = service
        self._enumerations: Enumerations[Item, EncodedItem] = Enumerations(quotas)

    def opened_by(self, user: str) -> int:
        """How many enumerations a user has open."""
        return self._enumerations.opened_by(user)

    def enumerate(
        self,
        request: Enumerate,
        selectors: Mapping[str, KeyValue],
        limit: int,
        user: str,
        *,
        in_dmtf_form: bool = False,
    ) -> EnumerateResponse:
        """Finds everything now; what does not go out at once waits for Pull.

        :param selectors: of the request's header, where an Enumerate may have none but ``__cimnamespace``.
        :param limit: the largest answer, bytes.
        :param in_dmtf_form: the request has a DMTF URI: references say their namespace then (MS-WSMV note 45).
        """
        if any(name.lower() != "__cimnamespace" for name in selectors):
            raise wire_faults.class_with_wql() if request.filter else wire_faults.enumerate_with_keys()
        items = self._find(request)
        if in_dmtf_form:
            items = [_with_namespace(item) for item in items]
        label = self.class_asked_for(request)
        if not request.optimize:
            return EnumerateResponse((), self._enumerations.open(items, label, user), optimized=False)
        try:
            batch = self._enumerations.first(items, request.max_elements, packer(limit), label, user)
        except ItemTooBig:
            raise wire_faults.answer_too_big() from None
        return EnumerateResponse(tuple(batch.items), batch.context or "", batch.context is None)

    def pull(self, request: Pull, limit: int, user: str) -> PullResponse:
        """The class that a Pull names is not looked at: clients in the field name another one than in Enumerate."""
        try:
            batch = self._enumerations.next(request.context, max(request.max_elements, 1), packer(limit), user)
        except ContextLost:
            raise wire_faults.context_lost() from None
        except ItemTooBig:
            raise wire_faults.answer_too_big() from None
        return PullResponse(tuple(batch.items), batch.context or "", batch.context is None)

    def release(self, request: Release, user: str) -> ReleaseResponse:
        try:
            self._enumerations.release(request.context, user)
        except ContextLost:
            raise wire_faults.context_lost() from None
        return ReleaseResponse()

    def class_asked_for(self, request: Enumerate) -> str:
        """The class that an Enumerate is about: of its URI, of SELECT, or the one that a navigation leads to."""
        if request.class_name != uris.ALL_CLASSES:
            return request.class_name
        if request.associations is not None:
            return request.associations.result_class or request.associations.start.class_name
        match _parsed(request):
            case wql.Select(_, class_name):
                return class_name
            case wql.AssociatorsOf(path, association_class, result_class):
                return result_class or association_class or _class_in(path, request.namespace)
            case wql.ReferencesOf(path, result_class):
                return result_class or _class_in(path, request.namespace)
        return ""

    def class_of_context(self, context: str) -> str:
        """The class that an open enumeration is about; empty for an unknown context."""
        return self._enumerations.label(context)

    # What is found

    def _find(self, request: Enumerate) -> list[Item]:
        if request.dialect == names.SELECTOR_FILTER:
            return self._items(request, self._selected(request))
        if request.dialect == association_filter.DIALECT:
            return self._associated(request)
        if request.dialect != names.WQL:
            raise wire_faults.unknown_dialect()
        if request.filter:
            return self._queried(request)
        if request.class_name == uris.ALL_CLASSES:
            raise wire_faults.all_classes_without_filter()
        return self._items(request, self._service.enumerate(request.namespace, request.class_name))

    def _queried(self, request: Enumerate) -> list[Item]:
        if request.class_name != uris.ALL_CLASSES:
            raise wire_faults.class_with_wql()
        query = _parsed(request)
        text = request.filter
        projected = isinstance(query, wql.Select) and query.properties is not None
        if projected and request.mode is not EnumerationMode.OBJECT:
            # A reference needs the keys, whatever is selected; that the object is then whole is an assumption.
            start = text.lower().index("select") + len("select")
            text = f"{text[:start]} * {text[_position_of_from(text) :]}"
            projected = False
        found = self._service.query(request.namespace, text)
        if projected:
            return [Fragment(instance) for instance in found]
        return self._items(request, found)

    def _associated(self, request: Enumerate) -> list[Item]:
        """An association filter (DSP0227 8.2), as the WQL statement that says the same."""
        if request.class_name != uris.ALL_CLASSES:
            raise wire_faults.class_with_wql()
        if request.associations is None:
            raise wire_faults.all_classes_without_filter()
        text = _navigation(self._completed(request.associations.start), request.associations)
        return self._items(request, self._service.query(request.namespace, text))

    def _completed(self, reference: CimReference) -> CimReference:
        """With all keys: a part of them is enough in a filter as anywhere (assumption)."""
        return self._service.reference_of(self._service.get(reference))

    def _selected(self, request: Enumerate) -> list[CimInstance]:
        """A selector filter: instances of a class whose properties have these values."""
        if request.class_name == uris.ALL_CLASSES:
            raise wire_faults.class_with_wql()
        found = self._service.enumerate(request.namespace, request.class_name)
        cls = catalogue().find(request.namespace, request.class_name)
        known = {item.name.lower(): item for item in cls.properties.values()}
        wanted: dict[str, str] = {}
        for name, text in request.selectors.items():
            item = known.get(name.lower())
            if item is None or item.is_array or item.type in _UNFILTERABLE or not isinstance(text, str):
                raise wire_faults.bad_selector_filter(f"{name} can't be filtered by.")
            if item.name in wanted or '"' in text or "'" in text:
                raise wire_faults.bad_selector_filter(f"{name} is given twice or with quotes.")
            wanted[item.name] = text.lower()

        def fits(instance: CimInstance, name: str, text: str) -> bool:
            value = instance.get(name)
            if value is None or isinstance(value, (bytes, list)):
                return False
            return scalars.to_text(value, known[name.lower()].type).lower() == text

        return [each for each in found if all(fits(each, name, text) for name, text in wanted.items())]

    def _items(self, request: Enumerate, found: Sequence[CimInstance]) -> list[Item]:
        if request.mode is EnumerationMode.REFERENCE:
            return [self._service.reference_of(instance) for instance in found]
        if request.mode is EnumerationMode.OBJECT_AND_REFERENCE:
            return [ObjectAndReference(instance, self._service.reference_of(instance)) for instance in found]
        return list(found)


def _with_namespace(item: Item) -> Item:
    """An item whose reference has the selector ``__cimnamespace``."""
    if isinstance(item, ObjectAndReference):
        return replace(item, reference=_named(item.reference))
    return _named(item) if isinstance(item, CimReference) else item


def _named(reference: CimReference) -> CimReference:
    return replace(reference, keys={**reference.keys, NAMESPACE_SELECTOR: reference.namespace})


def _navigation(start: CimReference, wanted: AssociationFilter) -> str:
    if wanted.links:
        query = wql_text.references_of(start, result_class=wanted.result_class or None, role=wanted.role or None)
    else:
        query = wql_text.associators_of(
            start,
            assoc_class=wanted.association_class or None,
            result_class=wanted.result_class or None,
            role=wanted.role or None,
            result_role=wanted.result_role or None,
        )
    return str(query)


def packer(limit: int) -> Callable[[Sequence[Item]], list[EncodedItem]]:
    """Encodes items as long as there is room for them in an answer of ``limit`` bytes."""

    def pack(items: Sequence[Item]) -> list[EncodedItem]:
        packed: list[EncodedItem] = []
        room = limit - _AROUND_ITEMS_BYTES
        for item in items:
            text = encode_item(item)
            room -= len(text.encode())
            if room < 0:
                break
            packed.append(EncodedItem(text))
        return packed

    return pack


def _parsed(request: Enumerate) -> wql.Query | None:
    """The query; None where there is none, or none that can be read (``CimService`` says what is wrong with it)."""
    try:
        return wql.parse(request.filter) if request.filter and request.dialect == names.WQL else None
    except wql.WqlError:
        return None


def _position_of_from(text: str) -> int:
    """Where the FROM of a SELECT begins: what is selected are names only, so the first word FROM is the one."""
    return next(i for i in range(len(text)) if text[i : i + 4].lower() == "from" and text[i - 1].isspace())


def _class_in(path: str, namespace: str) -> str:
    try:
        return parse_path(path, namespace).class_name
    except CimError:
        return ""
