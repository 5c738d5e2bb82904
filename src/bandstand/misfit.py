"""A value that does not fit its type, in words: the exact field, what it holds, the rule, and what is known there."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from bandstand.errors import InputError

_SHOWN = 60
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\[(\.\.\.)\]")
_Steps = list[tuple[str, str, str]]


def misfit(said: str, document: object, kind: Any, *, tables: Mapping[str, Any] | None = None) -> InputError:
    """The error that says what msgspec `said` of a document that is no `kind`, as "Expected `int` >= 1 - at `$.n`".

    `tables` names what the tables of these names hold: msgspec does not say which of their values it means.
    """
    what, _, where = said.partition(" - at `")
    of_a_name = where.startswith("key` in `")
    steps: _Steps = _STEP.findall(where.removeprefix("key` in `").strip("`$"))
    field, value = _at(steps, document, tables or {})
    missing = what.partition("missing required field `")[2].rstrip("`")
    unknown = what.partition("contains unknown field `")[2].rstrip("`")
    if missing or unknown:
        inner = f"{field}.{missing or unknown}".removeprefix(".")
        if missing:
            return InputError(f"{inner}: missing; it is required", field=inner, code="missing_field")
        known = _listed(_fields(kind, steps, value)) or "; remove it"
        return InputError(f"{inner}: unknown field{known}", field=inner, code="unknown_field")
    if of_a_name:
        return InputError(f"{field}: a name in it does not fit: {_rule(what)}", field=field)
    if what.startswith("Invalid "):
        known = _listed(_choices(kind, steps)) or "; send another"
        return InputError(f"{field}{_shown(value)} is not known{known}", field=field)
    return InputError(f"{field or 'body'}{_shown(value)}, {_rule(what)}", field=field or None)


def _at(steps: _Steps, document: object, tables: Mapping[str, Any]) -> tuple[str, object]:
    """The field at msgspec's path, and its value. msgspec writes `[...]` for a table's key, which is found here."""
    field, value = "", document
    for name, index, some in steps:
        if some:
            name = _at_fault(value, tables.get(field.rpartition(".")[2]))
        field = f"{field}.{name}".removeprefix(".") if name else f"{field}[{index}]"
        try:
            value = value[name or int(index)]  # type: ignore[index]
        except (TypeError, LookupError):
            value = msgspec.UNSET
    return field, value


def _at_fault(table: object, kind: Any) -> str:
    """The first name whose value is not of this kind."""
    for name, value in table.items() if isinstance(table, dict) else ():
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError:
            return str(name)
    return "*"


def _rule(what: str) -> str:
    if "timezone" in what or "RFC3339" in what:
        return "must be a time with its offset; add one such as Z or +01:00, as in 2026-11-21T08:30:00+01:00"
    expected, _, _ = what.replace("`", "").partition(", got")
    return expected.replace("Expected", "must be") if "Expected" in expected else f"{expected.lower()}; send another"


def _fields(kind: Any, steps: _Steps, value: object) -> list[str]:
    """The fields of the struct there; of several, of the one that the value's tag names."""
    structs = [one for one in _kinds(kind, steps) if isinstance(one, inspect.StructType)]
    if isinstance(value, dict) and len(structs) > 1:
        structs = [one for one in structs if one.tag == value.get(one.tag_field)]
    return [field.encode_name for one in structs[:1] for field in one.fields]


def _choices(kind: Any, steps: _Steps) -> list[str]:
    """What may stand there: one of several words, or the tag of one of several structs."""
    words = [word for one in _kinds(kind, steps) if isinstance(one, inspect.LiteralType) for word in one.values]
    around = _kinds(kind, steps[:-1])
    tags = [one.tag for one in around if isinstance(one, inspect.StructType) and one.tag_field == steps[-1][0]]
    return [str(one) for one in words or tags]


def _kinds(kind: Any, steps: _Steps) -> list[inspect.Type]:
    """The types of what may stand at the end of these steps."""
    found = _alternatives(_told(kind))
    for name, _, _ in steps:
        found = [inner for one in found for inner in _inside(one, name)]
    return found


def _inside(kind: inspect.Type, name: str) -> Iterable[inspect.Type]:
    match kind:
        case inspect.StructType():
            return [inner for one in kind.fields if one.encode_name == name for inner in _alternatives(one.type)]
        case inspect.DictType():
            return _alternatives(kind.value_type)
        case inspect.ListType() | inspect.VarTupleType():
            return _alternatives(kind.item_type)
        case _:
            return []


def _alternatives(kind: inspect.Type) -> list[inspect.Type]:
    match kind:
        case inspect.UnionType():
            return [inner for one in kind.types for inner in _alternatives(one)]
        case inspect.Metadata():
            return _alternatives(kind.type)
        case _:
            return [kind]


_told = cache(inspect.type_info)


def _listed(names: list[str]) -> str:
    return f"; known: {', '.join(names)}" if names else ""


def _shown(value: object) -> str:
    match value:
        case dict():
            return " is an object"
        case list():
            return " is an array"
        case msgspec.UNSET:
            return " does not fit"
        case _:
            text = json.dumps(value, ensure_ascii=False, default=str)  # TOML has times
            return f" == {text}" if len(text) <= _SHOWN else f" == {text[:_SHOWN]}…"
