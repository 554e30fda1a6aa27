import pytest

from fleeting.core.evidence import EntryKind
from tests.simulator import (
    IDP,
    JWT_TYPE,
    PAYOUT,
    REFUND,
    claims_of,
    granted,
    new_key,
    refused,
)

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


async def test_a_client_acts_for_a_user_in_the_users_name(sim):
    response = await sim.caller().exchange(sim.user_token(), REFUND)
    claims = granted(response)
    assert claims["sub"] == "alice"
    assert claims["act"] == {"sub": "support-bot"}
    assert claims["client_id"] == "support-bot"
    assert response.json()["issued_token_type"] == ACCESS_TOKEN
    (entry,) = await sim.recorded()
    assert entry.body["subject"]["attributes"] == {"department": "payments"}
    assert entry.body["subject"]["groups"] == ["support"]


async def test_the_users_groups_count_not_the_clients(sim):
    stranger = sim.user_token(groups=["visitors"])
    refused(await sim.caller().exchange(stranger, REFUND), "access_denied")
    supporter = sim.user_token()
    granted(await sim.caller("release-bot").exchange(supporter, REFUND))


async def test_earlier_actors_are_kept_behind_the_client(sim):
    token = sim.user_token(act={"sub": "assistant", "iss": IDP, "act": {"sub": "portal"}})
    claims = granted(await sim.caller().exchange(token, REFUND))
    assert claims["act"] == {
        "sub": "support-bot",
        "act": {"sub": "assistant", "iss": IDP, "act": {"sub": "portal"}},
    }


async def test_an_actor_token_names_who_acts(sim):
    actor = sim.user_token(sub="assistant", groups=None)
    response = await sim.caller().exchange(
        sim.user_token(), REFUND, actor_token=actor, actor_token_type=JWT_TYPE
    )
    assert granted(response)["act"] == {"sub": "assistant", "iss": IDP}


@pytest.mark.parametrize(
    "bent", [{"aud": "other"}, {"exp": 1}, {"sub": None}, {"act": {"sub": "x"}}]
)
async def test_an_actor_token_is_verified_like_a_subject_token(sim, bent):
    actor = sim.user_token(**{"sub": "assistant", **bent})
    response = await sim.caller().exchange(
        sim.user_token(), REFUND, actor_token=actor, actor_token_type=JWT_TYPE
    )
    refused(response, "invalid_request")


async def test_may_act_names_the_only_one_who_may(sim):
    granted(await sim.caller().exchange(sim.user_token(may_act={"sub": "support-bot"}), REFUND))
    other = sim.user_token(may_act={"sub": "release-bot"})
    assert "may_act" in refused(await sim.caller().exchange(other, REFUND), "invalid_request")


@pytest.mark.parametrize("left", [1, 20, 59])
async def test_a_token_never_outlives_the_subject_token(sim, left):
    ends = int(sim.clock.now().timestamp()) + left
    response = await sim.caller().exchange(sim.user_token(exp=ends), REFUND)
    assert granted(response)["exp"] == ends
    assert response.json()["expires_in"] == left


async def test_an_expired_subject_token_is_refused_even_within_the_skew(sim):
    ends = int(sim.clock.now().timestamp())
    caller = sim.caller()
    refused(await caller.exchange(sim.user_token(exp=ends), REFUND), "invalid_grant")
    refused(await caller.exchange(sim.user_token(exp=ends - 10), REFUND), "invalid_request")


async def test_a_subject_tokens_own_details_bound_what_comes_of_it(sim):
    bound = sim.user_token(authorization_details=[{**REFUND, "amount": 1000}])
    bot = sim.caller()
    smaller = {**REFUND, "amount": 999}
    assert granted(await bot.exchange(bound, smaller))["authorization_details"] == [smaller]
    wider = await bot.exchange(bound, {**REFUND, "amount": 1001})
    assert "does not carry this operation" in refused(wider, "access_denied")
    partly = await bot.exchange(bound, smaller, PAYOUT, scope="payments:read")
    assert granted(partly)["authorization_details"] == [smaller]
    assert "scope" not in partly.json()
    assert [item["type"] for item in partly.json()["refused"]] == ["payout", "scope"]


async def test_a_subject_token_whose_details_do_not_fit_is_refused(sim):
    bent = sim.user_token(authorization_details=[{"type": "payment_refund", "amount": "1"}])
    assert "payment_refund" in refused(await sim.caller().exchange(bent, REFUND), "invalid_request")


@pytest.mark.parametrize(
    "bent",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "https://api.example"},
        {"aud": None},
        {"exp": None},
        {"exp": 253402300799, "groups": "admins"},
        {"sub": None},
        {"sub": "support-bot"},
        {"groups": "support"},
        {"department": 7},
        {"typ": "dpop+jwt"},
        {"typ": "logout+jwt"},
        {"key": new_key()},
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS256"}},
        {"header": {"crit": ["exp"]}},
        {"act": "x"},
        {"cnf": {"jkt": "somebody-elses"}},
        {"authorization_details": {}},
    ],
)
async def test_a_subject_token_that_is_not_right_is_an_invalid_request(sim, bent):
    response = await sim.caller().exchange(sim.user_token(**bent), REFUND)
    assert "subject_token" in refused(response, "invalid_request")
    (entry,) = await sim.recorded()
    assert entry.kind == EntryKind.REQUEST_REFUSED


async def test_a_subject_token_that_lives_for_ever_gives_a_short_one(sim):
    response = await sim.caller().exchange(sim.user_token(exp=253402300799), REFUND)
    assert response.json()["expires_in"] == 60


@pytest.mark.parametrize("token", ["x", "a.b.c", "", "e30.e30.", "a" * 20_000])
async def test_what_is_no_jwt_never_falls_back_to_the_clients_own_authority(sim, token):
    response = await sim.caller().exchange(token, REFUND)
    refused(response, "invalid_request")


async def test_a_bound_subject_token_needs_the_proof_of_its_own_key(sim):
    bot = sim.caller()
    own = sim.user_token(cnf={"jkt": bot.proof_key.public().thumbprint()})
    granted(await bot.exchange(own, REFUND))
    refused(await sim.caller().exchange(own, REFUND), "invalid_request")


async def test_our_own_tokens_are_no_subject_tokens(sim):
    bot = sim.caller()
    token = await bot.token(REFUND)
    refused(await bot.exchange(token, REFUND), "invalid_request")


async def test_one_subject_token_buys_a_token_for_each_request(sim):
    bot, user = sim.caller(), sim.user_token()
    ids = {granted(await bot.exchange(user, REFUND))["jti"] for _ in range(3)}
    assert len(ids) == 3


async def test_a_chain_has_an_end(sim):
    act = None
    for place in range(8):
        act = {"sub": str(place), "act": act} if act else {"sub": str(place)}
    response = await sim.caller().exchange(sim.user_token(act=act), REFUND)
    assert "longer than 8" in refused(response, "invalid_request")
    granted(await sim.caller().exchange(sim.user_token(act=act["act"]), REFUND))


async def test_a_token_for_a_user_tells_the_user_everywhere(sim):
    response = await sim.caller().exchange(sim.user_token(), PAYOUT)
    token = response.json()["access_token"]
    told = (await sim.guard.introspect(token)).json()
    assert told["act"] == claims_of(token)["act"] == {"sub": "support-bot"}
    record = await sim.worker.store.find(claims_of(token)["jti"])
    assert record.subject == told["sub"] == "alice"
