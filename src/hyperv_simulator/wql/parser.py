"""WQL text to its tree, by recursive descent: one function per rule of the grammar.

``SELECT`` takes a property on either side of an operator (``5 < Slot`` is ``Slot > 5``), as the WmiSdk grammar says.
"""

from __future__ import annotations

from collections.abc import Callable

from hyperv_simulator.wql.lexer import Token, tokens
from hyperv_simulator.wql.tree import (
    And,
    AssociatorsOf,
    Comparison,
    Condition,
    Group,
    IsA,
    IsNull,
    Like,
    Literal,
    Not,
    Or,
    PropertyComparison,
    PropertyPath,
    Query,
    ReferencesOf,
    Select,
    WqlError,
)

_MIRRORED = {"=": "=", "<>": "<>", "!=": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_NORMAL = {"!=": "<>"}
_NESTING_LIMIT = 50  # WMI has a limit as well (WBEM_E_QUOTA_VIOLATION); its number is not documented


def parse(text: str) -> Query:
    """The tree of a query. Raises WqlError where the text is no WQL."""
    query = _Parser(tokens(text)).query()
    if isinstance(query, Select) and (query.within_s is not None or query.group is not None):
        raise WqlError("WITHIN and GROUP belong to event queries")
    return query


def parse_event(text: str) -> Select:
    """The tree of an event query (WmiSdk, "WITHIN Clause", "GROUP Clause"). Raises WqlError where the text is none."""
    query = _Parser(tokens(text)).query()
    if not isinstance(query, Select):
        raise WqlError("an event query is a SELECT")
    return query


class _Parser:
    def __init__(self, words: list[Token]) -> None:
        self._words = words
        self._position = 0
        self._depth = 0

    # The reading head

    @property
    def _next(self) -> Token:
        return self._words[self._position]

    def _take(self) -> Token:
        token = self._next
        if token.kind != "end":
            self._position += 1
        return token

    def _keyword(self, *names: str) -> bool:
        """Takes the words if all of them come next."""
        following = self._words[self._position : self._position + len(names)]
        fits = len(following) == len(names) and all(
            token.kind == "name" and token.text.lower() == name for token, name in zip(following, names, strict=True)
        )
        if fits:
            self._position += len(names)
        return fits

    def _operator(self, text: str) -> bool:
        fits = self._next.kind == "operator" and self._next.text == text
        if fits:
            self._take()
        return fits

    def _name(self, what: str) -> str:
        token = self._take()
        if token.kind != "name":
            raise WqlError(f"{what} expected, found {token.text!r}")
        return token.text

    def _end(self) -> None:
        if self._next.kind != "end":
            raise WqlError(f"the query goes on with {self._next.text!r} where it should end")

    # Statements

    def query(self) -> Query:
        if self._keyword("select"):
            return self._select()
        if self._keyword("associators", "of"):
            return self._associators()
        if self._keyword("references", "of"):
            return self._references()
        raise WqlError("a query starts with SELECT, ASSOCIATORS OF or REFERENCES OF")

    def _select(self) -> Select:
        properties: list[str] | None = None
        if not self._operator("*"):
            properties = [self._name("a property")]
            while self._operator(","):
                properties.append(self._name("a property"))
        if not self._keyword("from"):
            raise WqlError("FROM expected")
        class_name = self._name("a class")
        within_s = self._seconds() if self._keyword("within") else None
        where = self._or() if self._keyword("where") else None
        group = self._group() if self._keyword("group", "within") else None
        self._end()
        return Select(tuple(properties) if properties is not None else None, class_name, where, within_s, group)

    def _group(self) -> Group:
        within_s = self._seconds()
        by: list[PropertyPath] = []
        if self._keyword("by"):
            by.append(self._property())
            while self._operator(","):
                by.append(self._property())
        return Group(within_s, tuple(by), self._having() if self._keyword("having") else None)

    def _having(self) -> tuple[str, int]:
        if self._name("NumberOfEvents").lower() != "numberofevents":
            raise WqlError("HAVING is about NumberOfEvents")
        operator = self._take().text
        number = self._literal()
        if operator not in _MIRRORED or not isinstance(number, int) or isinstance(number, bool):
            raise WqlError("an operator and a number expected after NumberOfEvents")
        return _NORMAL.get(operator, operator), number

    def _seconds(self) -> float:
        token = self._take()
        if token.kind != "number" or not float(token.text) > 0:
            raise WqlError(f"a number of seconds expected after WITHIN, found {token.text!r}")
        return float(token.text)

    def _associators(self) -> AssociatorsOf:
        path = self._object_path()
        words, flags = self._association_filters("assocclass", "resultclass", "role", "resultrole")
        return AssociatorsOf(
            path=path,
            association_class=words.get("assocclass", ""),
            result_class=words.get("resultclass", ""),
            role=words.get("role", ""),
            result_role=words.get("resultrole", ""),
            class_definitions_only="classdefsonly" in flags,
            keys_only="keysonly" in flags,
        )

    def _references(self) -> ReferencesOf:
        path = self._object_path()
        words, flags = self._association_filters("resultclass", "role")
        return ReferencesOf(
            path=path,
            result_class=words.get("resultclass", ""),
            role=words.get("role", ""),
            class_definitions_only="classdefsonly" in flags,
            keys_only="keysonly" in flags,
        )

    def _object_path(self) -> str:
        token = self._take()
        if token.kind != "path" or not token.text:
            raise WqlError("an object path in braces expected")
        return token.text

    def _association_filters(self, *names: str) -> tuple[dict[str, str], set[str]]:
        words: dict[str, str] = {}
        flags: set[str] = set()
        if not self._keyword("where"):
            self._end()
            return words, flags
        while self._next.kind != "end":
            name = self._name("a filter of associations").lower()
            if name in ("classdefsonly", "keysonly"):
                flags.add(name)
                continue
            if name not in names or not self._operator("="):
                raise WqlError(f"{name!r} is no filter of this statement")
            token = self._take()
            if token.kind not in ("name", "string"):
                raise WqlError(f"a name expected after {name}")
            words[name] = token.text
        return words, flags

    # Conditions, from the loosest to the tightest

    def _or(self) -> Condition:
        return self._chain("or", self._and, Or)

    def _and(self) -> Condition:
        return self._chain("and", self._not, And)

    def _chain(
        self, word: str, operand: Callable[[], Condition], node: Callable[[tuple[Condition, ...]], Condition]
    ) -> Condition:
        conditions = [operand()]
        while self._keyword(word):
            conditions.append(operand())
        return conditions[0] if len(conditions) == 1 else node(tuple(conditions))

    def _not(self) -> Condition:
        self._depth += 1
        if self._depth > _NESTING_LIMIT:
            raise WqlError("the conditions are nested too deeply")
        try:
            if self._keyword("not"):
                return Not(self._not())
            if self._operator("("):
                condition = self._or()
                if not self._operator(")"):
                    raise WqlError("a parenthesis is not closed")
                return condition
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Condition:
        if self._next.kind in ("string", "number") or self._next.text.lower() in ("true", "false", "null"):
            value = self._literal()
            operator = _MIRRORED.get(self._take().text)
            if operator is None:
                raise WqlError("an operator expected after the constant")
            return Comparison(self._property(), operator, value)
        path = self._property()
        if self._keyword("like"):
            return Like(path, self._text("a pattern"))
        if self._keyword("not", "like"):
            return Not(Like(path, self._text("a pattern")))
        if self._keyword("isa"):
            return IsA(() if path[0].lower() == "__this" else path, self._text("a class name"))
        if self._keyword("is", "not", "null"):
            return Not(IsNull(path))
        if self._keyword("is", "null"):
            return IsNull(path)
        operator = self._take().text
        if operator not in _MIRRORED:
            raise WqlError(f"an operator expected after {'.'.join(path)}")
        if self._next.kind == "name" and self._next.text.lower() not in ("true", "false", "null"):
            return PropertyComparison(path, _NORMAL.get(operator, operator), self._property())
        value = self._literal()
        if value is None:  # "= NULL" and "<> NULL" mean IS NULL and IS NOT NULL
            return IsNull(path) if operator == "=" else Not(IsNull(path))
        return Comparison(path, _NORMAL.get(operator, operator), value)

    def _property(self) -> PropertyPath:
        return tuple(self._name("a property").split("."))

    def _text(self, what: str) -> str:
        token = self._take()
        if token.kind != "string":
            raise WqlError(f"{what} in quotes expected")
        return token.text

    def _literal(self) -> Literal:
        token = self._take()
        if token.kind == "string":
            return token.text
        if token.kind == "number":
            if "." in token.text:
                return float(token.text)
            return int(token.text, 16 if "x" in token.text.lower() else 10)
        word = token.text.lower()
        if token.kind == "name" and word in ("true", "false"):
            return word == "true"
        if token.kind == "name" and word == "null":
            return None
        raise WqlError(f"a constant expected, found {token.text!r}")
