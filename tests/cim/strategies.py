"""Values of every CIM type, for round trips."""

from __future__ import annotations

import datetime as dt

from hypothesis import strategies as st

from compute_hyperv.cim.scalars import INTEGER_RANGES
from compute_hyperv.cim.schema import CimParameter, CimProperty, CimType
from compute_hyperv.cim.values import CimReference, CimScalar, CimValue

# What XML can carry; the rest becomes a question mark and has a test of its own.
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=[*map(chr, range(32)), "\ufffe", "\uffff"])
    | st.sampled_from("\t\n\r\"'<>&\\%_[]{}"),
    max_size=40,
)

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,15}", fullmatch=True)

timestamps = st.datetimes(
    timezones=st.integers(-900, 900).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
)

intervals = st.timedeltas(dt.timedelta(0), dt.timedelta(days=99_999_999, hours=23, minutes=59, seconds=59))

wildcards = st.sampled_from(["2026**********.******+***", "********120000.000000:000"])


@st.composite
def references(draw: st.DrawFn, depth: int = 1) -> CimReference:
    """Some class with some keys; of two levels at most."""
    values = texts if depth == 0 else texts | references(depth=0)
    keys = draw(st.dictionaries(names, values, min_size=1, max_size=3))
    if len({name.lower() for name in keys}) < len(keys):
        keys = dict([next(iter(keys.items()))])
    return CimReference(f"Test_{draw(names)}", keys, draw(st.sampled_from(["root/virtualization/v2", "root/cimv2"])))


def scalars(cim_type: CimType) -> st.SearchStrategy[CimScalar]:
    """Every value that the type can hold, except embedded objects."""
    if cim_type in INTEGER_RANGES:
        return st.integers(*INTEGER_RANGES[cim_type])
    return {
        CimType.BOOLEAN: st.booleans(),
        CimType.REAL32: st.floats(allow_nan=False),
        CimType.REAL64: st.floats(allow_nan=False),
        CimType.STRING: texts,
        CimType.CHAR16: st.characters(max_codepoint=0xD7FF, min_codepoint=0x20),
        CimType.DATETIME: timestamps | intervals | wildcards,
        CimType.REFERENCE: references(),
    }[cim_type]


def values(member: CimProperty | CimParameter) -> st.SearchStrategy[CimValue]:
    """Every value that a property or parameter can hold, NULL too."""
    return st.none() | values_given(member)


def values_given(member: CimProperty | CimParameter) -> st.SearchStrategy[CimValue]:
    """Every value but NULL; arrays are not empty."""
    if not member.is_array:
        return scalars(member.type)
    if member.type is CimType.UINT8:
        return st.binary(min_size=1, max_size=64)
    return st.lists(scalars(member.type), min_size=1, max_size=4)


def members(prefix: str = "X") -> list[CimProperty]:
    """A property of each type, and an array of each."""
    return [
        CimProperty(f"{prefix}{cim_type}{'s' if is_array else ''}", cim_type, is_array)
        for cim_type in CimType
        if cim_type is not CimType.OBJECT
        for is_array in (False, True)
    ]
