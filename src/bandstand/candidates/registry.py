"""The generators there are."""

from importlib.util import find_spec

from bandstand.candidates import Fitted, Generator
from bandstand.candidates.als import Als
from bandstand.candidates.arrivals import Arrivals
from bandstand.candidates.collaborative import Collaborative
from bandstand.candidates.content import Content
from bandstand.candidates.discovery import Discovery
from bandstand.candidates.ease import Ease
from bandstand.candidates.items import Items
from bandstand.candidates.newcomers import Newcomers
from bandstand.candidates.session import Session
from bandstand.candidates.svd import Svd
from bandstand.candidates.trending import Popular, Trending
from bandstand.candidates.users import Users
from bandstand.candidates.vector_index import VectorIndex
from bandstand.candidates.vectors import Vectors

GENERATORS: tuple[type[Generator], ...] = (
    Collaborative,
    Content,
    Trending,
    Popular,
    Discovery,
    Newcomers,
    Session,
    Vectors,
    Arrivals,
)
# An index is left out where nobody could ask it: then the live generator of the same name serves.
_INDEXES: tuple[type[Fitted], ...] = (VectorIndex,) if find_spec("usearch") else ()
FITTED: tuple[type[Fitted], ...] = (Ease, Als, Svd, Users, Items, *_INDEXES)


def names() -> list[str]:
    """What a strategy may ask for."""
    return list(dict.fromkeys([*(kind.name for kind in GENERATORS), *(kind.name for kind in FITTED)]))
