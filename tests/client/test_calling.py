import contextvars
import time
from datetime import timedelta

import httpx
import pytest
from starlette.responses import RedirectResponse, Response

from fleeting.client import (
    ChallengeRefusedError,
    FleetingError,
    JustInTime,
    TokenRefusedError,
    UnexpectedAnswerError,
)
from tests.client.conftest import KEY
from tests.client.standins import (
    METADATA_PATH,
    RESOURCE_METADATA_PATH,
    private_jwk,
)

BODY = {"amount": 5000}
REFUNDS = "/payments/42/refunds"


def refunds(api) -> str:
    return api.url + REFUNDS


def test_the_issuers_nonce_is_asked_for_once_and_then_remembered(api, issuer, jit):
    httpx.post(refunds(api), json=BODY, auth=jit)
    httpx.post(refunds(api), json={"amount": 1}, auth=jit)
    assert len(issuer.at("/transaction-authorization")) == 3


def test_a_nonce_of_the_resource_that_went_stale_costs_one_more_try_and_no_use(api, issuer, jit):
    httpx.post(refunds(api), json=BODY, auth=jit)
    issuer.uses = None
    httpx.post(refunds(api), json=BODY, auth=jit)
    api.secrets = (b"x" * 32,)
    api.received.clear()
    assert httpx.post(refunds(api), json=BODY, auth=jit).status_code == 200
    assert len(api.at(REFUNDS)) == 2


def test_an_issuer_that_always_wants_another_nonce_is_not_asked_for_ever(api, issuer, jit):
    issuer.instead["/transaction-authorization"] = lambda _: issuer.refuse("use_dpop_nonce")
    with pytest.raises(FleetingError) as caught:
        httpx.post(refunds(api), json=BODY, auth=jit)
    assert caught.value.error == "use_dpop_nonce"
    assert len(issuer.at("/transaction-authorization")) == 2


def test_a_resource_that_always_wants_another_nonce_is_not_called_for_ever(api, jit):
    def refuse(request):
        if "authorization" not in request.headers:
            return None
        said = {"www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": "again"}
        return Response(status_code=401, headers=said)

    api.instead[REFUNDS] = refuse
    with pytest.raises(TokenRefusedError):
        httpx.post(refunds(api), json=BODY, auth=jit)
    assert len(api.at(REFUNDS)) == 3


def test_a_single_use_token_is_never_presented_again(api, issuer, jit):
    for _ in range(3):
        assert httpx.post(refunds(api), json=BODY, auth=jit).status_code == 200
    assert len(issuer.left) == 3


def test_a_token_with_uses_left_serves_the_same_call_until_they_are_spent(api, issuer, jit):
    issuer.uses = 3
    for _ in range(4):
        assert httpx.post(refunds(api), json=BODY, auth=jit).status_code == 200
    assert sorted(issuer.left.values()) == [0, 2]


@pytest.mark.parametrize(
    ("method", "path", "extra"),
    [
        ("PUT", REFUNDS, {"json": BODY}),
        ("POST", REFUNDS + "/again", {"json": BODY}),
        ("POST", REFUNDS + "?fast=1", {"json": BODY}),
        ("POST", REFUNDS, {"json": {"amount": 5001}}),
        ("POST", REFUNDS, {"content": b'{"amount":5000}'}),
        ("POST", REFUNDS, {"json": BODY, "cookies": {"session": "someone else"}}),
        ("POST", REFUNDS, {"json": BODY, "headers": {"authorization": "Basic eDp5"}}),
    ],
)
@pytest.mark.filterwarnings("ignore:Setting per-request cookies")
def test_another_call_asks_anew(api, issuer, jit, method, path, extra):
    issuer.uses = None
    httpx.post(refunds(api), json=BODY, auth=jit)
    with httpx.Client() as client:
        assert client.request(method, api.url + path, auth=jit, **extra).status_code == 200
    assert len(issuer.left) == 2


def test_a_token_that_was_revoked_meanwhile_is_replaced(api, issuer, jit):
    issuer.uses = None
    httpx.post(refunds(api), json=BODY, auth=jit)
    issuer.revoked.update(issuer.left)
    assert httpx.post(refunds(api), json=BODY, auth=jit).status_code == 200
    assert len(issuer.left) == 2


def test_an_expired_token_is_not_presented(api, issuer, jit):
    issuer.uses, issuer.lifetime = None, timedelta(seconds=2)  # a second of it is a margin
    assert httpx.post(refunds(api), json=BODY, auth=jit).status_code == 200
    time.sleep(1.1)
    assert httpx.post(refunds(api), json=BODY, auth=jit).status_code == 200
    assert len(issuer.left) == 2
    assert api.challenges == 2


def test_a_refused_reuse_without_a_new_challenge_falls_back_to_a_bare_call(api, issuer, jit):
    issuer.uses = None
    httpx.post(refunds(api), json=BODY, auth=jit)
    (held,) = issuer.left

    def refuse(request):
        if held in request.headers.get("authorization", ""):
            return Response(
                status_code=401, headers={"www-authenticate": 'DPoP error="invalid_token"'}
            )
        return None

    api.instead[REFUNDS] = refuse
    assert httpx.post(refunds(api), json=BODY, auth=jit).status_code == 200
    assert len(issuer.left) == 2


def test_a_token_obtained_for_one_user_is_never_presented_for_another(api, issuer):
    user = contextvars.ContextVar("user")
    jit = JustInTime(issuer.url, "support-bot", private_jwk(KEY), subject_token=user.get)
    issuer.uses = None
    for name in ("alice", "alice", "bob"):
        user.set(f"token-of-{name}")
        assert httpx.post(refunds(api), json=BODY, auth=jit).status_code == 200
    assert len(issuer.left) == 2
    asked = [r.form["subject_token"] for r in issuer.at("/transaction-authorization")]
    assert asked[-2:] == ["token-of-alice", "token-of-bob"]


def test_a_redirect_within_the_origin_is_authorized_where_it_leads(api, issuer, jit):
    api.instead["/old"] = lambda _: RedirectResponse(REFUNDS, 307)
    response = httpx.post(f"{api.url}/old", json=BODY, auth=jit, follow_redirects=True)
    assert response.json() == {"refunded": BODY}
    assert len(issuer.left) == 1


def test_a_redirect_to_another_origin_gets_no_token(api, other_api, issuer, jit):
    api.instead[REFUNDS] = lambda _: RedirectResponse(refunds(other_api), 307)
    with pytest.raises(ChallengeRefusedError, match="another origin"):
        httpx.post(refunds(api), json=BODY, auth=jit, follow_redirects=True)
    assert issuer.received == []


def test_a_redirect_of_the_authorized_call_does_not_carry_the_token_away(
    api, other_api, issuer, jit
):
    def redirect(request):
        if "authorization" in request.headers:
            return RedirectResponse(refunds(other_api), 307)
        return None

    api.instead[REFUNDS] = redirect
    other_api.instead[REFUNDS] = lambda _: Response("thank you")
    httpx.post(refunds(api), json=BODY, auth=jit, follow_redirects=True)
    (stray,) = other_api.received
    assert "authorization" not in stray.headers
    assert not any(token in str(stray) for token in issuer.left)


def test_the_issuers_redirects_are_not_followed_with_credentials(api, issuer, rogue, jit):
    issuer.instead["/transaction-authorization"] = lambda _: RedirectResponse(
        f"{rogue.url}/transaction-authorization", 307
    )
    with pytest.raises(UnexpectedAnswerError):
        httpx.post(refunds(api), json=BODY, auth=jit, follow_redirects=True)
    assert rogue.received == []


def test_a_client_that_follows_redirects_is_told_not_to_towards_the_issuer(api, issuer, rogue):
    issuer.instead["/transaction-authorization"] = lambda _: RedirectResponse(rogue.url, 308)
    with httpx.Client(follow_redirects=True) as own:
        jit = JustInTime(issuer.url, "support-bot", private_jwk(KEY), client=own)
        with pytest.raises(UnexpectedAnswerError):
            httpx.post(refunds(api), json=BODY, auth=jit)
    assert rogue.received == []


def test_the_request_keeps_nothing_of_the_token(api, jit):
    response = httpx.post(
        refunds(api), json=BODY, auth=jit, headers={"authorization": "Basic eDp5"}
    )
    assert response.request.headers["authorization"] == "Basic eDp5"
    assert "dpop" not in response.request.headers


def test_a_request_object_can_be_sent_again(api, issuer, jit):
    with httpx.Client(auth=jit) as client:
        request = client.build_request("POST", refunds(api), json=BODY)
        assert client.send(request).status_code == 200
        assert client.send(request).status_code == 200
    assert len(issuer.left) == 2


def test_a_body_that_is_generated_is_sent_whole_both_times(api, jit):
    response = httpx.post(refunds(api), content=iter([b'{"amount":', b"5000}"]), auth=jit)
    assert response.json() == {"refunded": BODY}


def test_documents_are_fetched_once_for_many_calls(api, issuer, jit):
    for amount in range(3):
        httpx.post(refunds(api), json={"amount": amount}, auth=jit)
    assert len(api.at(RESOURCE_METADATA_PATH)) == len(api.at("/keys")) == 1
    assert len(issuer.at(METADATA_PATH)) == 1


def test_a_403_of_the_application_itself_is_the_callers_to_see(api, jit):
    api.instead[REFUNDS] = lambda request: (
        Response(status_code=403) if "authorization" in request.headers else None
    )
    assert httpx.post(refunds(api), json=BODY, auth=jit).status_code == 403


def test_a_403_about_the_token_is_a_refused_token(api, jit):
    said = {"www-authenticate": 'DPoP error="insufficient_scope", error_description="too much"'}
    api.instead[REFUNDS] = lambda request: (
        Response(status_code=403, headers=said) if "authorization" in request.headers else None
    )
    with pytest.raises(TokenRefusedError) as caught:
        httpx.post(refunds(api), json=BODY, auth=jit)
    assert (caught.value.error, caught.value.reason) == ("insufficient_scope", "too much")


def test_a_401_that_gives_no_reason_is_still_a_refused_token(api, jit):
    said = {"www-authenticate": "DPoP"}
    api.instead[REFUNDS] = lambda request: (
        Response(status_code=401, headers=said) if "authorization" in request.headers else None
    )
    with pytest.raises(TokenRefusedError, match="does not say why"):
        httpx.post(refunds(api), json=BODY, auth=jit)
