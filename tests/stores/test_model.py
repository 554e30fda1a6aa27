"""SQLite against the memory store as its model: any sequence of batches comes to the same."""

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fleeting.core.evidence import Entry, EntryKind
from fleeting.core.ledger_verification import verify_ledger
from fleeting.core.model import Spend, TokenRecord
from fleeting.ports import Claim, Revocation, Write
from fleeting.stores import open_store

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
seconds = st.integers(0, 5).map(lambda count: timedelta(seconds=count))
jtis = st.sampled_from(["a", "b", "c", "\0", "\\u0000"])
audiences = st.sampled_from(["here", "here", "there"])
claims = st.builds(
    Claim,
    st.sampled_from(["dpop", "assertion"]),
    st.integers(0, 4).map(lambda number: bytes([number]) * 32),
    seconds.map(lambda by: NOW + by),
    st.booleans(),
)
tokens = st.builds(
    lambda jti, life, uses: TokenRecord(
        jti, "txn", f"request-{jti}", "client", "alice", "here", NOW, NOW + life, uses
    ),
    jtis,
    seconds,
    st.sampled_from([None, 1, 2]),
)


def _record(outcome):
    kind = EntryKind.SPEND_REFUSED if outcome.replayed else EntryKind.TOKEN_SPENT
    return [Entry(kind, NOW, "r", {"outcome": repr(outcome)})]


def _fail(_outcome):
    raise ZeroDivisionError


writes = st.builds(
    Write,
    st.lists(claims, max_size=2).map(tuple),
    st.one_of(st.none(), tokens),
    st.one_of(st.none(), st.builds(Spend, jtis, st.sampled_from("uv"), audiences)),
    st.one_of(st.none(), st.builds(Revocation, jtis, seconds.map(lambda by: NOW + by))),
    st.sampled_from([_record, _record, _record, _fail]),
)


class StoresAgree(RuleBasedStateMachine):
    """Do the same to both stores, and compare all that can be seen of them."""

    def __init__(self):
        super().__init__()
        self.at = NOW
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        self.stores = [
            open_store(url, clock=self, base_dir=Path(self.directory.name))
            for url in ("memory://", "sqlite:///fleeting.db")
        ]
        for store in self.stores:
            self.runner.run(store.open())

    def now(self):
        return self.at

    def both(self, deed):
        model, real = (self.runner.run(deed(store)) for store in self.stores)
        assert real == model
        return model

    @rule(batch=st.lists(writes, min_size=1, max_size=6))
    def commit(self, batch):
        async def deed(store):
            results = await asyncio.gather(*map(store.commit, batch), return_exceptions=True)
            # Of two faults in one write, which is told is each store's own choice.
            return ["failed" if isinstance(it, Exception) else it for it in results]

        self.both(deed)

    @rule(by=seconds)
    def wait(self, by):
        self.at += by

    @rule(limit=st.integers(0, 9), grace=seconds, age=seconds)
    def prune(self, limit, grace, age):
        before = self.at - age

        async def deed(store):
            # Where the limit cuts is each store's own choice, so only whole prunings compare.
            while await store.prune(self.at, ledger_before=before, limit=limit + 1, grace=grace):
                pass

        self.both(deed)

    @invariant()
    def nothing_differs(self):
        async def deed(store):
            found = [await store.find(jti) for jti in ("a", "b", "c", "\0", "\\u0000")]
            story = [chained.entry for chained in await store.story("r")]
            verification = await store.examine(verify_ledger)
            assert [it for it in verification.findings if it.writer] == []
            return found, sorted(map(repr, story)), verification.entries

        self.both(deed)

    def teardown(self):
        for store in self.stores:
            self.runner.run(store.close())
        self.runner.close()
        self.directory.cleanup()


TestStoresAgree = StoresAgree.TestCase
TestStoresAgree.settings = settings(max_examples=12, stateful_step_count=10, deadline=None)
