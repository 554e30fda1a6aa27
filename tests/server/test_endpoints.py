import asyncio
import json
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fleeting.core.evidence import EntryKind
from fleeting.core.jose import encode_base64url
from fleeting.server import endpoints
from fleeting.server.endpoints import read_body
from tests.simulator import (
    DEPLOYMENT,
    IDP,
    JWT_TYPE,
    PAYMENTS,
    REFUND,
    SECRETS,
    claims_of,
    granted,
    public_jwk,
    refused,
)

PATHS = ["/token", "/transaction-authorization", "/spend", "/introspect", "/revoke", "/report"]
SCOPE = {"grant_type": "client_credentials", "scope": "payments:read"}
WORLD_IS_KEPT = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)


def never_a_fault(response):
    """Check that an answer is a success, or a refusal that a client can read."""
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        body = response.json()
        assert body["error"]
        assert all(" " <= c <= "~" and c not in '"\\' for c in body["error_description"])


# Any bytes.


@WORLD_IS_KEPT
@given(
    path=st.sampled_from(PATHS),
    body=st.binary(max_size=300),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["Authorization", "DPoP", "Content-Type", "X-Any"]),
            st.text(st.characters(codec="latin-1", exclude_categories=("Cc",)), max_size=40),
        ),
        max_size=3,
    ),
)
async def test_any_body_and_headers_are_refused_in_words(sim, path, body, headers):
    raw = [(name, value.encode("latin-1")) for name, value in headers]
    never_a_fault(await sim.guard.post(path, content=body, credentials={}, headers=raw))


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "actions", "amount", "regions", "purpose", "ticket", "x"]),
            inner,
        )
    ),
    max_leaves=8,
)
bent_details = st.sampled_from([REFUND, DEPLOYMENT]).flatmap(
    lambda base: st.dictionaries(st.sampled_from([*base, "locations", "x"]), json_values).map(
        lambda changes: [{**base, **changes}]
    )
)
values = (
    texts
    | json_values.map(json.dumps)
    | bent_details.map(json.dumps)
    | st.sampled_from(
        ["client_credentials", "payments:read", "a.b.c", JWT_TYPE, PAYMENTS, json.dumps([REFUND])]
    )
)
NAMES = [
    "grant_type",
    "scope",
    "authorization_details",
    "resource",
    "request_context",
    "subject_token",
    "subject_token_type",
    "actor_token",
    "token",
    "use_id",
    "operation",
    "outcome",
    "reason",
    "transaction_challenge",
    "client_id",
]


@WORLD_IS_KEPT
@given(
    path=st.sampled_from(PATHS),
    fields=st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=5),
    who=st.sampled_from(["legacy", "payments-api"]),
)
async def test_any_fields_of_an_honest_client_are_answered(sim, path, fields, who):
    caller = sim.caller(who)
    if path == "/token" and not any(name == "grant_type" for name, _ in fields):
        fields = [("grant_type", "client_credentials"), *fields]
    never_a_fault(await caller.post(path, fields))


@WORLD_IS_KEPT
@given(
    details=bent_details,
    context=st.none() | json_values,
    path=st.sampled_from(["/token", "/spend", "/report"]),
)
async def test_any_operation_is_answered(sim, details, context, path):
    if path == "/token":
        fields = {"authorization_details": json.dumps(details), "grant_type": "client_credentials"}
        if context is not None:
            fields["request_context"] = json.dumps(context)
        never_a_fault(await sim.caller("legacy").post(path, fields))
        return
    token = await sim.caller("legacy").token(scope="payments:read")
    never_a_fault(await sim.guard.spend(token, json.dumps(details[0])))
    never_a_fault(await sim.guard.report(token, operation=json.dumps(details[0])))


claim_values = st.none() | st.booleans() | st.integers() | st.floats() | texts | json_values


@WORLD_IS_KEPT
@given(
    claims=st.dictionaries(
        st.sampled_from(
            [
                *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "groups", "department", "acr"),
                *("auth_time", "act", "may_act", "cnf", "authorization_details", "scope"),
            ]
        ),
        claim_values,
    )
)
@example({"exp": 253402300799, "auth_time": -62135596800})
@example({"sub": "\x00", "acr": "\u202e"})
@example({"auth_time": 253402300799.9})
async def test_any_claims_of_a_provider_are_answered(sim, claims):
    bot = sim.caller()
    await bot.post("/token", SCOPE, retry=False)
    never_a_fault(await bot.exchange(sim.user_token(**claims), REFUND))
    never_a_fault(await bot.authorize(sim.challenge(**claims)))


@WORLD_IS_KEPT
@given(st.dictionaries(st.sampled_from(["jti", "htm", "htu", "iat", "nonce"]), claim_values))
async def test_any_claims_of_a_client_are_answered(sim, claims):
    bot = sim.caller()
    await bot.post("/token", SCOPE, retry=False)
    never_a_fault(await bot.post("/token", SCOPE, proofs=[bot.proof(**claims)]))
    never_a_fault(await bot.post("/token", SCOPE, credentials=bot.credentials(**claims)))


@pytest.mark.parametrize("jti", [b"\xed\xa0\x80", b"\xff", b"\\ud800", b"\\u0000"])
async def test_a_proof_of_what_is_no_text_is_refused(sim, jti):
    bot = sim.caller()
    await bot.post("/token", SCOPE, retry=False)
    header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": public_jwk(bot.proof_key)}
    payload = json.dumps(claims_of(bot.proof(jti="JTI"))).encode().replace(b"JTI", jti)
    unsigned = b".".join(map(encode_base64url, (json.dumps(header).encode(), payload)))
    from fleeting.core.jose import _ALGORITHMS

    signature = encode_base64url(_ALGORITHMS["ES256"].sign(unsigned, bot.proof_key.key))
    proof = (unsigned + b"." + signature).decode()
    refused(await bot.post("/token", SCOPE, proofs=[proof]), "invalid_dpop_proof")


# Bounds.


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data", ""])
async def test_a_body_is_form_encoded(sim, path, kind):
    response = await sim.guard.post(path, SCOPE, headers=[("Content-Type", kind)])
    assert "x-www-form-urlencoded" in refused(response, "invalid_request")


@pytest.mark.parametrize(
    "kind",
    ["Application/X-WWW-Form-Urlencoded", "application/x-www-form-urlencoded; charset=utf-8"],
)
async def test_the_type_may_have_case_and_parameters(sim, kind):
    granted(await sim.caller("legacy").post("/token", SCOPE, headers=[("Content-Type", kind)]))


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_has_a_largest_size(sim, path):
    largest = b"a=" + b"b" * (sim.worker.settings.max_body_bytes - 2)
    assert (await sim.guard.post(path, content=largest)).status_code in (400, 401)
    response = await sim.guard.post(path, content=largest + b"b")
    assert "larger than 65536" in refused(response, "invalid_request", 413)


async def test_parameters_details_and_depth_have_a_largest_number(sim):
    legacy = sim.caller("legacy")
    many = [(f"p{place}", "1") for place in range(40)]
    refused(await legacy.post("/token", [*SCOPE.items(), *many]), "invalid_request")
    details = [{**REFUND, "payment_id": str(place)} for place in range(17)]
    refused(await legacy.ask(*details), "invalid_authorization_details")
    deep = "[" * 17 + "]" * 17
    asked = {**SCOPE, "scope": None, "authorization_details": deep}
    refused(await legacy.post("/token", asked), "invalid_authorization_details")


async def test_a_parameter_twice_is_refused(sim):
    fields = [*SCOPE.items(), ("scope", "payments:list")]
    assert "'scope'" in refused(
        await sim.caller("legacy").post("/token", fields), "invalid_request"
    )


async def test_a_parameter_that_nobody_knows_is_ignored_as_the_rfc_says(sim):
    granted(await sim.caller("legacy").post("/token", {**SCOPE, "made_up": "x"}))


@pytest.mark.parametrize("path", PATHS)
async def test_a_query_says_nothing(sim, path):
    query = urlencode({**SCOPE, "token": "x"})
    uri = f"{sim.installation.issuer}{path}?{query}"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    who = "legacy" if path in PATHS[:2] else "payments-api"
    response = await sim.http.post(uri, headers=kind, auth=(who, SECRETS[who]))
    assert "is missing" in refused(response, "invalid_request")


def messages(*parts, end=False):
    """Return an ASGI ``receive`` of a body in parts; it hangs after them, or the client leaves."""
    queue = [{"type": "http.request", "body": part, "more_body": True} for part in parts]

    async def receive():
        if queue:
            return queue.pop(0)
        if end:
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()
        return None

    return receive


async def test_a_client_that_leaves_is_let_go():
    with pytest.raises(endpoints.InvalidRequest, match="went away"):
        await read_body(messages(b"a", end=True), 100)


async def test_a_body_that_grows_too_large_is_read_no_further():
    with pytest.raises(endpoints.RequestTooLarge):
        await read_body(messages(b"a" * 60, b"b" * 60), 100)


# Headers.


@pytest.mark.parametrize("path", PATHS)
async def test_only_endpoints_that_take_proofs_hand_out_nonces(sim, path):
    response = await sim.guard.post(path, {"token": "x"})
    assert ("dpop-nonce" in response.headers) is (path in PATHS[:2])
    assert len(response.headers.get_list("dpop-nonce")) <= 1
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_the_id_of_a_request_leads_to_its_story(sim, log):
    response = await sim.caller().ask(REFUND)
    request_id = response.headers["x-request-id"]
    story = await sim.worker.store.story(request_id)
    assert [each.entry.kind for each in story] == [EntryKind.TOKEN_ISSUED]
    (line,) = [each for each in log if each.get("request_id") == request_id]
    assert (line["event"], line["status"], line["outcome"]) == ("answered", 200, "ok")


async def test_a_refusal_is_logged_with_what_only_we_may_know(sim, log):
    await sim.caller("legacy", secret="wrong").ask(scope="payments:read")
    (line,) = [each for each in log if each["event"] == "refused"]
    assert line["log_level"] == "info"
    assert "legacy" in line["detail"]


async def test_an_unknown_issuer_of_a_user_is_told_nothing_of_the_known_ones(sim):
    response = await sim.caller().exchange(sim.user_token(iss="https://evil.example"), REFUND)
    assert IDP not in refused(response, "invalid_request")
