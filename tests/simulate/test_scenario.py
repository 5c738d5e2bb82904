"""Scenario files: what they say, and how they are told what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest

from bandstand.errors import BandstandError
from bandstand.simulate.scenario import Arm, arms, parse, read, sides, span

SHIPPED = sorted((Path(__file__).parents[2] / "simulations").glob("*.toml"))

EXPERIMENT = {
    "name": "e",
    "surface": "home",
    "variants": [
        {"name": "a", "strategy": "random", "weight": 0.5},
        {"name": "b", "strategy": "popular", "weight": 0.5},
    ],
}
BOUND = {"metric": "regret", "at_most": 0.5}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_scenario_is_sound_and_expects_something(path: Path) -> None:
    scenario = read(path)
    assert scenario.name == path.stem
    assert scenario.about
    assert scenario.expect


def test_what_the_issue_asks_for_is_shipped() -> None:
    assert {"taste-by-context", "cold-start", "drift", "aa-calibration"} <= {path.stem for path in SHIPPED}


def test_without_arms_the_surface_speaks_for_itself() -> None:
    scenario = parse({"requests": 10, "surfaces": {"home": {"strategy": "popular"}}}, name="s")
    assert arms(scenario) == {"popular": Arm("popular")}
    assert sides(scenario) == ("popular",)


def test_an_experiments_variants_are_compared() -> None:
    assert sides(parse({"requests": 10, "experiment": EXPERIMENT}, name="s")) == ("a", "b")


@pytest.mark.parametrize(
    ("over", "found"),
    [
        ("all", slice(0, 200)),
        ("first 10%", slice(0, 20)),
        ("last 25%", slice(150, 200)),
        ("50-70", slice(50, 70)),
    ],
)
def test_spans_name_visits(over: str, found: slice) -> None:
    assert span(over, 200) == found


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "requests: missing; it is required"),
        ({"requests": 0}, "requests == 0, must be int >= 1"),
        ({"request": 5}, "request: unknown field; known: requests, about, seeds"),
        ({"world": {"user": 5}}, "world.user: unknown field; known: users, newcomers"),
        (
            {"world": {"tastes": [{"of": "device", "on": "category", "strong": 1.0}]}},
            "world.tastes[0].strong: unknown field; known: of, on, strength",
        ),
        ({"expect": [BOUND | {"metric": "ctr"}]}, 'expect[0].metric == "ctr" is not known; known: click_through'),
        (
            {"arms": {"bandit": {"strategy": "defualt"}}},
            "strategy 'defualt' is not defined; known: default, popular, ran",
        ),
        ({"strategies": {"x": {"generators": {"magic": 1}}}}, "generator 'magic' is not defined; known: collaborative"),
        (
            {"strategies": {"x": {"policy": {"kind": "magic"}}}},
            'strategies.x.policy.kind == "magic" is not known; known: epsilon_greedy',
        ),
        ({"catalogue": "zoo"}, 'catalogue == "zoo" is not known; known: made, shop'),
        ({"items": 9000}, "items == 9000, must be at most the 2465 of the catalogue 'shop'"),
        (
            {"world": {"drifts": [100]}},
            "visit 100 of the world's drifts or arrivals never comes; there are 100 requests",
        ),
        ({"world": {"arrivals": [{"at": 5, "items": 300}]}}, "300 items arrive late, must be fewer than the 300"),
        ({"arms": {"bandit": {}}, "experiment": EXPERIMENT}, "arms and experiment are both there, must be one of them"),
        ({"experiment": EXPERIMENT | {"surface": "hmoe"}}, "surface 'hmoe' is not defined; known: home, related"),
        ({"expect": [BOUND | {"side": "x"}]}, "expect[0]: 'x' is not compared here; known: default"),
        ({"expect": [BOUND | {"metric": "lift"}]}, "expect[0]: against names the side that a lift is over"),
        ({"expect": [BOUND | {"against": "default"}]}, "expect[0]: against names the side that a lift is over"),
        ({"expect": [{"metric": "regret"}]}, "expect[0]: it has neither at_least nor at_most, so it could not fail"),
        ({"expect": [BOUND | {"metric": "significant"}]}, "expect[0]: metric 'significant' is about an experiment"),
        ({"expect": [BOUND | {"metric": "stars"}]}, "expect[0]: metric 'stars' is about late arrivals"),
        ({"expect": [BOUND | {"visits": "first"}]}, "expect[0]: visits == 'first' needs newcomers"),
        ({"world": {"labelled": {"csv": "x", "label": "y"}, "fitted": {"database": "z"}}}, "must be one of them"),
        ({"world": {"cascade": {"after_skip": 2}}}, "world.cascade.after_skip == 2, must be float <= 1.0"),
        ({"world": {"bots": {"shares": 2}}}, "world.bots.shares: unknown field; known: share, click"),
        ({"world": {"purchases": {"amount": "title"}}}, "purchases.amount == 'title', must be a feature of the items"),
        ({"expect": [{"metric": "revenue", "at_least": 1}]}, "revenue comes from purchases; set world.purchases"),
        ({"expect": [BOUND | {"of": "revenue"}]}, "revenue comes from purchases; set world.purchases"),
        ({"expect": [{"metric": "visits", "at_least": 1}]}, "visits may not take place where world.churn is set"),
        ({"expect": [{"metric": "pushed", "at_most": 1}]}, "metric 'pushed' is about the item that machines push"),
        ({"expect": [{"metric": "power", "at_least": 1}]}, "metric 'power' is about an experiment"),
        ({"expect": [{"metric": "verdict", "at_least": 1}]}, "metric 'verdict' is about an experiment"),
        (
            {"experiment": EXPERIMENT, "expect": [{"metric": "verdict", "at_least": 1}]},
            "verdict names the one that is expected",
        ),
        (
            {"experiment": EXPERIMENT, "expect": [{"metric": "exploration_cost", "at_most": 1}]},
            "metric 'exploration_cost' compares arms",
        ),
        (
            {"world": {"churn": {}}, "expect": [BOUND | {"of": "visits"}]},
            "regret is of clicks or of revenue",
        ),
        ({"expect": [BOUND | {"over": "last week"}]}, 'over == "last week", must be "all", "first N%", "last N%" or'),
        ({"expect": [BOUND | {"over": "50-101"}]}, "within the 100 requests"),
        ({"expect": [BOUND | {"over": "last 0%"}]}, "within the 100 requests"),
    ],
)
def test_errors_say_what_is_wrong_and_what_would_be_right(fields: dict[str, Any], message: str) -> None:
    given = fields if not fields or fields.keys() & {"requests", "request"} else {"requests": 100} | fields
    with pytest.raises(BandstandError) as caught:
        parse(given, name="s")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("requests = ", "it is not a TOML file"),
        ("requests = 0", "requests == 0, must be int >= 1"),
        (None, "No such file"),
    ],
)
def test_errors_name_the_file(tmp_path: Path, body: str | None, message: str) -> None:
    path = tmp_path / "broken.toml"
    if body is not None:
        path.write_text(body)
    with pytest.raises(BandstandError, match=r"broken\.toml") as caught:
        read(path)
    assert message in str(caught.value)
