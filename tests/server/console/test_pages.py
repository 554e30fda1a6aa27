"""The pages, as those see them who decide."""

import re
from datetime import timedelta

import pytest

from fleeting.core.access_requests import ApprovalTerms, Offer
from fleeting.core.approvals import offer_digest
from fleeting.core.lifecycle import Status
from fleeting.core.model import ApprovalStage
from fleeting.core.offers import Narrowing
from fleeting.core.people import SignedIn
from tests.visits import ALICE, BEA, CARL, DORA, ID, broken_glass, keep, planned, refund, waiting

PAGE = f"/requests/{ID}"


def words(html: str) -> str:
    """Return the text of a page, as it is read."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


async def status_of(sim) -> str:
    return (await sim.worker.console.view.shown(SignedIn(CARL, "", sim.clock.now()), ID))["status"]


@pytest.mark.parametrize(
    "path", ["/", "/requests", "/requests?view=all", PAGE, "/delegate", "/people/me"]
)
async def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(sim, asked, path):
    response = await sim.get(path)
    assert response.status_code == 303
    location = response.headers["location"]
    assert location.startswith("/login?next=%2F")


async def test_my_work_shows_what_waits_for_me(sim, carl):
    page = words((await carl.get("/")).text)
    assert "Waiting for you to decide Refund one payment (refund)" in page
    assert "waits for 2 more of payments-leads" in page
    assert "You stand behind no request." in page


async def test_who_asked_sees_it_as_theirs_and_cannot_vote(sim, asked, visit):
    alice = await visit(ALICE)
    home = words((await alice.get("/")).text)
    assert "Nothing waits for you." in home
    assert "answer for Refund one payment" in home
    page = (await alice.get(PAGE)).text
    assert "you stand behind this request" in words(page)
    assert "/approve" not in page
    assert "/deny" not in page
    assert "/cancel" in page


async def test_a_request_says_what_for_whom_and_why(sim, carl):
    page = words((await carl.get(PAGE)).text)
    for said in (
        "Refund one payment: refund",
        "amount at most 20000 cent",
        "lives 5m, 1 use, bound to the key that asked",
        "Reaches http://127.0.0.1:8401 (guarded by payments-api)",
        "Alice Asker (alice) through support-bot",
        "Context: the caller's own words, not checked ticket INC-7",
        "2 of payments-leads 2 missing",
        "Policy large-refunds",
        "May not decide it Alice Asker (alice)",
        "Never, by this client",
    ):
        assert said in page, said
    assert page.index("Refund one payment: refund") < page.index("caller's own words")


async def test_approving_takes_the_offer_that_was_shown(sim, carl, asked, visit):
    await carl.get(PAGE)
    response = await carl.post(f"{PAGE}/approve", offer=carl.offer(), comment=" as\nagreed ")
    assert response.status_code == 303
    assert response.headers["location"] == f"{PAGE}?done=approve"
    page = words((await carl.get(f"{PAGE}?done=approve")).text)
    assert "Your approval is recorded." in page
    assert "Carl Claes (carl)" in page
    assert "as agreed" in page
    assert "you voted already" in page
    bea = await visit(BEA)
    await bea.get(PAGE)
    assert (await bea.post(f"{PAGE}/approve", offer=bea.offer())).status_code == 303
    assert await status_of(sim) == "approved"


async def test_an_offer_that_changed_is_not_approved_and_it_is_said_how(sim, carl, visit):
    bea = await visit(BEA)
    await bea.get(PAGE)
    seen, offer = sim.clock.now(), bea.offer()
    sim.clock.wind(seconds=5)
    await carl.get(PAGE)
    form = {"op.0": "on", "op.0.action.refund": "on", "op.0.choice.currency.0": "on"}
    narrowed = await carl.post(f"{PAGE}/narrow", **form, **{"op.0.field.amount": "2000"})
    assert narrowed.status_code == 303
    response = await bea.post(f"{PAGE}/approve", offer=offer, seen=seen.isoformat())
    assert response.status_code == 409
    page = words(response.text)
    assert "Nothing was done. it changed: look at what is offered now, then decide" in page
    assert "Carl Claes" in page
    assert "at most 2000 cent at most 20000 cent" in page
    bea.shown = response.text
    assert bea.offer() != offer
    assert (await bea.post(f"{PAGE}/approve", offer=bea.offer())).status_code == 303


async def test_denying_needs_a_reason_and_who_asked_reads_it(sim, carl, visit):
    await carl.get(PAGE)
    response = await carl.post(f"{PAGE}/deny", reason="  ")
    assert response.status_code == 400
    assert "&#39;reason&#39; is missing" in response.text
    assert await status_of(sim) == "pending"
    response = await carl.post(f"{PAGE}/deny", reason="refunded yesterday")
    assert response.status_code == 303
    assert await status_of(sim) == "denied"
    alice = await visit(ALICE)
    assert "refunded yesterday" in words((await alice.get(PAGE)).text)


async def test_narrowing_never_makes_wider(sim, carl):
    await carl.get(PAGE)
    form = {"op.0": "on", "op.0.action.refund": "on", "op.0.choice.currency.0": "on"}
    response = await carl.post(f"{PAGE}/narrow", **form, **{"op.0.field.amount": "20001"})
    assert response.status_code == 400
    assert "20001 is more than 20000" in response.text


async def test_what_is_kept_of_another_offer_than_the_one_shown_is_not_guessed(sim, carl, visit):
    id_ = f"{ID[:-1]}2"
    both = Offer((refund(), refund(payment_id="43")), timedelta(minutes=5), 1)
    await keep(sim.worker, waiting(sim.clock.now(), id_, offer=both))
    await carl.get(f"/requests/{id_}")
    bea = SignedIn(BEA, "", sim.clock.now())
    await sim.worker.console.decide.narrow(bea, id_, Narrowing(operations=both.operations[1:]))
    form = {"op.0": "on", "op.0.action.refund": "on", "op.0.choice.currency.0": "on"}
    fields = {**form, "op.0.field.amount": "5", "offer": carl.offer()}  # of payment 42, it meant
    response = await carl.post(f"/requests/{id_}/narrow", **fields)
    assert response.status_code == 409
    assert "it changed: look at what is offered now" in response.text
    kept = await sim.worker.console.decide.desk.found(id_)
    assert kept.offer.operations == both.operations[1:]


async def test_questions_and_answers_are_shown_with_who_said_them(sim, carl, visit):
    await carl.get(PAGE)
    assert (await carl.post(f"{PAGE}/ask", text="which invoice?")).status_code == 303
    alice = await visit(ALICE)
    await alice.get(PAGE)
    assert (await alice.post(f"{PAGE}/answer", text="2026-0042")).status_code == 303
    page = words((await alice.get(PAGE)).text)
    assert "Question of Carl Claes (carl)" in page
    assert "Answer of Alice Asker (alice)" in page


async def test_who_asked_takes_it_back(sim, asked, visit):
    alice = await visit(ALICE)
    await alice.get(PAGE)
    assert (await alice.post(f"{PAGE}/cancel")).status_code == 303
    assert await status_of(sim) == "cancelled"


async def test_a_grant_is_given_back_extended_or_revoked(sim, asked, visit):
    now = sim.clock.now()
    for number in "23":
        grant = waiting(
            now,
            f"{ID[:-1]}{number}",
            status=Status.GRANTED,
            granted_at=now,
            not_after=now + timedelta(minutes=5),
        )
        await keep(sim.worker, grant)
    alice = await visit(ALICE)
    second, third = (f"/requests/{ID[:-1]}{number}" for number in "23")
    page = (await alice.get(second)).text
    assert f"{second}/return" in page
    response = await alice.post(f"{second}/extend", duration="2m")
    assert response.status_code == 303
    new = response.headers["location"]
    assert new.endswith("?done=extend")
    assert not new.startswith(second)
    assert "makes an earlier grant last longer" in words((await alice.get(new)).text)
    assert (await alice.post(f"{second}/extend", duration="soon")).status_code == 400
    assert (await alice.post(f"{second}/return")).status_code == 303
    dora = await visit(DORA)
    await dora.get(third)
    assert (await dora.post(f"{third}/revoke", reason="its key leaked")).status_code == 303
    assert "its key leaked" in words((await dora.get(third)).text)


async def test_break_glass_alarms_its_group_on_every_page_and_all_once_it_is_overdue(
    sim, asked, visit
):
    id_ = f"{ID[:-1]}9"
    await keep(sim.worker, broken_glass(sim.clock.now(), id_))
    bea, carl = await visit(BEA), await visit(CARL)
    for path in ("/", "/requests", "/people/me", "/delegate", PAGE):
        assert "Break-glass for oncall-leads" in words((await bea.get(path)).text)
    assert "Break-glass for" not in words((await carl.get("/people/me")).text)
    assert "Break-glass to be reviewed" in words((await carl.get("/")).text)
    page = words((await bea.get(f"/requests/{id_}")).text)
    assert "the caller's own words, not checked the shop is down and nobody answers" in page
    sim.clock.wind(hours=25)
    carl = await visit(CARL)
    assert "Review overdue for oncall-leads" in words((await carl.get("/people/me")).text)
    bea = await visit(BEA)
    await bea.get(f"/requests/{id_}")
    done = await bea.post(f"/requests/{id_}/review", note="the outage was real")
    assert done.status_code == 303
    page = words((await bea.get(f"/requests/{id_}")).text)
    assert "Reviewed by Bea Berg (bea)" in page
    assert "overdue" not in page


async def test_a_plan_says_how_many_tokens_and_how_much_in_all(sim, carl):
    id_ = f"{ID[:-1]}2"
    await keep(sim.worker, planned(sim.clock.now(), id_))
    page = words((await carl.get(f"/requests/{id_}")).text)
    assert "at most 10 tokens within 2h; payment_refund.amount adds up to at most 100000" in page


async def test_a_stale_login_is_asked_to_sign_in_again(sim, carl):
    id_ = f"{ID[:-1]}2"
    terms = ApprovalTerms(
        (ApprovalStage(1, "payments-leads"),), ("large-refunds",), max_age=timedelta(minutes=1)
    )
    await keep(sim.worker, waiting(sim.clock.now(), id_, terms=terms))
    await carl.get(f"/requests/{id_}")
    offer = carl.offer()
    sim.clock.wind(minutes=2)
    page = (await carl.get(f"/requests/{id_}")).text
    assert "Sign in again to approve" in page
    assert f"next=/requests/{id_}" in page
    response = await carl.post(f"/requests/{id_}/approve", offer=offer)
    assert response.status_code == 401
    assert "Sign in again" in response.text


async def test_lists_come_in_pages_of_fifty(sim, carl):
    now = sim.clock.now()
    records = [waiting(now, f"{ID[:-4]}{number:04}") for number in range(100, 160)]
    await keep(sim.worker, *records)
    first = (await carl.get("/requests?view=open")).text
    assert first.count('class="what"') == 50
    assert "Older" in first
    assert "Newer" not in first
    second = (await carl.get("/requests?view=open&page=2")).text
    assert second.count('class="what"') == 11
    assert "Newer" in second
    assert "Older" not in second


@pytest.mark.parametrize("query", ["view=everything", "page=x", "page=-1", "page=%C2%B2"])
async def test_a_list_that_is_none_is_a_clear_page(sim, carl, query):
    response = await carl.get(f"/requests?{query}")
    assert response.status_code == 400
    assert response.headers["content-type"].startswith("text/html")


async def test_what_is_not_there_is_a_clear_page(sim, carl):
    response = await carl.get("/requests/unknown")
    assert response.status_code == 404
    assert "There is no such request" in response.text
    assert response.headers["content-security-policy"].startswith("default-src 'none'")


async def test_what_nobody_may_do_is_a_clear_page(sim, carl):
    await carl.get(PAGE)
    response = await carl.post(f"{PAGE}/cancel")
    assert response.status_code == 403
    assert "You may not do this" in response.text


async def test_an_unknown_deed_changes_nothing(sim, carl):
    await carl.get(PAGE)
    assert (await carl.post(f"{PAGE}/grant")).status_code == 400
    assert await status_of(sim) == "pending"


async def test_a_store_that_does_not_answer_is_told_as_such(sim, carl, monkeypatch):
    async def nothing(*_a, **_k):
        from fleeting.ports import StoreUnavailableError

        raise StoreUnavailableError("cut off")

    monkeypatch.setattr(type(sim.worker.store), "record", nothing)
    response = await carl.get(PAGE)
    assert response.status_code == 503
    assert "cut off" not in response.text


async def test_being_away_and_back(sim, carl):
    page = (await carl.get("/delegate")).text
    assert "In UTC; now it is 2026-01-01 12:00:00 UTC" in words(page)
    response = await carl.post("/delegate", to="dora", until="2026-01-03T09:00")
    assert response.status_code == 303
    page = words((await carl.get("/delegate?done=delegate")).text)
    assert "It is recorded who votes in your place." in page
    assert "dora votes in your place until 2026-01-03 09:00:00 UTC" in page
    assert (await carl.post("/delegate")).status_code == 303
    assert "votes in your place until" not in words((await carl.get("/delegate")).text)


async def test_a_stand_in_who_is_nobody_is_refused_with_what_was_written(sim, carl):
    await carl.get("/delegate")
    response = await carl.post("/delegate", to="nobody", until="2026-01-03T09:00")
    assert response.status_code == 400
    assert 'value="nobody"' in response.text
    assert "name another person" in response.text


async def test_a_page_about_oneself(sim, carl):
    page = words((await carl.get("/people/me")).text)
    assert "Known here as carl" in page
    assert "Groups payments-leads" in page
    assert "view, approve, deny" in page


async def test_a_narrowed_offer_shows_what_it_was(sim, carl, asked):
    who = SignedIn(CARL, "", sim.clock.now())
    narrowing = Narrowing(lifetime=timedelta(minutes=1))
    await sim.worker.console.decide.narrow(who, ID, narrowing)
    page = words((await carl.get(PAGE)).text)
    assert "lives 1m 5m" in page
    assert "Narrowed by Carl Claes (carl)" in page
    assert offer_digest(asked) not in (await carl.get(PAGE)).text


async def test_an_operation_that_is_left_out_is_named(sim, carl):
    id_ = f"{ID[:-1]}2"
    asked = Offer((refund(), refund(payment_id="43")), timedelta(minutes=5), 1)
    left = Offer((refund(),), timedelta(minutes=5), 1)
    await keep(sim.worker, waiting(sim.clock.now(), id_, offer=asked))
    who = SignedIn(CARL, "", sim.clock.now())
    await sim.worker.console.decide.narrow(who, id_, Narrowing(operations=left.operations))
    page = words((await carl.get(f"/requests/{id_}")).text)
    assert "Left out: Refund one payment (refund): payment_id &#34;43&#34;" in page


async def test_the_stylesheet_is_kept_for_ever_at_an_address_of_its_content(sim, carl):
    page = (await carl.get("/")).text
    (path,) = re.findall(r'href="(/assets/[0-9a-f]+/console\.css)"', page)
    response = await sim.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/css")
    assert "immutable" in response.headers["cache-control"]
    for wrong in ("/assets/0/console.css", path.replace("console.css", "..%2Fpages.py")):
        assert (await sim.get(wrong)).status_code == 404
