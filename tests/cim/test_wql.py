"""Queries built from values."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_hyperv.cim import wql
from compute_hyperv.cim.errors import InvalidRequest
from compute_hyperv.cim.values import CimReference
from tests.cim import strategies

MACHINE = CimReference("Msvm_ComputerSystem", {"CreationClassName": "Msvm_ComputerSystem", "Name": 'a"b'})


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (wql.select("Msvm_ComputerSystem"), "SELECT * FROM Msvm_ComputerSystem"),
        (wql.select("Msvm_X", ["Name", "EnabledState"]), "SELECT Name, EnabledState FROM Msvm_X"),
        (
            wql.select("Msvm_X").where(wql.eq("A", "x"), wql.ne("B", 1)).where(wql.ge("C", True)),
            "SELECT * FROM Msvm_X WHERE A = 'x' AND B <> 1 AND C >= TRUE",
        ),
        (
            wql.select("X").where(wql.any_of(wql.lt("A", 1), wql.all_of(wql.gt("A", 5), wql.le("A", 7)))),
            "SELECT * FROM X WHERE (A < 1 OR (A > 5 AND A <= 7))",
        ),
        (
            wql.select("X").where(wql.is_null("A"), wql.is_not_null("B"), wql.like("C", "a%")),
            "SELECT * FROM X WHERE A IS NULL AND B IS NOT NULL AND C LIKE 'a%'",
        ),
        (
            wql.events_of("Msvm_ComputerSystem", "modified", within_s=5).where(wql.changed("EnabledState")),
            "SELECT * FROM __InstanceModificationEvent WITHIN 5 WHERE TargetInstance ISA 'Msvm_ComputerSystem'"
            " AND TargetInstance.EnabledState <> PreviousInstance.EnabledState",
        ),
        (
            wql.events_of("Msvm_ConcreteJob"),
            "SELECT * FROM __InstanceOperationEvent WITHIN 2 WHERE TargetInstance ISA 'Msvm_ConcreteJob'",
        ),
        (
            wql.select("__InstanceModificationEvent").where(wql.isa("TargetInstance", "Msvm_ComputerSystem")),
            "SELECT * FROM __InstanceModificationEvent WHERE TargetInstance ISA 'Msvm_ComputerSystem'",
        ),
        (
            wql.select("X").where(wql.gt("At", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))),
            "SELECT * FROM X WHERE At > '20260101000000.000000+000'",
        ),
        (
            wql.associators_of(MACHINE, assoc_class="Msvm_A", result_class="Msvm_B", role="R", result_role="S"),
            'ASSOCIATORS OF {Msvm_ComputerSystem.CreationClassName="Msvm_ComputerSystem",Name="a\\"b"} '
            "WHERE AssocClass = Msvm_A ResultClass = Msvm_B Role = R ResultRole = S",
        ),
        (
            wql.references_of(MACHINE, result_class="Msvm_A"),
            'REFERENCES OF {Msvm_ComputerSystem.CreationClassName="Msvm_ComputerSystem",Name="a\\"b"} '
            "WHERE ResultClass = Msvm_A",
        ),
    ],
)
def test_a_query_is_the_text_that_wmi_documents(query: wql.Query, text: str) -> None:
    assert str(query) == text


@given(strategies.texts)
def test_a_value_never_ends_its_own_quotes(value: str) -> None:
    literal = str(wql.select("X").where(wql.eq("A", value))).removeprefix("SELECT * FROM X WHERE A = ")
    assert literal[0] == literal[-1] == "'"
    inner, characters = literal[1:-1], []
    position = 0
    while position < len(inner):
        assert inner[position] != "'"
        position += inner[position] == "\\"
        characters.append(inner[position])
        position += 1
    assert "".join(characters) == value


@given(st.text(max_size=20))
def test_only_names_become_names(name: str) -> None:
    if name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit():
        return
    for build in (wql.select, wql.is_null, lambda text: wql.select("X", [text]), lambda text: wql.isa("X", text)):
        if name.replace(".", "").isidentifier() and name.isascii():
            continue  # a member of an embedded object
        with pytest.raises(InvalidRequest):
            build(name)


def test_text_of_users_in_a_pattern_matches_only_itself() -> None:
    assert wql.escape_like("100%_[x]") == "100[%][_][[]x]"


def test_a_query_knows_its_class_and_namespace() -> None:
    assert wql.select("Msvm_X").class_name == "Msvm_X"
    assert wql.associators_of(MACHINE, result_class="Msvm_Y").class_name == "Msvm_Y"
    assert wql.associators_of(MACHINE).namespace == "root/virtualization/v2"


@pytest.mark.parametrize("build", [wql.any_of, wql.all_of, lambda: wql.select("X", [])])
def test_a_query_for_nothing_is_refused(build) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidRequest):
        build()
