"""Whose votes count, who may vote, and when it is enough (ATTACKS 28)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.approvals import (
    NoSeat,
    Seat,
    counting,
    groups_of,
    ids_in,
    is_behind,
    may_decide,
    met,
    offer_digest,
    reassigned,
    seat_of,
    standing,
    with_vote,
)
from fleeting.core.ceremony import Escalation
from fleeting.core.limits import parse_approval
from fleeting.core.model import Actor
from fleeting.core.people import Delegation
from tests.approving import NOW, minutes, offer, pending, person, refund, situation, vote

BOB, CAROL, DAVE = person("bob"), person("carol"), person("dave")
LOGIN = NOW - minutes(5)


def why_idle(record, *people, **changes):
    counted = standing(record, situation(*people, **changes))
    return [idle.why for idle in counted.idle]


def seat(record, who, *others, signed_in_at=LOGIN, **changes):
    return seat_of(record, who, signed_in_at, situation(who, *others, **changes))


def away(who, to, **changes):
    return replace(who, delegations=(Delegation(to, NOW - minutes(60), NOW + minutes(60)),))


def escalating(record, after=5, group="heads"):
    terms = replace(record.terms, escalation=Escalation(minutes(after), group))
    return replace(record, terms=terms)


# Counting.


def test_two_distinct_members_are_enough_where_two_are_asked_for():
    record = pending(votes=(vote("bob"), vote("carol")))
    counted = standing(record, situation(BOB, CAROL))
    assert counted.met
    assert counted.current is None
    assert counting(counted) == record.votes
    assert not standing(replace(record, votes=(vote("bob"),)), situation(BOB)).met


def test_stages_are_met_one_after_the_other():
    record = pending("1 of leads, then 1 of finance", votes=(vote("bob"),))
    counted = standing(record, situation(BOB))
    assert [stage.missing for stage in counted.stages] == [0, 1]
    assert counted.current == 1
    record = with_vote(record, vote("dana", "finance", 1))
    assert standing(record, situation(BOB, person("dana", "finance"))).met


@pytest.mark.parametrize(
    ("people", "why"),
    [
        ((), "not known"),
        ((replace(BOB, disabled=True),), "disabled"),
        ((person("bob", "other"),), "is not in leads any more"),
        ((replace(BOB, aliases=frozenset({"alice"})),), "stands behind"),
    ],
)
def test_a_vote_of_who_could_not_vote_now_counts_no_more(people, why):
    (told,) = why_idle(pending(votes=(vote("bob"),)), *people)
    assert why in told


def test_a_vote_counts_only_while_the_login_is_fresh_and_a_new_login_makes_it_so():
    record = pending(votes=(vote("bob", signed_in_at=NOW - minutes(61)),))
    stale = replace(BOB, signed_in_at=None)
    assert "too long ago" in why_idle(record, stale, max_age=minutes(60))[0]
    assert not why_idle(record, stale, max_age=minutes(61))
    assert not why_idle(record, BOB, max_age=minutes(60))
    strict = replace(record, terms=replace(record.terms, max_age=minutes(1)))
    assert "too long ago" in why_idle(strict, BOB)[0]


def test_a_vote_for_less_than_is_offered_does_not_count():
    less = offer(uses=1, lifetime=minutes(1))
    assert "for less" in why_idle(pending(votes=(vote("bob", offer=less),)), BOB)[0]
    narrowed = pending(votes=(vote("bob"),), offer=offer(100))
    assert not why_idle(narrowed, BOB)


@pytest.mark.parametrize("changes", [{"stage": 1}, {"stage": -1}, {"group": "finance"}])
def test_a_vote_for_a_stage_or_a_group_that_is_not_asked_does_not_count(changes):
    record = pending(votes=(vote("bob", **changes),))
    assert "not asked at this stage" in why_idle(record, person("bob", "leads", "finance"))[0]


def test_one_human_counts_once_whatever_they_are_called():
    twice = replace(BOB, aliases=frozenset({"robert"}))
    record = pending(votes=(vote("bob"), vote("robert")))
    assert why_idle(record, twice) == ["the same person counts already"]


def test_a_person_in_two_groups_counts_once():
    both = person("bob", "leads", "finance")
    record = pending(
        "1 of leads, then 1 of finance", votes=(vote("bob"), vote("bob", "finance", 1))
    )
    assert not standing(record, situation(both)).met
    assert isinstance(seat(replace(record, votes=(vote("bob"),)), both), NoSeat)


def test_who_is_away_and_who_stands_in_are_one_seat():
    absent, other = away(BOB, "dora"), person("dora", "other")
    record = pending(votes=(vote("dora", instead_of="bob"),))
    assert standing(record, situation(absent, other)).taken == {"bob", "dora"}
    assert "voted already" in seat(record, absent, other).why
    both = replace(record, votes=(*record.votes, vote("bob")))
    assert why_idle(both, absent, other) == ["the same person counts already"]


@pytest.mark.parametrize(
    ("absent", "why"),
    [
        (None, "nobody who could vote"),
        (BOB, "nobody who could vote"),
        (replace(away(BOB, "dora"), disabled=True), "nobody who could vote"),
        (away(BOB, "eve"), "nobody who could vote"),
        (away(person("bob", "other"), "dora"), "not in leads"),
        (replace(away(BOB, "dora"), aliases=frozenset({"alice"})), "stands behind the request"),
    ],
)
def test_a_vote_in_the_place_of_somebody_counts_only_while_they_could_vote_themselves(absent, why):
    others = () if absent is None else (absent,)
    record = pending(votes=(vote("dora", instead_of="bob"),))
    assert why in why_idle(record, person("dora", "other"), *others)[0]


# Who may vote.


def test_a_member_of_the_current_stage_may_vote_and_nobody_else():
    record = pending("1 of leads, then 1 of finance")
    assert seat(record, BOB) == Seat(0, "leads")
    assert seat(record, person("dana", "finance")) == NoSeat("it is for leads to decide now")
    after = replace(record, votes=(vote("carol"),))
    assert seat(after, person("dana", "finance"), CAROL) == Seat(1, "finance")
    assert isinstance(seat(after, BOB, CAROL), NoSeat)


@pytest.mark.parametrize(
    "record",
    [
        pending(behind=frozenset({"bob"})),
        pending(behind=frozenset({"robert"})),
        pending(
            request=replace(pending().request, subject=replace(pending().request.subject, id="bob"))
        ),
        pending(request=replace(pending().request, actors=(Actor("robert"),))),
    ],
)
def test_who_stands_behind_a_request_under_any_name_has_no_seat(record):
    who = replace(BOB, aliases=frozenset({"robert"}))
    assert is_behind(record, who)
    assert "stand behind" in seat(record, who).why
    assert "for leads to decide" in seat(record, person("dora", "x"), away(who, "dora")).why


def test_nobody_votes_twice_is_disabled_or_comes_too_late():
    record = pending(votes=(vote("bob"),))
    assert "voted already" in seat(record, BOB).why
    assert "disabled" in seat(pending(), replace(BOB, disabled=True)).why
    enough = pending("1 of leads", votes=(vote("carol"),))
    assert "enough" in seat(enough, BOB, CAROL).why


def test_whose_vote_counts_no_more_may_vote_again_and_the_new_vote_takes_its_place():
    stale = vote("bob", signed_in_at=NOW - minutes(999))
    record = pending(votes=(stale,))
    who = replace(BOB, signed_in_at=None)
    assert seat(record, who) == Seat(0, "leads")
    assert with_vote(record, vote("bob")).votes == (vote("bob"),)


def test_an_old_login_is_told_to_be_renewed_but_only_to_who_may_vote():
    old = NOW - minutes(13 * 60)
    assert seat(pending(), BOB, signed_in_at=old) == NoSeat(
        "you logged in too long ago for this: log in again", stale=True
    )
    assert not seat(pending(), person("dora", "x"), signed_in_at=old).stale


def test_after_a_silence_another_group_may_vote_at_any_stage():
    head = person("hana", "heads")
    record = escalating(pending("1 of leads, then 1 of finance"))
    assert groups_of(record) == {"leads", "finance", "heads"}
    assert isinstance(seat(record, head), NoSeat)
    assert seat(record, head, now=NOW + minutes(4)) == Seat(0, "heads")
    early = replace(record, votes=(vote("hana", "heads"),))
    assert "not asked" in why_idle(early, head)[0]
    late = replace(record, votes=(vote("hana", "heads", at=NOW + minutes(4)),))
    assert not why_idle(late, head, now=NOW + minutes(4))


def test_a_stand_in_votes_in_the_place_of_whoever_is_away_and_has_no_vote_yet():
    other = person("dora", "other")
    absent = [away(BOB, "dora"), away(CAROL, "dora")]
    assert seat(pending(), other, *absent) == Seat(0, "leads", "bob")
    assert seat(pending(votes=(vote("bob"),)), other, *absent) == Seat(0, "leads", "carol")
    assert seat(pending(votes=(vote("bob"), vote("dave"))), other, *absent, DAVE) == NoSeat(
        "enough people said yes already"
    )
    disabled = [replace(each, disabled=True) for each in absent]
    assert isinstance(seat(pending(), other, *disabled), NoSeat)
    assert isinstance(seat(pending(), other, BOB, CAROL), NoSeat)


def test_a_stand_in_does_not_pass_it_on():
    dora, eve = away(person("dora", "other"), "eve"), person("eve", "other")
    assert isinstance(seat(pending(), eve, dora, away(BOB, "dora")), NoSeat)


def test_whoever_is_asked_at_any_stage_may_say_no_or_less():
    record = escalating(pending("1 of leads, then 1 of finance", votes=(vote("bob"),)))
    head, dora = person("hana", "heads"), person("dora", "other")
    for who in (BOB, person("fay", "finance")):
        assert may_decide(record, who, situation(who))
    for who in (head, dora, person("alice"), replace(BOB, disabled=True)):
        assert not may_decide(record, who, situation(who))
    assert may_decide(record, head, situation(head, now=NOW + minutes(4)))
    assert may_decide(record, dora, situation(dora, away(CAROL, "dora")))
    assert not may_decide(record, dora, situation(dora, away(person("alice"), "dora")))


# Other stages, the same votes.


def test_the_same_votes_are_held_against_other_stages():
    votes = (vote("bob"), vote("dana", "finance", 1))
    assert met(parse_approval("1 of finance, then 1 of leads"), votes)
    assert met((), votes)
    assert not met(parse_approval("2 of leads"), votes)
    assert not met(parse_approval("1 of other"), votes)
    always = Escalation(minutes(1), "finance")
    assert met(parse_approval("2 of leads"), votes, always)
    placed = reassigned(votes, parse_approval("1 of finance, then 1 of leads"), None)
    assert [(it.person, it.stage) for it in placed] == [("bob", 1), ("dana", 0)]


def test_one_person_is_one_vote_before_other_stages_too():
    again = vote("bob", at=NOW + minutes(1))
    instead = vote("dora", instead_of="bob")
    for votes in ((vote("bob"), again), (vote("bob"), instead)):
        assert not met(parse_approval("2 of leads"), votes)


NAMES = st.sampled_from(["bob", "carol", "dave", "alice"])
GROUPS = st.sampled_from(["leads", "finance", "heads"])
CASTS = st.lists(st.tuples(NAMES, GROUPS, st.integers(0, 2), st.none() | NAMES), max_size=6)
PEOPLE = st.lists(
    st.builds(
        lambda id_, groups, to, off, alias: replace(
            away(person(id_, *groups), to), disabled=off, aliases=frozenset(alias)
        ),
        NAMES,
        st.sets(GROUPS, min_size=1),
        NAMES,
        st.booleans(),
        st.sets(NAMES, max_size=1),
    ),
    max_size=4,
)
STAGES = st.sampled_from(["1 of leads", "2 of leads", "1 of leads, then 2 of finance"])


@given(STAGES, CASTS, PEOPLE, st.booleans())
def test_what_counts_are_distinct_people_who_could_vote_and_do_not_stand_behind_it(
    approval, casts, people, escalated
):
    votes = tuple(
        vote(who, group, stage, instead_of=None if absent == who else absent)
        for who, group, stage, absent in casts
    )
    record = pending(approval, votes=votes)
    record = escalating(record, 1) if escalated else record
    now = situation(*people)
    counted = standing(record, now)
    kept = counting(counted)
    assert len(kept) + len(counted.idle) == len(votes)
    seen = set()
    for each in kept:
        member = now.people[each.instead_of or each.person]
        ids = member.ids | now.people[each.person].ids
        assert not seen & ids
        assert "alice" not in ids
        assert each.group in member.groups
        assert not member.disabled
        seen |= ids
    assert seen == counted.taken
    assert counted.met == all(s.missing == 0 for s in counted.stages)
    if counted.met:
        assert met(record.terms.stages, kept, record.terms.escalation)


@given(STAGES, CASTS, PEOPLE, NAMES)
def test_whoever_has_a_seat_has_a_vote_that_counts_once_it_is_given(approval, casts, people, who):
    votes = tuple(vote(name, group, stage) for name, group, stage, _ in casts)
    record, now = pending(approval, votes=votes), situation(*people)
    voter = now.people.get(who)
    if voter is None or voter is not now.people.get(voter.id):
        return
    found = seat_of(record, voter, LOGIN, now)
    if isinstance(found, Seat):
        before = standing(record, now)
        given_ = vote(voter.id, found.group, found.stage, instead_of=found.instead_of)
        after = standing(with_vote(record, given_), now)
        assert given_ in counting(after)
        assert after.stages[found.stage].missing == before.stages[found.stage].missing - 1


# What a vote is for.


def test_a_digest_names_one_offer_of_one_request():
    record = pending()
    assert offer_digest(record) == offer_digest(replace(record, revision=9, votes=(vote("bob"),)))
    others = [
        replace(record, offer=offer(100)),
        replace(record, fingerprint="g"),
        replace(record, request=replace(record.request, id="request-2")),
        replace(record, offer=replace(offer(), operations=(refund(note="for Eve"),))),
    ]
    assert len({offer_digest(each) for each in [record, *others]}) == 5


def test_all_whom_votes_name_are_looked_up():
    record = pending(votes=(vote("bob"), vote("dora", instead_of="carol")))
    assert ids_in(record) == {"bob", "dora", "carol"}
    assert ids_in(pending()) == set()
