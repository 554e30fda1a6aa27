"""Any bytes at any endpoint give an answer that is a success or an OAuth error, never a fault."""

import json
from urllib.parse import quote_from_bytes, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator import REFUND

PATHS = ("/token", "/transaction-authorization", "/spend", "/introspect", "/revoke", "/report")
NAMES = (
    "grant_type", "scope", "resource", "audience", "authorization_details", "request_context",
    "client_id", "client_assertion", "client_assertion_type", "subject_token",
    "subject_token_type", "actor_token", "actor_token_type", "requested_token_type", "token",
    "use_id", "operation", "outcome", "reason", "transaction_challenge", "client_secret", "x",
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=8,
)
bent = st.dictionaries(st.sampled_from([*REFUND, "note", "locations", "x"]), json_values).map(
    lambda changes: json.dumps([{**REFUND, **changes}])
)
values = (
    st.binary(max_size=60)
    | json_values.map(lambda value: json.dumps(value).encode())
    | bent.map(str.encode)
    | st.sampled_from([b"client_credentials", b"payments:read", b"eyJhbGciOiJub25lIn0.e30."])
)
forms = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=6)
headers = st.lists(
    st.tuples(
        st.sampled_from([b"authorization", b"dpop", b"content-type", b"host", b"cookie"]),
        st.binary(max_size=40).map(lambda value: value.translate(None, b"\r\n\x00")),
    ),
    max_size=4,
)
several = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


NASTY = (
    b"%", b"%ff=1", b"a=%C3", b"=", b"&" * 9000, b"a;b=c", b"\xff\xfe", b"a" * 65_536,
    b"&".join(b"a%d=1" % number for number in range(33)), b"token=%00", b"token=%ED%A0%80",
)  # fmt: skip


def check(response, log):
    """Check that the answer is one of ours, and no bug was logged."""
    assert response.status_code in (200, 400, 401, 413), response.text
    if response.status_code != 200:
        assert response.json().keys() == {"error", "error_description", "request_id"}
    assert [line for line in log if line["event"] == "bug"] == []


@pytest.mark.parametrize("path", PATHS)
async def test_any_form_of_a_client_gets_an_answer(sim, log, path):
    """ATTACKS 26: from somebody who has an account: a client, or a resource server."""
    client = sim.guard if path in PATHS[2:] else sim.caller()
    await client.post(path, {})
    example = _examples(forms)
    for _ in range(60):
        fields = example()
        body = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in fields).encode()
        own = urlencode(client.credentials()).encode()
        proofs = [("DPoP", client.proof(path))] if client.proof_key else []
        sent = await client.post(
            path,
            content=b"&".join(part for part in (body, own) if part),
            headers=[*client.basic(), *proofs],
            authorization=[],
            proofs=[],
        )
        check(sent, log)


@pytest.mark.parametrize("path", PATHS)
async def test_any_bytes_of_a_stranger_get_an_answer(sim, log, path):
    """ATTACKS 26: any body, any headers."""
    bodies, fields = _examples(st.binary(max_size=300)), _examples(headers)
    url = sim.installation.issuer + path
    form = (b"content-type", b"application/x-www-form-urlencoded")
    for number in range(60):
        more = [form, *fields()] if number % 2 else fields()
        check(await sim.http.post(url, content=bodies(), headers=more), log)
    for body in NASTY:
        check(await sim.http.post(url, content=body, headers=[form]), log)


def _examples(strategy):
    """Return what draws examples, one by one, the same ones in each run."""
    drawn = []

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(strategy)
    def draw(value):
        drawn.append(value)

    draw()
    pool = iter(drawn * (1 + 60 // len(drawn)))
    return lambda: next(pool)


# Enforcement points' questions (AuthZEN).

QUESTIONS = ("/access/v1/evaluation", "/access/v1/evaluations")
ASKED = {
    "subject": {"type": "user", "id": "alice", "properties": {"groups": ["support"]}},
    "action": {"name": "refund"},
    "resource": {"type": "payment_refund", "id": "42", "properties": dict(REFUND)},
    "context": {"ticket": "INC-7"},
}
MEMBERS = [*ASKED, "evaluations", "options", "type", "id", "name", "properties", "groups", "cnf",
           "acr", "auth_time", "issuer", "department", "evaluations_semantic", *REFUND]  # fmt: skip
twisted = st.recursive(
    json_values | st.sampled_from([ASKED, *ASKED.values(), "deny_on_first_deny"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4)
    ),
    max_leaves=6,
)
questions = st.dictionaries(st.sampled_from(MEMBERS), twisted, max_size=3).map(
    lambda changes: json.dumps({**ASKED, **changes}).encode()
)


def check_decision(response, log):
    """Check that it is a decision, some decisions, or an error message string."""
    assert response.status_code in (200, 400, 401, 403, 413), response.text
    told = response.json()
    if response.status_code == 200:
        for each in told.get("evaluations", [told]):
            assert isinstance(each["decision"], bool)
            assert isinstance(each["context"], dict)
    else:
        assert isinstance(told, str)
    assert [line for line in log if line["event"] == "bug"] == []


@pytest.mark.parametrize("path", QUESTIONS)
async def test_any_question_gets_an_answer(sim, log, path):
    """ATTACKS 26: from an enforcement point, in JSON or what it takes for it."""
    url = sim.installation.issuer + path
    fields = [*sim.guard.basic(), ("content-type", "application/json")]
    asked, bodies = _examples(questions), _examples(st.binary(max_size=100))
    for number in range(60):
        body = bodies() if number % 4 == 3 else asked()
        check_decision(await sim.http.post(url, content=body, headers=fields), log)
    deep = b'{"context": ' + b'{"x": ' * 9000 + b"1" + b"}" * 9001
    for body in (*NASTY, deep, b"[" * 60_000, b'{"subject": 1e999}', b'"\\ud800"'):
        check_decision(await sim.http.post(url, content=body, headers=fields), log)


@pytest.mark.parametrize("path", QUESTIONS)
async def test_any_headers_of_a_stranger_get_an_answer(sim, log, path):
    """ATTACKS 26: whoever it is, and whatever it calls its request."""
    url, fields = sim.installation.issuer + path, _examples(headers)
    body, own = json.dumps(ASKED).encode(), (b"content-type", b"application/json")
    for number in range(60):
        more = [own, *fields()] if number % 2 else fields()
        named = [(b"x-request-id", value) for _, value in more[:1]]
        check_decision(await sim.http.post(url, content=body, headers=[*more, *named]), log)
