"""Whatever stands in a query: the parser says what is wrong with it, or judges instances by it."""

from __future__ import annotations

import contextlib
import datetime as dt

from hypothesis import given, settings
from hypothesis import strategies as st

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator import wql

WORDS = (  # noqa: SIM905 - a list of fifty would not be easier to read
    "select * from within where and or not like isa is null true false group by having associators of references = "
    "<> != < > <= >= ( ) , . 5 0x1F 2.5 -1 'text' \"text\" '%a_[b-c]%' '[' '20260102030405.678900+000' __CLASS __this "
    "Name TargetInstance.Name NumberOfEvents Msvm_ComputerSystem {a.b=1} { } ' \" \\ resultclass keysonly"
).split()
INSTANCE = CimInstance(
    "Msvm_ComputerSystem",
    {
        "Name": "text",
        "EnabledState": 2,
        "OperationalStatus": [2, 5],
        "InstallDate": dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
        "TimeOut": dt.timedelta(seconds=5),
        "Flag": True,
        "Data": b"ab",
        "Ref": CimReference("X", {"Y": "z"}),
        "TargetInstance": CimInstance("Other", {"Name": "inner"}),
    },
)
PROPERTIES = [*INSTANCE, "TargetInstance.Name", "Missing", "__CLASS", "Name.Deeper"]
CONSTANTS = ["'text'", "'20260102000000.000000+000'", "'00000000000005.000000:000'", "2", "2.5", "-7", "true", "null"]
comparisons = st.builds(
    "{} {} {}".format,
    st.sampled_from(PROPERTIES),
    st.sampled_from(["=", "<>", "<", ">="]),
    st.sampled_from(CONSTANTS),
)
texts = st.builds(
    "{} {} {}".format, st.sampled_from(PROPERTIES), st.sampled_from(["like", "isa"]), st.sampled_from(CONSTANTS[:3])
)
conditions = st.recursive(
    comparisons | texts,
    lambda inner: st.builds("({} {} not {})".format, inner, st.sampled_from(["and", "or"]), inner),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(text=st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)))
def test_noise_is_a_query_or_an_error_that_says_so(text: str) -> None:
    for parse in (wql.parse, wql.parse_event):
        with contextlib.suppress(wql.WqlError):
            parse(text)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(condition=conditions)
def test_any_condition_judges_any_instance(condition: str) -> None:
    query = wql.parse(f"select * from Msvm_ComputerSystem where {condition}")
    assert isinstance(query, wql.Select)
    assert query.where is not None
    with contextlib.suppress(wql.WqlError):
        judge = wql.matcher(query.where, lambda item, name: item.get(name), lambda item, name: item.class_name == name)
        assert judge(INSTANCE) in (True, False)
