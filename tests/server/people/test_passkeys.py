import pytest

from fleeting.core.evidence import EntryKind
from fleeting.core.people import Person
from fleeting.core.signing_in import LinkKind
from fleeting.ports import RecordKind
from fleeting.server.people.links import passkey_trouble
from fleeting.usecases.change_people import ChangePeople
from tests.authenticator import Authenticator, text_of
from tests.signing_in import people_scene
from tests.simulator import refused


@pytest.fixture
async def door(tmp_path):
    async with people_scene(tmp_path, tables="", issuer="http://localhost:8400") as running:
        await running.add(Person("dora", "Dora", frozenset({"leads"})))
        yield running


def people(door):
    return ChangePeople(door.sim.worker.store, door.sim.clock, "tests")


async def enrolment(door, browser, name="dora", link="the-link"):
    await people(door).link(name, LinkKind.ENROL, link)
    assert (await browser.get(f"/enrol/{link}")).status_code == 200
    return (await browser.script(f"/enrol/{link}/options", {})).json()


async def enrolled(door, authenticator=None, name="dora", link="the-link"):
    """Return the browser and the authenticator of somebody who made a passkey."""
    browser, authenticator = door.browser(), authenticator or Authenticator()
    begun = await enrolment(door, browser, name, link)
    sent = {"state": begun["state"], "credential": authenticator.make(begun["options"])}
    answer = await browser.script(f"/enrol/{link}/passkey", sent)
    assert answer.json() == {"next": "/"}, answer.text
    return browser, authenticator


async def sign_in(door, browser, authenticator, *, spoil=lambda sent: sent, next_="/requests"):
    begun = (await browser.script("/login/passkey/options", {"next": next_})).json()
    sent = {"state": begun["state"], "credential": authenticator.use(begun["options"])}
    return await browser.script("/login/passkey", spoil(sent))


async def test_a_passkey_is_discoverable_and_verifies_its_user(door):
    begun = await enrolment(door, door.browser())
    options = begun["options"]
    assert options["rp"] == {"id": "localhost", "name": "Fleeting"}
    assert options["user"]["name"] == "dora"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"


async def test_who_made_a_passkey_is_signed_in_and_signs_in_with_it_later(door):
    browser, authenticator = await enrolled(door)
    assert (await browser.get("/people/me")).status_code == 200
    other = door.browser()
    answer = await sign_in(door, other, authenticator)
    assert answer.json() == {"next": "/requests"}
    assert "dora" in (await other.get("/people/me")).text
    (deed,) = [e for e in await all_of(door, EntryKind.PERSON_CHANGED) if "passkey" in str(e.body)]
    assert deed.body["deed"] == "passkey_added"
    methods = [e.body["method"] for e in await all_of(door, EntryKind.PERSON_SIGNED_IN)]
    assert methods == ["passkey", "passkey"]


async def test_a_second_device_does_not_make_the_same_passkey_again(door):
    _, authenticator = await enrolled(door)
    begun = await enrolment(door, door.browser(), link="second-link")
    (known,) = begun["options"]["excludeCredentials"]
    assert known["id"] == text_of(authenticator.id)


async def test_a_passkey_that_is_known_is_nobody_elses(door):
    _, authenticator = await enrolled(door)
    await door.add(Person("eve", "Eve"))
    browser = door.browser()
    begun = await enrolment(door, browser, "eve", "eves-link")
    sent = {"state": begun["state"], "credential": authenticator.make(begun["options"])}
    refused(await browser.script("/enrol/eves-link/passkey", sent), "access_denied", 403)


@pytest.mark.parametrize(
    "authenticator",
    [
        Authenticator(origin="https://evil.example.com"),
        Authenticator(origin="http://localhost:8401"),
        Authenticator(flags=0x01),  # present, but not verified
        Authenticator(flags=0x04),
    ],
)
async def test_a_passkey_that_is_not_as_asked_is_not_kept(door, authenticator):
    browser = door.browser()
    begun = await enrolment(door, browser)
    sent = {"state": begun["state"], "credential": authenticator.make(begun["options"])}
    refused(await browser.script("/enrol/the-link/passkey", sent), "access_denied", 403)
    assert await door.sim.worker.store.records(RecordKind.PASSKEY) == []
    assert browser.session is None
    assert (await browser.get("/enrol/the-link")).status_code == 200  # it is still good


def without(name):
    def spoil(sent):
        del sent["credential"]["response"][name]
        return sent

    return spoil


def of_another(sent):
    sent["credential"]["response"]["userHandle"] = text_of(b"another")
    return sent


def with_another_state(sent):
    return {**sent, "state": "A" * 43}


def with_a_broken_signature(sent):
    sent["credential"]["response"]["signature"] = text_of(b"\x30\x06\x02\x01\x01\x02\x01\x01")
    return sent


def unknown(sent):
    sent["credential"]["id"] = sent["credential"]["rawId"] = text_of(b"unknown")
    return sent


def unreadable(sent):
    sent["credential"]["rawId"] = "=="
    return sent


@pytest.mark.parametrize(
    "spoil",
    [
        *(without("signature"), without("clientDataJSON"), without("authenticatorData")),
        *(of_another, with_another_state, with_a_broken_signature, unknown, unreadable),
    ],
)
async def test_a_login_that_is_not_right_signs_nobody_in(door, spoil):
    _, authenticator = await enrolled(door)
    browser = door.browser()
    refused(await sign_in(door, browser, authenticator, spoil=spoil), "access_denied", 403)
    assert browser.session is None
    assert await all_of(door, EntryKind.SIGN_IN_REFUSED)


@pytest.mark.parametrize("body", [[], "x", {}, {"credential": 3}, {"credential": []}])
async def test_what_no_script_of_ours_sends_is_a_bad_request(door, body):
    answer = await door.browser().script("/login/passkey", body)
    refused(answer, "invalid_request")


async def test_a_challenge_is_good_once_and_in_its_browser_alone(door):
    _, authenticator = await enrolled(door)
    browser, thief = door.browser(), door.browser()
    begun = (await browser.script("/login/passkey/options", {})).json()
    sent = {"state": begun["state"], "credential": authenticator.use(begun["options"])}
    refused(await thief.script("/login/passkey", sent), "access_denied", 403)
    assert (await browser.script("/login/passkey", sent)).status_code == 200
    refused(await browser.script("/login/passkey", sent), "access_denied", 403)


async def test_a_challenge_of_one_ceremony_does_not_do_for_another(door):
    _, authenticator = await enrolled(door)
    browser = door.browser()
    begun = await enrolment(door, browser, link="second-link")
    used = authenticator.use({"rpId": "localhost", "challenge": begun["options"]["challenge"]})
    sent = {"state": begun["state"], "credential": used}
    refused(await browser.script("/login/passkey", sent), "access_denied", 403)


async def test_a_copied_authenticator_is_found_by_its_count(door):
    _, authenticator = await enrolled(door)
    for _ in range(3):
        assert (await sign_in(door, door.browser(), authenticator)).status_code == 200
    authenticator.count = 1  # a copy that was made after the first use
    refused(await sign_in(door, door.browser(), authenticator), "access_denied", 403)


async def test_who_is_disabled_does_not_get_in_and_the_passkey_of_who_is_removed_is_unknown(door):
    _, authenticator = await enrolled(door)
    await people(door).disable("dora")
    refused(await sign_in(door, door.browser(), authenticator), "access_denied", 403)
    await people(door).enable("dora")
    assert (await sign_in(door, door.browser(), authenticator)).status_code == 200
    await people(door).remove("dora")
    await door.add(Person("dora", "Another Dora"))
    refused(await sign_in(door, door.browser(), authenticator), "access_denied", 403)


async def test_without_passkeys_there_are_none(tmp_path):
    async with people_scene(tmp_path, tables="") as door:  # http://127.0.0.1: browsers make none
        browser = door.browser()
        page = await browser.get("/login")
        assert "one-time link" in page.text
        refused(await browser.script("/login/passkey/options", {}), "invalid_request")
        await door.add(Person("dora", "Dora"))
        await people(door).link("dora", LinkKind.ENROL, "the-link")
        assert (await browser.get("/enrol/the-link")).status_code == 400
        assert (await browser.get("/login/provider")).status_code == 400


@pytest.mark.parametrize(
    ("host", "works"),
    [("localhost", True), ("as.example.com", True), ("127.0.0.1", False), ("::1", False)],
)
def test_passkeys_are_for_host_names(host, works):
    assert (passkey_trouble(host) is None) is works


async def all_of(door, kind):
    return [it.entry for it in await door.sim.ledger() if it.entry.kind is kind]
