"""Events on their way to a real receiver: signed, tried again, dropped past a bound, and never waited for."""

import asyncio
import hashlib
import hmac
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

from bandstand.settings import Hooks
from bandstand.steward.courier import Courier, signature
from bandstand.steward.news import Event, found
from bandstand.steward.wishes import Look

from .receiver import SECRET, receiving

STOPPED = Event("7-stopped", "stopped", "x", 12.5, 7, why="Guardrail orders fell with 'b'.")
Counts = Counter[tuple[str, str]]


def sent(hooks: Hooks, during: Callable[[Courier], Awaitable[object]], *, patiently: bool = True) -> Counts:
    counts: Counts = Counter()

    async def run() -> None:
        courier = Courier(hooks, lambda what, result: counts.update([(what, result)]))
        await courier.start()
        await during(courier)
        await courier.stop(patiently=patiently)

    asyncio.run(run())
    return counts


async def one(courier: Courier) -> None:
    courier.send(STOPPED)


def closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/"


def test_event_arrives_once_signed_by_the_secret() -> None:
    with receiving() as receiver:
        counts = sent(Hooks((receiver.url,), SECRET), one)
    assert counts == {("hook", "done"): 1}
    assert receiver.events == [
        {
            "id": "7-stopped",
            "event": "stopped",
            "experiment": "x",
            "at": 12.5,
            "seq": 7,
            "why": "Guardrail orders fell with 'b'.",
        }
    ]
    assert signature("key", b"body") == "sha256=" + hmac.new(b"key", b"body", hashlib.sha256).hexdigest()


def test_what_is_refused_is_sent_again_until_it_is_taken() -> None:
    with receiving(refusals=1) as receiver:
        counts = sent(Hooks((receiver.url,), SECRET, retries=2), one)
    assert (receiver.refused, len(receiver.events), counts) == (1, 1, {("hook", "done"): 1})


def test_dead_address_keeps_nothing_from_the_others_and_is_counted() -> None:
    with receiving() as receiver:
        hooks = Hooks((closed_port(), "http://no.such.host.invalid/", receiver.url), SECRET, retries=0)
        counts = sent(hooks, one)
    assert (len(receiver.events), counts) == (1, {("hook", "done"): 1, ("hook", "failed"): 2})


def test_receiver_that_never_answers_is_left_after_its_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hooks = Hooks((f"http://127.0.0.1:{silent.getsockname()[1]}/",), timeout_s=0.1, retries=0)
        assert sent(hooks, one) == {("hook", "failed"): 1}


def test_handing_over_never_waits_and_what_is_too_much_is_dropped() -> None:
    async def flood(courier: Courier) -> None:
        for _ in range(300):  # without a pause in which any of them could be delivered
            courier.send(STOPPED)

    counts = sent(Hooks((closed_port(),), retries=0), flood)
    assert counts == {("hook", "dropped"): 44, ("hook", "failed"): 256}


def test_server_that_stops_does_not_wait_for_a_dead_address() -> None:
    async def and_more(courier: Courier) -> Any:
        courier.send(STOPPED)
        await asyncio.sleep(0.1)

    assert sent(Hooks((closed_port(),), retries=20), and_more, patiently=False) == {}


def test_experiment_of_any_name_is_told_of_and_what_cannot_be_sent_keeps_nothing_from_what_follows() -> None:
    async def three(courier: Courier) -> None:
        courier.send(replace(STOPPED, id="größe"))
        for event in found(Look("größe\n2", 5.0, 9, "ship", "It is better.", "b"), None):
            courier.send(event)
        await one(courier)

    with receiving() as receiver:
        counts = sent(Hooks((receiver.url,), SECRET), three)
    assert [event["id"] for event in receiver.events] == ["9-verdict-gr%C3%B6%C3%9Fe%0A2", "7-stopped"]
    assert counts == {("hook", "done"): 2, ("hook", "failed"): 1}
