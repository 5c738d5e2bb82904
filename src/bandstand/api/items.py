"""The catalogue over HTTP."""

from typing import Annotated

import msgspec
from litestar import delete, get, put

from bandstand.api.answer import Answer, answer, nothing
from bandstand.api.batch import Outcome, take
from bandstand.api.bodies import MOST_ITEMS, Item, ItemEntry, Page
from bandstand.api.document import says
from bandstand.api.reading import Http, PathId, body_of, identifier, query, read
from bandstand.api.serving import Serving
from bandstand.api.times import utc
from bandstand.errors import InputError, UnknownError
from bandstand.events import ItemPut, ItemRemoved
from bandstand.live import Live

LARGEST_CATALOGUE_BODY = 16_000_000


class Items(msgspec.Struct, frozen=True):
    """One page of the catalogue; `next` is the `after` of the page that follows, where one does."""

    items: list[ItemEntry]
    next: str | None


_most = msgspec.Meta(max_length=MOST_ITEMS)
_entries = msgspec.json.Decoder(ItemEntry)
_items = msgspec.json.Decoder(Item)


@put("/v1/items", status_code=200, opt=says(Outcome, body=ItemEntry | Annotated[list[ItemEntry], _most]))
async def put_items(request: Http, serving: Serving) -> Answer:
    """Put many items, each replacing its earlier version whole."""

    def fact(entry: bytes) -> ItemPut:
        body = read(entry, _entries)
        return _put(body.item, body)

    return answer(await take(request, serving.live, fact, most=MOST_ITEMS, limit=LARGEST_CATALOGUE_BODY))


@get("/v1/items", status_code=200, opt=says(Items, query=Page))
async def list_items(request: Http, serving: Serving) -> Answer:
    """List the catalogue, a page at a time."""
    page = query(request, Page)
    catalogue = serving.live.engine.model.state.catalogue
    after = -1
    if page.after is not None:
        if page.after not in catalogue.rows:
            raise _unknown(page.after, "after")
        after = catalogue.rows[page.after]
    found: list[ItemEntry] = []
    for row in range(after + 1, len(catalogue)):
        known = catalogue.known.get(row)
        if known is None:
            continue
        if len(found) == page.limit:
            return answer(Items(found, found[-1].item))
        found.append(_shown(known.put))
    return answer(Items(found, None))


@get("/v1/items/{item:str}", status_code=200, opt=says(ItemEntry))
async def get_item(item: PathId, serving: Serving) -> Answer:
    """Show one item as it was last put."""
    return answer(_shown(_known(serving.live, identifier(item, "item"))))


@put("/v1/items/{item:str}", status_code=200, opt=says(ItemEntry, body=Item))
async def put_item(request: Http, item: PathId, serving: Serving) -> Answer:
    """Put one item, replacing its earlier version whole."""
    id_ = identifier(item, "item")
    body = read(await body_of(request.receive), _items)
    if body.item is not None and body.item != id_:
        raise InputError(f"item == {body.item!r}, must be {id_!r} as in the path, or left out", field="item")
    fact = _put(id_, body)
    await serving.live.record([fact])
    return answer(_shown(fact))


@delete("/v1/items/{item:str}", status_code=200, opt=says(status=204))
async def remove_item(item: PathId, serving: Serving) -> Answer:
    """Take an item out of the catalogue. What was learned about it stays, and it may be put again."""
    known = _known(serving.live, identifier(item, "item"))
    await serving.live.record([ItemRemoved(known.item)])
    return nothing()


def _known(live: Live, item: str) -> ItemPut:
    catalogue = live.engine.model.state.catalogue
    known = catalogue.known.get(catalogue.rows.get(item, -1))
    if known is None:
        raise _unknown(item, "item")
    return known.put


def _unknown(item: str, field: str) -> UnknownError:
    return UnknownError(
        f"item {item!r} is not in the catalogue; put it with PUT /v1/items", field=field, code="unknown_item"
    )


def _put(item: str, body: Item) -> ItemPut:
    expires = None if body.expires is None else body.expires.timestamp()
    return ItemPut(item, body.features, body.tags, body.available, expires)


def _shown(put: ItemPut) -> ItemEntry:
    return ItemEntry(
        item=put.item,
        features=put.features,
        tags=put.tags,
        available=put.available,
        expires=None if put.expires is None else utc(put.expires),
    )
