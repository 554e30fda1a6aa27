from datetime import timedelta

from fleeting.core.model import TokenRecord
from fleeting.ports import Cutoff, CutoffKind, Revocation, Write
from fleeting.stores.memory import MemoryStore
from fleeting.usecases.announcing import AnnouncingLedger
from tests.simulator import START, WoundClock

SOON = START + timedelta(minutes=5)


async def test_an_end_is_announced_once_it_is_committed_and_nothing_else_is():
    store, heard = MemoryStore(clock=WoundClock()), []
    ledger = AnnouncingLedger(store, lambda: heard.append(len(store.tables.published)))
    token = TokenRecord("t1", "x", "r", "bot", "bot", "https://api", START, SOON, None)
    await ledger.commit(Write(token=token))
    await ledger.commit(Write(revoke=Revocation("t2", START)))
    assert heard == []
    await ledger.commit(Write(revoke=Revocation("t1", START)))
    await ledger.commit(Write(cutoffs=(Cutoff(CutoffKind.CLIENT, "bot", START, SOON),)))
    assert heard == [1, 2]
