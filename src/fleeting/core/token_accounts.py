"""Hold what a store remembers of its tokens against what the ledger says was done with them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, cast

from fleeting.core.evidence import EntryKind, StoredEntry, microseconds, original
from fleeting.core.model import Json


class TokenState(NamedTuple):
    """What the store remembers of one token; jti: as it is stored."""

    jti: str
    uses: int | None
    used: int
    revoked: bool


@dataclass(slots=True)
class _Account:
    """What the ledger says of a token; issued: the entry of its issue was seen, and is whole."""

    state: TokenState
    issued: bool = False
    uses: Json = None
    used: int = 0
    revoked: bool = False


class TokenAccounts:
    """The tokens that are still in a store, and what the ledger's entries add up to for each."""

    def __init__(self, states: Iterable[TokenState], pruned_before: datetime) -> None:
        """Hold the tokens in *states*, but none from before *pruned_before*: its uses may be gone.

        When a token is from, its entry says: the store's own word could exempt it from all this.
        """
        self._accounts = {state.jti: _Account(state) for state in states}
        self._from_us = microseconds(pruned_before)

    def see(self, row: StoredEntry) -> None:
        """Take in one entry, in any order.

        This does NOT check that the entry is what was written; what cannot be read says nothing.
        """
        account = None if row.jti is None else self._accounts.get(row.jti)
        if account is None:
            return
        try:
            body = cast("dict[str, Json]", json.loads(row.body))
            self._add(account, row, body)
        except (AttributeError, KeyError, TypeError, ValueError):
            return

    def _add(self, account: _Account, row: StoredEntry, body: dict[str, Json]) -> None:
        if row.kind == EntryKind.TOKEN_ISSUED:
            token = body.get("token")
            account.uses = token["uses"] if isinstance(token, dict) else account.state.uses
            account.issued = row.at_us >= self._from_us
        elif row.kind == EntryKind.TOKEN_SPENT:
            account.used += body.get("repeated") is not True
        elif row.kind == EntryKind.TOKEN_REVOKED:
            account.revoked |= body.get("ended") is True

    def contradictions(self) -> Iterator[str]:
        """Yield, in words, where store and ledger say different things of a token."""
        for account in self._accounts.values():
            if account.issued:
                yield from _contradictions(account)


def _contradictions(account: _Account) -> Iterator[str]:
    state = account.state
    name = f"the token {original(state.jti)}"
    if state.used != account.used:
        yield f"{name} was used {account.used} times; the store counts {state.used}"
    if state.uses != account.uses:
        yield f"{name} was issued for {account.uses} uses; the store allows {state.uses}"
    if state.revoked != account.revoked:
        said = "was revoked; the store has it alive" if account.revoked else "was not revoked"
        yield f"{name} {said}"
