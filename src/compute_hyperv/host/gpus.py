"""Graphics cards of the host that machines can have shares of."""

from __future__ import annotations

from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.wql import select


class Gpus:
    def __init__(self, session: CimSession) -> None:
        self._session = session

    def partitions(self) -> int:
        """Into how many shares all cards are divided now, taken by machines or not: one request."""
        cards = self._session.query(select("Msvm_PartitionableGpu", ["Name", "PartitionCount"]))
        return sum(card.integer("PartitionCount", 0) for card in cards)
