"""The shipped data is what its README files say."""

import csv
import gzip
import json

import pytest

from bandstand import data
from bandstand.errors import UnknownError


def test_the_catalogue_holds_2465_products_with_distinct_ids_and_texts() -> None:
    with gzip.open(data.path("catalog/products.jsonl.gz"), "rt", encoding="utf-8") as lines:
        products = [json.loads(line) for line in lines]
    assert len(products) == len({product["id"] for product in products}) == 2465
    assert all(product["name"] and product["description"] and product["price"] > 0 for product in products)


@pytest.mark.parametrize(("campaign", "items"), [("men", 34), ("women", 46)])
@pytest.mark.parametrize("policy", ["random", "bts"])
def test_each_obd_campaign_holds_ten_thousand_rows_with_propensities(policy: str, campaign: str, items: int) -> None:
    with gzip.open(data.path(f"obd/{policy}/{campaign}/{campaign}.csv.gz"), "rt", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 10_000
    assert {row["item_id"] for row in rows} <= {str(item) for item in range(items)}
    assert all(0 < float(row["propensity_score"]) <= 1 for row in rows)
    if policy == "random":  # uniform over the campaign's items
        assert {float(row["propensity_score"]) for row in rows} == {1 / items}


def test_the_bts_action_distribution_sums_to_one_at_each_position() -> None:
    with data.path("obd/action_dist_bts_men.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 34
    for position in ("pos0", "pos1", "pos2"):
        assert sum(float(row[position]) for row in rows) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("folder", ["catalog", "obd"])
def test_each_folder_says_where_its_data_comes_from_and_under_which_licence(folder: str) -> None:
    about = data.path(f"{folder}/README.md").read_text(encoding="utf-8")
    assert "**Source.**" in about
    assert "**Licence.**" in about
    assert data.path(f"{folder}/LICENSE").stat().st_size > 500


def test_data_that_does_not_ship_is_refused_with_what_is_known() -> None:
    with pytest.raises(UnknownError, match=r"data 'films' does not ship .* known: catalog, obd"):
        data.path("films")
