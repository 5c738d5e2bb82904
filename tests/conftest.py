"""A server's engine without a server: a memory log, a counting clock and a small shop."""

import pytest

from bandstand.configuration import definitions
from bandstand.engine import Engine
from bandstand.events import ItemPut
from bandstand.model import Model
from bandstand.store.memory import MemoryLog

NOON = 1_795_000_000.0


@pytest.fixture
def noon() -> float:
    """An instant within the tests' only day, in seconds since the epoch."""
    return NOON


@pytest.fixture
def empty() -> Engine:
    """An engine with the default surfaces and strategies, and no item."""
    engine = Engine(Model(), MemoryLog())
    engine.commit(definitions(engine.model.state), at=NOON)
    return engine


@pytest.fixture
def shop(empty: Engine) -> Engine:
    """Twelve items of three categories; i3 is out of stock, i4 expires at noon, even ones are on sale."""
    for k in range(12):
        empty.commit(
            [
                ItemPut(
                    f"i{k}",
                    {
                        "category": ("shoes", "bags", "hats")[k % 3],
                        "price": 10.0 + k,
                        "title": f"Item {k}",
                        "text": f"word{k % 4} thing",
                    },
                    tags=("sale",) if k % 2 == 0 else (),
                    available=k != 3,
                    expires=NOON if k == 4 else None,
                )
            ],
            at=NOON,
        )
    return empty
