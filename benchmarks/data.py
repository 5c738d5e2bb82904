"""The data that is measured on: seeded items, visitors, requests and histories, the same on every machine."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bandstand.events import Interacted, ItemPut, Request, Scalar

SEED = 20_261_121
CATALOGUE = 10_000
USERS = 1_000
TOUCHES = 30_000
CANDIDATES = 100
SLATE = 10
FEATURES = 20  # of each item, and as many in each context
_WORDS = 2_000
_POPULARITY = 0.8  # Zipf's exponent


class Shop(NamedTuple):
    """What there is to show, and who comes: `features` of each item, and as many entries in each context."""

    items: int = CATALOGUE
    features: int = FEATURES
    users: int = USERS
    touches: int = TOUCHES


def items(shop: Shop) -> Iterator[ItemPut]:
    """Items of `shop.features` features: a title, a text, a third of the others numbers, the rest categories."""
    chance = np.random.default_rng(SEED)
    numbers = (shop.features - 2) // 3
    categories = shop.features - 2 - numbers
    for k in range(shop.items):
        values = chance.integers(0, 5 + 5 * np.arange(categories))
        amounts = chance.lognormal(3.0, 1.0, numbers)
        words = np.minimum(chance.zipf(1.3, 8), _WORDS)
        yield ItemPut(
            item_id(k),
            {
                "title": f"Item {k}",
                "text": " ".join(f"word{_letters(int(word))}" for word in words),
                **{f"category{c}": f"v{value}" for c, value in enumerate(values)},
                **{f"amount{a}": round(float(amount), 2) for a, amount in enumerate(amounts)},
            },
            tags=("sale",) if k % 10 == 0 else (),
        )


def item_id(k: int) -> str:
    return f"i{k:06d}"


def user_id(k: int) -> str:
    return f"u{k:06d}"


def popular(shop: Shop, n: int, *, seed: int) -> np.ndarray:
    """`n` item numbers, the low ones more often, as people choose."""
    weights = (1.0 + np.arange(shop.items)) ** -_POPULARITY
    order = np.random.default_rng(SEED).permutation(shop.items)
    return order[np.random.default_rng((SEED, seed)).choice(shop.items, n, p=weights / weights.sum())]


def touches(shop: Shop, n: int, *, seed: int = 1) -> Iterator[Interacted]:
    """`n` page views by the shop's users."""
    who = np.random.default_rng((SEED, seed, 1)).integers(0, shop.users, n)
    for user, item in zip(who.tolist(), popular(shop, n, seed=seed).tolist(), strict=True):
        yield Interacted(item_id(item), "view", user=user_id(user))


def contexts(shop: Shop, n: int, *, seed: int) -> Iterator[dict[str, Scalar]]:
    """Contexts of `shop.features` entries: a device, a place, a third of the others numbers, the rest categories."""
    chance = np.random.default_rng((SEED, seed, 2))
    numbers = (shop.features - 2) // 3
    categories = shop.features - 2 - numbers
    for _ in range(n):
        yield {
            "device": ("mobile", "desktop", "tablet")[int(chance.integers(3))],
            "location": ("FR-75", "DE-BE", "US-CA", "JP-13", "BR-SP")[int(chance.integers(5))],
            **{f"where{c}": f"v{value}" for c, value in enumerate(chance.integers(0, 3 + 2 * np.arange(categories)))},
            **{f"measure{a}": round(float(amount), 3) for a, amount in enumerate(chance.random(numbers))},
        }


def requests(
    shop: Shop, n: int, *, time: float, candidates: int | None = CANDIDATES, slate: int = SLATE, seed: int = 7
) -> Iterator[Request]:
    """`n` requests of the shop's users; with `candidates` None the strategy's generators are asked."""
    chance = np.random.default_rng((SEED, seed, 3))
    for context in contexts(shop, n, seed=seed):
        named = None
        if candidates is not None:
            named = tuple(map(item_id, chance.choice(shop.items, candidates, replace=False).tolist()))
        user = user_id(int(chance.integers(shop.users)))
        yield Request("home", time, user=user, n=slate, context=context, candidates=named)


def _letters(number: int) -> str:
    """A number in letters, for what holds a digit is no word to everybody."""
    text = ""
    while number:
        number, letter = divmod(number, 26)
        text += chr(ord("a") + letter)
    return text
