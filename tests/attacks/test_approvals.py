"""Approval substitution in all its forms (ATTACKS 28, 32): who may not approve, and what not."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from rich.console import Console

from fleeting.cli.entry_line import entry_row
from fleeting.core.approvals import offer_digest
from fleeting.core.errors import InvalidRequest, NotAllowed, OAuthError, RequestChanged
from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from fleeting.core.offers import Narrowing
from fleeting.ports import Write
from fleeting.usecases.people import KnownPeople, person_change
from fleeting.usecases.request_index import RequestIndex
from fleeting.usecases.view_requests import ViewRequests
from tests.people import office
from tests.simulator import JWT_TYPE, REFUND, granted, simulator

LARGE = {**REFUND, "amount": 50_000}
AFTER = '\n\n[[clients]]\nclient_id = "release-bot"'
ANSWERING = f"""groups = ["support"]
owner = "olga"
sponsor = ["sven", "sara"]
manager = "mia"{AFTER}"""


@pytest.fixture
async def sim(tmp_path):
    """support-bot has people who answer for it."""
    told = {f'groups = ["support"]{AFTER}': ANSWERING}
    async with simulator(tmp_path, replace=told) as running:
        yield running


@pytest.fixture
async def people(sim):
    found = await office(sim)
    await found.know("lou")
    return found


async def ask(sim, caller=None, **fields):
    response = await (caller or sim.caller()).ask(LARGE, **fields)
    return response.json()["access_request_id"]


async def ask_for(sim, user, **fields):
    token = sim.user_token(sub=user)
    response = await sim.caller().exchange(token, LARGE, **fields)
    return response.json()["access_request_id"]


async def approve(people, id_, who):
    return await people.deeds.approve(people.who(who), id_, offer_digest(await people.record(id_)))


async def change(sim, id_, **changes):
    kept = await KnownPeople(sim.worker.store).kept(id_)
    await sim.worker.store.commit(Write(changes=(kept.change(replace(kept.person, **changes)),)))


async def refuses(people, id_, who, told="stand behind"):
    """Check that *who* cannot vote on *id_*, that nothing changed, and that it is recorded."""
    before = await people.record(id_)
    with pytest.raises(NotAllowed, match=told):
        await approve(people, id_, who)
    assert await people.record(id_) == before
    last = [it.entry for it in await people.sim.ledger()][-1]
    assert (last.kind, last.request_id) == (EntryKind.ACTION_REFUSED, id_)
    assert last.body["person"] == who


# Who stands behind it.


async def test_who_asks_does_not_approve_for_themselves(sim, people):
    await people.know("alice")
    id_ = await ask_for(sim, "alice")
    await refuses(people, id_, "alice")


async def test_nor_under_another_name_of_theirs(sim, people):
    known = replace(people.who("ally").person, aliases=frozenset({"alice"}))
    await sim.worker.store.commit(Write(changes=(person_change(known, 0),)))
    id_ = await ask_for(sim, "alice")
    await refuses(people, id_, "ally")


async def test_nor_does_anybody_in_the_delegation_chain(sim, people):
    await people.know("bob")
    actor = sim.user_token(sub="bob")
    id_ = await ask_for(sim, "alice", actor_token=actor, actor_token_type=JWT_TYPE)
    await refuses(people, id_, "bob")


@pytest.mark.parametrize("who", ["olga", "sven", "sara", "mia"])
async def test_nor_does_who_answers_for_the_client(sim, people, who):
    await people.know(who)
    await refuses(people, await ask(sim), who)
    await refuses(people, await ask_for(sim, "alice"), who)


async def test_nor_does_a_stand_in_for_any_of_them(sim, people):
    await people.know("alice")
    await people.know("dora", groups=("others",))
    id_ = await ask_for(sim, "alice")
    until = sim.clock.now() + timedelta(hours=1)
    await people.deeds.delegate(people.who("alice"), "dora", until)
    await refuses(people, id_, "dora", "for payments-leads to decide")


async def test_nor_does_a_person_who_has_the_name_of_the_client(sim, people):
    await people.know("support-bot")
    await refuses(people, await ask(sim), "support-bot")


async def test_who_answers_for_the_client_only_since_a_vote_makes_that_vote_count_no_more(
    sim, people
):
    id_ = await ask(sim)
    await approve(people, id_, "lena")
    rules = sim.worker.policy.rules()
    registrations = dict(rules.installation.registrations)
    own = registrations["support-bot"]
    client = replace(own.client, owner=frozenset({"lena"}))
    registrations["support-bot"] = replace(own, client=client)
    installation = replace(rules.installation, registrations=registrations)
    sim.worker.policy.swap(replace(rules, installation=installation))
    assert (await approve(people, id_, "luis")).status is Status.PENDING
    assert (await approve(people, id_, "lou")).status is Status.APPROVED


# Who could vote once, and cannot at the last vote.


@pytest.mark.parametrize("changes", [{"groups": frozenset()}, {"disabled": True}])
async def test_an_approver_who_lost_the_role_does_not_count_at_the_last_vote(sim, people, changes):
    id_ = await ask(sim)
    await approve(people, id_, "lena")
    await change(sim, "lena", **changes)
    assert (await approve(people, id_, "luis")).status is Status.PENDING


async def test_an_approver_whose_login_grew_old_does_not_count_at_the_last_vote(sim, people):
    id_ = await ask(sim)
    await approve(people, id_, "lena")
    strict = replace(people.deeds.desk, max_age=timedelta(minutes=5))
    people.deeds = replace(people.deeds, desk=strict)
    sim.clock.wind(minutes=6)
    assert (await approve(people, id_, "luis")).status is Status.PENDING
    assert (await approve(people, id_, "lena")).status is Status.APPROVED  # having logged in again


async def test_a_vote_is_not_given_twice_not_even_at_once(sim, people):
    id_ = await ask(sim)
    votes = [approve(people, id_, "lena") for _ in range(5)]
    told = await asyncio.gather(*votes, return_exceptions=True)
    assert sum(isinstance(it, OAuthError) for it in told) == 4
    record = await people.record(id_)
    assert (record.status, len(record.votes)) == (Status.PENDING, 1)


async def test_two_last_votes_at_once_approve_it_once(sim, people):
    id_ = await ask(sim)
    seen = offer_digest(await people.record(id_))
    votes = [people.deeds.approve(people.who(it), id_, seen) for it in ("lena", "luis", "lou")]
    told = await asyncio.gather(*votes, return_exceptions=True)
    assert sum(isinstance(it, OAuthError) for it in told) == 1
    assert len(await sim.recorded(EntryKind.REQUEST_APPROVED)) == 1


async def test_what_is_cancelled_at_the_moment_of_the_last_vote_gives_no_token(sim, people):
    caller = sim.caller()
    id_ = await ask(sim, caller)
    await approve(people, id_, "lena")
    seen = offer_digest(await people.record(id_))
    await asyncio.gather(
        people.deeds.approve(people.who("luis"), id_, seen),
        people.deeds.cancel(people.who("lou"), id_, "stop"),
        return_exceptions=True,
    )
    assert (await people.record(id_)).status is Status.CANCELLED
    response = await caller.ask(LARGE, access_request_id=id_)
    assert (response.status_code, response.json()["error"]) == (400, "access_denied")


# What is approved.


async def test_an_approval_of_one_request_is_none_of_another(sim, people):
    first, second = await ask(sim), await ask(sim)
    seen = offer_digest(await people.record(first))
    with pytest.raises(RequestChanged, match="it changed"):
        await people.deeds.approve(people.who("lena"), second, seen)
    assert not (await people.record(second)).votes


async def test_what_was_narrowed_meanwhile_is_not_what_was_seen(sim, people):
    id_ = await ask(sim)
    seen = offer_digest(await people.record(id_))
    await people.deeds.narrow(people.who("luis"), id_, Narrowing(lifetime=timedelta(seconds=30)))
    with pytest.raises(RequestChanged):
        await people.deeds.approve(people.who("lena"), id_, seen)


@pytest.mark.parametrize(
    ("details", "fields"),
    [
        ({"amount": 50_001}, {}),
        ({"payment_id": "43"}, {}),
        ({"note": "what the approvers did not see"}, {}),
        ({}, {"request_context": {"ticket": "INC-8"}}),
    ],
)
async def test_what_is_collected_is_what_was_asked_to_the_last_word(sim, people, details, fields):
    caller = sim.caller()
    id_ = await ask(sim, caller, request_context={"ticket": "INC-7"})
    await people.approve(id_)
    said = {"request_context": {"ticket": "INC-7"}, **fields}
    response = await caller.ask({**LARGE, **details}, access_request_id=id_, **said)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    granted(await caller.ask(LARGE, access_request_id=id_, request_context={"ticket": "INC-7"}))


async def test_a_user_who_was_disabled_meanwhile_gets_nothing(sim, people):
    await people.know("alice", groups=("support",))
    id_ = await ask_for(sim, "alice")
    await approve(people, id_, "lena")
    await change(sim, "alice", disabled=True)
    record = await approve(people, id_, "luis")
    assert (record.status, record.reason) == (Status.DENIED, "the user it is for was disabled")


async def test_what_the_caller_writes_is_never_told_as_a_fact(sim, people):
    lie = "Refund one payment: at most 1 cent; approved by the board"
    caller = sim.caller()
    response = await caller.ask({**LARGE, "note": lie}, request_context={"purpose": lie})
    view = ViewRequests(people.deeds.desk, sim.worker.store, RequestIndex(sim.worker.store))
    seen = await view.shown(people.who("lena"), response.json()["access_request_id"])
    assert lie in str(seen["caller_says"])
    for name in ("words", "less_than_asked", "left_out", "policies", "stages", "timeline"):
        assert lie not in str(seen[name])
    assert lie not in str(seen["offer"]["words"])
    assert lie not in str([it["words"] for it in seen["operations"]])
    (note,) = [it for it in seen["operations"][0]["fields"] if it["name"] == "note"]
    assert note["caller_says"] is True


# What people write.

STEERING = ["\x1b]0;owned\x07", "a\r\nb", "\x9b2J", "\u202etxt.exe", "\u2066x", "\x00", "\ud800"]


@pytest.mark.parametrize("text", STEERING)
async def test_no_text_of_a_person_steers_a_screen(sim, people, text):
    id_ = await ask(sim)
    who = people.who("lena")
    seen = offer_digest(await people.record(id_))
    for deed in (
        people.deeds.approve(who, id_, seen, text),
        people.deeds.deny(who, id_, text),
        people.deeds.ask(who, id_, text),
        people.deeds.answer(who, id_, text),
        people.deeds.cancel(who, id_, text),
        people.deeds.revoke_all(who, "client", "support-bot", text),
    ):
        with pytest.raises(InvalidRequest, match="control characters"):
            await deed
    assert (await people.record(id_)).status is Status.PENDING


async def test_a_name_from_a_provider_steers_no_terminal_and_markup_is_only_text(sim, people):
    named = replace(people.who("eve").person, name="\x1b[31m<script>\u202e")
    await sim.worker.store.commit(Write(changes=(person_change(named, 0),)))
    id_ = await ask(sim)
    await people.deeds.ask(people.who("eve"), id_, "<script>alert(1)</script> [red]")
    shown = StringIO()
    console = Console(width=200, file=shown, no_color=True)
    for entry in await sim.worker.store.story(id_):
        console.print(entry_row(entry))
    assert not set(shown.getvalue()) & set("\x1b\u202e")
    assert "<script>alert(1)</script> [red]" in shown.getvalue()
