"""Conditions over an item, a context and a user, as people write them: read against a closed grammar, never run."""

import ast
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple, NoReturn, TypeAlias, cast

from bandstand.errors import InputError

LONGEST = 2000
MOST_PARTS = 200
DEEPEST = 20
_LARGEST_NUMBER = 1e15

Scope = Literal["item", "context", "user"]
Order = Literal["==", "!=", "<", "<=", ">", ">="]
Sign = Literal["+", "-", "*", "/"]
Plain = str | bool | float

SCOPES: tuple[Scope, ...] = ("item", "context", "user")
_ALLOWED = (
    "allowed are item.…, context.… and user.…, texts, numbers, true, false, lists of these, "
    "and, or, not, ==, !=, <, <=, >, >=, in, not in, +, -, *, / and brackets"
)
_ORDERS: dict[type[ast.cmpop], Order] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_SIGNS: dict[type[ast.operator], Sign] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class Field(NamedTuple):
    scope: Scope
    name: str


class Constant(NamedTuple):
    value: Plain


class Listed(NamedTuple):
    values: tuple[Plain, ...]


class Arithmetic(NamedTuple):
    sign: Sign
    left: "Value"
    right: "Value"


class Comparison(NamedTuple):
    order: Order
    left: "Value"
    right: "Value"


class Membership(NamedTuple):
    """Whether `of` is among `within`, or is known and is not."""

    inside: bool
    of: "Value"
    within: "Value"


class Holds(NamedTuple):
    """A value by itself: false where it is missing, false, 0 or empty."""

    value: "Value"


class Not(NamedTuple):
    part: "Truth"


class Every(NamedTuple):
    parts: tuple["Truth", ...]


class Some(NamedTuple):
    parts: tuple["Truth", ...]


Value: TypeAlias = Field | Constant | Listed | Arithmetic
Truth: TypeAlias = Comparison | Membership | Holds | Not | Every | Some


class Expression(NamedTuple):
    """A condition, and the fields that it asks about, each once."""

    text: str
    truth: Truth
    fields: tuple[Field, ...]

    def asks(self, scope: Scope) -> bool:
        return any(field.scope == scope for field in self.fields)


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """The condition that `text` writes; InputError says what in it is not allowed, and where.

    Nothing of it is ever compiled or run: Python's own parser makes a tree of it, and of that every part must be one of
    those above. A text has at most LONGEST characters, MOST_PARTS parts and DEEPEST levels of them.
    """
    if len(text) > LONGEST:
        raise InputError(f"expression {text[:40]!r}…: {len(text):,} characters, must be at most {LONGEST:,}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python's parser only warns of is refused, whoever listens
            tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise InputError(f"expression {_short(text)}: {error.msg}{_at(error.offset)}; {_ALLOWED}") from None
    except (ValueError, RecursionError, MemoryError, OverflowError):
        raise InputError(f"expression {_short(text)}: it cannot be read; {_ALLOWED}") from None
    return _Reader(text.strip()).read(tree)


def comparisons(truth: Truth) -> Iterator[Comparison | Membership]:
    """Every comparison in a condition, in the order in which they are written."""
    match truth:
        case Comparison() | Membership():
            yield truth
        case Not(part):
            yield from comparisons(part)
        case Every(parts) | Some(parts):
            for part in parts:
                yield from comparisons(part)
        case Holds():
            pass


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._fields: dict[Field, None] = {}

    def read(self, tree: ast.expr) -> Expression:
        self._check_size(tree)
        truth = self._truth(tree)
        return Expression(self._text, truth, tuple(self._fields))

    def _check_size(self, tree: ast.expr) -> None:
        level: list[ast.AST] = [tree]
        parts = depth = 0
        while level:
            depth += 1
            parts += len(level)
            if depth > DEEPEST or parts > MOST_PARTS:
                raise InputError(
                    f"expression {_short(self._text)}: more than {MOST_PARTS} parts, or nested deeper than {DEEPEST}; "
                    "write it shorter, or as several"
                )
            level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]

    def _truth(self, node: ast.expr) -> Truth:
        match node:
            case ast.BoolOp(ast.And(), values):
                return Every(tuple(map(self._truth, values)))
            case ast.BoolOp(ast.Or(), values):
                return Some(tuple(map(self._truth, values)))
            case ast.UnaryOp(ast.Not(), operand):
                return Not(self._truth(operand))
            case ast.Compare(left, orders, others):
                values = [left, *others]
                pairs = zip(values[:-1], orders, values[1:], strict=True)
                parts = tuple(self._comparison(one, order, other) for one, order, other in pairs)
                return parts[0] if len(parts) == 1 else Every(parts)
            case _:
                return Holds(self._value(node))

    def _comparison(self, left: ast.expr, order: ast.cmpop, right: ast.expr) -> Comparison | Membership:
        if isinstance(order, ast.In | ast.NotIn):
            of, within = self._value(left), self._value(right)
            if not isinstance(within, Listed | Field):
                self._refuse(right, "after `in` stands a list or a field")
            if _asks_item(of) and _asks_item(within):
                self._refuse(right, "one item's field in another cannot be asked")
            if isinstance(of, Listed):
                self._refuse(left, "a list in a list cannot be asked")
            return Membership(isinstance(order, ast.In), of, within)
        if type(order) not in _ORDERS:
            self._refuse(right, "`is` is not allowed; write ==")
        return Comparison(_ORDERS[type(order)], self._single(left), self._single(right))

    def _single(self, node: ast.expr) -> Value:
        value = self._value(node)
        if isinstance(value, Listed):
            self._refuse(node, "a list can only stand after `in`")
        return value

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(bool() | str() as value):
                self._check_text(node, value)
                return Constant(value)
            case ast.Constant(int() | float() as number):
                if not abs(number) <= _LARGEST_NUMBER:
                    self._refuse(node, f"a number beyond ±{_LARGEST_NUMBER:g}")
                return Constant(float(number))
            case ast.Name("true" | "false" as name):
                return Constant(name == "true")
            case ast.List(elements):
                return Listed(tuple(self._element(element) for element in elements))
            case ast.UnaryOp(ast.USub(), operand):
                return self._arithmetic("-", Constant(0.0), self._single(operand))
            case ast.BinOp(left, sign, right) if type(sign) in _SIGNS:
                return self._arithmetic(_SIGNS[type(sign)], self._single(left), self._single(right))
            case ast.Attribute(ast.Name(scope), name) if scope in SCOPES:
                return self._field(node, scope, name)
            case ast.Subscript(ast.Name(scope), ast.Constant(str() as name)) if scope in SCOPES:
                return self._field(node, scope, name)
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp(ast.Not()):
                self._refuse(node, "a condition cannot be compared or calculated with")
            case ast.Name(name):
                self._refuse(node, f"{name!r} is not known")
            case _:
                self._refuse(node, "it is not allowed")

    def _arithmetic(self, sign: Sign, left: Value, right: Value) -> Value:
        match sign, left, right:
            case "-", Constant(0.0), Constant(float(number)):
                return Constant(-number)
            case _:
                return Arithmetic(sign, left, right)

    def _element(self, node: ast.expr) -> Plain:
        value = self._value(node)
        if not isinstance(value, Constant):
            self._refuse(node, "a list holds only texts, numbers, true and false")
        return value.value

    def _check_text(self, node: ast.expr, value: str | bool) -> None:
        """Escapes can make what no text over HTTP may hold."""
        if isinstance(value, str) and (
            not value.isprintable() and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value)
        ):
            self._refuse(node, "a NUL or half of a surrogate pair is no text")

    def _field(self, node: ast.expr, scope: str, name: str) -> Field:
        self._check_text(node, name)
        if name.startswith("__"):
            self._refuse(node, "a name that begins with two underscores is not a field")
        field = Field(cast(Scope, scope), name)
        self._fields[field] = None
        return field

    def _refuse(self, node: ast.expr, why: str) -> NoReturn:
        part = ast.get_source_segment(self._text, node) or ""
        raise InputError(
            f"expression {_short(self._text)}: {why}: {_short(part)}{_at(node.col_offset + 1)}; {_ALLOWED}"
        )


def _asks_item(value: Value) -> bool:
    match value:
        case Field(scope):
            return scope == "item"
        case Arithmetic(_, left, right):
            return _asks_item(left) or _asks_item(right)
        case _:
            return False


def _short(text: str) -> str:
    return repr(text) if len(text) <= 80 else f"{text[:80]!r}…"


def _at(place: int | None) -> str:
    return f" at character {place}" if place else ""
