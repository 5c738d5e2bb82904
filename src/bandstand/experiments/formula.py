"""Arithmetic over what a unit did, as people write it for a metric: read against a closed grammar, never run."""

import ast
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from bandstand.errors import InputError

Column = npt.NDArray[np.float64]
Aggregate = Literal["sum", "count", "interactions", "picks", "decisions"]

LONGEST = 500
_NAMED: tuple[Aggregate, ...] = ("sum", "count", "interactions")
_PLAIN: tuple[Aggregate, ...] = ("picks", "decisions")
_ALLOWED = (
    "allowed are sum('reward'), count('reward'), interactions('name'), picks, decisions, numbers, +, -, *, min, max, "
    "brackets, division by a number, and one division of the whole by another sum"
)


class Term(NamedTuple):
    """Something that a unit did, added up: values of rewards, their number, values of interactions, picks or slates
    that it was shown."""

    aggregate: Aggregate
    name: str = ""


class Number(NamedTuple):
    value: float


class Operation(NamedTuple):
    sign: Literal["+", "-", "*", "/", "min", "max"]
    left: "Part"
    right: "Part"


Part: TypeAlias = Term | Number | Operation


class Formula(NamedTuple):
    """A value per unit, or, with `below`, a ratio of two sums over all units."""

    above: Part
    below: Part | None = None

    def terms(self) -> tuple[Term, ...]:
        """What it needs to know of each unit, each once."""
        found = _terms(self.above) + (_terms(self.below) if self.below is not None else [])
        return tuple(dict.fromkeys(found))


@lru_cache(maxsize=256)
def parse(text: str) -> Formula:
    """The formula that `text` writes; InputError says what in it is not allowed.

    >>> parse("sum('purchase') - 0.1 * count('return')").terms()
    (Term(aggregate='sum', name='purchase'), Term(aggregate='count', name='return'))
    >>> parse("sum('click') / picks").below
    Term(aggregate='picks', name='')
    """
    if len(text) > LONGEST:
        raise InputError(f"expression {text[:40]!r}…: {len(text)} characters, must be at most {LONGEST}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InputError(f"expression {text!r}: cannot be read; {_ALLOWED}") from None
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Div) and not _is_number(tree.right):
        return Formula(_part(tree.left, text), _part(tree.right, text))
    return Formula(_part(tree, text))


def evaluate(part: Part, columns: Mapping[Term, Column]) -> Column:
    """The part's value for each unit, from one column for each of its terms."""
    if isinstance(part, Term):
        return columns[part]
    if isinstance(part, Number):
        units = len(next(iter(columns.values()), ()))
        return np.full(units, part.value)
    left, right = evaluate(part.left, columns), evaluate(part.right, columns)
    match part.sign:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right
        case "min":
            return np.minimum(left, right)
        case "max":
            return np.maximum(left, right)


def _part(tree: ast.expr, text: str) -> Part:
    match tree:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number):
            return Number(float(number))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return Operation("-", Number(0.0), _part(operand, text))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return Operation("+", _part(left, text), _part(right, text))
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return Operation("-", _part(left, text), _part(right, text))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return Operation("*", _part(left, text), _part(right, text))
        case ast.BinOp(left=left, op=ast.Div(), right=ast.Constant(value=int() | float() as divisor)) if divisor:
            return Operation("/", _part(left, text), Number(float(divisor)))
        case ast.Name(id=name) if name in _PLAIN:
            return Term(next(one for one in get_args(Aggregate) if one == name))
        case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(what))], keywords=[]) if name in _NAMED:
            return Term(next(one for one in get_args(Aggregate) if one == name), what)
        case ast.Call(func=ast.Name(id="min"), args=[left, right], keywords=[]):
            return Operation("min", _part(left, text), _part(right, text))
        case ast.Call(func=ast.Name(id="max"), args=[left, right], keywords=[]):
            return Operation("max", _part(left, text), _part(right, text))
        case _:
            pass
    raise InputError(f"expression {text!r}: {ast.unparse(tree)} is not allowed; {_ALLOWED}")


def _is_number(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Constant) and isinstance(tree.value, int | float)


def _terms(part: Part) -> list[Term]:
    match part:
        case Term():
            return [part]
        case Number():
            return []
        case Operation(_, left, right):
            return _terms(left) + _terms(right)
