"""The API of the console, as the command line and a page's script call it."""

import json

import pytest

from fleeting.core.evidence import EntryKind
from fleeting.core.sender import make_proof_claims
from tests.simulator import ISSUER, new_key, public_jwk, sign
from tests.visits import ALICE, BEA, CARL, DORA, ID, begin_session

SHOWN = f"/api/requests/{ID}"


class Line:
    """A command line of one person: a session that is bound to its key."""

    def __init__(self, sim, key, token):
        self.sim, self.key, self.token, self.jti = sim, key, token, 0

    def proof(self, method, path, **changes):
        self.jti += 1
        now = self.sim.clock.now()
        claims = {
            **make_proof_claims(
                jti=f"{self.token}{self.jti}",
                method=method,
                uri=ISSUER + path,
                now=now,
                nonce=self.sim.worker.signing_keys.nonces().make(now),
                access_token=self.token,
            ),
            **changes,
        }
        header = {"jwk": public_jwk(self.key), "kid": None}
        return sign(self.key, claims, typ="dpop+jwt", header=header)

    async def call(self, method, path, body=None, *, proof=None):
        headers = {
            "authorization": f"DPoP {self.token}",
            "dpop": self.proof(method, path.partition("?")[0]) if proof is None else proof,
        }
        more = {} if body is None else {"json": body}
        return await self.sim.http.request(method, ISSUER + path, headers=headers, **more)


@pytest.fixture
def line(sim, asked):
    async def line(person):
        key = new_key()
        return Line(
            sim, key, await begin_session(sim.worker, person, jkt=key.public().thumbprint())
        )

    return line


async def test_who_am_i(line):
    told = (await (await line(BEA)).call("GET", "/api/whoami")).json()
    assert told["id"] == "bea"
    assert told["name"] == "Bea Berg"
    assert told["groups"] == ["oncall-leads", "payments-leads"]
    assert "approve" in told["may"]
    assert "manage_people" not in told["may"]
    assert told["signed_in_at"] == "2026-01-01T12:00:00+00:00"


async def test_a_list_and_one_request(line):
    bea = await line(BEA)
    listed = (await bea.call("GET", "/api/requests?view=to-approve")).json()
    assert [each["id"] for each in listed["requests"]] == [ID]
    shown = (await bea.call("GET", SHOWN)).json()
    assert shown["offer"]["authorization_details"][0]["amount"] == 20_000
    assert shown["offer"]["digest"] == listed["requests"][0]["offer"]["digest"]


async def test_two_people_approve_from_their_command_lines(sim, line):
    for person in (BEA, CARL):
        caller = await line(person)
        digest = (await caller.call("GET", SHOWN)).json()["offer"]["digest"]
        done = await caller.call("POST", f"{SHOWN}/approve", {"offer": digest, "comment": "ok"})
        assert done.status_code == 200, done.text
    assert done.json()["status"] == "approved"
    votes = await sim.recorded(EntryKind.REQUEST_VOTED)
    assert [each.body["by"] for each in votes] == ["bea", "carl"]
    told = (await sim.get("/metrics")).text
    assert 'fleeting_access_requests_total{event="voted"} 2.0' in told
    assert 'fleeting_access_requests_total{event="approved"} 1.0' in told


async def test_another_offer_than_was_seen_is_a_conflict(line):
    bea = await line(BEA)
    old = (await bea.call("GET", SHOWN)).json()["offer"]["digest"]
    less = await bea.call("POST", f"{SHOWN}/narrow", {"lifetime": "1m", "uses": 1})
    assert less.status_code == 200, less.text
    assert less.json()["offer"]["lifetime"] == "1m"
    late = await bea.call("POST", f"{SHOWN}/approve", {"offer": old})
    assert (late.status_code, late.json()["error"]) == (409, "conflict")


async def test_every_deed_by_its_name(line):
    alice, bea, dora = await line(ALICE), await line(BEA), await line(DORA)
    details = (await bea.call("GET", SHOWN)).json()["offer"]["authorization_details"]
    narrower = [{**details[0], "amount": 2000}]
    for caller, deed, body in (
        (bea, "ask", {"text": "which invoice?"}),
        (alice, "answer", {"text": "2026-0042"}),
        (bea, "narrow", {"authorization_details": narrower}),
        (bea, "deny", {"reason": "refunded yesterday"}),
    ):
        done = await caller.call("POST", f"{SHOWN}/{deed}", body)
        assert done.status_code == 200, (deed, done.text)
    assert done.json()["reason"] == "refunded yesterday"
    late = await alice.call("POST", f"{SHOWN}/cancel", {})
    assert late.status_code == 409
    missing = await dora.call("POST", "/api/requests/unknown/revoke", {"reason": "x"})
    assert (missing.status_code, missing.json()["error"]) == (404, "not_found")


async def test_everything_of_a_client_is_revoked(line):
    dora = await line(DORA)
    body = {"client": "support-bot", "reason": "its key leaked"}
    done = await dora.call("POST", "/api/revoke", body)
    assert done.json() == {"kind": "client", "value": "support-bot", "revoked": [ID]}
    assert (await dora.call("GET", SHOWN)).json()["status"] == "cancelled"
    bea = await line(BEA)
    assert (await bea.call("POST", "/api/revoke", body)).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "x"},
        {"client": "a"},
        {"client": "a", "subject": "b", "reason": "x"},
        {"everyone": "a", "reason": "x"},
        {"client": 7, "reason": "x"},
    ],
)
async def test_it_must_be_said_what_to_revoke_and_why(line, body):
    assert (await (await line(DORA)).call("POST", "/api/revoke", body)).status_code == 400


async def test_being_away(line):
    bea = await line(BEA)
    body = {"to": "dora", "until": "2026-01-02T12:00:00Z"}
    told = (await bea.call("POST", "/api/delegate", body)).json()
    assert [each["to"] for each in told["delegations"]] == ["dora"]
    assert (await bea.call("POST", "/api/delegate", {})).json()["delegations"] == []
    wrong = await bea.call("POST", "/api/delegate", {"to": "dora", "until": "soon"})
    assert wrong.status_code == 400


async def test_signing_out_ends_the_session(line):
    bea = await line(BEA)
    assert (await bea.call("POST", "/api/logout")).json() == {"ended": True}
    over = await bea.call("GET", "/api/whoami")
    assert (over.status_code, over.json()["error"]) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/requests?view=everything", None),
        ("POST", f"{SHOWN}/grant", {}),
        ("POST", f"{SHOWN}/deny", {}),
        ("POST", f"{SHOWN}/deny", {"reason": 7}),
        ("POST", f"{SHOWN}/deny", {"reason": "no", "because": "x"}),
        ("POST", f"{SHOWN}/approve", {}),
        ("POST", f"{SHOWN}/extend", {"duration": "soon"}),
        ("POST", f"{SHOWN}/narrow", {"uses": "1"}),
        ("POST", f"{SHOWN}/deny", ["no"]),
    ],
)
async def test_what_makes_no_sense_is_refused_with_what_to_write(sim, line, method, path, body):
    bea = await line(BEA)
    answer = await bea.call(method, path, body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_description"]
    assert (await bea.call("GET", SHOWN)).json()["status"] == "pending"


async def test_without_a_nonce_one_is_told(sim, line):
    bea = await line(BEA)
    answer = await bea.call(
        "GET", "/api/whoami", proof=bea.proof("GET", "/api/whoami", nonce="old")
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "use_dpop_nonce")
    assert answer.headers["www-authenticate"] == 'DPoP error="use_dpop_nonce"'
    assert answer.headers["dpop-nonce"]


@pytest.mark.parametrize(
    "changes", [{"htm": "POST"}, {"htu": f"{ISSUER}/api/requests"}, {"ath": "x"}, {"iat": 1}]
)
async def test_a_proof_of_another_call_is_refused(line, changes):
    bea = await line(BEA)
    proof = bea.proof("GET", "/api/whoami", **changes)
    answer = await bea.call("GET", "/api/whoami", proof=proof)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_dpop_proof")


async def test_a_session_without_its_key_is_worth_nothing(line):
    bea = await line(BEA)
    thief = Line(bea.sim, new_key(), bea.token)
    answer = await thief.call("GET", "/api/whoami")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


async def test_nobody_is_told_how_to_sign_in(sim):
    answer = await sim.get("/api/whoami")
    assert answer.status_code == 401
    assert "fleeting login" in answer.json()["error_description"]
    assert answer.headers["cache-control"] == "no-store"


async def test_a_page_s_own_script_may_call_it_with_the_cookie(carl):
    assert (await carl.call("GET", "/api/whoami")).json()["id"] == "carl"
    done = await carl.call("POST", f"{SHOWN}/ask", {"text": "why?"})
    assert done.status_code == 200, done.text


async def test_bodies_are_strict_json(carl):
    answer = await carl.http.post(
        f"{ISSUER}{SHOWN}/deny",
        headers={
            **carl.headers,
            "origin": ISSUER,
            "x-csrf-token": carl.worker.console.door.sessions.csrf_token(carl.token),
            "content-type": "application/json",
        },
        content=json.dumps({"reason": "no"})[:-1] + ',"reason":"yes"}',
    )
    assert answer.status_code == 400
    assert "a key is repeated" in answer.json()["error_description"]
