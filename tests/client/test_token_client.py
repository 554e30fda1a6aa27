import asyncio
import gc
import pickle
import traceback
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus

import httpx
import pytest
from starlette.responses import Response

from fleeting.client import (
    AccessDeniedError,
    AsyncTokenClient,
    ChallengeRefusedError,
    ClientRefusedError,
    FleetingError,
    InsecureUrlError,
    IssuerUnavailableError,
    JustInTime,
    RequestRefusedError,
    StepUpRequiredError,
    Token,
    TokenClient,
    TokenRefusedError,
    UnexpectedAnswerError,
)
from tests.client.conftest import KEY, SECRET
from tests.client.serving import listening_socket
from tests.client.standins import json_answer, new_key, private_jwk, refund

REFUNDS = "/payments/42/refunds"


def obtain(tokens, api, **more) -> Token:
    return tokens.obtain(authorization_details=[refund()], resource=api.url, **more)


def test_a_token_is_obtained_for_what_is_asked(api, tokens):
    token = obtain(tokens, api)
    assert token.type == "DPoP"
    assert token.uses == 1
    assert token.txn == "txn-of-its-own"
    assert token.authorization_details == (refund(),)
    remaining = token.expires_at - datetime.now(UTC)
    assert timedelta(seconds=50) < remaining <= timedelta(seconds=60)


async def test_tasks_obtain_present_and_revoke_tokens_too(api, issuer):
    tokens = AsyncTokenClient(issuer.url, "support-bot", private_jwk(KEY))
    first, second = await asyncio.gather(
        tokens.obtain(authorization_details=[refund()], resource=api.url),
        tokens.obtain(authorization_details=[refund()], resource=api.url),
    )
    await tokens.revoke(second)
    async with httpx.AsyncClient() as client:
        answer = await client.post(api.url + REFUNDS, json={}, auth=tokens.auth(first))
        assert answer.status_code == 200
        with pytest.raises(TokenRefusedError, match="revoked"):
            await client.post(api.url + REFUNDS, json={}, auth=tokens.auth(second))


def test_all_that_may_be_asked_reaches_the_issuer(issuer, tokens):
    issuer.instead["/token"] = lambda _: issuer.refuse("access_denied", "no")
    with pytest.raises(AccessDeniedError):
        tokens.obtain(
            authorization_details=[refund()],
            scope=["payments:read", "payments:list"],
            resource="https://payments.example.com",
            context={"ticket": "INC-7"},
            subject_token="s",
            actor_token="a",
            actor_token_type="urn:ietf:params:oauth:token-type:id_token",
        )
    form = issuer.at("/token")[-1].form
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
    assert form["scope"] == "payments:read payments:list"
    assert form["resource"] == ["https://payments.example.com"]
    assert form["request_context"] == '{"ticket": "INC-7"}'
    assert form["subject_token"] == "s"
    assert form["subject_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
    assert form["actor_token"] == "a"
    assert form["actor_token_type"] == "urn:ietf:params:oauth:token-type:id_token"


def test_without_a_subject_the_clients_own_authority_is_used(issuer, tokens):
    issuer.instead["/token"] = lambda _: issuer.refuse("access_denied", "no")
    with pytest.raises(AccessDeniedError):
        tokens.obtain(scope="payments:read")
    form = issuer.at("/token")[-1].form
    assert form["grant_type"] == "client_credentials"
    assert "subject_token" not in form
    assert "authorization_details" not in form


def test_what_was_refused_of_an_ask_is_told(issuer, tokens):
    refused = {"type": "scope", "action": "a", "operation": 0, "reason": "not now"}
    issuer.instead["/token"] = lambda _: json_answer(
        {"access_token": "t", "token_type": "dpop", "expires_in": 9, "refused": [refused]}
    )
    (what,) = tokens.obtain(scope="a b").refused
    assert (what.type, what.action, what.operation, what.reason) == ("scope", "a", 0, "not now")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("access_denied", AccessDeniedError),
        ("insufficient_user_authentication", StepUpRequiredError),
        ("invalid_transaction_challenge", ChallengeRefusedError),
        ("invalid_client", ClientRefusedError),
        ("unauthorized_client", ClientRefusedError),
        ("invalid_dpop_proof", ClientRefusedError),
        ("invalid_grant", RequestRefusedError),
        ("invalid_scope", RequestRefusedError),
        ("invalid_target", RequestRefusedError),
        ("invalid_authorization_details", RequestRefusedError),
        ("something_new", RequestRefusedError),
        ("temporarily_unavailable", IssuerUnavailableError),
        ("", UnexpectedAnswerError),
    ],
)
def test_each_refusal_has_its_class_and_keeps_what_was_said(issuer, tokens, error, expected):
    issuer.instead["/token"] = lambda _: issuer.refuse(error, "because")
    with pytest.raises(expected) as caught:
        tokens.obtain(scope="a")
    assert type(caught.value) is expected
    assert caught.value.error == error
    assert caught.value.reason == caught.value.description == "because"
    assert caught.value.request_id == "req-1"
    assert caught.value.status == 400


async def test_an_issuer_that_does_not_listen_is_unavailable_to_tasks_too():
    closed, url = listening_socket()
    closed.close()
    with pytest.raises(IssuerUnavailableError, match="ConnectError"):
        await AsyncTokenClient(url, "support-bot", private_jwk(KEY)).obtain(scope="a")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_an_issuer_in_trouble_is_unavailable(issuer, tokens, status):
    issuer.instead["/token"] = lambda _: Response("<html>", status)
    with pytest.raises(IssuerUnavailableError) as caught:
        tokens.obtain(scope="a")
    assert caught.value.status == status


def test_a_token_is_presented_once_and_then_refused_with_the_reason(api, tokens):
    token = obtain(tokens, api)
    auth = tokens.auth(token)
    assert httpx.post(api.url + REFUNDS, json={}, auth=auth).status_code == 200
    with pytest.raises(TokenRefusedError) as caught:
        httpx.post(api.url + REFUNDS, json={}, auth=auth)
    assert caught.value.reason == "the access token is spent"
    assert caught.value.txn == token.txn


def test_a_token_without_its_key_is_refused(api, issuer, tokens):
    token = obtain(tokens, api)
    thief = TokenClient(issuer.url, "support-bot", private_jwk(new_key()))
    with pytest.raises(TokenRefusedError, match="key of the access token"):
        httpx.post(api.url + REFUNDS, json={}, auth=thief.auth(token))


def test_a_token_is_not_sent_over_plain_http(api, tokens):
    token = obtain(tokens, api)
    with pytest.raises(InsecureUrlError):
        httpx.get("http://payments.example.com/", auth=tokens.auth(token))


def test_a_revoked_token_is_refused(api, tokens):
    token = obtain(tokens, api)
    tokens.revoke(token)
    with pytest.raises(TokenRefusedError, match="revoked"):
        httpx.post(api.url + REFUNDS, json={}, auth=tokens.auth(token))


def test_a_revocation_that_fails_says_so(api, issuer, tokens):
    token = obtain(tokens, api)
    issuer.instead["/revoke"] = lambda _: issuer.refuse("temporarily_unavailable", "", 503)
    with pytest.raises(IssuerUnavailableError):
        tokens.revoke(token)


def test_a_revocation_needs_no_body_in_its_answer(api, issuer, tokens):
    issuer.instead["/revoke"] = lambda _: Response()
    tokens.revoke(obtain(tokens, api))


def test_no_connection_is_left_open(api, tokens):
    obtain(tokens, api)
    gc.collect()  # an open socket would warn here, and warnings are errors


# Nothing private is ever shown


def everything_shown(error: BaseException) -> str:
    fields = vars(error)
    return "".join(traceback.format_exception(error)) + repr(error) + str(fields)


def echo(request, body: bytes) -> str:
    return f"you sent {unquote_plus(body.decode())} with {dict(request.headers)}"


@pytest.mark.parametrize("status", [400, 401, 500])
def test_an_issuer_that_repeats_what_it_was_sent_is_not_repeated(api, issuer, tokens, status):
    opaque, another = "an-opaque-subject-token", "another-opaque-token"

    def answer(request):
        text = echo(request, issuer.received[-1].body)
        return json_answer({"error": "invalid_grant", "error_description": text}, status)

    issuer.instead["/token"] = answer
    for client in (tokens, TokenClient(issuer.url, "basic-bot", secret=SECRET)):
        with pytest.raises(FleetingError) as caught:
            obtain(client, api, subject_token=opaque, actor_token=another)
        shown = everything_shown(caught.value)
        sent = issuer.received[-1]
        assert caught.value.reason.startswith("you sent")
        for private in (
            opaque,
            another,
            SECRET,
            sent.form.get("client_assertion", "no assertion"),
            sent.headers["dpop"],
            sent.headers.get("authorization", "Basic nothing").removeprefix("Basic "),
        ):
            assert private not in shown


def test_a_resource_that_repeats_the_token_is_not_repeated(api, tokens):
    token = obtain(tokens, api)

    def answer(request):
        sent = dict(request.headers)
        said = f'error="invalid_token", error_description="{sent["authorization"]} {sent["dpop"]}"'
        return Response(status_code=401, headers={"www-authenticate": f"DPoP {said}"})

    api.instead[REFUNDS] = answer
    with pytest.raises(TokenRefusedError) as caught:
        httpx.post(api.url + REFUNDS, json={}, auth=tokens.auth(token))
    assert token.value not in everything_shown(caught.value)
    assert "eyJ" not in caught.value.reason


def test_no_repr_shows_a_token_a_key_or_a_secret(api, issuer, tokens):
    token = obtain(tokens, api)
    secret = TokenClient(issuer.url, "basic-bot", secret=SECRET)
    jit = JustInTime(issuer.url, "basic-bot", secret=SECRET)
    objects = (token, tokens, secret, jit, tokens.auth(token))
    inner = (secret._asker, secret._asker.identity, tokens._asker.identity.proof_key, jit._caller)
    shown = " ".join(f"{thing!r} {thing!s}" for thing in (*objects, *inner))
    for private in (token.value, SECRET, private_jwk(KEY)["d"]):
        assert private not in shown
    assert "AsyncTokenClient" not in shown


def test_errors_survive_being_sent_to_another_process(issuer, tokens):
    issuer.instead["/token"] = lambda _: issuer.refuse("access_denied", "because")
    with pytest.raises(AccessDeniedError) as caught:
        tokens.obtain(scope="a")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy), vars(copy)) == (
        AccessDeniedError,
        str(caught.value),
        vars(caught.value),
    )


def test_a_bound_token_without_a_key_to_prove_is_the_resources_to_refuse(api, issuer, tokens):
    token = obtain(tokens, api)
    with pytest.warns(UserWarning, match="insecure_bearer"):
        keyless = TokenClient(issuer.url, "support-bot", private_jwk(KEY), insecure_bearer=True)
    with pytest.raises(TokenRefusedError, match="DPoP"):
        httpx.post(api.url + REFUNDS, json={}, auth=keyless.auth(token))


@pytest.mark.parametrize("name", ["subject_token", "actor_token"])
@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_token_is_not_passed_over(issuer, tokens, name, empty):
    with pytest.raises(ValueError, match=name):
        tokens.obtain(scope="a", **{name: empty})
    assert issuer.received == []
