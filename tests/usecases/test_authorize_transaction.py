import asyncio

import pytest

from fleeting.core.evidence import EntryKind
from tests.people import office
from tests.simulator import (
    DEPLOYMENT,
    DEPLOYMENTS,
    JWT_TYPE,
    PAYMENTS,
    REFUND,
    claims_of,
    granted,
    new_key,
    refused,
)

EXPECTED = {"proofs": ("invalid_dpop_proof",), "credentials": ("invalid_client", 401)}
INVALID = "invalid_transaction_challenge"


async def test_a_challenge_becomes_the_token_it_asks_for(sim):
    challenge = sim.challenge()
    claims = granted(await sim.caller().authorize(challenge))
    assert claims["txn"] == claims_of(challenge)["txn"]
    assert claims["aud"] == PAYMENTS
    assert claims["authorization_details"] == [REFUND]
    (entry,) = await sim.recorded()
    assert entry.body["asked_by"] == "transaction_challenge"


async def test_policy_decides_as_if_it_was_asked_at_the_token_endpoint(sim):
    dollars = sim.challenge({**REFUND, "currency": "USD"})
    response = await sim.caller().authorize(dollars)
    assert refused(response, "access_denied") == "refunds in USD are for treasury"


async def test_where_people_decide_the_client_polls_with_an_id_of_the_draft_s_own(sim):
    people, caller = await office(sim), sim.caller()
    challenge = sim.challenge({**REFUND, "amount": 6000})
    response = await caller.authorize(challenge)
    assert response.status_code == 200
    told = response.json()
    id_ = told["transaction_authorization_id"]
    assert told.keys() == {
        "transaction_authorization_id",
        "interval",
        "expires_in",
        "authorization_uri",
    }
    poll = {"transaction_authorization_id": id_}
    waits = await caller.post("/transaction-authorization", poll)
    assert waits.json()["error"] == "authorization_pending"
    assert waits.json()["transaction_authorization_id"] == id_
    await people.approve(id_)
    other = await sim.caller("release-bot").post("/transaction-authorization", poll)
    refused(other, "invalid_grant")
    another_key = await sim.caller().post("/transaction-authorization", poll)
    refused(another_key, "invalid_grant")
    elsewhere = await caller.ask({**REFUND, "amount": 6000}, access_request_id=id_)
    refused(elsewhere, "invalid_grant")
    claims = granted(await caller.post("/transaction-authorization", poll))
    assert claims["txn"] == claims_of(challenge)["txn"]
    assert claims["authorization_details"] == [{**REFUND, "amount": 6000}]
    refused(await caller.post("/transaction-authorization", poll), "invalid_grant")


async def test_two_challenges_for_alike_calls_are_two_requests(sim):
    caller = sim.caller()
    ids = set()
    for _ in range(2):
        response = await caller.authorize(sim.challenge({**REFUND, "amount": 6000}))
        ids.add(response.json()["transaction_authorization_id"])
    assert len(ids) == 2


async def test_a_poll_brings_nothing_but_the_id(sim):
    form = {"transaction_authorization_id": "x", "scope": "payments:read"}
    refused(await sim.caller().post("/transaction-authorization", form), "invalid_request")
    form = {"transaction_authorization_id": "no id!"}
    refused(await sim.caller().post("/transaction-authorization", form), "invalid_request")


async def test_what_was_asked_at_the_token_endpoint_is_collected_there(sim):
    caller = sim.caller()
    response = await caller.ask({**REFUND, "amount": 6000})
    form = {"transaction_authorization_id": response.json()["access_request_id"]}
    told = refused(await caller.post("/transaction-authorization", form), "invalid_grant")
    assert "at the token endpoint" in told


async def test_a_challenge_is_good_once_whoever_answers_it(sim):
    challenge = sim.challenge()
    granted(await sim.caller().authorize(challenge))
    assert "used before" in refused(await sim.caller().authorize(challenge), INVALID)
    refused(await sim.caller("release-bot").authorize(challenge), "access_denied")
    (issued,) = await sim.recorded(EntryKind.TOKEN_ISSUED)
    assert issued.txn == claims_of(challenge)["txn"]


@pytest.mark.parametrize("what", ["proofs", "credentials"])
async def test_a_replay_beside_a_challenge_does_not_use_it_up(sim, what):
    bot = sim.caller()
    await bot.token(REFUND)
    replayed = {"proofs": [bot.proof()]} if what == "proofs" else {"credentials": bot.credentials()}
    scope = {"grant_type": "client_credentials", "scope": "payments:read"}
    granted(await bot.post("/token", scope, **replayed))
    challenge = sim.challenge()
    form, path = {"transaction_challenge": challenge}, "/transaction-authorization"
    if what == "proofs":
        replayed = {"proofs": [bot.proof(path=path)]}
        granted(await bot.post(path, {"transaction_challenge": sim.challenge()}, **replayed))
    told = refused(await bot.post(path, form, **replayed), *EXPECTED[what])
    assert "used before" in told
    granted(await bot.authorize(challenge))


async def test_of_many_racing_answers_exactly_one_gets_a_token(sim):
    challenge, bot = sim.challenge(), sim.caller()
    await bot.ask(scope="payments:read")
    responses = await asyncio.gather(*(bot.authorize(challenge) for _ in range(10)))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 9


async def test_a_challenge_can_be_answered_for_a_user(sim):
    response = await sim.caller("release-bot").authorize(
        sim.challenge(), subject_token=sim.user_token(), subject_token_type=JWT_TYPE
    )
    claims = granted(response)
    assert (claims["sub"], claims["act"]) == ("alice", {"sub": "release-bot"})


async def test_the_challenges_actors_are_carried_behind_our_own(sim):
    challenge = sim.challenge(act={"sub": "assistant", "act": {"sub": "portal"}})
    claims = granted(await sim.caller().authorize(challenge))
    assert claims["act"] == {
        "sub": "support-bot",
        "act": {"sub": "assistant", "act": {"sub": "portal"}},
    }
    both = await sim.caller().authorize(
        sim.challenge(act={"sub": "support-bot"}),
        subject_token=sim.user_token(),
        subject_token_type=JWT_TYPE,
    )
    assert granted(both)["act"] == {"sub": "support-bot"}


async def test_two_chains_together_have_an_end_too(sim):
    act = None
    for place in range(8):
        act = {"sub": str(place), "act": act} if act else {"sub": str(place)}
    response = await sim.caller().authorize(
        sim.challenge(act=act), subject_token=sim.user_token(), subject_token_type=JWT_TYPE
    )
    assert "longer than 8" in refused(response, INVALID)


@pytest.mark.parametrize(
    "bent",
    [
        {"key": new_key()},
        {"typ": "JWT"},
        {"typ": "at+jwt"},
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS256"}},
        {"iss": "https://unknown.example"},
        {"iss": DEPLOYMENTS},
        {"iss": None},
        {"iss": 7},
        {"aud": "https://other.example"},
        {"aud": ["http://127.0.0.1:8400"]},
        {"exp": 1},
        {"exp": 253402300799},
        {"exp": None},
        {"iat": None},
        {"jti": None},
        {"txn": "short"},
        {"txn": "with\nlines and more"},
        {"reason": None},
        {"authorization_details": None},
        {"authorization_details": []},
        {"scope": "a  b"},
        {"act": "x"},
    ],
)
async def test_a_challenge_that_is_not_right_is_invalid(sim, bent):
    refused(await sim.caller().authorize(sim.challenge(**bent)), INVALID)


@pytest.mark.parametrize("details", [[{"type": "unknown"}], [{**REFUND, "x": 1}], [DEPLOYMENT]])
async def test_a_resource_speaks_of_its_own_types_as_declared(sim, details):
    response = await sim.caller().authorize(sim.challenge(authorization_details=details))
    refused(response, "invalid_authorization_details")


async def test_a_resource_speaks_of_its_own_scopes(sim):
    asked = {"authorization_details": [], "scope": "payments:read"}
    assert granted(await sim.caller().authorize(sim.challenge(**asked)))["scope"] == "payments:read"
    other = {"authorization_details": [], "scope": "deployments:read"}
    refused(await sim.caller().authorize(sim.challenge(**other)), "invalid_scope")


@pytest.mark.parametrize(
    "fields",
    [
        {"authorization_details": [REFUND]},
        {"scope": "payments:read"},
        {"grant_type": "client_credentials"},
        {"resource": PAYMENTS},
        {"audience": PAYMENTS},
        {"actor_token": "x"},
        {"subject_token": "x"},
        {"request_context": "{"},
        {"request_context": {"ticket": "no"}},
        {"transaction_challenge": None},
    ],
)
async def test_a_clients_own_words_beside_a_challenge_are_refused(sim, fields):
    form = {"transaction_challenge": sim.challenge(), **fields}
    response = await sim.caller().post("/transaction-authorization", form)
    refused(response, "invalid_request")


async def test_a_client_may_give_its_context(sim):
    context = {"ticket": "INC-7"}
    granted(await sim.caller().authorize(sim.challenge(), request_context=context))
    (entry,) = await sim.recorded()
    assert entry.body["context"] == context


async def test_what_is_no_jws_is_no_challenge(sim):
    for text in ("x", "a.b.c", "e30.e30."):
        refused(await sim.caller().authorize(text), INVALID)


async def test_the_token_is_bound_to_who_answers(sim):
    bot = sim.caller()
    claims = granted(await bot.authorize(sim.challenge()))
    assert claims["cnf"] == {"jkt": bot.proof_key.public().thumbprint()}
    refused(await sim.caller(proof_key=None).authorize(sim.challenge()), "invalid_dpop_proof")
