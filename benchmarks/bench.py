"""What the benchmarks share in one run: a scratch folder, how thorough to be, and logs that are made once."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from benchmarks.data import Shop
from benchmarks.history import Made, Told, long, make


class Bench:
    """`quick` is for seeing that everything works; its figures are of smaller things and mean little."""

    def __init__(self, scratch: Path, *, quick: bool, told: Told) -> None:
        self.scratch = scratch
        self.quick = quick
        self.told = told

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    @property
    def rounds(self) -> int:
        return self.size(5, 1)

    @cached_property
    def narrow(self) -> Made:
        """1,000 items."""
        return self._usual("narrow", Shop(items=self.size(1_000, 100)))

    @cached_property
    def usual(self) -> Made:
        """10,000 items, 1,000 users with a history, weights that have learned."""
        return self._usual("usual", Shop(items=self.size(10_000, 1_000)))

    @cached_property
    def light(self) -> Made:
        """The same with 10 features of each item and 10 entries in each context."""
        return self._usual("light", Shop(items=self.size(10_000, 1_000), features=10))

    @cached_property
    def wide(self) -> Made:
        """100,000 items."""
        return self._usual("wide", Shop(items=self.size(100_000, 5_000)))

    @cached_property
    def entries(self) -> int:
        """How long the long log is."""
        return self.size(1_000_000, 20_000)

    @cached_property
    def million(self) -> Made:
        """A million entries, 2,000 items, no snapshot."""
        return self._made("million", lambda folder: long(folder, self._few, self.entries, told=self.told))

    @cached_property
    def hundredth(self) -> Made:
        """The same with a hundredth of the entries."""
        return self._made("hundredth", lambda folder: long(folder, self._few, self.entries // 100, told=self.told))

    @property
    def _few(self) -> Shop:
        # A hundred users, so that their histories are full after 10,000 entries as after a million.
        return Shop(items=self.size(2_000, 100), users=100, touches=0)

    def _usual(self, name: str, shop: Shop) -> Made:
        shop = shop._replace(touches=self.size(30_000, 3_000))
        decisions = self.size(2_000, 500)
        return self._made(name, lambda folder: make(folder, shop, decisions=decisions, told=self.told))

    def _made(self, name: str, making: Callable[[Path], Made]) -> Made:
        return making(self.scratch / name)
