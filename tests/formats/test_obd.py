import csv
import gzip
import re
from pathlib import Path

import msgspec
import pytest

from bandstand import data
from bandstand.engine import Engine
from bandstand.errors import ConflictError, InputError
from bandstand.events import Decided, Draft, Entry, ItemPut, Request, Rewarded
from bandstand.formats import obd
from bandstand.formats.transfer import Imported, import_
from bandstand.model import Model, fold
from bandstand.policy.baseline import Fixed, Random
from bandstand.store.memory import MemoryLog

NOON = 1_795_000_000.0


def imported(log: MemoryLog, path: Path, **options: object) -> Imported:
    return import_(log, "obd", [path], now=NOON, **options)


def everything(log: MemoryLog) -> list[Entry]:
    return log.read(limit=log.head())


@pytest.fixture(scope="module")
def men() -> MemoryLog:
    log = MemoryLog()
    report = imported(log, data.path("obd/bts/men"))
    assert report.refused.count == 0
    return log


def rows() -> list[dict[str, str]]:
    with gzip.open(data.path("obd/bts/men/men.csv.gz"), "rt") as file:
        return list(csv.DictReader(file))


def part(folder: Path, *lines: str, name: str = "men") -> Path:
    """A dataset's folder with two items and the given lines."""
    place = folder / "random" / name
    place.mkdir(parents=True)
    (place / "item_context.csv").write_text(",item_id,item_feature_0,item_feature_1\n0,0,-0.5,aa\n1,1,0.5,bb\n")
    header = ",timestamp,item_id,position,click,propensity_score,user_feature_0,user-item_affinity_0"
    (place / f"{name}.csv").write_text("\n".join((header, *lines)))
    return place


GOOD = "0,2019-11-24 00:00:10+00:00,1,3,1,0.5,uu,0.0"


def test_each_row_is_a_decision_with_its_own_propensity(men: MemoryLog) -> None:
    decided = [entry for entry in everything(men) if isinstance(entry.fact, Decided)]
    assert len(decided) == 10_000
    for (_, at, fact), row in zip(decided, rows(), strict=True):
        (pick,) = fact.picks
        assert pick.item == f"men-{row['item_id']}"
        assert pick.position == fact.request.first_position == int(row["position"]) - 1
        assert pick.propensity == float(row["propensity_score"])
        assert len(set(fact.request.candidates)) == 34
        assert at == fact.request.time
        assert fact.imported
    first = decided[0].fact
    assert (first.decision, first.strategy, first.request.surface) == ("obd-men-bts-0", "bts", "obd-men")
    assert first.request.time == 1574553663.979311  # 2019-11-24T00:01:03.979311Z, by `date`
    assert first.request.context["user_feature_0"] == "cef3390ed299c09874189c387777674a"
    assert first.context["user_feature_0=cef3390ed299c09874189c387777674a"] == 1.0


def test_each_click_is_a_reward(men: MemoryLog) -> None:
    clicked = [f"obd-men-bts-{number}" for number, row in enumerate(rows()) if row["click"] == "1"]
    rewards = [entry.fact for entry in everything(men) if isinstance(entry.fact, Rewarded)]
    assert [fact.decision for fact in rewards] == clicked
    assert {(fact.name, fact.value, fact.surface) for fact in rewards} == {("click", 1.0, "obd-men")}


def test_log_folds_and_the_named_strategy_learns_from_every_closed_window(men: MemoryLog) -> None:
    model = fold(Model(), everything(men))
    assert list(model.learners) == ["default"]
    assert model.learned == 10_000 - len(model.join.waiting)
    assert model.state.strategies["random"].policy == Random()
    assert model.state.surfaces["obd-men"].strategy == "default"


def test_what_is_learned_has_the_features_that_serving_will_use(men: MemoryLog) -> None:
    engine = Engine(fold(Model(), everything(men)), men)
    fact = everything(men)[-1].fact if isinstance(everything(men)[-1].fact, Decided) else everything(men)[-2].fact
    again = engine.decide(msgspec.structs.replace(fact.request, user=None), decision="again")
    assert (again.user, again.context) == (fact.user, fact.context)
    put = next(entry.fact for entry in everything(men) if isinstance(entry.fact, ItemPut))
    picks = [one.fact.picks[0] for one in everything(men) if isinstance(one.fact, Decided)]
    assert next(pick for pick in picks if pick.item == put.item).features == put.features
    assert again.picks[0].item in engine.model.state.catalogue.rows


def test_affinities_that_are_not_zero_are_context(tmp_path: Path) -> None:
    log = MemoryLog()
    imported(log, part(tmp_path, "0,2019-11-24 00:00:10+00:00,0,1,0,0.5,uu,2.0", GOOD))
    first, second = (one.fact for one in everything(log) if isinstance(one.fact, Decided))
    assert first.request.context == {"user_feature_0": "uu", "user-item_affinity_0": 2.0}
    assert second.request.context == {"user_feature_0": "uu"}


def test_thompson_sampling_is_recorded_as_its_exact_shares(men: MemoryLog) -> None:
    policy = fold(Model(learning=False), everything(men)).state.strategies["bts"].policy
    assert isinstance(policy, Fixed)
    # The file's first row: 0,0.0465,0.04531,0.05268
    assert policy.table["men-0"] == [0.0465, 0.04531, 0.05268]
    assert len(policy.table) == 34


def test_campaign_without_a_table_of_shares_is_imported_without_that_strategy() -> None:
    log = MemoryLog()
    imported(log, data.path("obd/bts/women"), teaches="mine")
    state = fold(Model(learning=False), everything(log)).state
    assert sorted(state.strategies) == ["mine", "random"]
    assert state.surfaces["obd-women"].strategy == "mine"
    assert Engine(fold(Model(), everything(log)), log).decide(Request("obd-women", NOON), decision="d").picks


def test_folder_and_file_say_the_same_and_a_second_import_is_refused() -> None:
    one, other = MemoryLog(), MemoryLog()
    imported(one, data.path("obd/random/men"))
    imported(other, data.path("obd/random/men/men.csv.gz"))
    assert everything(one) == everything(other)
    with pytest.raises(ConflictError, match=r"begins at 2019-11-24T00:03:13Z, but the log has reached 2019-11-3"):
        imported(one, data.path("obd/random/men"))


def test_log_of_today_is_refused() -> None:
    log = MemoryLog()
    log.append([Draft(ItemPut("a"), NOON)])
    with pytest.raises(ConflictError, match="its clock never goes back; import into a database of its own"):
        imported(log, data.path("obd/random/men"))
    assert log.head() == 1


def test_strategies_of_an_older_log_are_kept(tmp_path: Path) -> None:
    log = MemoryLog()
    imported(log, part(tmp_path / "one", GOOD))
    first = [entry.fact.name for entry in everything(log) if hasattr(entry.fact, "definition")]
    imported(log, part(tmp_path / "two", GOOD.replace("24", "25"), name="all"))
    again = [entry.fact.name for entry in everything(log) if hasattr(entry.fact, "definition")]
    assert first == ["default", "random", "bts", "obd-men"]
    assert again == [*first, "obd-all"]


def test_rows_in_any_order_are_taken_as_they_come(tmp_path: Path) -> None:
    log = MemoryLog()
    earlier = "1,2019-11-24 00:00:05+00:00,0,1,0,0.5,uu,0.0"
    assert imported(log, part(tmp_path, GOOD, earlier)).refused.count == 0
    assert fold(Model(), everything(log)).state.clock == 1574553610.0  # 2019-11-24T00:00:10Z, by `date`


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1,2019-11-24 00:00:10,1,3,1,0.5,uu,0.0", "timestamp is '2019-11-24 00:00:10', must be a time with its zone"),
        ("1,2019-11-24 00:00:10+00:00,7,3,1,0.5,uu,0.0", "item_id is 7, which item_context.csv does not describe"),
        ("1,2019-11-24 00:00:10+00:00,x,3,1,0.5,uu,0.0", "item_id is 'x', must be a whole number; correct it"),
        ("1,2019-11-24 00:00:10+00:00,1,0,1,0.5,uu,0.0", "position is '0', must be a whole number from 1 to 100"),
        ("1,2019-11-24 00:00:10+00:00,1,3,2,0.5,uu,0.0", "click is '2', must be 0 or 1"),
        ("1,2019-11-24 00:00:10+00:00,1,3,1,0,uu,0.0", "propensity_score is '0', must be above 0 and at most 1"),
        ("1,2019-11-24 00:00:10+00:00,1,3,1,nan,uu,0.0", "propensity_score is 'nan', must be above 0 and at most 1"),
        ("1,2019-11-24 00:00:10+00:00,1,3,1,1.1,uu,0.0", "propensity_score is '1.1', must be above 0 and at most 1"),
        ("1,2019-11-24 00:00:10+00:00,1,3,1,0.5,uu,much", "user-item_affinity_0 is 'much', must be a finite number"),
        ("1,2019-11-24 00:00:10+00:00,1,3,1,0.5,uu,inf", "user-item_affinity_0 is 'inf', must be a finite number"),
        ("1,2019-11-24 00:00:10+00:00,1,3,1", "it has 5 cells, must have 8 as the header"),
        ('1,"2019-11-24', "unexpected end of data"),
    ],
)
def test_bad_row_is_left_out_and_says_why(tmp_path: Path, line: str, words: str) -> None:
    log = MemoryLog()
    report = imported(log, part(tmp_path, line, GOOD))
    (only,) = report.refused.first
    assert only.line == 2
    assert re.search(words, only.reason), only.reason
    assert [one.fact.decision for one in everything(log) if isinstance(one.fact, Decided)] == ["obd-men-random-1"]


@pytest.mark.parametrize("text", ["", ",timestamp,item_id,position,click\n0,2019-11-24 00:00:10+00:00,1,3,1\n"])
def test_file_without_propensities_says_what_it_lacks(tmp_path: Path, text: str) -> None:
    place = part(tmp_path)
    (place / "men.csv").write_text(text)
    with pytest.raises(
        InputError, match=r"has no column (timestamp, .*)?propensity_score; there is: (nothing|,timestamp|, t)"
    ):
        imported(MemoryLog(), place)


def test_place_that_holds_no_part_of_the_dataset_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "men").mkdir()
    for path in (tmp_path, tmp_path / "men", tmp_path / "nowhere"):
        with pytest.raises(InputError, match="must be a folder such as 'random/men'"):
            imported(MemoryLog(), path)


def test_parts_are_named_after_their_folders() -> None:
    located = obd.located(data.path("obd/random/women"))
    assert (located.logger, located.campaign, located.surface) == ("random", "women", "obd-women")
