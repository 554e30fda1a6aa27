"""Proof of possession, nonces and replays at the guard (RFC 9449 §4.3, §7, §9, §11)."""

from datetime import UTC, datetime, timedelta

import pytest

from fleeting.resource import (
    GuardMiddleware,
    MemoryProofs,
    SqliteProofMemory,
    protect,
    query,
    scope,
)
from fleeting.resource.call_operations import operation
from fleeting.resource.sources import const, path
from tests.resource.stand_in import Caller

READ = "/payments/42"
RULES = [protect("GET", "/payments/{payment_id}", scope("payments:read"))]


async def served(scope_, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})


@pytest.fixture
def client(guard, client_of):
    return client_of(GuardMiddleware(served, guard, RULES))


@pytest.fixture
def token(issuer, caller):
    return issuer.token("payments:read", key=caller.bound)


def refused_as(answer, error):
    assert answer.status_code == 401
    assert f'DPoP error="{error}"' in answer.headers["WWW-Authenticate"]
    assert len(answer.headers.get_list("DPoP-Nonce")) == 1
    assert answer.headers["Cache-Control"] == "no-store"
    return True


async def test_a_proof_without_a_nonce_gets_one_and_then_it_works(client, guard, caller, token):
    headers = caller.headers(guard, "GET", READ, token, nonce=None)
    first = await client.get(READ, headers=headers)
    assert refused_as(first, "use_dpop_nonce")
    nonce = first.headers["DPoP-Nonce"]
    headers = caller.headers(guard, "GET", READ, token, nonce=nonce)
    assert (await client.get(READ, headers=headers)).status_code == 200


async def test_the_nonce_of_another_guard_is_not_current(client, make_guard, caller, token):
    headers = caller.headers(make_guard(), "GET", READ, token)
    assert refused_as(await client.get(READ, headers=headers), "use_dpop_nonce")


async def test_a_proof_is_good_once(client, guard, caller, token):
    headers = caller.headers(guard, "GET", READ, token)
    assert (await client.get(READ, headers=headers)).status_code == 200
    assert refused_as(await client.get(READ, headers=headers), "invalid_dpop_proof")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"htm": "POST"}, "invalid_dpop_proof"),
        ({"htu": "http://127.0.0.1:8401/payments/43"}, "invalid_dpop_proof"),
        ({"htu": "http://127.0.0.1:9999/payments/42"}, "invalid_dpop_proof"),
        ({"htu": "https://127.0.0.1:8401/payments/42"}, "invalid_dpop_proof"),
        ({"ath": "AAAA"}, "invalid_dpop_proof"),
        ({"ath": None}, "invalid_dpop_proof"),
        ({"jti": 7}, "invalid_dpop_proof"),
        ({"iat": 1}, "invalid_dpop_proof"),
        ({"iat": 10**12}, "invalid_dpop_proof"),
        ({"nonce": "\xe9"}, "use_dpop_nonce"),
        ({"nonce": "AAAA"}, "use_dpop_nonce"),
        ({"header": {"typ": "JWT"}}, "invalid_dpop_proof"),
        ({"header": {"alg": "none"}}, "invalid_dpop_proof"),
        ({"header": {"alg": "HS256"}}, "invalid_dpop_proof"),
        ({"header": {"crit": ["x"]}}, "invalid_dpop_proof"),
        ({"header": {"jwk": {"kty": "oct", "k": "AAAA"}}}, "invalid_dpop_proof"),
    ],
)
async def test_a_proof_about_anything_else_is_refused(client, guard, caller, token, changes, error):
    headers = caller.headers(guard, "GET", READ, token, **changes)
    assert refused_as(await client.get(READ, headers=headers), error)


async def test_a_proof_that_shows_its_private_key_is_refused(client, guard, caller, token):
    jwk = caller.key.key.as_dict(private=True)
    headers = caller.headers(guard, "GET", READ, token, header={"jwk": jwk})
    assert refused_as(await client.get(READ, headers=headers), "invalid_dpop_proof")


async def test_a_token_with_the_proof_of_another_key_is_refused(client, guard, token):
    headers = Caller().headers(guard, "GET", READ, token)
    assert refused_as(await client.get(READ, headers=headers), "invalid_token")


async def test_no_proof_and_two_proofs_are_refused(client, guard, caller, token):
    headers = caller.headers(guard, "GET", READ, token)
    proof = headers.pop("DPoP")
    assert refused_as(await client.get(READ, headers=headers), "invalid_dpop_proof")
    twice = [*headers.items(), ("DPoP", proof), ("DPoP", proof)]
    assert refused_as(await client.get(READ, headers=twice), "invalid_dpop_proof")


async def test_headers_about_hosts_are_not_believed(client, guard, caller, token):
    """RFC 9700 §4.13: who can send a Host header cannot move a proof to another server."""
    headers = caller.headers(guard, "GET", READ, token, htu="https://evil.example/payments/42") | {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example;proto=https",
    }
    assert refused_as(await client.get(READ, headers=headers), "invalid_dpop_proof")


async def test_a_bearer_token_that_does_not_do_is_told_so_as_bearer(client, issuer):
    """RFC 6750 §3: the scheme of the challenge is the one of the token."""
    token = issuer.token("payments:list")
    answer = await client.get(READ, headers={"Authorization": f"Bearer {token}"})
    told = answer.headers["WWW-Authenticate"]
    assert answer.status_code == 403
    assert told.startswith('Bearer error="insufficient_scope"')
    assert 'scope="payments:read"' in told
    assert "algs=" not in told


async def test_a_client_certificate_in_a_header_proves_nothing(client, issuer, caller, guard):
    token = issuer.token("payments:read", key=caller.bound)
    headers = {"Authorization": f"Bearer {token}", "X-SSL-Cert": "-----BEGIN CERTIFICATE-----"}
    assert refused_as(await client.get(READ, headers=headers), "invalid_token")


async def test_the_query_is_no_part_of_the_proof_but_of_the_operation(
    guard, issuer, caller, client_of
):
    rules = [
        protect(
            "POST",
            "/payments/{payment_id}/refunds",
            operation(
                "payment_refund",
                payment_id=path("payment_id"),
                amount=query("amount"),
                currency=const("EUR"),
            ),
        )
    ]
    client = client_of(GuardMiddleware(served, guard, rules))

    async def status(query_string):
        token = issuer.token(uses=1, key=caller.bound)
        headers = caller.headers(guard, "POST", "/payments/42/refunds", token)
        return (
            await client.post(f"/payments/42/refunds?{query_string}", headers=headers)
        ).status_code

    assert await status("amount=5000") == 200
    assert await status("amount=5001") == 403
    assert await status("amount=1&amount=5001") == 400
    assert await status("amount=1&%61mount=5001") == 400
    for spelling in ("5000.0", "05000", "+5000", "5e3", "-0", "", "%D9%A5", "0x10", "5_000"):
        assert await status(f"amount={spelling}") == 400


async def test_the_base_url_is_what_proofs_are_about(make_guard, issuer, caller, client_of):
    guard = make_guard(base_url="https://api.example.com")
    client = client_of(GuardMiddleware(served, guard, RULES))
    token = issuer.token("payments:read", key=caller.bound)
    inner = caller.headers(guard, "GET", READ, token)
    assert refused_as(await client.get(READ, headers=inner), "invalid_dpop_proof")
    outer = caller.headers(guard, "GET", READ, token, htu=f"https://api.example.com{READ}")
    assert (await client.get(READ, headers=outer)).status_code == 200


@pytest.mark.parametrize("name", ["memory", "sqlite"])
async def test_workers_that_share_nonces_share_proofs(
    make_guard, issuer, caller, client_of, tmp_path, name
):
    secret = tmp_path / "nonce.key"
    secret.write_bytes(b"n" * 32)

    def proofs():
        return MemoryProofs() if name == "memory" else SqliteProofMemory(tmp_path / "proofs.db")

    shared = proofs()
    guards = [
        make_guard(nonce_secret=secret, proofs=shared if name == "memory" else proofs())
        for _ in range(2)
    ]
    one, other = (client_of(GuardMiddleware(served, guard, RULES)) for guard in guards)
    token = issuer.token("payments:read", key=caller.bound)
    headers = caller.headers(guards[0], "GET", READ, token)
    assert (await other.get(READ, headers=headers)).status_code == 200
    assert refused_as(await one.get(READ, headers=headers), "invalid_dpop_proof")


async def test_a_token_lives_to_the_second_and_no_longer(make_guard, issuer, caller, client_of):
    start = datetime.now(UTC).replace(microsecond=0)
    now = [start]
    guard = make_guard(clock=lambda: now[0])
    client = client_of(GuardMiddleware(served, guard, RULES))
    token = issuer.token("payments:read", key=caller.bound, now=start)

    async def status(at):
        now[0] = at
        headers = caller.headers(guard, "GET", READ, token, now=at)
        return (await client.get(READ, headers=headers)).status_code

    end = start + timedelta(minutes=5)
    assert await status(end - timedelta(microseconds=1)) == 200
    assert await status(end) == 401
    assert await status(end - timedelta(seconds=1)) == 200  # a clock that leaps back
