import asyncio
import threading
from collections import Counter

import httpx
import pytest
from starlette.responses import Response

from fleeting.client import (
    AccessDeniedError,
    ApprovalPending,
    ClientRefusedError,
    IssuerMismatchError,
    IssuerUnavailableError,
    JustInTime,
    TokenRefusedError,
    UnexpectedAnswerError,
)
from fleeting.core.client_auth import ASSERTION_TYP
from fleeting.core.jose import UnverifiedJwt
from tests.client.conftest import KEY, SECRET
from tests.client.serving import listening_socket
from tests.client.standins import (
    METADATA_PATH,
    RESOURCE_METADATA_PATH,
    json_answer,
    new_key,
    private_jwk,
)

BODY = {"amount": 5000}
REFUNDS = "/payments/42/refunds"


def refunds(api) -> str:
    return api.url + REFUNDS


def test_a_call_without_a_token_is_authorized_and_made_again(api, issuer, jit):
    response = httpx.post(refunds(api), json=BODY, auth=jit)
    assert response.json() == {"refunded": BODY}
    assert api.paths() == [REFUNDS, RESOURCE_METADATA_PATH, "/keys", REFUNDS]
    assert len(issuer.left) == 1


async def test_the_same_object_serves_tasks(api, jit):
    async with httpx.AsyncClient(auth=jit) as client:
        calls = [client.post(refunds(api), json={"amount": 5000 + n}) for n in range(8)]
        responses = await asyncio.gather(*calls)
    assert [response.json()["refunded"]["amount"] for response in responses] == [
        5000 + n for n in range(8)
    ]


def test_the_same_object_serves_threads(api, jit):
    seen = Counter()

    def call(amount: int) -> None:
        seen[httpx.post(refunds(api), json={"amount": amount}, auth=jit).status_code] += 1

    threads = [threading.Thread(target=call, args=(5000 + n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {200: 8}


def test_every_call_says_that_it_understands_challenges(api, jit):
    httpx.post(refunds(api), json=BODY, auth=jit)
    assert api.received[0].headers["accept-txn-challenge"] == "?1"


def test_a_call_that_is_not_challenged_goes_through_untouched(api, issuer, jit):
    api.instead["/open"] = lambda _: Response("welcome")
    assert httpx.get(f"{api.url}/open", auth=jit).text == "welcome"
    assert issuer.received == []


def test_a_streamed_response_is_not_read_ahead(api, jit):
    with httpx.stream("POST", refunds(api), json=BODY, auth=jit) as response:
        assert not response.is_stream_consumed
        assert response.read()


def test_a_401_without_a_challenge_is_the_callers_to_see(api, issuer, jit):
    api.instead["/open"] = lambda _: Response(
        status_code=401, headers={"www-authenticate": 'Basic realm="x"'}
    )
    assert httpx.get(f"{api.url}/open", auth=jit).status_code == 401
    assert issuer.received == []


def test_the_assertion_is_for_the_issuer_alone_and_lives_a_minute(api, issuer, jit):
    httpx.post(refunds(api), json=BODY, auth=jit)
    assertions = [r.form["client_assertion"] for r in issuer.at("/transaction-authorization")]
    parsed = [UnverifiedJwt.parse(text) for text in assertions]
    for jwt in parsed:
        assert jwt.header["typ"] == ASSERTION_TYP
        assert jwt.claimed("aud") == issuer.url
        assert jwt.claimed("iss") == jwt.claimed("sub") == "support-bot"
        assert jwt.claimed("exp") - jwt.claimed("iat") == 60
    assert len({jwt.claimed("jti") for jwt in parsed}) == len(parsed)


def test_a_client_with_a_secret_authenticates_with_basic(api, issuer):
    jit = JustInTime(issuer.url, "basic-bot", secret=SECRET)
    assert httpx.post(refunds(api), json=BODY, auth=jit).status_code == 200
    (*_, asked) = issuer.at("/transaction-authorization")
    assert asked.headers["authorization"].startswith("Basic ")
    assert SECRET.encode() not in asked.body


def test_the_proof_may_be_made_with_another_key_than_the_assertion(api, issuer):
    jit = JustInTime(issuer.url, "support-bot", private_jwk(KEY), dpop_key=private_jwk(new_key()))
    assert httpx.post(refunds(api), json=BODY, auth=jit).status_code == 200


def test_a_bearer_client_is_told_that_this_is_insecure_and_sends_no_proof(api, issuer):
    issuer.require_nonce = False
    with pytest.warns(UserWarning, match="insecure_bearer"):
        jit = JustInTime(issuer.url, "support-bot", private_jwk(KEY), insecure_bearer=True)
    assert httpx.post(refunds(api), json=BODY, auth=jit).status_code == 200
    assert api.received[-1].headers["authorization"].startswith("Bearer ")
    assert all("dpop" not in r.headers for r in (*api.received, *issuer.received))


def test_an_unbound_token_is_discarded_where_a_bound_one_was_asked_for(api, issuer, jit):
    issuer.instead["/transaction-authorization"] = lambda _: json_answer(
        {"access_token": "abc", "token_type": "Bearer", "expires_in": 60}
    )
    with pytest.raises(UnexpectedAnswerError, match="token_type"):
        httpx.post(refunds(api), json=BODY, auth=jit)
    assert api.at(REFUNDS)[1:] == []


def test_context_and_subject_go_with_the_challenge(api, issuer):
    jit = JustInTime(
        issuer.url,
        "support-bot",
        private_jwk(KEY),
        context={"ticket": "INC-7"},
        subject_token="the-users-token",
    )
    httpx.post(refunds(api), json=BODY, auth=jit)
    form = issuer.at("/transaction-authorization")[-1].form
    assert form["request_context"] == '{"ticket": "INC-7"}'
    assert form["subject_token"] == "the-users-token"
    assert form["subject_token_type"] == "urn:ietf:params:oauth:token-type:jwt"


async def test_a_subject_token_may_be_awaited(api, issuer):
    async def current() -> str:
        await asyncio.sleep(0)
        return "the-users-token"

    jit = JustInTime(issuer.url, "support-bot", private_jwk(KEY), subject_token=current)
    async with httpx.AsyncClient(auth=jit) as client:
        assert (await client.post(refunds(api), json=BODY)).status_code == 200


def test_a_subject_token_that_must_be_awaited_is_for_tasks_only(api, issuer):
    async def current() -> str:
        return "the-users-token"

    jit = JustInTime(issuer.url, "support-bot", private_jwk(KEY), subject_token=current)
    with pytest.raises(TypeError, match="AsyncClient"):
        httpx.get(refunds(api), auth=jit)


def test_a_denial_carries_the_reason_and_the_request_id(api, issuer, jit):
    why = "refunds over 50.00 EUR need an approval"
    issuer.instead["/transaction-authorization"] = lambda _: issuer.refuse("access_denied", why)
    with pytest.raises(AccessDeniedError) as caught:
        httpx.post(refunds(api), json=BODY, auth=jit)
    assert (caught.value.reason, caught.value.request_id) == (why, "req-1")
    assert str(caught.value) == f"access denied: {why} (request req-1)"
    assert len(api.at(REFUNDS)) == 1


async def test_a_denial_reaches_tasks_too(api, issuer, jit):
    issuer.instead["/transaction-authorization"] = lambda _: issuer.refuse("access_denied", "no")
    async with httpx.AsyncClient(auth=jit) as client:
        with pytest.raises(AccessDeniedError, match="no"):
            await client.post(refunds(api), json=BODY)


def test_a_pending_approval_is_told_apart_from_a_denial(api, issuer):
    jit = JustInTime(issuer.url, "support-bot", private_jwk(KEY), wait=0)
    issuer.instead["/transaction-authorization"] = lambda _: json_answer(
        {"transaction_authorization_id": "t-1", "expires_in": 300}
    )
    with pytest.raises(ApprovalPending) as caught:
        httpx.post(refunds(api), json=BODY, auth=jit)
    assert caught.value.pending.id == "t-1"
    assert caught.value.pending.form == {"transaction_authorization_id": "t-1"}


def test_an_unknown_key_is_the_clients_fault(api, issuer):
    jit = JustInTime(issuer.url, "support-bot", private_jwk(new_key()))
    with pytest.raises(ClientRefusedError) as caught:
        httpx.post(refunds(api), json=BODY, auth=jit)
    assert caught.value.error == "invalid_client"


def test_a_refused_token_tells_reason_and_transaction(api, issuer, jit):
    issuer.revoked = Everything()
    with pytest.raises(TokenRefusedError) as caught:
        httpx.post(refunds(api), json=BODY, auth=jit)
    assert caught.value.reason == "the access token was revoked"
    assert caught.value.error == "invalid_token"
    assert caught.value.txn == "txn-00000001"
    assert len(api.at(REFUNDS)) == 2


class Everything(set):
    def __contains__(self, item: object) -> bool:
        return True


def test_an_issuer_that_does_not_listen_is_unavailable(api):
    closed, url = listening_socket()
    closed.close()
    api.claims = {"aud": url}
    jit = JustInTime(url, "support-bot", private_jwk(KEY))
    with pytest.raises(IssuerUnavailableError):
        httpx.post(refunds(api), json=BODY, auth=jit)


def test_an_api_that_does_not_listen_is_httpxs_to_report(jit):
    closed, url = listening_socket()
    closed.close()
    with pytest.raises(httpx.ConnectError):
        httpx.post(url, json=BODY, auth=jit)


def test_the_callers_own_http_client_is_used_where_given(api, issuer):
    asked = []
    with httpx.Client(event_hooks={"request": [lambda r: asked.append(r.url.path)]}) as own:
        jit = JustInTime(issuer.url, "support-bot", private_jwk(KEY), client=own)
        httpx.post(refunds(api), json=BODY, auth=jit)
    assert METADATA_PATH in asked


async def test_the_callers_own_async_http_client_is_used_where_given(api, issuer):
    asked = []

    async def note(request):
        asked.append(request.url.path)

    async with httpx.AsyncClient(event_hooks={"request": [note]}) as own:
        jit = JustInTime(issuer.url, "support-bot", private_jwk(KEY), async_client=own)
        async with httpx.AsyncClient(auth=jit) as client:
            await client.post(refunds(api), json=BODY)
    assert METADATA_PATH in asked


def test_the_repr_names_issuer_and_client_only(issuer, jit):
    assert repr(jit) == f"JustInTime({issuer.url!r}, 'support-bot')"


def test_a_challenge_for_another_issuer_is_not_even_looked_into(api, rogue, jit):
    api.claims = {"aud": rogue.url}
    with pytest.raises(IssuerMismatchError) as caught:
        httpx.post(refunds(api), json=BODY, auth=jit)
    assert caught.value.named == rogue.url
    assert rogue.received == []
    assert api.paths() == [REFUNDS]


@pytest.mark.parametrize("nobody", [None, ""])
async def test_a_call_for_nobody_is_not_made_for_the_client_itself(api, issuer, nobody):
    jit = JustInTime(issuer.url, "support-bot", private_jwk(KEY), subject_token=lambda: nobody)
    async with httpx.AsyncClient(auth=jit) as client:
        with pytest.raises(ValueError, match="subject_token"):
            await client.post(refunds(api), json=BODY)
    assert api.received == issuer.received == []
