"""Submissions, looks and cancellations on the wire."""

import pytest

from fleeting.core.authzen import AUTHZEN_METADATA, REQUESTS_PATH
from tests.simulator import simulator
from tests.tasks import Enforcement, problem, question


@pytest.fixture
def pep(sim):
    return Enforcement(sim)


async def test_the_metadata_lead_to_it(sim):
    told = (await sim.get(AUTHZEN_METADATA)).json()
    assert told["access_request_endpoint"] == sim.installation.issuer + REQUESTS_PATH
    keys = (await sim.http.get(told["jwks_uri"])).json()["keys"]
    assert [key["kid"] for key in keys if key["kid"]]
    assert told["capabilities"] == ["urn:openid:authzen:capability:access-request"]


async def test_an_issuer_with_a_path_has_it_below(tmp_path):
    async with simulator(tmp_path, issuer="http://127.0.0.1:8400/tenant") as sim:
        pep = Enforcement(sim)
        task = await pep.ask_people()
        assert task["status_endpoint"].startswith(
            "http://127.0.0.1:8400/tenant/access/v1/requests/"
        )
        assert (await pep.look(task))["task"]["status"] == "pending"


async def test_the_caller_s_name_for_a_request_comes_back(pep):
    answer = await pep.send("GET", f"{REQUESTS_PATH}/none", None, ("X-Request-ID", "mine"))
    problem(answer, "unknown_task", 404)
    assert answer.headers["x-request-id"] == "mine"


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"{}", "text/plain"), (b"", "application/json"), (b"[]", "application/json")],
)
async def test_what_is_no_json_object_is_a_problem(sim, content, kind):
    answer = await sim.http.post(
        sim.installation.issuer + REQUESTS_PATH,
        content=content,
        headers=[("Content-Type", kind), *sim.guard.basic()],
    )
    problem(answer, "", 400)


async def test_a_large_body_is_not_read(pep):
    problem(await pep.submit({**question(), "more": "x" * 70_000}), "", 413)


async def test_a_problem_names_the_request_and_keeps_its_details(pep):
    body = {**question(), "denial": await pep.denied(question())}
    body["denial"]["binding_token"] = "a.b.c"
    answer = await pep.submit(body)
    told = answer.json()
    problem(answer, "invalid_denial_binding", 400)
    assert told["title"] == "What is submitted is not what was denied"
    assert told["error"] == "invalid_denial_binding"
    assert told["request_id"] == answer.headers["x-request-id"]
    assert "JoseError" not in answer.text


async def test_other_methods_are_not_served(pep):
    assert (await pep.send("PUT", f"{REQUESTS_PATH}/x")).status_code == 405
    assert (await pep.send("GET", REQUESTS_PATH)).status_code == 405


async def test_it_is_counted(sim, pep):
    await pep.ask_people()
    assert f'endpoint="{REQUESTS_PATH}"' in (await sim.get("/metrics")).text


async def test_a_title_is_plain_text(pep):
    body = {**question(), "denial": await pep.denied(question())}
    await pep.submit(body, "key")
    answer = await pep.submit({**body, "requested_access": {"emergency": True}}, "key")
    problem(answer, "duplicate_request", 409)
    told = answer.json()["title"]
    assert told == "The Idempotency-Key, or the denial, came with another body before"
