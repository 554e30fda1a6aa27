"""Server-sent events, both ends: as much of HTML's text/event-stream as revocations need."""

from collections.abc import Iterator
from dataclasses import dataclass

MEDIA_TYPE = "text/event-stream"
BEAT = "beat"
"""What a comment is read as: the sender lives."""
MAX_BLOCK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Event:
    """One event; name: of its kind; id: the newest that the stream has named, if it has."""

    name: str
    data: str
    id: str


def write_event(name: str, data: str, id_: str) -> bytes:
    """Return one event; none of the three has a line break."""
    return f"id: {id_}\nevent: {name}\ndata: {data}\n\n".encode()


def write_beat(id_: str) -> bytes:
    """Return a comment that says "nothing more up to *id_*": browsers keep the id, and go on."""
    return f"id: {id_}\n: {BEAT}\n\n".encode()


class EventReader:
    """Reads a stream as it comes, in pieces of any size."""

    def __init__(self) -> None:
        self._left = b""
        self._id = ""

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yield the events that *piece* completes; a comment that ends a block is a beat.

        Raises:
            ValueError: a block that is too long, or no UTF-8.
        """
        *blocks, self._left = (self._left + piece).replace(b"\r\n", b"\n").split(b"\n\n")
        if max(map(len, (*blocks, self._left))) > MAX_BLOCK_BYTES:
            raise ValueError("an event is too long")
        for block in blocks:
            yield from self._read(block.decode())

    def _read(self, block: str) -> Iterator[Event]:
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            more = name == "data" and name in fields
            fields[name] = f"{fields[name]}\n{value}" if more else value
        self._id = fields.get("id", self._id)
        if "data" in fields:
            yield Event(fields.get("event", "message"), fields["data"], self._id)
        elif fields.get("") == BEAT:
            yield Event(BEAT, "", self._id)
