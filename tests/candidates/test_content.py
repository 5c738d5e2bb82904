"""Likeness of words, on three sentences, against dense TF-IDF, and on the real catalogue."""

import gzip
import json
import math
from typing import NamedTuple

import numpy as np
import pytest

from bandstand import data
from bandstand.candidates import Ask
from bandstand.candidates.content import LABEL_WEIGHT, MOST_LABELS, MOST_WORDS, Content, terms
from bandstand.chance import bits
from bandstand.events import ItemPut

LEATHER, CANVAS, LAMP = range(3)


def of(*titles: str) -> Content:
    generator = Content()
    for row, title in enumerate(titles):
        generator.put(row, ItemPut(f"i{row}", {"title": title}), 0.0)
    return generator


def an_ask(history: list[int], *, weights: list[float] | None = None, rows: int = 10, limit: int = 10) -> Ask:
    heard = np.ones(len(history)) if weights is None else np.array(weights)
    return Ask("d", 0.0, np.array(history, np.int64), heard, np.ones(rows, np.bool_), limit)


def test_terms_are_words_with_sub_linear_counts_labels_and_magnitudes() -> None:
    item = ItemPut(
        "i",
        {"title": "The Shoe", "text": "shoe, SHOE & Straße", "category": "shoes", "price": 9.5, "size": [40.0, "M"]},
        tags=("sale",),
    )
    assert terms(item) == {
        "shoe": 1 + math.log(3),
        "straße": 1.0,
        "category=shoes": LABEL_WEIGHT,
        "size=M": LABEL_WEIGHT,
        "tag=sale": LABEL_WEIGHT,
        "price~7": 1.0,  # 3 · ln(1 + 9.5) is 7.05
    }


def test_numbers_are_alike_where_they_are_of_one_magnitude() -> None:
    near, far = ({"price": price} for price in (10.5, 95.0))
    priced = terms(ItemPut("i", {"price": 9.5}))
    assert terms(ItemPut("i", near)) == priced
    assert not terms(ItemPut("i", far)).keys() & priced.keys()
    assert terms(ItemPut("i", {"price": -9.5})).keys() == {"price~-7"}


def test_an_item_has_a_bounded_number_of_terms() -> None:
    text = " ".join(f"word{n}" for n in range(2000))
    found = terms(ItemPut("i", {"text": text} | {f"name{n}": "value" for n in range(200)}))
    assert len(found) == MOST_WORDS + MOST_LABELS


def test_a_rare_word_in_common_counts_more_than_a_frequent_one() -> None:
    generator = of("leather backpack", "leather purse", "canvas backpack", "trail backpack", "school backpack")
    assert generator.propose(an_ask([0])).rows[0] == 1  # "leather" stands in 2 of 5, "backpack" in 4


def test_items_without_a_word_in_common_are_not_proposed() -> None:
    assert of("leather backpack", "canvas backpack", "reading lamp").propose(an_ask([LEATHER])).rows.tolist() == [
        CANVAS
    ]


def test_categories_bring_items_together_without_any_text() -> None:
    generator = Content()
    for row, category in enumerate(["shoes", "hats", "shoes"]):
        generator.put(row, ItemPut(f"i{row}", {"category": category}), 0.0)
    assert generator.propose(an_ask([0])).rows.tolist() == [2]


def test_the_most_similar_part_of_the_history_is_the_reason() -> None:
    generator = of("leather backpack", "desk lamp", "leather purse", "floor lamp")
    ask = an_ask([0, 1])
    rows = generator.propose(ask).rows
    assert dict(zip(rows.tolist(), generator.brought(ask, rows).tolist(), strict=True)) == {2: 0, 3: 1}


def test_an_item_that_changes_its_text_changes_its_company() -> None:
    generator = of("leather backpack", "canvas backpack", "reading lamp")
    generator.put(CANVAS, ItemPut("i1", {"title": "canvas lamp"}), 0.0)
    assert generator.propose(an_ask([LAMP])).rows.tolist() == [CANVAS]
    assert generator.propose(an_ask([LEATHER])).rows.tolist() == []


def test_a_removed_item_is_forgotten_and_may_come_back() -> None:
    generator = of("leather backpack", "canvas backpack", "reading lamp")
    generator.removed(CANVAS)
    assert generator.propose(an_ask([LEATHER])).rows.tolist() == []
    generator.put(CANVAS, ItemPut("i1", {"title": "canvas backpack"}), 0.0)
    assert generator.propose(an_ask([LEATHER])).rows.tolist() == [CANVAS]


def test_shared_terms_are_words_strongest_first() -> None:
    generator = Content()
    for row, title in enumerate(["red leather backpack 2024", "leather backpack 2024 in red", "red lamp", "red rose"]):
        generator.put(row, ItemPut(f"i{row}", {"title": title, "style": "backpack"}), 0.0)
    # "red" stands everywhere, so it comes last; "style=backpack" is a label and "2024" no word.
    assert sorted(generator.shared_terms(0, 1, most=2)) == ["backpack", "leather"]
    assert generator.shared_terms(0, 1)[2] == "red"
    assert generator.shared_terms(0, 9) == []


def test_words_and_documents_of_no_use_are_dropped_in_time() -> None:
    generator = of(*("leather backpack" for _ in range(20)))
    for n in range(500):
        generator.put(n % 20, ItemPut("i", {"title": f"backpack number{n}"}), 0.0)
    # Never more than a quarter of the documents, with one word of their own each, wait for the next fit.
    assert len(generator.words) <= 1 + 20 + 5
    assert generator.documents <= 25
    assert len(generator.places) <= 4 * 2 * 25


def test_scores_are_the_cosines_of_dense_tf_idf_with_the_mean_of_the_history() -> None:
    titles = ["red leather backpack", "red red lamp", "leather desk", "backpack", "blue desk lamp lamp"]
    generator = of(*titles)  # the fits came after 1, 2, 3, 4 and 5 items, so this is the last
    counted = [terms(ItemPut("i", {"title": title})) for title in titles]
    words = sorted({word for found in counted for word in found})
    tf = np.array([[found.get(word, 0.0) for word in words] for found in counted])
    tfidf = tf * (np.log((1 + 5) / (1 + (tf > 0).sum(axis=0))) + 1)
    tfidf /= np.linalg.norm(tfidf, axis=1, keepdims=True)
    history, weights = [0, 4], [1.0, 0.25]
    expected = tfidf @ (np.array(weights) @ tfidf[history] / sum(weights))
    expected[history] = 0

    proposals = generator.propose(an_ask(history, weights=weights))
    assert sorted(proposals.rows.tolist()) == np.flatnonzero(expected).tolist()
    assert proposals.scores == pytest.approx(expected[proposals.rows], rel=1e-5)  # float32


class Shop(NamedTuple):
    generator: Content
    styles: list[str]


@pytest.fixture(scope="module")
def shop() -> Shop:
    generator, styles = Content(), []
    with gzip.open(data.path("catalog/products.jsonl.gz"), "rt", encoding="utf-8") as lines:
        for row, product in enumerate(map(json.loads, lines)):
            features = {
                "title": product["name"],
                "description": product["description"],
                "category": product["category"],
            }
            generator.put(row, ItemPut(product["id"], features), 0.0)
            styles.append(product["style"])
    return Shop(generator, styles)


def test_the_nearest_to_a_real_backpack_are_backpacks(shop: Shop) -> None:
    backpack = shop.styles.index("backpack")
    nearest = shop.generator.propose(an_ask([backpack], rows=len(shop.styles), limit=5))
    assert [shop.styles[row] for row in nearest.rows] == ["backpack"] * 5
    assert shop.generator.shared_terms(backpack, int(nearest.rows[0]))[0] == "backpack"


def test_real_products_find_their_own_kind_without_being_told_the_kind(shop: Shop) -> None:
    same = total = 0
    for row in range(0, len(shop.styles), 25):
        nearest = shop.generator.propose(an_ask([row], rows=len(shop.styles), limit=10)).rows
        same += sum(shop.styles[other] == shop.styles[row] for other in nearest)
        total += len(nearest)
    # There are 84 styles: by chance about 2 % would agree, and within the 20 categories about a quarter.
    assert same / total > 0.6


def test_hearing_the_strongest_words_alone_misses_few_of_the_nearest(shop: Shop) -> None:
    generator, rows = shop.generator, len(shop.styles)
    vectors = np.zeros((rows, len(generator.words)), np.float32)
    for row, document in enumerate(generator.document[:rows]):
        span = slice(generator.starts[document - 1], generator.starts[document])
        vectors[row, generator.places[span]] = generator.weights[span]
    found = wanted = 0
    for n in range(20):
        history = list(dict.fromkeys(bits("history", n, k) % rows for k in range(1 + 2 * n)))
        weights = [0.5 ** (k / 5) for k in range(len(history))]
        likeness = vectors @ (np.array(weights) @ vectors[history])
        likeness[history] = 0
        nearest = np.argsort(-likeness)[:50]
        proposed = generator.propose(an_ask(history, weights=weights, rows=rows, limit=200)).rows
        found += len(set(nearest.tolist()) & set(proposed[:50].tolist()))
        wanted += len(nearest)
    assert found / wanted >= 0.95


def test_two_tastes_both_get_a_share(shop: Shop) -> None:
    backpack, guitar = shop.styles.index("backpack"), shop.styles.index("strings")
    ask = an_ask([backpack, guitar], rows=len(shop.styles), limit=40)
    rows = shop.generator.propose(ask).rows
    assert {shop.styles[row] for row in rows} >= {"backpack", "strings"}
    for row, because in zip(rows.tolist(), shop.generator.brought(ask, rows).tolist(), strict=True):
        if shop.styles[row] in ("backpack", "strings"):
            assert shop.styles[because] == shop.styles[row]
