"""A power cut: of each file stays what was synchronised last, and all that was acknowledged is in it."""

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from .conftest import CONTROL, Saw, Serving, Shim
from .server import Server
from .traffic import Acknowledged, Traffic
from .verdict import check_file, judge, survived

pytestmark = pytest.mark.faults

LIVES, CUTS = 4, 5  # each life begins with what the last cut of the one before has left


class Cut(NamedTuple):
    """What the disk held at an instant, and what clients had been told until then."""

    folder: Path
    acknowledged: Acknowledged

    @property
    def database(self) -> str:
        return f"sqlite:///{self.folder / 'log.db'}"


def test_what_was_acknowledged_survives_a_power_cut(serving: Serving, shim: Shim, tmp_path: Path, saw: Saw) -> None:
    chance = random.Random("what was acknowledged survives a power cut")
    last = Cut(tmp_path / "life0", Acknowledged())
    for life in range(LIVES):
        server = serving(last.folder, environment=watched(shim, last.folder))
        for cut in cuts(server, f"life{life}", chance, last.acknowledged):
            check_file(cut.folder / "log.db")
            lost = survived(cut.database, cut.acknowledged)
            assert lost == {}, f"{cut.folder.name}: {len(lost)} of {len(cut.acknowledged.facts)} lost"
        last = cut
    judged = judge(last.database, last.acknowledged)
    saw("cuts", LIVES * CUTS)
    saw("judged", judged)
    assert judged.acknowledged > LIVES * CUTS * 20
    assert judged.learned > 0


@pytest.mark.parametrize("spoilt", ["hasty", "lazy"])
def test_a_server_that_does_not_wait_for_the_disk_is_seen_to_lose(
    serving: Serving, shim: Shim, tmp_path: Path, saw: Saw, spoilt: str
) -> None:
    folder = tmp_path / "life0"
    server = serving(folder, environment=watched(shim, folder), program=(str(CONTROL), spoilt))
    losses = []
    for cut in cuts(server, spoilt, random.Random(spoilt), Acknowledged()):
        check_file(cut.folder / "log.db")
        losses.append(len(survived(cut.database, cut.acknowledged)))
    saw("facts lost at each cut", losses)
    assert sum(losses) > 0


def watched(shim: Shim, folder: Path) -> dict[str, str]:
    """The environment in which each file of the folder is kept as it was synchronised last."""
    shadow = folder.with_name(f"{folder.name}-shadow")
    if folder.exists():
        shutil.copytree(folder, shadow)
    shadow.mkdir(exist_ok=True)
    return {"LD_PRELOAD": shim("power"), "FAULTS_UNDER": str(folder), "FAULTS_SHADOW": str(shadow)}


def cuts(server: Server, name: str, chance: random.Random, acknowledged: Acknowledged) -> Iterator[Cut]:
    """Start the server, and cut its power again and again while it works; after the last cut it is gone."""
    server.start()
    server.stock()
    with Traffic(server.port, visitors=16, seed=name, acknowledged=acknowledged).running() as traffic:
        for number in range(CUTS):
            time.sleep(chance.uniform(0.2, 1.2))
            folder = server.folder.with_name(f"{name}-cut{number}")
            with server.frozen():
                shutil.copytree(
                    server.folder.with_name(f"{server.folder.name}-shadow"),
                    folder,
                    ignore=shutil.ignore_patterns("*.partial"),
                )
                then = traffic.acknowledged.now()
            yield Cut(folder, then)
        traffic.abandon()
        server.kill()
