"""Memories of proofs: good once, forgotten when harmless, bounded, shared."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from fleeting.core.errors import TemporarilyUnavailable
from fleeting.core.model import Claim
from fleeting.resource import MemoryProofs, SqliteProofMemory

START = datetime(2026, 1, 1, tzinfo=UTC)


def claim(name, *, at=START, life=71):
    return Claim("dpop", name.encode() * 8, at + timedelta(seconds=life))


@pytest.fixture(params=["memory", "sqlite"])
async def proofs(request, tmp_path):
    memory = (
        MemoryProofs() if request.param == "memory" else SqliteProofMemory(tmp_path / "proofs.db")
    )
    yield memory
    await memory.aclose()


async def test_a_proof_is_taken_once(proofs):
    assert await proofs.claim(claim("a"), now=START)
    assert not await proofs.claim(claim("a"), now=START)
    assert await proofs.claim(claim("b"), now=START)


async def test_a_proof_is_remembered_to_its_end_whatever_comes_between(proofs):
    assert await proofs.claim(claim("a"), now=START)
    for second in range(1, 71):
        at = START + timedelta(seconds=second)
        assert await proofs.claim(claim(f"other {second}", at=at), now=at)
        assert not await proofs.claim(claim("a"), now=at)


async def test_one_of_many_at_once_takes_it(proofs):
    taken = await asyncio.gather(*(proofs.claim(claim("a"), now=START) for _ in range(50)))
    assert taken.count(True) == 1


async def test_memory_forgets_and_stays_bounded():
    proofs = MemoryProofs(limit=150)
    for second in range(1000):
        at = START + timedelta(seconds=second)
        await proofs.claim(claim(f"{second}", at=at), now=at)
    assert len(proofs._young) + len(proofs._old) <= 150


async def test_a_full_memory_refuses_rather_than_forgets():
    proofs = MemoryProofs(limit=2)
    await proofs.claim(claim("a"), now=START)
    await proofs.claim(claim("b"), now=START)
    with pytest.raises(TemporarilyUnavailable):
        await proofs.claim(claim("c"), now=START)
    assert not await proofs.claim(claim("a"), now=START)
    later = START + timedelta(seconds=200)
    assert await proofs.claim(claim("c", at=later), now=later)


async def test_processes_share_a_file_and_a_restart_forgets_nothing(tmp_path):
    one, other = (SqliteProofMemory(tmp_path / "proofs.db") for _ in range(2))
    taken = await asyncio.gather(
        *(memory.claim(claim(str(n)), now=START) for n in range(50) for memory in (one, other))
    )
    assert taken.count(True) == 50
    await one.aclose()
    await other.aclose()
    again = SqliteProofMemory(tmp_path / "proofs.db")
    assert not await again.claim(claim("7"), now=START)
    await again.aclose()


async def test_a_file_that_cannot_be_written_refuses(tmp_path):
    proofs = SqliteProofMemory(tmp_path / "missing" / "proofs.db")
    with pytest.raises(TemporarilyUnavailable):
        await proofs.claim(claim("a"), now=START)
    await proofs.aclose()
