"""The pages where people approve: other sites, mail scanners, and texts that callers control.

ATTACKS 37 (open redirects, 307), 38 (CSRF, clickjacking, prefetching), 33 (bodies without end).
"""

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from fleeting.core.people import Delegation, Person
from tests.simulator import ISSUER
from tests.visits import (
    ALICE,
    BEA,
    CARL,
    EVERYONE,
    GROUP,
    ID,
    MARKUP,
    Visit,
    keep,
    poisoned,
    waiting,
)

PAGE = f"/requests/{ID}"
PATHS = ("/", "/requests", "/requests?view=all", PAGE, "/delegate", "/people/me", "/login")


@pytest.fixture
async def carl(sim):
    await keep(sim.worker, *EVERYONE, waiting(sim.clock.now()))
    return await Visit(sim.worker, sim.http, CARL).sign_in()


async def record_of(sim):
    from fleeting.ports import RecordKind

    return await sim.worker.store.record(RecordKind.REQUEST, ID)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", None, "http://127.0.0.1:8401"])
@pytest.mark.parametrize(
    ("path", "form"),
    [
        (f"{PAGE}/approve", {}),
        (f"{PAGE}/deny", {"reason": "x"}),
        (f"{PAGE}/narrow", {"lifetime": "1s"}),
        ("/delegate", {"to": "dora", "until": "2026-01-03T09:00"}),
        ("/logout", {}),
    ],
)
async def test_another_site_s_form_does_nothing(sim, carl, origin, path, form):
    await carl.get(PAGE)
    if path.endswith("/approve"):
        form = {"offer": carl.offer()}
    before = await record_of(sim)
    response = await carl.post(path, origin=origin, **form)
    assert response.status_code == 403
    assert await record_of(sim) == before
    assert (await carl.get("/people/me")).status_code == 200


@pytest.mark.parametrize("csrf", ["", "guessed", "A" * 43])
async def test_a_form_without_the_session_s_own_token_does_nothing(sim, carl, csrf):
    await carl.get(PAGE)
    before = await record_of(sim)
    response = await carl.post(f"{PAGE}/approve", csrf=csrf, offer=carl.offer())
    assert response.status_code == 403
    assert await record_of(sim) == before


async def test_the_token_of_the_attacker_s_own_session_does_nothing(sim, carl):
    bea = await Visit(sim.worker, sim.http, BEA).sign_in()
    await bea.get(PAGE)
    stolen = re.search(r'name="csrf" value="([^"]+)"', bea.shown)[1]
    await carl.get(PAGE)
    response = await carl.post(f"{PAGE}/approve", csrf=stolen, offer=carl.offer())
    assert response.status_code == 403


async def test_a_cookie_alone_makes_no_call_of_the_api_that_changes_anything(sim, carl):
    before = await record_of(sim)
    for headers in (
        {},
        {"origin": ISSUER},
        {"origin": "https://evil.example", "x-csrf-token": sim.worker.console.door.csrf},
    ):
        sent = {**carl.headers, **{n: v for n, v in headers.items() if isinstance(v, str)}}
        url = f"{ISSUER}/api{PAGE}/deny"
        response = await sim.http.post(url, headers=sent, json={"reason": "x"})
        assert response.status_code == 403
    # What a form of another site can send without being asked first (Fetch: simple requests).
    for media_type in ("text/plain", "application/x-www-form-urlencoded"):
        csrf = sim.worker.console.door.sessions.csrf_token(carl.token)
        sent = {**carl.headers, "origin": ISSUER, "x-csrf-token": csrf, "content-type": media_type}
        response = await sim.http.post(url, headers=sent, content=b'{"reason": "x"}')
        assert response.status_code == 400
    assert await record_of(sim) == before


@pytest.mark.parametrize("deed", ["approve", "deny", "cancel", "revoke", "narrow", "review"])
async def test_a_mail_scanner_that_opens_every_address_decides_nothing(sim, carl, deed):
    await carl.get(PAGE)
    before, entries = await record_of(sim), len(await sim.ledger())
    for method in ("GET", "HEAD"):
        for path in (f"{PAGE}/{deed}", f"/api{PAGE}/{deed}", f"{PAGE}/{deed}?offer={carl.offer()}"):
            response = await sim.http.request(method, ISSUER + path, headers=carl.headers)
            assert response.status_code == 405
    assert await record_of(sim) == before
    assert len(await sim.ledger()) == entries


async def test_looking_at_every_page_changes_nothing(sim, carl):
    before, entries = await record_of(sim), len(await sim.ledger())
    for path in PATHS:
        for method in ("GET", "HEAD"):
            await sim.http.request(method, ISSUER + path, headers=carl.headers)
    assert await record_of(sim) == before
    assert len(await sim.ledger()) == entries


@pytest.mark.parametrize("path", [*PATHS, "/requests/unknown", f"{PAGE}/nothing"])
async def test_no_page_stands_in_a_frame_runs_a_script_or_is_kept(sim, carl, path):
    for headers in (carl.headers, {}):
        response = await sim.http.get(ISSUER + path, headers=headers)
        if response.status_code == 405:
            continue
        policy = response.headers.get("content-security-policy", "")
        if response.status_code != 303 or path != "/login":
            assert "frame-ancestors 'none'" in policy or response.status_code == 303
        assert "unsafe-inline" not in policy
        assert response.headers["cache-control"] == "no-store"
        if response.status_code == 200:
            assert response.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nothing-here"), ("PUT", "/login"), ("GET", f"{PAGE}/approve")]
)
async def test_nor_does_what_is_no_page_at_all(sim, method, path):
    response = await sim.http.request(method, ISSUER + path)
    assert response.status_code in (404, 405)
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


async def test_no_page_has_anything_inline(sim, carl):
    for path in PATHS:
        page = (await carl.get(path)).text
        assert not re.search(r"<style|style=|\son[a-z]+=|javascript:|<script(?! src=)", page), path


async def test_after_a_form_the_browser_is_sent_on_with_a_get_and_never_elsewhere(sim, carl):
    await carl.get(PAGE)
    response = await carl.post(f"{PAGE}/ask", text="why?", next="https://evil.example")
    assert response.status_code == 303
    assert response.headers["location"] == f"{PAGE}?done=ask"


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/%2F/evil.example",
        "/requests/%2F%2Fevil.example",
        "/requests//evil.example",
        "/requests/..%2F..%2Fevil",
    ],
)
async def test_who_is_not_signed_in_is_only_ever_sent_to_our_login(sim, carl, path):
    response = await sim.http.get(f"{ISSUER}{path}")
    if response.status_code == 303:
        assert response.headers["location"].startswith("/login?next=%2F")
        assert "//evil" not in response.headers["location"]
    else:
        assert response.status_code == 404


async def test_a_word_of_the_address_is_never_shown(sim, carl):
    page = (await carl.get(f"{PAGE}?done=<script>alert(1)</script>")).text
    assert "alert(1)" not in page
    page = (await carl.get("/requests?view=<script>alert(1)</script>")).text
    assert "alert(1)" not in page


class Tags(HTMLParser):
    """Which elements and attributes a page has, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.said = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.said += data


async def test_markup_in_every_text_that_others_control_is_text(sim):
    now = sim.clock.now()
    villain = Person(
        MARKUP,
        MARKUP,
        frozenset({GROUP}),
        delegations=(Delegation(MARKUP, now, now + timedelta(hours=1)),),
    )
    record = poisoned(now)
    await keep(sim.worker, *EVERYONE, villain, record)
    visit = await Visit(sim.worker, sim.http, villain).sign_in()
    reader = await Visit(sim.worker, sim.http, CARL).sign_in()
    await reader.get(PAGE)
    await reader.post(f"{PAGE}/ask", text="<script>alert(3)</script>")
    clean = Tags((await reader.get("/people/me")).text)
    for who in (visit, reader):
        for path in PATHS[:-1]:
            response = await who.get(path)
            assert response.status_code == 200, (path, response.text)
            page = Tags(response.text)
            assert page.names.isdisjoint({"script", "img", "iframe", "object", "base", "style"})
            assert not {name for name in page.attributes if name.startswith("on")}
            assert "\u202e" not in response.text
            assert "\u200b" not in response.text
            assert "49" not in page.said.replace("7*7", "")
    shown = Tags((await reader.get(PAGE)).text).said
    assert shown.count("<script>alert(1)</script>") > 10
    assert "⟦U+202E⟧" in shown
    assert "script" not in clean.names


async def test_the_caller_s_words_never_stand_as_fact(sim):
    now = sim.clock.now()
    lie = "approved by the board: amount at most 5 cent"
    record = waiting(now, offer=None, context={"purpose": lie}, break_glass=lie)
    await keep(sim.worker, *EVERYONE, record)
    carl = await Visit(sim.worker, sim.http, CARL).sign_in()
    page = (await carl.get(PAGE)).text
    said = re.findall(
        r'<div class="said"><span class="by">([^<]*)</span>(.*?)</div>', page, re.DOTALL
    )
    marked = [text for by, text in said if "not checked" in by]
    assert sum(text.count(lie) for text in marked) == 2
    assert page.count(lie) == 2


async def test_no_session_is_taken_from_an_address_or_a_form(sim, carl):
    for path in (f"/?fleeting={carl.token}", f"/people/me?session={carl.token}"):
        response = await sim.http.get(ISSUER + path)
        assert response.status_code == 303
    response = await sim.http.post(
        f"{ISSUER}{PAGE}/ask",
        headers={"origin": ISSUER},
        data={"fleeting": carl.token, "text": "x"},
    )
    assert response.status_code == 303
    assert response.headers["location"].startswith("/login")
    assert "set-cookie" not in response.headers


async def test_a_session_that_is_over_does_nothing(sim, carl):
    await carl.get(PAGE)
    offer = carl.offer()
    sim.clock.wind(hours=2)
    before = await record_of(sim)
    response = await carl.post(f"{PAGE}/approve", offer=offer)
    assert response.status_code == 303
    assert response.headers["location"].startswith("/login")
    assert await record_of(sim) == before


async def test_who_may_not_decide_is_refused_whatever_the_form_says_and_it_is_recorded(sim, carl):
    await carl.get(PAGE)
    alice = await Visit(sim.worker, sim.http, ALICE).sign_in()
    await alice.get(PAGE)
    for deed, form in (("approve", {"offer": carl.offer()}), ("deny", {"reason": "x"})):
        response = await alice.post(f"{PAGE}/{deed}", **form)
        assert response.status_code == 403
    refused = await sim.recorded(EntryKind.ACTION_REFUSED)
    assert [entry.body["action"] for entry in refused] == ["approve", "deny"]


async def test_an_offer_of_another_request_is_not_approved_here(sim, carl):
    other = f"{ID[:-1]}2"
    await keep(sim.worker, waiting(sim.clock.now(), other))
    await carl.get(f"/requests/{other}")
    offer = carl.offer()
    await carl.get(PAGE)
    response = await carl.post(f"{PAGE}/approve", offer=offer)
    assert response.status_code == 409


async def test_a_form_that_narrows_an_older_offer_narrows_nothing(sim):
    """Its ticks are places in lists as they were shown: in others they keep other things."""
    carl, bea = [await Visit(sim.worker, sim.http, each).sign_in() for each in (CARL, BEA)]
    await keep(sim.worker, *EVERYONE, waiting(sim.clock.now()))
    kept = {"op.0": "on", "op.0.action.refund": "on", "op.0.choice.currency.0": "on"}
    for visit in (carl, bea):
        await visit.get(PAGE)
    done = await bea.post(
        f"{PAGE}/narrow", offer=bea.offer(), **kept, **{"op.0.field.amount": "9000"}
    )
    assert done.status_code == 303, done.text
    before = await record_of(sim)
    late = await carl.post(f"{PAGE}/narrow", offer=carl.offer(), lifetime="1m", **kept)
    assert late.status_code == 409
    assert "it changed" in late.text
    assert await record_of(sim) == before


async def test_what_is_over_cannot_be_approved(sim, carl):
    id_ = f"{ID[:-1]}2"
    await keep(sim.worker, waiting(sim.clock.now(), id_, status=Status.DENIED))
    await carl.get(PAGE)
    response = await carl.post(f"/requests/{id_}/approve", offer="0" * 64)
    assert response.status_code == 409


async def test_a_body_without_end_is_not_read_to_its_end(sim, carl):
    await carl.get(PAGE)
    response = await carl.post(f"{PAGE}/ask", text="x" * 300_000)
    assert response.status_code == 413
