"""A process of its own on a shared database: python worker.py URL (spend JTI | load NAME)."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from fleeting.core.evidence import Entry, EntryKind
from fleeting.core.model import Spend, TokenRecord
from fleeting.ports import Claim, Write
from fleeting.stores import open_store

AUDIENCE = "https://payments.example"


def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Now:
    def now(self):
        return datetime.now(UTC)


async def spend(store, jti):
    """Race for the uses of one token, and say which ones were won; claim the same ids as others."""

    def spent(outcome):
        at = Now().now()
        kind = EntryKind.TOKEN_SPENT if outcome.spend.use else EntryKind.SPEND_REFUSED
        return [Entry(kind, at, "race", {"use": outcome.spend.use}, None, jti)]

    async def attempt(number):
        use_id = f"{id(store)}-{Now().now()}-{number}"
        outcome = await store.commit(Write(spend=Spend(jti, use_id, AUDIENCE), record=spent))
        if outcome.spend.use:
            say("use", outcome.spend.use)
        expiry = Now().now() + timedelta(minutes=1)
        claims = tuple(Claim("race", n.to_bytes(32, "big"), expiry) for n in (number, 99 - number))
        for claim in claims:
            if (await store.commit(Write(claims=(claim,)))).replayed is None:
                say("claim", claim.digest[-1])

    await asyncio.gather(*(attempt(number) for number in range(50)))


async def load(store, name):
    """Issue and spend for ever, and say so once it is acknowledged."""
    numbers = count()

    async def work():
        while True:
            jti, now = f"{name}-{next(numbers)}", Now().now()
            record = TokenRecord(jti, "t", "r", "c", "s", AUDIENCE, now, now + timedelta(1), 1)
            issued = Entry(EntryKind.TOKEN_ISSUED, now, "r", {}, "t", jti)
            await store.commit(Write(token=record, record=lambda _, it=issued: [it]))
            say("issued", jti)
            spent = Entry(EntryKind.TOKEN_SPENT, now, "r", {}, "t", jti)
            wish = Write(spend=Spend(jti, "u", AUDIENCE), record=lambda _, it=spent: [it])
            assert (await store.commit(wish)).spend.use == 1
            say("spent", jti)

    await asyncio.gather(*(work() for _ in range(16)))


async def main(url, mode, argument):
    store = open_store(url, clock=Now(), base_dir=Path("/"))
    await store.open()
    say("ready")
    await {"spend": spend, "load": load}[mode](store, argument)
    await store.close()


asyncio.run(main(*sys.argv[1:]))
