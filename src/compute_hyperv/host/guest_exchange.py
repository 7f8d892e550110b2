"""Key-value pairs between a host and a guest that runs (facts: hyperv-ops 10).

A pair has up to 1024 characters. Whoever administers the host or the guest can read it.
"""

from __future__ import annotations

import contextlib

from compute_hyperv.cim import cimxml
from compute_hyperv.cim.errors import MethodFailed
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance
from compute_hyperv.cim.wql import eq, select
from compute_hyperv.host import jobs
from compute_hyperv.host.services import MANAGEMENT, machine_reference

_COMPONENT = "Msvm_KvpExchangeComponent"
_ITEM = "Msvm_KvpExchangeDataItem"
_FROM_HOST = 0


class GuestExchange:
    def __init__(self, session: CimSession) -> None:
        self._session = session

    def items(self, machine_id: str) -> dict[str, str]:
        """What programs in the guest want the host to know; nothing where nobody in it answers."""
        wanted = select(_COMPONENT, ["GuestExchangeItems"]).where(eq("SystemName", machine_id))
        texts = [text for row in self._session.query(wanted) for text in row.texts("GuestExchangeItems")]
        items = [cimxml.text_to_instance(text) for text in texts]
        return {item.text("Name", ""): item.text("Data", "") for item in items}

    def tell(self, machine_id: str, name: str, data: str) -> None:
        """Give the guest an item, in the place of what it had under that name."""
        try:
            self._change("AddKvpItems", machine_id, name, data)
        except MethodFailed:  # it has one of that name: adding is refused then (real-instances 3.6)
            self._change("ModifyKvpItems", machine_id, name, data)

    def withdraw(self, machine_id: str, name: str) -> None:
        """Take an item away from the guest; one that is not there is fine."""
        with contextlib.suppress(MethodFailed):
            self._change("RemoveKvpItems", machine_id, name, "")

    def _change(self, method: str, machine_id: str, name: str, data: str) -> None:
        item = CimInstance(_ITEM, {"Name": name, "Data": data, "Source": _FROM_HOST})
        jobs.run(
            self._session,
            MANAGEMENT,
            method,
            {"TargetSystem": machine_reference(machine_id), "DataItems": [item]},
            what=f"Exchanging {name} with the guest of machine {machine_id}",
        )
