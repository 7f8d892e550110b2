"""WQL as WmiSdk describes it: what a query may look like, and what its conditions let through."""

from __future__ import annotations

import datetime as dt

import pytest

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator import wql
from hyperv_simulator.wql.tree import And, Comparison, Like, Select

MACHINE = CimInstance(
    "Msvm_Test",
    {
        "Name": "Web-01",
        "InstanceID": "Microsoft:Definition\\ABC\\Default",
        "Count": 17,
        "Ratio": 1.5,
        "Enabled": True,
        "Note": None,
        "Since": dt.datetime(2026, 10, 8, 15, 15, 36, tzinfo=dt.UTC),
        "Delay": dt.timedelta(minutes=30),
        "Quote": 'it\'s "so"',
        "List": ["a"],
        "Inner": CimInstance("Msvm_Inner", {"State": 2}),
    },
)

FITTING = [
    "Name = 'web-01'",
    'NAME = "WEB-01"',
    "Name <> 'db-01'",
    "Name != 'db-01'",
    "Name > 'a'",
    "Count = 17",
    "Count = '17'",
    "17 = Count",
    "16 < Count",
    "Count >= 17 AND Count <= 17",
    "Count < 0x12",
    "Ratio = 1.5",
    "Enabled = TRUE",
    "Enabled = 'true'",
    "Enabled = 1",
    "Note IS NULL",
    "Note = NULL",
    "Name IS NOT NULL",
    "Name <> NULL",
    "NOT Note IS NOT NULL",
    "Name LIKE 'web%'",
    "Name LIKE '%-0_'",
    "Name LIKE 'we[a-c]-01'",
    "Name LIKE '[^a-v]eb%'",
    "Name LIKE 'Web[-]01'",
    "Name NOT LIKE 'db%'",
    r"InstanceID LIKE '%\\Default'",
    r"InstanceID = 'Microsoft:Definition\\ABC\\Default'",
    r"Quote = 'it\'s \"so\"'",
    "Since > '20261008000000.000000+000'",
    "Since = '20261008171536.000000+120'",
    "Delay = '00000000003000.000000:000'",
    "__this ISA 'Msvm_Base'",
    "Inner ISA 'Msvm_Inner'",
    "Inner.State = 2",
    "__CLASS = 'msvm_test'",
    "(Name = 'x' OR Count = 17) AND NOT (Enabled = FALSE)",
    "Name = 'x' AND Count = 1 OR Enabled = TRUE",
    "Count <> Ratio",
    "Name != InstanceID",
    "Count > Inner.State",
    "Name = Name",
]

NOT_FITTING = [
    "Name = 'web-011'",
    "Note = 'x'",
    "Note <> 'x'",
    "List = 'a'",
    "Name LIKE 'web'",
    "Name LIKE 'we.-01'",
    "Missing.Deep = 1",
    "Name ISA 'Msvm_Base'",
    "Name = 'x' OR Count = 1 AND Enabled = TRUE",
    "Count = 'seventeen'",
    "Since > 'yesterday'",
    "Note <> Name",
    "Count = Inner.State",
]

BROKEN = [
    "",
    "select",
    "select * from",
    "select * from Msvm_X where",
    "select * from Msvm_X where Name",
    "select * from Msvm_X where Name = ",
    "select * from Msvm_X where Name = 'x",
    "select * from Msvm_X where Name like 5",
    "select * from Msvm_X where (Name = 'x'",
    "select * from Msvm_X where Name = 'x' order by Name",
    "select * from Msvm_X; drop",
    "select Name, from Msvm_X",
    "delete from Msvm_X",
    "select * from Msvm_X within 2",
    "associators of Msvm_X.Name='x'",
    "associators of {Msvm_X.Name='x'",
    "associators of {Msvm_X.Name='x'} where Nonsense = Msvm_Y",
    "references of {Msvm_X.Name='x'} where AssocClass = Msvm_Y",
    "select * from Msvm_X where " + "(" * 500 + "Name = 'x'" + ")" * 500,
]


def judge(condition: str) -> bool:
    query = wql.parse(f"SELECT * FROM Msvm_Test WHERE {condition}")
    assert isinstance(query, Select)
    assert query.where is not None

    def read(instance: CimInstance, name: str) -> object:
        return instance.class_name if name == "__CLASS" else instance.get(name)

    classes = {"Msvm_Test": {"msvm_test", "msvm_base"}, "Msvm_Inner": {"msvm_inner"}}
    fits = wql.matcher(query.where, read, lambda instance, name: name.lower() in classes[instance.class_name])  # type: ignore[arg-type]
    return fits(MACHINE)


@pytest.mark.parametrize("condition", FITTING)
def test_a_condition_that_is_true_lets_the_instance_through(condition: str) -> None:
    assert judge(condition)


@pytest.mark.parametrize("condition", NOT_FITTING)
def test_a_condition_that_is_false_or_unknown_keeps_the_instance_out(condition: str) -> None:
    assert not judge(condition)


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_wql_is_an_error_not_a_guess(text: str) -> None:
    with pytest.raises(wql.WqlError):
        wql.parse(text)


def test_a_chain_of_conditions_may_be_long() -> None:
    assert judge(" OR ".join(["Count = 1"] * 5000 + ["Count = 17"]))


def test_a_pattern_with_an_open_set_is_an_error() -> None:
    with pytest.raises(wql.WqlError):
        judge("Name LIKE 'web[0'")


def test_a_projection_names_its_properties_in_order() -> None:
    assert wql.parse("select ElementName, Name from Msvm_ComputerSystem") == Select(
        ("ElementName", "Name"), "Msvm_ComputerSystem", None
    )


def test_backslashes_in_strings_make_the_next_character_literal() -> None:
    query = wql.parse(r"SELECT * FROM X WHERE A = 'C:\\x' AND B LIKE 'a\'b'")
    assert isinstance(query, Select)
    assert query.where is not None
    assert query.where == And((Comparison(("A",), "=", "C:\\x"), Like(("B",), "a'b")))


def test_an_event_query_may_say_how_often_to_look() -> None:
    query = wql.parse_event("select * from __InstanceCreationEvent within 0.5 where TargetInstance isa 'X'")
    assert (query.class_name, query.within_s) == ("__InstanceCreationEvent", 0.5)
    assert wql.parse_event("select * from __TimerEvent").within_s is None


@pytest.mark.parametrize(
    "text",
    ["select * from X within", "select * from X within 0", "select * from X within 'a'", "references of {X='1'}"],
)
def test_an_event_query_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(wql.WqlError):
        wql.parse_event(text)


def test_a_path_may_hold_braces_inside_quotes() -> None:
    query = wql.parse('ASSOCIATORS OF {MSFT_NetAdapter.DeviceID="{A-B}"} WHERE AssocClass = X ResultClass = Y')
    assert query == wql.AssociatorsOf(path='MSFT_NetAdapter.DeviceID="{A-B}"', association_class="X", result_class="Y")


def test_associators_take_every_filter_that_wmi_has() -> None:
    query = wql.parse("associators of {X='1'} where resultclass=A assocclass = B role=C resultrole = D classdefsonly")
    assert query == wql.AssociatorsOf("X='1'", "B", "A", "C", "D", class_definitions_only=True)
    assert wql.parse("references of {X='1'} where ResultClass=A Role=B") == wql.ReferencesOf("X='1'", "A", "B")


def test_the_properties_that_a_condition_reads_are_known_before_it_runs() -> None:
    query = wql.parse("select * from X where not (A = 1 or B.C like 'x') and D is null and __this isa 'E'")
    assert isinstance(query, Select)
    assert list(wql.properties_read(query.where)) == ["A", "B", "D"]
