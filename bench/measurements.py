"""One number each, and what it may be at most or must be at least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Budget:
    """:param kind: whether the value may be no larger, or no smaller, than the limit."""

    kind: Literal["at most", "at least"]
    limit: float

    def met_by(self, value: float) -> bool:
        return value <= self.limit if self.kind == "at most" else value >= self.limit

    def __str__(self) -> str:
        return f"{self.kind} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Measurement:
    """:param case: under which condition ("5 ms added", "1000 machines"); empty where there is only one."""

    name: str
    value: float
    unit: str
    case: str = ""
    budget: Budget | None = None
    note: str = ""

    @property
    def missed(self) -> bool:
        return self.budget is not None and not self.budget.met_by(self.value)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "case": self.case,
            "value": round(self.value, 4),
            "unit": self.unit,
            "budget": str(self.budget) if self.budget else None,
            "met": None if self.budget is None else not self.missed,
            "note": self.note,
        }
