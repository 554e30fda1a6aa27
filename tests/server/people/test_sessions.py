from dataclasses import replace
from datetime import timedelta

import pytest

from fleeting.core.errors import InvalidDpopProof, InvalidToken, UseDpopNonce
from fleeting.core.evidence import EntryKind
from fleeting.core.people import Person
from fleeting.core.people_deeds import SignInMethod
from fleeting.core.sender import Nonces, make_proof_claims
from fleeting.core.signing_in import SessionTerms
from fleeting.ports import RecordKind, Write
from fleeting.server.people.sessions import SessionCall, Sessions
from fleeting.stores.memory import MemoryStore
from fleeting.usecases.people import KnownPeople, person_change
from tests.simulator import START, WoundClock, new_key, public_jwk, sign

ALICE = Person("alice", "Alice", frozenset({"leads"}))
NONCES = Nonces((b"n" * 32,))
API = "https://as.example/api/whoami"


@pytest.fixture
async def clock():
    return WoundClock()


@pytest.fixture
async def sessions(clock):
    store = MemoryStore(clock=clock)
    await store.commit(Write(changes=(person_change(ALICE, 0),)))
    return Sessions(store, SessionTerms(), lambda: NONCES)


async def begin(sessions, clock, **more):
    new = sessions.begin(ALICE, clock.now(), **more)
    entry = new.entry(ALICE, SignInMethod.PASSKEY)
    await sessions.store.commit(Write(changes=(new.change,), record=lambda _: (entry,)))
    return new


async def test_a_session_says_who_signed_in_and_when(sessions, clock):
    earlier = START - timedelta(minutes=5)
    new = await begin(sessions, clock, signed_in_at=earlier, acr="high")
    found = await sessions.signed_in(new.token, clock.now())
    assert (found.person, found.signed_in_at, found.acr) == (ALICE, earlier, "high")
    assert found.session == new.id


async def test_only_the_digest_of_a_token_is_kept(sessions, clock):
    new = await begin(sessions, clock)
    (record,) = await sessions.store.records(RecordKind.SESSION)
    assert new.token not in repr(record)
    assert await sessions.signed_in(record.id, clock.now()) is None
    entries = [each async for each in sessions.store.entries()]
    assert new.token not in repr(entries)


async def test_a_login_in_the_future_counts_from_now(sessions, clock):
    new = await begin(sessions, clock, signed_in_at=START + timedelta(hours=1))
    assert new.session.signed_in_at == START


async def test_no_two_tokens_are_alike(sessions, clock):
    tokens = {sessions.begin(ALICE, clock.now()).token for _ in range(50)}
    assert len(tokens) == 50
    assert all(len(token) >= 43 for token in tokens)


async def test_a_session_ends_when_it_was_not_used_for_an_hour(sessions, clock):
    new = await begin(sessions, clock)
    assert await sessions.signed_in(new.token, clock.wind(minutes=59)) is not None
    assert await sessions.signed_in(new.token, clock.wind(minutes=59)) is not None
    assert await sessions.signed_in(new.token, clock.wind(minutes=60)) is None


async def test_a_session_that_is_used_all_day_ends_after_twelve_hours(sessions, clock):
    new = await begin(sessions, clock)
    for _ in range(23):
        assert await sessions.signed_in(new.token, clock.wind(minutes=30)) is not None
    assert await sessions.signed_in(new.token, clock.wind(minutes=30)) is None


async def test_use_is_written_at_most_once_a_minute(sessions, clock):
    new = await begin(sessions, clock)

    async def revision():
        return (await sessions.store.record(RecordKind.SESSION, new.id)).revision

    for _ in range(3):
        await sessions.signed_in(new.token, clock.wind(seconds=19))
    assert await revision() == 1
    await sessions.signed_in(new.token, clock.wind(seconds=19))
    assert await revision() == 2


async def test_who_is_disabled_or_removed_is_signed_in_no_more(sessions, clock):
    new = await begin(sessions, clock)
    kept = await KnownPeople(sessions.store).kept("alice")
    await sessions.store.commit(Write(changes=(kept.change(replace(ALICE, disabled=True)),)))
    assert await sessions.signed_in(new.token, clock.now()) is None


async def test_signing_out_ends_the_session_and_is_recorded_once(sessions, clock):
    new, other = await begin(sessions, clock), await begin(sessions, clock)
    assert await sessions.sign_out(new.token, clock.now())
    assert not await sessions.sign_out(new.token, clock.now())
    assert await sessions.signed_in(new.token, clock.now()) is None
    assert await sessions.signed_in(other.token, clock.now()) is not None
    kinds = [each.entry.kind async for each in sessions.store.entries()]
    assert kinds.count(EntryKind.PERSON_SIGNED_OUT) == 1


async def test_all_sessions_of_a_person_end_at_once(sessions, clock):
    tokens = [(await begin(sessions, clock)).token for _ in range(3)]
    assert await sessions.end_all(ALICE, "root", clock.now()) == 3
    assert await sessions.end_all(ALICE, "root", clock.now()) == 0
    for token in tokens:
        assert await sessions.signed_in(token, clock.now()) is None


async def test_a_session_has_a_csrf_token_of_its_own(sessions):
    assert sessions.is_csrf_token(sessions.csrf_token("a"), "a")
    assert not sessions.is_csrf_token(sessions.csrf_token("a"), "b")


# ---------------------------------------------------------------- bound to the command line's key


def call(key, token, clock, *, method="GET", uri=API, scheme="DPoP", ath=None, jti="1"):
    claims = make_proof_claims(
        jti=jti,
        method=method,
        uri=uri,
        now=clock.now(),
        nonce=NONCES.make(clock.now()),
        access_token=ath or token,
    )
    header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": public_jwk(key)}
    return SessionCall("GET", API, (f"{scheme} {token}",), (sign(key, claims, header=header),))


async def test_a_bound_session_is_good_with_a_proof_of_its_key(sessions, clock):
    key = new_key()
    new = await begin(sessions, clock, jkt=key.kid)
    assert (await sessions.proven(call(key, new.token, clock), clock.now())).person == ALICE


async def test_a_proof_is_good_once(sessions, clock):
    key = new_key()
    new = await begin(sessions, clock, jkt=key.kid)
    once = call(key, new.token, clock)
    await sessions.proven(once, clock.now())
    with pytest.raises(InvalidDpopProof, match="used before"):
        await sessions.proven(once, clock.now())


async def test_a_bound_session_is_no_cookie_and_a_cookie_no_bound_session(sessions, clock):
    key = new_key()
    bound, cookie = await begin(sessions, clock, jkt=key.kid), await begin(sessions, clock)
    assert await sessions.signed_in(bound.token, clock.now()) is None
    with pytest.raises(InvalidToken):
        await sessions.proven(call(key, cookie.token, clock), clock.now())


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"uri": "https://as.example/api/revoke"}, InvalidDpopProof),
        ({"method": "POST"}, InvalidDpopProof),
        ({"ath": "another"}, InvalidDpopProof),
        ({"scheme": "Bearer"}, InvalidToken),
        ({"scheme": "Basic"}, InvalidToken),
    ],
)
async def test_a_proof_for_something_else_is_refused(sessions, clock, wrong, refusal):
    key = new_key()
    new = await begin(sessions, clock, jkt=key.kid)
    with pytest.raises(refusal):
        await sessions.proven(call(key, new.token, clock, **wrong), clock.now())


async def test_another_key_is_refused(sessions, clock):
    new = await begin(sessions, clock, jkt=new_key().kid)
    with pytest.raises(InvalidToken, match="over"):
        await sessions.proven(call(new_key(), new.token, clock), clock.now())


async def test_a_proof_needs_a_nonce_of_ours(sessions, clock):
    key = new_key()
    new = await begin(sessions, clock, jkt=key.kid)
    stale = replace(sessions, nonces=lambda: Nonces((b"o" * 32,)))
    with pytest.raises(UseDpopNonce):
        await stale.proven(call(key, new.token, clock), clock.now())
