"""How many access requests may wait for people at once: in all, and of one client (ATTACKS 33)."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fleeting.core.access_requests import RequestRecord
from fleeting.core.errors import AccessDenied, TemporarilyUnavailable
from fleeting.core.lifecycle import Status
from fleeting.core.request_deeds import WAITING
from fleeting.ports import Record, RecordKind, Records
from fleeting.usecases.request_rows import states_of

PER_CLIENT = 100
IN_ALL = 20_000


@dataclass(slots=True)
class OpenRequests:
    """What waits, as far as this worker knows: what other workers took in may be a second late.

    per_client, in_all: the most that may. by_id: whose each open request is.
    """

    per_client: int = PER_CLIENT
    in_all: int = IN_ALL
    by_id: dict[str, str] = field(default_factory=dict)
    _of: Counter[str] = field(default_factory=Counter)
    _coming: Counter[str] = field(default_factory=Counter)
    pending: set[str] = field(default_factory=set)

    async def load(self, records: Records) -> None:
        """Count what waits already.

        Raises:
            StoreUnavailableError: the store cannot answer.
        """
        rows = await records.records(
            RecordKind.REQUEST, states=states_of(WAITING), limit=self.in_all + 1
        )
        for row in rows:
            self.notice(row)

    def notice(self, row: Record) -> None:
        """Count a request that changed, or count it no more."""
        if row.state not in _OPEN:
            self._remove(row.id)
        elif row.id not in self.by_id:
            self._add(row.id, _client_of(row.text))
        if row.state in _PENDING:
            self.pending.add(row.id)
        else:
            self.pending.discard(row.id)

    @contextmanager
    def room(self, client_id: str) -> Iterator[None]:
        """Keep a place for one more request of *client_id* until it is taken in, or was not.

        Raises:
            AccessDenied: the client has too many waiting. TemporarilyUnavailable: all have.
        """
        if self._of[client_id] + self._coming[client_id] >= self.per_client:
            raise AccessDenied(
                f"{self.per_client} access requests of this client wait already: "
                "let them be decided, or cancel some"
            )
        if len(self.by_id) + self._coming.total() >= self.in_all:
            raise TemporarilyUnavailable("too many access requests wait for people: try later")
        self._coming[client_id] += 1
        try:
            yield
        finally:
            self._coming[client_id] -= 1
            if not self._coming[client_id]:
                del self._coming[client_id]

    def opened(self, record: RequestRecord) -> None:
        """Count a request that this worker took in itself."""
        if record.id not in self.by_id:
            self._add(record.id, record.request.client.client_id)
        if record.status is Status.PENDING:
            self.pending.add(record.id)

    def _add(self, id_: str, client_id: str) -> None:
        self.by_id[id_] = client_id
        self._of[client_id] += 1

    def _remove(self, id_: str) -> None:
        client_id = self.by_id.pop(id_, None)
        if client_id is not None:
            self._of[client_id] -= 1
            if not self._of[client_id]:
                del self._of[client_id]


_OPEN = frozenset(states_of(WAITING))
_PENDING = frozenset(states_of((Status.PENDING,)))


def _client_of(text: str) -> str:
    """Return whose request a row holds; what cannot be read is counted as nobody's."""
    try:
        client = json.loads(text)["request"]["client"]
    except (ValueError, LookupError, TypeError):
        return ""
    return client if isinstance(client, str) else ""
