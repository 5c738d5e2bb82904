"""What a world's people can be shown: products of the catalogue that ships, or made ones."""

from bandstand.chance import uniform
from bandstand.data import path
from bandstand.errors import InputError
from bandstand.events import ItemPut
from bandstand.formats import Refused, Target, jsonl
from bandstand.store.memory import MemoryLog

_CATEGORIES, _STYLES = 8, 3
_CHEAPEST, _DEAREST = 5.0, 500.0


def shop(n: int | None = None) -> list[ItemPut]:
    """`n` products of the real catalogue, spread evenly over it, for it is ordered by category; all by default.

    InputError where it has fewer.
    """
    lines = jsonl.read(path("catalog/products.jsonl.gz"), Target(MemoryLog(), now=0.0), Refused())
    facts = [line.what.fact for line in lines]
    items = [fact for fact in facts if isinstance(fact, ItemPut)]
    if n is None:
        return items
    if n > len(items):
        raise InputError(f"items == {n}, must be at most the {len(items)} of the catalogue 'shop'", field="items")
    return [items[at * len(items) // n] for at in range(n)]


def made(n: int) -> list[ItemPut]:
    """`n` items with a category, a style within it, and a price; the same at every call."""
    return [_made(number) for number in range(n)]


def _made(number: int) -> ItemPut:
    category = number % _CATEGORIES
    style = int(uniform("made", "style", number) * _STYLES)
    price = _CHEAPEST * (_DEAREST / _CHEAPEST) ** uniform("made", "price", number)
    features = {
        "title": f"Item {number}",
        "category": f"category {category}",
        "style": f"style {category}.{style}",
        "price": round(price, 2),
    }
    return ItemPut(f"i{number}", features)
