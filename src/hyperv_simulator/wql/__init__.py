"""WQL: a query's text to a tree, and a tree's conditions to a function that judges one instance.

Rule 1: nothing here knows a repository or a class catalogue; names are only compared.
Rule 2: names of properties and classes, and strings, compare without regard to letter case, as WMI does.
Source: WmiSdk "WQL (SQL for WMI)", "WHERE Clause", "LIKE Operator", "ASSOCIATORS OF", "REFERENCES OF".
"""

from hyperv_simulator.wql.conditions import Matcher, matcher, properties_read
from hyperv_simulator.wql.parser import parse, parse_event
from hyperv_simulator.wql.tree import AssociatorsOf, Group, Query, ReferencesOf, Select, WqlError

__all__ = [
    "AssociatorsOf",
    "Group",
    "Matcher",
    "Query",
    "ReferencesOf",
    "Select",
    "WqlError",
    "matcher",
    "parse",
    "parse_event",
    "properties_read",
]
