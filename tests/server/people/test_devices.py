import pytest

from fleeting.core.evidence import EntryKind
from fleeting.core.signing_in import COMMAND_LINE
from fleeting.ports import RecordKind
from fleeting.server.people.devices import new_user_code, typed_user_code
from tests.signing_in import CommandLine
from tests.simulator import refused


async def say(scene, browser, user_code, answer="allow"):
    csrf = scene.sim.worker.people.sessions.csrf_token(browser.session)
    form = {"user_code": user_code, "answer": answer, "csrf": csrf}
    return await browser.post("/device", form)


def pending(response, error="authorization_pending", interval=5):
    body = response.json()
    assert (response.status_code, body["error"]) == (400, error)
    assert body["interval"] == interval


async def test_a_command_line_is_signed_in_by_its_person_in_a_browser(scene):
    line, clock = CommandLine(scene), scene.sim.clock
    begun = await line.begin()
    assert begun["verification_uri"] == "http://127.0.0.1:8400/device"
    assert begun["verification_uri_complete"].endswith(f"?user_code={begun['user_code']}")
    pending(await line.poll())
    browser = await scene.signed_in()
    page = await browser.get(f"/device?user_code={begun['user_code'].lower()}")
    assert begun["user_code"] in page.text
    assert "p:alice" in page.text
    clock.wind(seconds=5)
    pending(await line.poll())  # looking at the page allows nothing
    assert "is signed in" in (await say(scene, browser, begun["user_code"])).text
    clock.wind(seconds=5)
    body = (await line.poll()).json()
    assert body["token_type"] == "DPoP"
    assert body["expires_in"] == 12 * 3600
    assert body["person"] == "p:alice"
    now = clock.now()
    sessions = scene.sim.worker.people.sessions
    assert await sessions.signed_in(body["access_token"], now) is None  # only with its key
    kinds = [entry.body["method"] for entry in await scene.sim.recorded(EntryKind.PERSON_SIGNED_IN)]
    assert kinds == ["provider", "device"]
    assert await scene.sim.recorded(EntryKind.REQUEST_REFUSED) == []  # polls are no refusals


async def test_who_is_not_signed_in_signs_in_first_and_comes_back(scene):
    begun = await CommandLine(scene).begin()
    answer = await scene.browser().get(f"/device?user_code={begun['user_code']}")
    assert answer.status_code == 303
    assert answer.headers["location"] == (
        f"/login?next=%2Fdevice%3Fuser_code%3D{begun['user_code']}"
    )


async def test_who_polls_too_fast_is_slowed_down_for_good(scene):
    line, clock = CommandLine(scene), scene.sim.clock
    await line.begin()
    pending(await line.poll())
    clock.wind(seconds=2)
    pending(await line.poll(), "slow_down", 10)
    clock.wind(seconds=9)
    pending(await line.poll(), "slow_down", 15)
    clock.wind(seconds=15)
    pending(await line.poll(), interval=15)


async def test_a_denied_command_line_is_denied_once_and_then_unknown(scene):
    line = CommandLine(scene)
    begun = await line.begin()
    browser = await scene.signed_in()
    assert "turned away" in (await say(scene, browser, begun["user_code"], "deny")).text
    refused(await line.poll(), "access_denied")
    refused(await line.poll(), "invalid_grant")


async def test_a_device_code_is_good_for_ten_minutes(scene):
    line = CommandLine(scene)
    begun = await line.begin()
    browser = await scene.signed_in()
    scene.sim.clock.wind(minutes=10)
    refused(await line.poll(), "expired_token")
    assert (await say(scene, browser, begun["user_code"])).status_code == 403


async def test_a_device_code_is_good_once(scene):
    line = CommandLine(scene)
    begun = await line.begin()
    await say(scene, await scene.signed_in(), begun["user_code"])
    assert (await line.poll()).status_code == 200
    refused(await line.poll(), "invalid_grant")


async def test_another_client_or_none_does_not_get_a_device_code(scene):
    line = CommandLine(scene)
    refused(
        await line.post("/device_authorization", client_id="support-bot"), "invalid_client", 401
    )
    issuer = scene.sim.installation.issuer
    unproven = await scene.sim.http.post(
        f"{issuer}/device_authorization", data={"client_id": COMMAND_LINE}
    )
    refused(unproven, "invalid_dpop_proof")
    assert unproven.headers["dpop-nonce"]


async def test_who_was_disabled_meanwhile_gets_no_session(scene):
    from fleeting.usecases.change_people import ChangePeople

    line = CommandLine(scene)
    begun = await line.begin()
    await say(scene, await scene.signed_in(), begun["user_code"])
    await ChangePeople(scene.sim.worker.store, scene.sim.clock, "tests").disable("p:alice")
    refused(await line.poll(), "access_denied")


async def test_neither_code_is_kept_but_by_its_digest(scene):
    begun = await CommandLine(scene).begin()
    (record,) = await scene.sim.worker.store.records(RecordKind.DEVICE)
    assert begun["device_code"] not in repr(record)


async def test_a_flood_of_command_lines_is_slowed_down(scene):
    line = CommandLine(scene)
    answers = [(await line.post("/device_authorization")).status_code for _ in range(203)]
    assert answers[:200] == [200] * 200
    assert answers[-1] == 400


@pytest.mark.parametrize("typed", ["wdjb-mjhs", "WDJBMJHS", " wdjb mjhs ", "w.d.j.b.m.j.h.s"])
def test_a_code_is_understood_however_it_is_typed(typed):
    assert typed_user_code(typed) == "WDJB-MJHS"


@pytest.mark.parametrize("typed", ["", "WDJB", "WDJB-MJHSX", "AEIO-UAEI"])
def test_what_is_no_code_is_none(typed):
    assert typed_user_code(typed) == ""


def test_codes_are_typed_as_they_are_shown():
    codes = {new_user_code() for _ in range(100)}
    assert len(codes) == 100
    assert all(typed_user_code(code) == code for code in codes)
