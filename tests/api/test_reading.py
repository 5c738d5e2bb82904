"""Reading strictly: what the tests over HTTP cannot send."""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from bandstand.api import reading
from bandstand.api.bodies import Rank
from bandstand.errors import InputError

decoder = msgspec.json.Decoder(Rank)


def body_in(messages: Iterable[dict[str, Any]]) -> bytes:
    """The body that arrives in these messages, and never goes on after the last."""
    left = list(messages)

    async def receive() -> Any:
        return left.pop(0) if left else await asyncio.Event().wait()

    return asyncio.run(reading.body_of(receive, limit=10))


def chunk(body: bytes, more_body: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more_body}


def test_body_may_come_in_many_chunks() -> None:
    assert body_in([chunk(b"ab"), chunk(b""), chunk(b"cd"), chunk(b"", more_body=False)]) == b"abcd"


def test_body_without_an_end_is_cut_at_the_limit() -> None:
    with pytest.raises(InputError, match="longer than 10 bytes") as raised:
        body_in([chunk(b"x" * 6)] * 2)
    assert raised.value.code == "too_large"


def test_slow_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_SLOWEST_BODY_S", 0.01)
    with pytest.raises(InputError, match="send it faster") as raised:
        body_in([chunk(b"x")])
    assert raised.value.code == "slow"


def test_client_that_goes_away_is_no_failure_of_the_server() -> None:
    with pytest.raises(InputError, match="it broke off"):
        body_in([chunk(b"x"), {"type": "http.disconnect"}])


@pytest.mark.parametrize("spelling", [rb'"\u0000"', rb'"a\\\u0000"', rb'"\\\\\u0000b"'])
def test_nul_is_found_behind_any_number_of_backslashes(spelling: bytes) -> None:
    with pytest.raises(InputError, match="NUL"):
        reading.read(b'{"surface": %b}' % spelling, decoder)


@pytest.mark.parametrize("spelling", [rb'"\\u0000"', rb'"\\\\u0000"'])
def test_backslash_that_is_a_text_is_no_nul(spelling: bytes) -> None:
    assert "u0000" in reading.read(b'{"surface": %b}' % spelling, decoder).surface


def test_value_that_is_long_is_shown_shortened() -> None:
    with pytest.raises(InputError, match="must be str of length <= 256") as raised:
        reading.read(b'{"surface": "%b"}' % (b"x" * 300), decoder)
    assert len(str(raised.value)) < 150
