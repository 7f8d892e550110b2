"""Subscribe, Pull, Unsubscribe and Renew on a host's events.

Pull delivery only: sources conflict on the others (wsman-cim 9), and the code with which a plug-in refuses them exists.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from compute_hyperv.cim.errors import NotFound
from compute_hyperv.cim.soap import names, uris
from compute_hyperv.cim.soap.eventing import (
    PULL_DELIVERY,
    Renew,
    Subscribe,
    SubscribeResponse,
    Unsubscribe,
    UnsubscribeResponse,
)
from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.soap.requests import Pull, Release
from compute_hyperv.cim.soap.responses import EncodedItem, PullResponse, ReleaseResponse
from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.quotas import Quotas
from hyperv_simulator.repository import wmi_faults
from hyperv_simulator.server import wire_faults
from hyperv_simulator.server.eventing.query import compiled, is_indication
from hyperv_simulator.server.eventing.source import EventSource
from hyperv_simulator.server.eventing.subscriptions import Subscription, Subscriptions, Terms

Packer = Callable[[Sequence[CimInstance]], list[EncodedItem]]


class Eventing:
    """The events of one host as its clients subscribe to them. Safe for threads."""

    def __init__(self, source: EventSource, quotas: Quotas) -> None:
        self._catalogue = source.repository.catalogue
        self._quotas = quotas
        self._subscriptions = Subscriptions(source)

    def subscribe(self, request: Subscribe, user: str) -> SubscribeResponse:
        """Raises the fault of whatever is wrong with it."""
        if request.mode != PULL_DELIVERY:
            raise wire_faults.only_pull_delivery()
        if request.selectors:
            raise wire_faults.subscribe_with_keys()
        if request.expires_s is not None and request.expires_s <= 0:
            raise SoapFault.known("ERROR_WSMAN_EVENTING_INVALID_EXPIRATION_TIME")
        if request.heartbeat_s is not None and request.heartbeat_s <= 0:
            raise SoapFault.known("ERROR_WSMAN_EVENTING_INVALID_HEARTBEAT")
        query = compiled(request.namespace, self._query_text(request), self._catalogue)
        idle_s = request.heartbeat_s or self._quotas.enumeration_timeout_s
        subscription = self._subscriptions.open(query, user, Terms(request.heartbeat_s, request.expires_s, idle_s))
        return SubscribeResponse(
            request.namespace, request.class_name, subscription.identifier, subscription.context, request.expires_s
        )

    def pull(self, request: Pull, user: str, timeout_s: float | None, pack: Packer) -> PullResponse | None:
        """The next events; None where the context is of no subscription.

        Waits for the first of them as long as the request allows (MaxTime, OperationTimeout), and no longer than to the
        next heartbeat. Without any of these it waits for MaxTimeoutms (assumption: MaxTimeoutms does not apply to Pull,
        MS-WSMV 2.2.4.10, but an answer must come some time).
        """
        subscription = self._subscriptions.find(request.context, user)
        if subscription is None:
            return None
        subscription.begin_pull()
        try:
            return self._pulled(subscription, request, timeout_s, pack)
        finally:
            subscription.end_pull()

    def release(self, request: Release, user: str) -> ReleaseResponse | None:
        """Ends a subscription by its context; None where it is of none."""
        subscription = self._subscriptions.find(request.context, user)
        if subscription is None:
            return None
        self._subscriptions.end(subscription, wire_faults.subscription_closed())
        return ReleaseResponse()

    def unsubscribe(self, request: Unsubscribe, user: str) -> UnsubscribeResponse:
        subscription = self._subscriptions.identified(request.identifier, user)
        if subscription is None:
            raise wire_faults.unknown_subscription()
        self._subscriptions.end(subscription, wire_faults.subscription_closed())
        return UnsubscribeResponse()

    @staticmethod
    def renew(_request: Renew) -> SoapFault:
        """The fault: Windows renews no subscription (MS-WSMV 3.1.4.1.30.4)."""
        return SoapFault.known("ERROR_WSMAN_EVENTING_UNABLE_TO_RENEW")

    def opened_by(self, user: str) -> int:
        """How many subscriptions a user has open."""
        return self._subscriptions.opened_by(user)

    def label(self, context: str) -> str:
        """The class that a subscription is about; empty for an unknown context."""
        return self._subscriptions.label(context)

    def close(self) -> None:
        """Ends every subscription; each Pull that waits is answered."""
        self._subscriptions.close()

    def _query_text(self, request: Subscribe) -> str:
        if request.dialect != names.WQL:
            raise SoapFault.known("ERROR_WSMAN_EVENTING_FILTERING_REQUESTED_UNAVAILABLE")
        if request.class_name == uris.ALL_CLASSES:
            if not request.filter:
                raise wire_faults.all_classes_without_filter()
            return request.filter
        try:
            indication = is_indication(self._catalogue, request.namespace, request.class_name)
        except NotFound:
            raise wmi_faults.class_not_found(request.namespace, request.class_name) from None
        if not indication:
            raise SoapFault.known("ERROR_WSMAN_ACTION_NOT_SUPPORTED")
        return request.filter or f"SELECT * FROM {request.class_name}"  # noqa: S608 - the class exists

    def _pulled(self, subscription: Subscription, request: Pull, timeout_s: float | None, pack: Packer) -> PullResponse:
        limits = {"max time": request.max_time_s, "heartbeat": subscription.heartbeat_s, "timeout": timeout_s}
        stated = {name: seconds for name, seconds in limits.items() if seconds is not None}
        stated = stated or {"timeout": self._quotas.max_timeout_s}
        first = min(stated, key=lambda name: stated[name])
        if not subscription.wait(stated[first]):
            if first == "heartbeat":
                return PullResponse((), subscription.context)
            raise wire_faults.nothing_to_pull() if first == "max time" else wire_faults.timed_out()
        wanted = min(max(request.max_elements, 1), self._quotas.max_batch_items)
        events = list(subscription.pending)[:wanted]
        packed = pack(events)
        if not packed:
            raise wire_faults.answer_too_big()
        subscription.pending = deque(list(subscription.pending)[len(packed) :])
        return PullResponse(tuple(packed), subscription.context)
