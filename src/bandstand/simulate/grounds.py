"""Where a scenario's worlds come from: laws, a labelled table, or a log; read once, for the worlds of all seeds."""

from collections.abc import Sequence
from typing import NamedTuple

from bandstand.events import ItemPut
from bandstand.simulate import fitted, labelled
from bandstand.simulate.nature import Nature
from bandstand.simulate.people import Chance
from bandstand.simulate.scenario import Scenario, items
from bandstand.simulate.world import Ground, World
from bandstand.store.sql import open_log


class Grounds(NamedTuple):
    """What is the same in the worlds of all seeds: the table or the fit, where there is one."""

    items: list[ItemPut]
    nature: Nature
    table: labelled.Table | None = None
    fit: fitted.Fit | None = None

    def world(self, seed: int) -> World:
        if self.table is None and self.fit is None:
            return World(self.items, self.nature, seed=seed)
        return World(self.items, self.nature, seed=seed, ground=self._ground)

    def _ground(self, rows: Sequence[ItemPut], chance: Chance) -> Ground:
        if self.fit is not None:
            return fitted.ground(self.fit, rows, chance)
        assert self.table is not None
        assert self.nature.labelled is not None
        return labelled.ground(self.table, rows, chance, noise=self.nature.labelled.noise)


def grounds(scenario: Scenario) -> Grounds:
    """InputError where a table or a log cannot be read, or has too little in it."""
    nature = scenario.world
    if nature.labelled is not None:
        table = labelled.read(nature.labelled)
        return Grounds(table.items(), nature, table=table)
    if nature.fitted is not None:
        log = open_log(nature.fitted.database, readonly=True)
        try:
            fit = fitted.fit(log, nature.fitted)
        finally:
            log.close()
        return Grounds(fit.items, nature, fit=fit)
    return Grounds(items(scenario), nature)
