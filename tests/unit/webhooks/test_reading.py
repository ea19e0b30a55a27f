"""Readers of one subscription: each gets every event after its own position once."""

from collections.abc import Sequence

import orjson

from chassis.following import Followed, Place
from kernel.ids import new_id, to_public
from services.webhooks.reading import Heard, SharedReading

STREAM, OLD_STREAM = "made today", "made yesterday"


class Reader:
    """A reader that records its events and positions."""

    def __init__(self, made: str, sequence: int) -> None:
        self._begun = Place(made=made, sequence=sequence)
        self.taken: list[int] = []
        self.places: list[int] = []

    async def start(self) -> Place:
        return self._begun

    async def take(self, heard: Sequence[Heard], place: Place) -> None:
        self.taken += [one.event.sequence for one in heard]
        self.places.append(place.sequence)

    async def keep_writing(self) -> None:
        return


def message(sequence: int, **changes: object) -> Followed:
    body = {
        "eventId": to_public("evt", new_id()),
        "eventType": "order.created",
        "occurredAt": "2026-01-31T12:00:00.000Z",
        "aggregateId": "ord_1",
        "aggregateType": "Order",
        "version": 1,
        "payload": {},
        "metadata": {"marketplaceId": str(new_id())},
    }
    return Followed(
        subject="order.created",
        body=orjson.dumps(body | changes),
        sequence=sequence,
        marketplace_id="",
    )


async def read(*readers: Reader) -> Place:
    """Let readers read the messages 1 to 9 of the stream, three at once."""
    shared = SharedReading(readers)
    begun = await shared.start()
    first = begun.sequence + 1 if begun.made == STREAM else 1
    numbers = range(first, 10)
    for at in range(0, len(numbers), 3):
        some = [message(number) for number in numbers[at : at + 3]]
        await shared.take(some, Place(made=STREAM, sequence=some[-1].sequence))
    return begun


async def test_reader_gets_only_new_events_and_never_an_earlier_position() -> None:
    behind, ahead = Reader(STREAM, 2), Reader(STREAM, 7)

    assert await read(behind, ahead) == Place(made=STREAM, sequence=2)

    assert behind.taken == [3, 4, 5, 6, 7, 8, 9]
    assert behind.places == [5, 8, 9]
    assert ahead.taken == [8, 9]
    assert ahead.places == [8, 9]


async def test_stream_unknown_to_one_reader_is_read_from_its_start() -> None:
    new, known = Reader(OLD_STREAM, 8), Reader(STREAM, 7)

    await read(new, known)

    assert new.taken == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert known.taken == [8, 9]


async def test_invalid_event_is_skipped_and_given_to_no_reader() -> None:
    reader = Reader(STREAM, 0)
    shared = SharedReading([reader])
    await shared.start()

    wrong = [
        message(1, aggregateId="a" * 401),
        message(2, occurredAt="2026-02-31T12:00:00.000Z"),
        message(3, metadata={"marketplaceId": "nobody"}),
    ]
    await shared.take(wrong, Place(made=STREAM, sequence=3))

    assert reader.taken == []
    assert reader.places == [3]
