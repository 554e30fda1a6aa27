"""Whoever decides a request at the same time as others: exactly one outcome, on every store."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from fleeting.core.approvals import offer_digest
from fleeting.core.asking import asked_record
from fleeting.core.errors import OAuthError
from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from fleeting.core.model import AccessRequest, AskedBy, SenderConstraint, SenderKey
from fleeting.core.operations import parse_operation
from fleeting.core.people import Person, SignedIn
from fleeting.ports import Write
from fleeting.server.in_force import PolicyInForce
from fleeting.server.installing import installation, load_policy_set
from fleeting.server.world import SystemIds
from fleeting.usecases.decide_request import DecideRequest
from fleeting.usecases.people import KnownPeople, person_change
from fleeting.usecases.request_desk import RequestDesk
from fleeting.usecases.request_rows import change_of
from fleeting.usecases.rules import Rules
from fleeting.usecases.subjects import client_subject
from tests.installation import PAYMENTS, REFUND, Installation
from tests.people import Everybody

ROUNDS = 6
LEADS = ("lena", "luis", "lou")
OUTCOMES = {
    EntryKind.REQUEST_APPROVED,
    EntryKind.REQUEST_DENIED,
    EntryKind.REQUEST_EXPIRED,
    EntryKind.REQUEST_CANCELLED,
}


class Offices:
    """Two workers on one database, and what they are asked to decide."""

    def __init__(self, rules, clock):
        self.rules, self.clock = rules, clock
        self.deeds = []

    def at(self, number, clock=None):
        deeds = self.deeds[number]
        return deeds if clock is None else replace(deeds, desk=replace(deeds.desk, clock=clock))

    async def open(self, backend):
        for _ in range(2):
            store = await backend.store()
            people = KnownPeople(store)
            desk = RequestDesk(store, self.clock, PolicyInForce(self.rules), people, Everybody())
            self.deeds.append(DecideRequest(desk, SystemIds()))
        people = tuple(person_change(self.person(id_), 0) for id_ in LEADS)
        await self.store.commit(Write(changes=people))

    @property
    def store(self):
        return self.deeds[0].desk.store

    def person(self, id_):
        now = self.clock.now()
        return Person(id_, id_.title(), frozenset({"payments-leads"}), signed_in_at=now)

    def who(self, id_):
        return SignedIn(self.person(id_), f"session-{id_}", self.clock.now())

    async def ask(self, id_):
        declared, now = self.rules.installation, self.clock.now()
        types = declared.catalogue.types
        client = declared.registrations["support-bot"].client
        request = AccessRequest(
            id_,
            f"txn-{id_}",
            AskedBy.CLIENT_CREDENTIALS,
            client_subject(client),
            (),
            client,
            declared.catalogue.resources[PAYMENTS],
            (parse_operation({**REFUND, "amount": 50_000}, types),),
            {},
            SenderKey(SenderConstraint.DPOP, "key"),
        )
        decision = self.rules.policy.decide(request, now=now)
        record = asked_record(
            request,
            decision,
            self.rules.policy.policies,
            plan=None,
            types=types,
            clients={},
            now=now,
        )
        await self.store.commit(Write(changes=(change_of(record),)))
        return offer_digest(record)

    async def outcomes(self, id_):
        story = await self.store.story(id_)
        return Counter(it.entry.kind for it in story if it.entry.kind in OUTCOMES)


@pytest.fixture
async def offices(backend, tmp_path):
    settings = Installation(tmp_path / "here").write().load()
    rules = Rules(installation(settings), load_policy_set(settings, lambda *_: None))
    found = Offices(rules, backend.clock)
    await found.open(backend)
    return found


async def race(*deeds):
    """Do all at once; return which were refused."""
    told = await asyncio.gather(*deeds, return_exceptions=True)
    assert all(not isinstance(it, Exception) or isinstance(it, OAuthError) for it in told), told
    return [isinstance(it, OAuthError) for it in told]


async def test_of_three_who_vote_at_once_two_are_enough_and_it_is_approved_once(offices):
    for number in range(ROUNDS):
        id_ = f"votes-{number}"
        seen = await offices.ask(id_)
        votes = [
            offices.at(place % 2).approve(offices.who(id_of), id_, seen)
            for place, id_of in enumerate(LEADS)
        ]
        assert sum(await race(*votes)) == 1
        record = await offices.at(0).desk.found(id_)
        assert (record.status, len(record.votes)) == (Status.APPROVED, 2)
        assert await offices.outcomes(id_) == {EntryKind.REQUEST_APPROVED: 1}


async def test_one_person_at_two_workers_votes_once(offices):
    for number in range(ROUNDS):
        id_ = f"twice-{number}"
        seen = await offices.ask(id_)
        who = offices.who("lena")
        votes = [offices.at(place).approve(who, id_, seen) for place in (0, 1)]
        assert sum(await race(*votes)) == 1
        record = await offices.at(0).desk.found(id_)
        assert (record.status, len(record.votes)) == (Status.PENDING, 1)


async def test_a_yes_and_a_no_at_once_are_one_of_them(offices):
    for number in range(ROUNDS):
        id_ = f"deny-{number}"
        seen = await offices.ask(id_)
        await offices.at(0).approve(offices.who("lena"), id_, seen)
        refused = await race(
            offices.at(0).approve(offices.who("luis"), id_, seen),
            offices.at(1).deny(offices.who("lou"), id_, "no")
            if number % 2
            else _cancel(offices, id_),
        )
        record = await offices.at(0).desk.found(id_)
        outcomes = await offices.outcomes(id_)
        if number % 2:  # what was approved a moment ago can still be denied, before it is collected
            assert record.status in (Status.APPROVED, Status.DENIED)
        else:
            assert record.status is Status.CANCELLED
        assert outcomes[_last(record.status)] == 1
        assert refused.count(True) <= 1
        if outcomes[EntryKind.REQUEST_APPROVED]:
            assert refused[0] is False


def _cancel(offices, id_):
    return offices.at(1).cancel(offices.who("lou"), id_, "not needed")


def _last(status):
    return EntryKind(f"request.{status.value}")


async def test_the_last_vote_at_the_end_of_the_time_either_counts_or_came_too_late(offices):
    for number in range(ROUNDS):
        id_ = f"expire-{number}"
        seen = await offices.ask(id_)
        await offices.at(0).approve(offices.who("lena"), id_, seen)
        late = type(offices.clock)(offices.clock.now() + timedelta(minutes=15))
        await race(
            offices.at(0).approve(offices.who("luis"), id_, seen),
            offices.at(1, late).answer(offices.who("lou"), id_, "look"),  # finds that it expired
        )
        record = await offices.at(0).desk.found(id_)
        outcomes = await offices.outcomes(id_)
        assert outcomes[EntryKind.REQUEST_EXPIRED] + outcomes[EntryKind.REQUEST_APPROVED] >= 1
        if record.status is Status.EXPIRED:
            assert outcomes[EntryKind.REQUEST_EXPIRED] == 1
        else:
            assert record.status is Status.APPROVED
            assert outcomes == {EntryKind.REQUEST_APPROVED: 1}


async def test_the_ledger_has_every_refusal_of_a_race(offices):
    seen = await offices.ask("all")
    names = [LEADS[number % 3] for number in range(12)]
    refused = await race(
        *(offices.at(n % 2).approve(offices.who(it), "all", seen) for n, it in enumerate(names))
    )
    story = await offices.store.story("all")
    counted = Counter(it.entry.kind for it in story)
    assert counted[EntryKind.ACTION_REFUSED] == sum(refused) == 10
    assert counted[EntryKind.REQUEST_VOTED] == 2
    assert counted[EntryKind.REQUEST_APPROVED] == 1
