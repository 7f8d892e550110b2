"""One value that is no array, reference or object, to the text that WS-Man and CIM-XML share, and back.

Strict in both directions: a value that its type cannot hold is a ValueError, and who calls adds the name of the
property or parameter. Dates are not here, since each format has its own form for them (``datetimes``).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from compute_hyperv.cim import paths
from compute_hyperv.cim.schema import CimType
from compute_hyperv.cim.values import CimReference, CimScalar

INTEGER_RANGES: dict[CimType, tuple[int, int]] = {
    CimType.UINT8: (0, 2**8 - 1),
    CimType.UINT16: (0, 2**16 - 1),
    CimType.UINT32: (0, 2**32 - 1),
    CimType.UINT64: (0, 2**64 - 1),
    CimType.SINT8: (-(2**7), 2**7 - 1),
    CimType.SINT16: (-(2**15), 2**15 - 1),
    CimType.SINT32: (-(2**31), 2**31 - 1),
    CimType.SINT64: (-(2**63), 2**63 - 1),
}
_REALS = (CimType.REAL32, CimType.REAL64)
_SPECIAL_REALS = {"INF": math.inf, "-INF": -math.inf, "NaN": math.nan}
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_LONGEST_NUMBER = 400  # no real64 needs more digits; Python refuses, or takes long over, numbers of any length


def to_text(value: CimScalar, cim_type: CimType) -> str:
    """The text of a value, unescaped. Booleans in lower case, as XML Schema has them."""
    if cim_type is CimType.STRING:
        # A property that holds an object path is a string to the schema (Parent, HostResource): the reference it
        # was meant as is welcome.
        if isinstance(value, CimReference):
            return paths.format_path(value)
        if isinstance(value, str):
            return value
    elif cim_type is CimType.BOOLEAN:
        if isinstance(value, bool):
            return "true" if value else "false"
    elif cim_type in INTEGER_RANGES:
        low, high = INTEGER_RANGES[cim_type]
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return str(int(value))  # int(): an IntEnum shows its name otherwise
    elif cim_type in _REALS:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _real_to_text(float(value))
    elif cim_type is CimType.CHAR16 and isinstance(value, str) and len(value) == 1 and ord(value) <= 0xFFFF:
        return value
    raise ValueError(f"{value!r} is not a {cim_type}")


def from_text(value: str, cim_type: CimType) -> CimScalar:
    """The value of a text."""
    return READERS[cim_type](value)


def _real_to_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "INF" if value > 0 else "-INF"
    return repr(value)


def _read_boolean(value: str) -> bool:
    try:
        return _BOOLEANS[value.strip().lower()]
    except KeyError:
        raise ValueError(f"{value!r} is not a boolean") from None


def _read_real(value: str) -> float:
    value = value.strip()
    return _SPECIAL_REALS[value] if value in _SPECIAL_REALS else float(value[:_LONGEST_NUMBER])


def _read_char16(value: str) -> str:
    if len(value) != 1:
        raise ValueError(f"{value!r} is not one character")
    return value


def _integer_reader(cim_type: CimType) -> Callable[[str], int]:
    low, high = INTEGER_RANGES[cim_type]

    def read(value: str) -> int:
        try:
            number = int(value[:_LONGEST_NUMBER])
        except ValueError:
            number = high + 1
        if not low <= number <= high:
            raise ValueError(f"{value[:_LONGEST_NUMBER]!r} is not a {cim_type}")
        return number

    return read


# A table instead of one function with branches: decoding a large answer looks each of these up once per property of a
# class, not once per value.
READERS: dict[CimType, Callable[[str], CimScalar]] = {
    CimType.BOOLEAN: _read_boolean,
    CimType.STRING: str,
    CimType.CHAR16: _read_char16,
    **dict.fromkeys(_REALS, _read_real),
    **{integer: _integer_reader(integer) for integer in INTEGER_RANGES},
}
