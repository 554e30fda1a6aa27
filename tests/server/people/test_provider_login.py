import json
from dataclasses import replace

import httpx
import pytest

from fleeting.core.evidence import EntryKind
from fleeting.core.people import Person
from tests.signing_in import LOGIN, SIGN_IN, asked_of, people_scene
from tests.simulator import claims_of, header_of, new_key


async def test_who_logs_in_is_known_with_the_groups_of_now(scene):
    browser = await scene.signed_in(groups=["leads"], department="payments")
    person = await scene.person("p:alice")
    assert (person.name, person.groups, person.issuer) == ("Alice", {"leads"}, LOGIN)
    assert person.attributes == {"department": "payments"}
    assert (await browser.get("/people/me")).status_code == 200
    await scene.signed_in(groups=["other"])
    assert (await scene.person("p:alice")).groups == {"other"}


async def test_every_login_is_recorded_without_its_secrets(scene):
    browser = await scene.signed_in()
    (entry,) = await all_of(scene, EntryKind.PERSON_SIGNED_IN)
    assert entry.body["person"] == "p:alice"
    assert entry.body["method"] == "provider"
    assert browser.session not in json.dumps(dict(entry.body))


async def test_the_login_leads_back_to_where_it_began(scene):
    browser = scene.browser()
    first = await browser.get("/people/me?x=1")
    assert first.headers["location"] == "/login?next=%2Fpeople%2Fme%3Fx%3D1"
    second = await browser.get(first.headers["location"])  # there is no other way in: no page
    assert second.headers["location"] == "/login/provider?next=%2Fpeople%2Fme%3Fx%3D1"
    url = await browser.to_provider("?next=%2Fpeople%2Fme%3Fx%3D1")
    back = await browser.get(scene.provider.logs_in(url))
    assert back.headers["location"] == "/people/me?x=1"
    again = await browser.get("/login?next=%2Frequests")
    assert again.headers["location"] == "/requests"


async def test_a_fresh_login_is_asked_for_even_of_who_is_signed_in(scene):
    browser = await scene.signed_in()
    before = browser.session
    first = await browser.get("/login?fresh=1&next=%2Frequests%2Fabc")
    assert first.headers["location"] == "/login/provider?next=%2Frequests%2Fabc&fresh=1"
    url = await browser.to_provider("?fresh=1&next=%2Frequests%2Fabc")
    assert asked_of(url)["prompt"] == "login"
    scene.sim.clock.wind(minutes=5)
    back = await browser.get(scene.provider.logs_in(url))
    assert back.headers["location"] == "/requests/abc"
    assert browser.session != before


async def test_an_old_login_does_not_pass_for_a_fresh_one(scene):
    browser = scene.browser()
    url = await browser.to_provider("?fresh=1")
    old = int(scene.sim.clock.now().timestamp()) - 60
    answer = await browser.get(scene.provider.logs_in(url, auth_time=old))
    assert answer.status_code == 403
    assert browser.session is None


async def test_a_session_counts_from_when_the_person_proved_who_they_are(scene):
    earlier = int(scene.sim.clock.now().timestamp()) - 3600
    browser = await scene.signed_in(auth_time=earlier)
    worker = scene.sim.worker
    found = await worker.people.sessions.signed_in(browser.session, scene.sim.clock.now())
    assert int(found.signed_in_at.timestamp()) == earlier


@pytest.mark.parametrize(
    "lie",
    [
        {"aud": "fleeting"},
        {"iss": "https://evil.example.com"},
        {"nonce": "of-another-login"},
        {"auth_time": None},
        {"sub": None},
        {"groups": "leads"},
        {"sub": "x" * 1001},
    ],
)
async def test_a_token_that_is_not_right_signs_nobody_in(scene, lie):
    browser = scene.browser()
    url = await browser.to_provider()
    scene.provider.lies = lie
    answer = await browser.get(scene.provider.logs_in(url))
    assert answer.status_code == 403
    assert browser.session is None
    assert await scene.person("p:alice") is None
    assert len(await all_of(scene, EntryKind.SIGN_IN_REFUSED)) == 1


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        (httpx.Response(400, json={"error": "invalid_grant", "error_description": "<b>"}), 403),
        (httpx.Response(500, json={"error": "server_error"}), 403),
        (httpx.Response(200, json={"access_token": "x"}), 403),
        (httpx.Response(200, text="<html>"), 503),
        (httpx.Response(200, json=["x"]), 503),
        (httpx.Response(302, headers={"location": "https://evil.example.com"}), 503),
        (httpx.Response(200, text="x" * 300_000), 503),
    ],
)
async def test_a_provider_that_answers_wrongly_is_told_apart_from_a_refusal(scene, broken, status):
    browser = scene.browser()
    url = await browser.to_provider()
    scene.provider.broken = broken
    answer = await browser.get(scene.provider.logs_in(url))
    assert answer.status_code == status
    assert browser.session is None
    assert "<b>" not in answer.text


async def test_a_provider_that_cannot_be_reached_is_said_to_be(scene):
    scene.provider.announces = {"issuer": "https://evil.example.com"}
    answer = await scene.browser().get("/login/provider")
    assert answer.status_code == 503
    assert "identity provider" in answer.text


async def test_who_was_added_here_is_not_taken_over_by_a_login_of_the_same_name(scene):
    await scene.add(Person("p:alice", "Alice", frozenset({"payments-leads"})))
    browser = scene.browser()
    answer = await browser.get(scene.provider.logs_in(await browser.to_provider()))
    assert answer.status_code == 403
    assert (await scene.person("p:alice")).groups == {"payments-leads"}


async def test_who_was_added_with_the_logins_name_as_an_alias_signs_in_by_it(scene):
    await scene.add(Person("al", "Al", frozenset({"heads"}), aliases=frozenset({"p:alice"})))
    await scene.signed_in(groups=["leads"])
    assert (await scene.person("al")).groups == {"heads"}
    assert (await scene.person("al")).signed_in_at is not None


async def test_who_is_disabled_signs_in_no_more(scene):
    await scene.signed_in()
    people = scene.sim.worker.people.desk.people
    kept = await people.kept("p:alice")
    from fleeting.ports import Write

    change = kept.change(replace(kept.person, disabled=True))
    await scene.sim.worker.store.commit(Write(changes=(change,)))
    browser = scene.browser()
    answer = await browser.get(scene.provider.logs_in(await browser.to_provider()))
    assert answer.status_code == 403
    assert "disabled" in answer.text


async def test_the_server_may_prove_itself_with_a_key(tmp_path):
    key = new_key()
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "console.jwk.json").write_text(json.dumps(key.key.as_dict(private=True)))
    tables = SIGN_IN.replace(
        'client_secret_file = "keys/console.secret"', 'client_key_file = "keys/console.jwk.json"'
    )
    async with people_scene(tmp_path, tables=tables) as scene:
        browser = scene.browser()
        url = await browser.to_provider()
        scene.provider.broken = httpx.Response(400, json={"error": "invalid_grant"})
        await browser.get(scene.provider.logs_in(url))
        (asked,) = [each for each in scene.provider.asked if each.url.path == "/token"]
        form = dict(scene.provider._form(asked.content))
        assert "authorization" not in asked.headers
        claims = claims_of(form["client_assertion"])
        assert (claims["iss"], claims["sub"], claims["aud"]) == (*["fleeting-console"] * 2, LOGIN)
        assert claims["exp"] - claims["iat"] == 60
        assert header_of(form["client_assertion"])["kid"] == key.kid


async def test_a_flood_of_logins_is_slowed_down(scene):
    browser = scene.browser()
    answers = [(await browser.get("/login/provider")).status_code for _ in range(205)]
    assert answers[:200] == [303] * 200
    assert answers[-1] == 400


async def test_where_there_is_a_choice_a_page_asks(tmp_path):
    async with people_scene(tmp_path, issuer="http://localhost:8400") as scene:
        browser = scene.browser()
        page = await browser.get("/login?fresh=1&next=%2Frequests")
        assert "Sign in again" in page.text
        assert "/login/provider?next=%2Frequests&amp;fresh=1" in page.text
        assert "Sign in with a passkey" in page.text


async def all_of(scene, kind):
    return [it.entry for it in await scene.sim.ledger() if it.entry.kind is kind]
