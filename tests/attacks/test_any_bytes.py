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
