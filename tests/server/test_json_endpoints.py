import json

import pytest

from fleeting.core.authzen import EVALUATION_PATH, EVALUATIONS_PATH

PATHS = [EVALUATION_PATH, EVALUATIONS_PATH]
JSON = {"Content-Type": "application/json"}
READING = {
    "subject": {"type": "user", "id": "alice", "properties": {"groups": ["support"]}},
    "action": {"name": "payments:read"},
    "resource": {"type": "scope", "id": "any"},
}


async def post(sim, path=EVALUATION_PATH, body=READING, headers=JSON, *, basic=True):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    own = sim.guard.basic() if basic else []
    fields = [*own, *(headers.items() if isinstance(headers, dict) else headers)]
    return await sim.http.post(sim.installation.issuer + path, content=content, headers=fields)


@pytest.mark.parametrize("path", PATHS)
async def test_a_decision_is_json_that_nobody_stores(sim, path):
    answer = await post(sim, path)
    assert (answer.status_code, answer.json()["decision"]) == (200, True)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/jsonp"},
        [("Content-Type", "application/json"), ("Content-Type", "text/html")],
    ],
)
async def test_another_content_type_is_a_bad_request(sim, headers):
    answer = await post(sim, headers=headers)
    assert (answer.status_code, answer.json()) == (
        400,
        "send a JSON object, with Content-Type: application/json",
    )


async def test_a_charset_changes_nothing(sim):
    answer = await post(sim, headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert answer.status_code == 200


async def test_a_body_is_bounded(sim):
    answer = await post(sim, body=b" " * 65_537)
    assert (answer.status_code, answer.json()) == (413, "the body is larger than 65536 bytes")


@pytest.mark.parametrize("named", ["1", "two words", "caf\xe9", "x" * 1000])
async def test_a_request_id_comes_back_as_it_came(sim, named):
    for body in (READING, b"{"):
        answer = await post(
            sim, body=body, headers={**JSON, "X-Request-ID": named.encode("latin-1")}
        )
        assert answer.headers.raw.count((b"x-request-id", named.encode("latin-1"))) == 1
    (entry,) = await sim.recorded("access.evaluated")
    assert entry.body["asked_as"] == named[:200]


async def test_a_request_id_that_is_no_header_value_does_not_come_back(sim):
    """A server before the application would have refused it; if it did not, we do not send it."""
    answer = await post(sim, headers={**JSON, "X-Request-ID": b"a\x01b"})
    (entry,) = await sim.recorded()
    assert answer.headers["x-request-id"] == entry.request_id
    assert "asked_as" not in entry.body


async def test_without_one_the_answer_has_our_own(sim):
    answer = await post(sim)
    (entry,) = await sim.recorded()
    assert answer.headers["x-request-id"] == entry.request_id


async def test_without_credentials_it_is_said_how_to_authenticate(sim):
    answer = await post(sim, basic=False)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert isinstance(answer.json(), str)


@pytest.mark.parametrize("sent", ["Bearer", "Bearer x", "Bearer a.b.c", "Negotiate x", ""])
async def test_other_credentials_are_refused_in_words(sim, sent):
    answer = await post(sim, basic=False, headers={**JSON, "Authorization": sent})
    assert answer.status_code in (400, 401)
    assert isinstance(answer.json(), str)


async def test_two_credentials_are_one_too_many(sim):
    key = sim.caller("deployments-api").assertion()
    answer = await post(sim, headers={**JSON, "Authorization": f"Bearer {key}"})
    assert answer.status_code == 400


async def test_a_fault_of_ours_is_told_as_nothing_and_logged(sim, log, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(sim.worker.policy, "in_force", None)  # what no installation can have
        answer = await post(sim)
    assert (answer.status_code, answer.json()) == (500, "a fault of ours")
    assert any(line["event"] == "bug" for line in log)


@pytest.mark.parametrize("path", PATHS)
async def test_only_posts_are_questions(sim, path):
    answer = await sim.get(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_answers_are_counted_by_outcome(sim):
    await post(sim)
    await post(sim, body=b"{")
    told = (await sim.get("/metrics")).text
    for outcome in ("ok", "invalid_request"):
        assert f'endpoint="/access/v1/evaluation",outcome="{outcome}"}} 1.0' in told


async def test_the_metadata_may_be_cached(sim):
    answer = await sim.get("/.well-known/authzen-configuration")
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.json()["policy_decision_point"] == sim.installation.issuer
