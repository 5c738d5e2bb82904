"""Why an item was picked, said to a person."""

from collections.abc import Callable, Sequence

from bandstand.events import Source


def reason(source: Source, title_of: Callable[[str], str], terms: Sequence[str] = ()) -> str:
    """One line for one source; `terms` are words that the item shares with the one that brought it."""
    match source:
        case Source(name="collaborative", because=str(item)):
            return f"because people who liked {title_of(item)} liked it"
        case Source(name="content", because=str(item)):
            words = f": {', '.join(terms)}" if terms else ""
            return f"similar to {title_of(item)}{words}"
        case Source(name="trending"):
            return "trending now"
        case Source(name="popular"):
            return "popular with everyone"
        case Source(name="newcomers"):
            return "new here"
        case Source(name="discovery"):
            return "something new to explore"
        case _:
            return "ranked for you"
