"""ATTACKS 5, 22, 23, 32, 37, 38 and their kin, at the door that people come in by."""

import asyncio
import re
from urllib.parse import urlencode

import httpx
import pytest

from fleeting.core.evidence import EntryKind
from fleeting.core.people import Person
from fleeting.core.signing_in import LinkKind
from fleeting.usecases.change_people import ChangePeople
from tests.signing_in import LOGIN, SECRET, SIGN_IN, CommandLine, asked_of, people_scene
from tests.simulator import refused

ELSEWHERE = [
    "https://evil.example.com/",
    "//evil.example.com/",
    "/\\evil.example.com",
    "/%09/evil.example.com",
    "\\\\evil.example.com",
    "javascript:alert(1)",
    "http:evil.example.com",
    "/\t/evil.example.com",
]


@pytest.fixture
async def door(tmp_path):
    async with people_scene(tmp_path) as running:
        yield running


@pytest.fixture
async def passkey_door(tmp_path):
    async with people_scene(tmp_path, issuer="http://localhost:8400") as running:
        yield running


def people(door):
    return ChangePeople(door.sim.worker.store, door.sim.clock, "tests")


async def link_for(door, name, kind=LinkKind.SIGN_IN):
    await people(door).link(name, kind, f"link-of-{name}")
    return f"/enrol/link-of-{name}"


async def refusals(door):
    return await door.sim.recorded(EntryKind.SIGN_IN_REFUSED) or [
        it.entry for it in await door.sim.ledger() if it.entry.kind == EntryKind.SIGN_IN_REFUSED
    ]


# ------------------------------------------------------------------------------ fixation


async def test_a_session_that_was_planted_before_the_login_is_not_the_one_after_it(door):
    attacker = await door.signed_in("bob")
    victim = door.browser()
    victim.http.cookies.set("fleeting", attacker.session, domain="127.0.0.1")
    planted = attacker.session
    back = door.provider.logs_in(await victim.to_provider())
    answer = await victim.get(back)
    fresh = re.search(r"fleeting=([\w-]{43});", answer.headers["set-cookie"])
    assert fresh
    assert fresh[1] != planted
    sessions, now = door.sim.worker.people.sessions, door.sim.clock.now()
    assert (await sessions.signed_in(fresh[1], now)).person.id == "p:alice"
    assert await sessions.signed_in(planted, now) is None  # and the planted one is over


# ------------------------------------------------------------------------------ state, nonce, iss


async def test_a_login_that_another_browser_began_does_not_end_in_this_one(door):
    attacker, victim = door.browser(), door.browser()
    back = door.provider.logs_in(await attacker.to_provider(), "mallory")
    assert (await victim.get(back)).status_code == 403
    await victim.to_provider()  # even where it is signing in just now
    assert (await victim.get(back)).status_code == 403
    assert victim.session is None
    assert len(await refusals(door)) == 2


async def test_an_answer_without_state_or_with_somebody_elses_is_refused(door):
    browser = door.browser()
    back = door.provider.logs_in(await browser.to_provider())
    for wrong in (
        re.sub(r"&state=[^&]+", "", back),
        re.sub(r"state=[^&]+", "state=x", back),
        re.sub(r"state=[^&]+", f"state={'A' * 43}", back),
        f"{back}&state=x",
        f"{back}&code=another",
    ):
        assert (await browser.get(wrong)).status_code == 403
    assert browser.session is None


async def test_an_answer_is_good_once(door):
    browser = door.browser()
    back = door.provider.logs_in(await browser.to_provider())
    answers = await asyncio.gather(*(browser.get(back) for _ in range(4)))
    assert sorted(each.status_code for each in answers) == [303, 403, 403, 403]


async def test_an_answer_that_comes_late_is_refused(door):
    browser = door.browser()
    back = door.provider.logs_in(await browser.to_provider())
    door.sim.clock.wind(minutes=10)
    assert (await browser.get(back)).status_code == 403


@pytest.mark.parametrize("iss", ["https://evil.example.com", None])
@pytest.mark.parametrize("answer", [{"code": "c"}, {"error": "access_denied"}])
async def test_an_answer_that_was_mixed_up_is_refused_before_its_code_is_spent(door, iss, answer):
    browser = door.browser()
    state = asked_of(await browser.to_provider())["state"]
    sent = {**answer, "state": state} | ({"iss": iss} if iss else {})
    told = await browser.get(f"/login/callback?{urlencode(sent)}")
    assert told.status_code == 403
    assert "identity provider" in told.text
    assert not [each for each in door.provider.asked if each.url.path == "/token"]


async def test_the_token_of_one_login_does_not_do_for_another(door):
    first, second = door.browser(), door.browser()
    one, two = await first.to_provider(), await second.to_provider()
    door.provider.lies = {"nonce": asked_of(one)["nonce"]}
    assert (await second.get(door.provider.logs_in(two))).status_code == 403
    assert second.session is None


async def test_a_code_that_was_injected_lacks_its_verifier(door):
    attacker, victim = door.browser(), door.browser()
    stolen = asked_of(door.provider.logs_in(await victim.to_provider(), "alice"))["code"]
    own = asked_of(await attacker.to_provider())["state"]
    sent = urlencode({"code": stolen, "state": own, "iss": LOGIN})
    assert (await attacker.get(f"/login/callback?{sent}")).status_code == 403
    assert attacker.session is None


async def test_what_the_provider_writes_is_not_reflected(door):
    browser = door.browser()
    state = asked_of(await browser.to_provider())["state"]
    markup = "<script>alert(1)</script>"
    sent = {"error": markup, "error_description": markup, "state": state, "iss": LOGIN}
    told = await browser.get(f"/login/callback?{urlencode(sent)}")
    assert told.status_code == 403
    assert "alert(1)" not in told.text


async def test_a_name_with_markup_is_shown_as_the_text_it_is(door):
    browser = await door.signed_in("eve", name="<img src=x onerror=alert(1)>")
    page = await browser.get("/people/me")
    assert "<img" not in page.text
    assert "&lt;img" in page.text


# ------------------------------------------------------------------------------ redirects, cookies


@pytest.mark.parametrize("target", ELSEWHERE)
async def test_a_login_leads_nowhere_else(door, target):
    browser = door.browser()
    query = f"?{urlencode({'next': target})}"
    answer = await browser.get(door.provider.logs_in(await browser.to_provider(query)))
    location = answer.headers["location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert "evil" not in location or location == target == "/%09/evil.example.com"
    again = await browser.get(f"/login{query}")  # and so for who is signed in already
    assert again.headers["location"] == location


async def test_signing_out_leads_nowhere_else(door):
    browser = await door.signed_in()
    csrf = door.sim.worker.people.sessions.csrf_token(browser.session)
    form = {"csrf": csrf, "next": ELSEWHERE[0], "post_logout_redirect_uri": ELSEWHERE[0]}
    answer = await browser.post(f"/logout?next={ELSEWHERE[0]}", form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/signed-out")
    assert browser.session is None


async def test_no_answer_is_a_307_and_no_address_is_mended_by_one(door):
    browser = await door.signed_in()
    for path in ("/logout/", "//logout", "/login/passkey/", "/device/", "/device_authorization/"):
        assert (await browser.post(path, {"csrf": "x"})).status_code in (404, 405)
    for path in ("/login", "/login?next=/requests", "/device?user_code=BCDF-GHJK"):
        assert (await browser.get(path)).status_code not in (301, 302, 307, 308)


async def test_no_parameter_is_ever_put_into_a_cookie(door):
    browser = door.browser()
    answer = await browser.get("/login/provider?next=%2Frequests%2Fthe-secret-id&fresh=1")
    asked = asked_of(answer.headers["location"])
    (cookie,) = answer.headers.get_list("set-cookie")
    assert re.fullmatch(
        r"fleeting-sign-in=[\w-]{43}; HttpOnly; Max-Age=600; Path=/; SameSite=lax", cookie
    )
    for secret in (asked["state"], asked["nonce"], "the-secret-id", asked["code_challenge"]):
        assert secret not in cookie


async def test_over_https_the_cookies_are_of_this_very_host_alone(tmp_path):
    async with people_scene(tmp_path, issuer="https://as.example.com") as door:
        browser = door.browser()
        begun = await browser.get("/login/provider")
        (sign_in,) = begun.headers.get_list("set-cookie")
        answer = await browser.get(door.provider.logs_in(begun.headers["location"]))
        session, gone = answer.headers.get_list("set-cookie")
        for cookie in (sign_in, session, gone):
            assert cookie.startswith("__Host-fleeting")
            assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= {*cookie.split("; ")}
            assert "Domain" not in cookie


# ------------------------------------------------------------------------------ other sites' pages


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://127.0.0.1:8401"])
async def test_another_sites_page_signs_nobody_out_and_confirms_no_command_line(door, origin):
    browser = await door.signed_in()
    begun = await CommandLine(door).begin()
    csrf = door.sim.worker.people.sessions.csrf_token(browser.session)
    forms = {
        "/logout": {"csrf": csrf},
        "/device": {"csrf": csrf, "user_code": begun["user_code"], "answer": "allow"},
    }
    for path, form in forms.items():
        assert (await browser.post(path, form, Origin=origin)).status_code == 403
        assert (await browser.http.post(path, data=form)).status_code == 403  # and none at all
    assert (await browser.get("/people/me")).status_code == 200


async def test_a_form_without_the_sessions_own_token_does_nothing(door):
    browser, other = await door.signed_in(), await door.signed_in("bob")
    begun = await CommandLine(door).begin()
    for csrf in ("", "x", door.sim.worker.people.sessions.csrf_token(other.session)):
        form = {"csrf": csrf, "user_code": begun["user_code"], "answer": "allow"}
        assert (await browser.post("/logout", form)).status_code == 403
        assert (await browser.post("/device", form)).status_code == 403
    assert (await browser.get("/people/me")).status_code == 200


async def test_a_get_confirms_no_command_line(door):
    line = CommandLine(door)
    begun = await line.begin()
    browser = await door.signed_in()
    for query in ("", "&answer=allow", "&answer=allow&csrf=x"):
        await browser.get(f"/device?user_code={begun['user_code']}{query}")
    refused_with = (await line.poll()).json()["error"]
    assert refused_with == "authorization_pending"


async def test_another_sites_script_begins_no_passkey(passkey_door):
    browser = passkey_door.browser()
    evil = {"Origin": "https://evil.example.com"}
    for path in ("/login/passkey/options", "/login/passkey", "/enrol/x/options"):
        answer = await browser.http.post(path, json={}, headers=evil)
        refused(answer, "access_denied", 403)


@pytest.mark.parametrize("path", ["/login", "/signed-out", "/device", "/login/callback"])
async def test_no_page_is_shown_in_a_frame_or_kept(passkey_door, path):
    browser = await passkey_door.signed_in()
    answer = await browser.get(f"{path}?fresh=1")
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"


# ------------------------------------------------------------------------------ links and codes


async def test_a_link_survives_a_mail_scanner_and_is_then_good_once(door):
    await door.add(Person("dora", "Dora"))
    link = await link_for(door, "dora")
    scanner, dora = door.browser(), door.browser()
    for _ in range(3):
        assert (await scanner.get(link)).status_code == 200
        assert (await scanner.http.head(link)).status_code == 200
    answers = await asyncio.gather(*(dora.post(link, {}) for _ in range(4)))
    assert sorted(each.status_code for each in answers) == [303, 403, 403, 403]
    assert (await scanner.get(link)).status_code == 403


async def test_a_link_ends_after_fifteen_minutes_and_with_its_person(door):
    await door.add(Person("dora", "Dora"))
    link = await link_for(door, "dora")
    door.sim.clock.wind(minutes=15)
    assert (await door.browser().post(link, {})).status_code == 403
    await people(door).remove("dora")
    await door.add(Person("dora", "Another Dora"))
    fresh = "/enrol/link-of-dora-2"
    await people(door).link("dora", LinkKind.SIGN_IN, "link-of-dora-2")
    await people(door).disable("dora")
    assert (await door.browser().post(fresh, {})).status_code == 403


async def test_another_sites_page_uses_no_link(door):
    await door.add(Person("mallory", "Mallory"))
    link = await link_for(door, "mallory")
    victim = door.browser()  # who would go on as Mallory, unaware of it
    answer = await victim.post(link, {}, Origin="https://evil.example.com")
    assert answer.status_code == 403
    assert victim.session is None


async def test_a_link_to_make_a_passkey_signs_nobody_in(passkey_door):
    await passkey_door.add(Person("dora", "Dora"))
    link = await link_for(passkey_door, "dora", LinkKind.ENROL)
    browser = passkey_door.browser()
    assert (await browser.post(link, {})).status_code == 403
    assert browser.session is None


async def test_a_device_code_is_no_good_to_another_key_and_is_not_burnt_by_it(door):
    line, thief = CommandLine(door), CommandLine(door)
    begun = await line.begin()
    browser = await door.signed_in()
    csrf = door.sim.worker.people.sessions.csrf_token(browser.session)
    form = {"user_code": begun["user_code"], "answer": "allow", "csrf": csrf}
    await browser.post("/device", form)
    refused(await thief.poll(begun["device_code"]), "invalid_grant")
    assert (await line.poll()).status_code == 200
    door.sim.clock.wind(seconds=5)
    refused(await line.poll(), "invalid_grant")


async def test_a_device_code_that_is_polled_at_once_gives_one_session(door):
    line = CommandLine(door)
    begun = await line.begin()
    browser = await door.signed_in()
    csrf = door.sim.worker.people.sessions.csrf_token(browser.session)
    form = {"user_code": begun["user_code"], "answer": "allow", "csrf": csrf}
    await browser.post("/device", form)
    answers = await asyncio.gather(*(line.poll() for _ in range(4)))
    assert sorted(each.status_code for each in answers) == [200, 400, 400, 400]


# ------------------------------------------------------------------------------ whose name


CLIENT = """
[[clients]]
client_id = "p:robot"
secret_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
grant_types = ["client_credentials"]
"""


async def test_a_flood_of_nonsense_or_of_command_lines_keeps_nobody_from_signing_in(door):
    stranger, line = door.browser(), CommandLine(door)
    for n in range(201):
        answer = await stranger.get(f"/login/callback?code=x&state={n}")
        assert answer.status_code == 403
        last = await line.post("/device_authorization")
    assert last.status_code == 400
    assert len(await refusals(door)) == 200  # and the ledger does not grow without end
    assert (await door.signed_in("bob")).session is not None


async def test_a_flood_of_logins_is_over_in_a_second_and_keeps_nobody_signed_out(door):
    bob, stranger = await door.signed_in("bob"), door.browser()
    while (await stranger.get("/login/provider")).status_code == 303:
        pass
    assert (await bob.get("/people/me")).status_code == 200
    door.sim.clock.wind(seconds=1)
    assert (await door.signed_in("alice")).session is not None


async def test_no_secret_of_a_login_is_told_to_the_ledger_or_the_log(door, log):
    """ATTACKS 35: on every way in, whether it goes well or not."""
    url = await door.browser().to_provider()
    bad = door.provider.logs_in(url)
    door.provider.broken = httpx.Response(400, json={"error": "invalid_grant", "x": "the-body"})
    await door.browser().get(bad)
    door.provider.broken = None
    await door.signed_in()
    link, bob = await link_for(door, "p:alice"), door.browser()
    await bob.get(link)
    await bob.post(link, {})
    await bob.post(link, {})  # it was used
    line = CommandLine(door)
    begun = await line.begin()
    await line.poll()
    page = await bob.get(f"/device?user_code={begun['user_code']}")
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)[1]
    form = {"csrf": csrf, "user_code": begun["user_code"], "answer": "allow"}
    await bob.post("/device", {**form, "csrf": "wrong"})
    await bob.post("/device", form)
    session = (await line.poll()).json()["access_token"]
    assert (await line.poll()).status_code == 400  # it is over
    secret = [
        *(asked_of(url)[name] for name in ("state", "nonce")),
        *(asked_of(bad)[name] for name in ("code", "state")),
        *("the-body", link.rpartition("/")[2], csrf, bob.session, session),
        *(begun["device_code"], begun["user_code"], SECRET),
    ]
    told = [repr(each) for each in (*await door.sim.ledger(), *log)]
    assert len(told) > 10
    for text in told:
        assert not [each for each in secret if each in text], text


async def test_nobody_signs_in_under_the_name_of_a_client(tmp_path):
    async with people_scene(tmp_path, tables=CLIENT + SIGN_IN) as door:
        browser = door.browser()
        answer = await browser.get(door.provider.logs_in(await browser.to_provider(), "robot"))
        assert answer.status_code == 403
        assert browser.session is None
        assert await door.person("p:robot") is None


async def test_who_gets_a_removed_persons_name_gets_none_of_their_sessions(door):
    await door.add(Person("dora", "Dora"))
    browser = door.browser()
    await browser.post(await link_for(door, "dora"), {})
    assert (await browser.get("/people/me")).status_code == 200
    await people(door).remove("dora")
    await door.add(Person("dora", "Another Dora"))
    assert (await browser.get("/people/me")).status_code == 303
