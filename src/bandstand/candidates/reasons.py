"""Why an item was picked, said to a person."""

from collections.abc import Callable, Sequence

from bandstand.events import Source


def reason(
    source: Source,
    title_of: Callable[[str], str],
    terms: Sequence[str] = (),
    *,
    among: str | None = None,
    untouched: bool = False,
) -> str:
    """One line for one source; `terms` are words that the item shares with the one that brought it, `among` the segment
    where it trends, and `untouched` says that nobody has liked it yet."""
    match source:
        case Source(name="collaborative" | "ease" | "als" | "svd" | "users" | "items", because=str(item)):
            return f"because people who liked {title_of(item)} liked it"
        case Source(name="content", because=str(item)):
            words = f": {', '.join(terms)}" if terms else ""
            return f"similar to {title_of(item)}{words}"
        case Source(name="session", because=str(item)):
            return f"like what you looked at just now: {title_of(item)}"
        case Source(name="vectors", because=str(item)):
            return f"similar to {title_of(item)}"
        case Source(name="trending"):
            return f"trending now{_where(among)}"
        case Source(name="arrivals"):
            return "new"
        case Source(name="popular") if untouched:
            return "not seen much yet"
        case Source(name="popular"):
            return "popular with everyone"
        case Source(name="promoted"):
            return "promoted"
        case Source(name="newcomers"):
            return "new here"
        case Source(name="discovery"):
            return "something new to explore"
        case _:
            return "ranked for you"


def _where(segment: str | None) -> str:
    name, _, value = (segment or "").partition("=")
    match name:
        case "country":
            return f" in {value}"
        case "device":
            return f" on {value}"
        case _:
            return ""
