import asyncio

from fleeting.server import background
from fleeting.server.background import Background


async def test_what_is_begun_is_done_behind_and_forgotten():
    done = []

    async def deed():
        done.append("it")

    behind = Background()
    behind.begin(deed())
    assert (len(behind), done) == (1, [])
    await asyncio.sleep(0.01)
    assert (len(behind), done) == (0, ["it"])
    await behind.close()


async def test_what_is_under_way_at_the_end_is_let_go(monkeypatch):
    ended = asyncio.Event()

    async def for_ever():
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(background, "MOST", 1)
    behind = Background()
    assert not behind.is_full
    behind.begin(for_ever())
    assert behind.is_full
    await asyncio.sleep(0)
    await behind.close()
    assert ended.is_set()
    assert len(behind) == 0
