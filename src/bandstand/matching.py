"""Which items fulfil a condition, all rows at once, and whether a user in a context does.

A field that is missing makes every comparison with it false, != and `not in` too, and so do values that do not compare:
a text and a number are neither equal nor different. `not` turns what stands behind it around, known or not.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, assert_never, cast

import numpy as np

from bandstand.columns import FIRST_TEXT, TRUE, Codes, Column, Columns, Mask, Numbers
from bandstand.events import Feature
from bandstand.expressions import (
    Arithmetic,
    Comparison,
    Constant,
    Every,
    Expression,
    Field,
    Holds,
    Listed,
    Membership,
    Not,
    Order,
    Plain,
    Some,
    Truth,
    Value,
)

_COMPARE: dict[Order, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED: dict[Order, Order] = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_CALCULATE = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}

_One: TypeAlias = Plain | Sequence[str | float] | None
_Each: TypeAlias = Column | Numbers
_Found: TypeAlias = bool | Mask


class Facts(NamedTuple):
    """What is known of a request: of its context and of its user, by name."""

    context: Mapping[str, Feature] = {}
    user: Mapping[str, Feature] = {}


def mask(expression: Expression, columns: Columns, facts: Facts) -> Mask:
    """A fresh bool[n]: which of the n items fulfil the condition, for this request."""
    n = len(columns)
    columns.prepare([field.name for field in expression.fields if field.scope == "item"])
    found = _Matcher(columns, facts, n).truth(expression.truth)
    return np.full(n, found) if isinstance(found, bool) else found.copy()


def holds(expression: Expression, facts: Facts) -> bool:
    """Whether a condition that asks about no item is fulfilled."""
    found = _Matcher(None, facts, 0).truth(expression.truth)
    assert isinstance(found, bool)
    return found


class _Matcher:
    def __init__(self, columns: Columns | None, facts: Facts, n: int) -> None:
        self._columns = columns
        self._facts = facts
        self._n = n

    def truth(self, truth: Truth) -> _Found:
        match truth:
            case Comparison(order, left, right):
                return self._compared(order, self._value(left), self._value(right))
            case Membership(inside, of, within):
                return self._among(inside, self._value(of), self._value(within))
            case Holds(value):
                return self._holds(self._value(value))
            case Not(part):
                found = self.truth(part)
                return not found if isinstance(found, bool) else ~found
            case Every(parts):
                return self._joined(parts, operator.and_, unless=False)
            case Some(parts):
                return self._joined(parts, operator.or_, unless=True)
            case _:
                assert_never(truth)

    def _joined(self, parts: Sequence[Truth], join: Callable[[Any, Any], Any], *, unless: bool) -> _Found:
        """All the parts joined, the first that is `unless` deciding."""
        joined: _Found = self.truth(parts[0])
        for part in parts[1:]:
            if joined is unless:
                break
            joined = join(joined, self.truth(part))
        return joined

    def _value(self, value: Value) -> _One | _Each:
        match value:
            case Constant(constant):
                return constant
            case Listed(values):
                return values
            case Field("item", name):
                assert self._columns is not None
                return self._columns.column(name)
            case Field(scope, name):
                return (self._facts.context if scope == "context" else self._facts.user).get(name)
            case Arithmetic(sign, left, right):
                numbers = self._numbers(self._value(left)), self._numbers(self._value(right))
                with np.errstate(all="ignore"):
                    made = np.where(np.equal(numbers[1], 0) & (sign == "/"), np.nan, _CALCULATE[sign](*numbers))
                if made.ndim:
                    return made
                return None if np.isnan(made) else float(made)
            case _:
                assert_never(value)

    def _numbers(self, value: _One | _Each) -> Numbers | float:
        match value:
            case Column():
                return value.numbers[: self._n]
            case np.ndarray():
                return value
            case int() | float() if not isinstance(value, bool):
                return float(value)
            case _:
                return np.nan

    def _codes(self, column: Column) -> Codes:
        return column.codes[: self._n]

    def _compared(self, order: Order, left: _One | _Each, right: _One | _Each) -> _Found:
        match left, right:
            case ((Column() | np.ndarray()), (Column() | np.ndarray())):
                found: Mask = self._ordered(order, self._numbers(left), self._numbers(right))
                if isinstance(left, Column) and isinstance(right, Column):
                    found |= self._texts(order, self._codes(left), self._codes(right))
                return found
            case ((Column() | np.ndarray()), _):
                return self._with_one(order, left, cast(_One, right))
            case _, (Column() | np.ndarray()):
                return self._with_one(_MIRRORED[order], right, left)
            case _:
                return _one_compared(order, left, right)

    def _with_one(self, order: Order, each: _Each, one: _One) -> _Found:
        match one:
            case bool() | str():
                return self._text(order, self._codes(each), one) if isinstance(each, Column) else False
            case int() | float():
                return self._ordered(order, self._numbers(each), float(one))
            case _:
                return False

    def _ordered(self, order: Order, left: Numbers | float, right: Numbers | float) -> Mask:
        found: Mask = _COMPARE[order](left, right)
        return found & ~np.isnan(left) & ~np.isnan(right) if order == "!=" else found

    def _text(self, order: Order, codes: Codes, one: str | bool) -> _Found:
        """Each text, or each of true and false, beside one."""
        assert self._columns is not None
        words = self._columns.words
        found: Mask
        if order == "==":
            found = codes == words.known(one)
        elif isinstance(one, bool):
            found = (codes == 1 - words.known(one)) if order == "!=" else np.zeros(self._n, np.bool_)
        elif order == "!=":
            found = (codes >= FIRST_TEXT) & (codes != words.known(one))
        else:
            ranks, (low, high) = words.ranks()[codes], words.place(one)
            found = (
                (ranks >= high if order == ">" else ranks >= low)
                if order in (">", ">=")
                else (ranks < low if order == "<" else ranks < high)
            )
            found &= codes >= FIRST_TEXT
        return found

    def _texts(self, order: Order, left: Codes, right: Codes) -> Mask:
        found: Mask
        texts = (left >= FIRST_TEXT) & (right >= FIRST_TEXT)
        if order in ("==", "!="):
            alike = texts | ((left >= 0) & (right >= 0) & (left < FIRST_TEXT) & (right < FIRST_TEXT))
            found = alike & _COMPARE[order](left, right)
        else:
            assert self._columns is not None
            ranks = self._columns.words.ranks()
            found = texts & _COMPARE[order](ranks[left], ranks[right])
        return found

    def _among(self, inside: bool, of: _One | _Each, within: _One | _Each) -> _Found:
        match of, within:
            case _, Column():
                if not isinstance(of, str | bool | int | float):
                    return False
                found = within.holding(of)[: self._n]
                return found if inside else within.listed[: self._n] & ~found
            case ((Column() | np.ndarray()), (list() | tuple())):
                return self._each_among(inside, of, within)
            case ((str() | bool() | int() | float()), (list() | tuple())):
                return any(_one_compared("==", of, value) for value in within) is inside
            case _:
                return False

    def _each_among(self, inside: bool, each: _Each, values: Sequence[Plain]) -> Mask:
        found = np.zeros(self._n, np.bool_)
        for value in values:
            found |= self._with_one("==", each, value)
        return found if inside else self._known(each) & ~found

    def _known(self, each: _Each) -> Mask:
        """Where there is a number, a text, true or false."""
        known: Mask = ~np.isnan(self._numbers(each))
        return known | (self._codes(each) >= 0) if isinstance(each, Column) else known

    def _holds(self, value: _One | _Each) -> _Found:
        if not isinstance(value, Column | np.ndarray):
            return bool(value)
        numbers = self._numbers(value)
        found: Mask = (numbers != 0) & ~np.isnan(numbers)
        if isinstance(value, Column):
            assert self._columns is not None
            codes = self._codes(value)
            found |= (codes == TRUE) | ((codes >= FIRST_TEXT) & (codes != self._columns.words.known("")))
            found[[row for row, held in value.lists.items() if held]] = True
        return found


def _one_compared(order: Order, left: object, right: object) -> bool:
    match left, right:
        case bool(), bool():
            return order in ("==", "!=") and bool(_COMPARE[order](left, right))
        case bool(), _:
            return False
        case _, bool():
            return False
        case (str(), str()) | ((int() | float()), (int() | float())):
            return bool(_COMPARE[order](left, right))
        case _:
            return False
