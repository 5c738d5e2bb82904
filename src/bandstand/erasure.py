"""Forgetting a user: what stays in the log, so that what was learned can still be made again, and what does not."""

from msgspec.structs import replace

from bandstand.events import AnyFact, Decided, Interacted, Rewarded, UserErased, UserPut
from bandstand.features import hidden, unnamed
from bandstand.state import mark
from bandstand.store import EventLog


def erase(log: EventLog, user: str, *, pseudonym: str) -> UserErased:
    """Replace a user in every fact that is about them; the fact to append next, by which models forget them too.

    Id and session, context and profile go. Items, times and propensities stay, under the pseudonym, and so do hashes of
    the features that were learned from: weights and reports remain what they were, and nothing says whose they are.
    Client keys stay; they must not hold personal data.
    """
    known = {user}

    def redacted(fact: AnyFact) -> AnyFact:
        about = fact.request if isinstance(fact, Decided) else fact
        known.update(filter(None, (getattr(about, "session", None), getattr(about, "device", None))))
        return _redacted(fact, pseudonym)

    log.rewrite(user, redacted)
    return UserErased(pseudonym, was=tuple(sorted(mark(name) for name in known)))


def _redacted(fact: AnyFact, pseudonym: str) -> AnyFact:
    match fact:
        case Decided():
            request = replace(fact.request, user=pseudonym, session=None, device=None, context={}, utc_offset_s=0)
            return replace(fact, request=request, user=unnamed(fact.user), context=unnamed(fact.context))
        case Rewarded() | Interacted():
            among = tuple(map(hidden, fact.segments))
            return replace(fact, user=pseudonym, session=None, key=None, segments=among)
        case UserPut():
            return UserPut(pseudonym)
        case _:
            return fact
