"""Approvals: whose votes count, who may vote now, and when people have said yes.

Pure, and asked anew each time: people change while a request waits, and so does what is offered.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fleeting.core.access_requests import RequestRecord, Vote
from fleeting.core.ceremony import Escalation
from fleeting.core.errors import RequestChanged
from fleeting.core.model import ApprovalStage
from fleeting.core.offers import Types, beyond
from fleeting.core.people import Delegation, Person
from fleeting.core.request_text import offer_json

DEFAULT_MAX_AGE = timedelta(hours=12)
"""How old an approver's login may be where neither policy nor the installation says."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What votes are counted against.

    people: by every one of their ids, as they are now; at least all whom votes name, and the
    members of the groups that are asked. max_age: of a login, where policy does not say.
    """

    people: Mapping[str, Person]
    types: Types
    now: datetime
    max_age: timedelta = DEFAULT_MAX_AGE


@dataclass(frozen=True, slots=True)
class StageStanding:
    """One stage: which votes count for it, and how many more it takes."""

    stage: ApprovalStage
    votes: tuple[Vote, ...]

    @property
    def missing(self) -> int:
        """How many more votes it takes."""
        return max(0, self.stage.count - len(self.votes))


@dataclass(frozen=True, slots=True)
class IdleVote:
    """A vote that does not count now, and why."""

    vote: Vote
    why: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a request stands with its voters.

    current: the place of the stage that is being voted on; None: all are met.
    taken: every id of whoever has a vote that counts, or in whose place one was given.
    """

    stages: tuple[StageStanding, ...]
    idle: tuple[IdleVote, ...]
    taken: frozenset[str]

    @property
    def current(self) -> int | None:
        """The first stage that is not met."""
        open_ = (place for place, each in enumerate(self.stages) if each.missing)
        return next(open_, None)

    @property
    def met(self) -> bool:
        """Say whether enough people said yes."""
        return self.current is None


@dataclass(frozen=True, slots=True)
class Seat:
    """As whose member, for which stage and in whose place somebody may vote."""

    stage: int
    group: str
    instead_of: str | None = None


@dataclass(frozen=True, slots=True)
class NoSeat:
    """Why somebody may not vote. stale: a fresh login would change that."""

    why: str
    stale: bool = False


# Who stands behind a request.


def behind(record: RequestRecord) -> frozenset[str]:
    """Return the ids of all who stand behind *record* and may decide nothing of it.

    The client's own name is one: no person who happens to have it decides (RFC 9700 §4.15).
    """
    request = record.request
    names = {request.subject.id, request.client.client_id}
    return record.behind | names | {actor.sub for actor in request.actors}


def is_behind(record: RequestRecord, person: Person) -> bool:
    """Say whether *person*, under any of their names, stands behind *record*."""
    return not person.ids.isdisjoint(behind(record))


# Counting.


def standing(record: RequestRecord, situation: Situation) -> Standing:
    """Return which votes count now, stage by stage; the earlier of two of one human counts."""
    stages: list[list[Vote]] = [[] for _ in record.terms.stages]
    idle: list[IdleVote] = []
    taken: frozenset[str] = frozenset()
    for vote in record.votes:
        why = _why_idle(record, vote, situation)
        ids = _ids(vote, situation.people)
        if why is None and not taken.isdisjoint(ids):
            why = "the same person counts already"
        if why is None:
            stages[vote.stage].append(vote)
            taken |= ids
        else:
            idle.append(IdleVote(vote, why))
    pairs = zip(record.terms.stages, stages, strict=True)
    told = tuple(StageStanding(stage, tuple(votes)) for stage, votes in pairs)
    return Standing(told, tuple(idle), taken)


def _ids(vote: Vote, people: Mapping[str, Person]) -> frozenset[str]:
    """Return every id of who voted and of whose place was taken: they are one seat."""
    ids = frozenset[str]()
    for id_ in (vote.person, vote.instead_of):
        if id_ is not None:
            person = people.get(id_)
            ids |= {id_} if person is None else person.ids | {id_}
    return ids


def _why_idle(record: RequestRecord, vote: Vote, situation: Situation) -> str | None:
    """Return why *vote* does not count now, or None."""
    voter = situation.people.get(vote.person)
    if voter is None or voter.disabled:
        return "who voted is not known here any more" if voter is None else "who voted is disabled"
    if is_behind(record, voter):
        return "who voted stands behind the request"
    if not _is_fresh(record, situation, _last_login(voter, vote)):
        return "who voted logged in too long ago"
    if not _is_asked(record, vote):
        return f"{vote.group} is not asked at this stage"
    if beyond(vote.offer, record.offer, situation.types):
        return "it was for less than what is offered now"
    return _why_no_member(record, vote, voter, situation)


def _last_login(voter: Person, vote: Vote) -> datetime:
    later = voter.signed_in_at
    return vote.signed_in_at if later is None else max(vote.signed_in_at, later)


def _is_fresh(record: RequestRecord, situation: Situation, signed_in_at: datetime) -> bool:
    return situation.now - signed_in_at <= max_age_of(record, situation.max_age)


def max_age_of(record: RequestRecord, otherwise: timedelta) -> timedelta:
    """Return how old an approver's login may be for *record*."""
    return otherwise if record.terms.max_age is None else record.terms.max_age


def _is_asked(record: RequestRecord, vote: Vote) -> bool:
    stages = record.terms.stages
    if not 0 <= vote.stage < len(stages):
        return False
    return vote.group in groups_asked(record, stages[vote.stage], vote.at)


def groups_asked(record: RequestRecord, stage: ApprovalStage, at: datetime) -> tuple[str, ...]:
    """Return whose members may vote for *stage*: its own, and others after a silence."""
    escalation = record.terms.escalation
    if escalation is None or at < record.asked_at + escalation.after:
        return (stage.group,)
    return (stage.group, escalation.group)


def _why_no_member(
    record: RequestRecord, vote: Vote, voter: Person, situation: Situation
) -> str | None:
    member = voter
    if vote.instead_of is not None:
        away = situation.people.get(vote.instead_of)
        if away is None or away.disabled or standing_in(away, voter, vote.at) is None:
            return "nobody who could vote was away"
        if is_behind(record, away):
            return "in whose place it was given stands behind the request"
        member = away
    if vote.group not in member.groups:
        return f"{member.name} is not in {vote.group} any more"
    return None


def standing_in(away: Person, person: Person, at: datetime) -> Delegation | None:
    """Return by what *person* may vote in the place of *away*; who stands in passes nothing on."""
    return next(
        (it for it in away.delegations if it.to in person.ids and it.since <= at < it.until), None
    )


# Voting.


def seat_of(
    record: RequestRecord,
    person: Person,
    signed_in_at: datetime,
    situation: Situation,
    so_far: Standing | None = None,
) -> Seat | NoSeat:
    """Return as what *person* may vote on *record* now, or why not.

    This does NOT check that the request is pending, nor what roles the person has.
    """
    counted = standing(record, situation) if so_far is None else so_far
    if person.disabled:
        return NoSeat("you are disabled")
    if is_behind(record, person):
        return NoSeat("you stand behind this request: somebody else decides it")
    if not counted.taken.isdisjoint(person.ids):
        return NoSeat("you voted already, or somebody did in your place")
    place = counted.current
    if place is None:
        return NoSeat("enough people said yes already")
    found = _seat(record, person, situation, counted, place)
    if isinstance(found, Seat) and not _is_fresh(record, situation, signed_in_at):
        return NoSeat("you logged in too long ago for this: log in again", stale=True)
    return found


def _seat(
    record: RequestRecord, person: Person, situation: Situation, counted: Standing, place: int
) -> Seat | NoSeat:
    groups = groups_asked(record, record.terms.stages[place], situation.now)
    for group in groups:
        if group in person.groups:
            return Seat(place, group)
    for away in _away(situation.people, person, situation.now):
        free = counted.taken.isdisjoint(away.ids) and not is_behind(record, away)
        for group in groups:
            if free and group in away.groups:
                return Seat(place, group, away.id)
    return NoSeat(f"it is for {' or '.join(groups)} to decide now")


def _away(people: Mapping[str, Person], person: Person, now: datetime) -> Sequence[Person]:
    """Return those in whose place *person* may vote now, in the order of their ids."""
    found = {
        away.id: away
        for away in people.values()
        if not away.disabled and away.ids.isdisjoint(person.ids) and standing_in(away, person, now)
    }
    return [found[id_] for id_ in sorted(found)]


def may_decide(record: RequestRecord, person: Person, situation: Situation) -> bool:
    """Say whether *person* is one of those who are asked, at any stage: they may say no, or less.

    So may who voted already; who stands behind the request may not.
    """
    if person.disabled or is_behind(record, person):
        return False
    away = [
        it for it in _away(situation.people, person, situation.now) if not is_behind(record, it)
    ]
    groups = person.groups.union(*(it.groups for it in away))
    asked = (groups_asked(record, stage, situation.now) for stage in record.terms.stages)
    return any(not groups.isdisjoint(each) for each in asked)


def with_vote(record: RequestRecord, vote: Vote) -> RequestRecord:
    """Return *record* with *vote*; an earlier one of the same person counted no more."""
    earlier = tuple(each for each in record.votes if each.person != vote.person)
    return replace(record, votes=(*earlier, vote))


# The same votes before other stages: policy is evaluated again before anything is granted.


def reassigned(
    votes: Sequence[Vote], stages: Sequence[ApprovalStage], escalation: Escalation | None
) -> tuple[Vote, ...]:
    """Return the *votes* that *stages* have room for, each at its place.

    A vote counts as what it was given as: its group's member, or of the group that may always; of
    several of one person, the last.
    """
    votes = [*{vote.instead_of or vote.person: vote for vote in votes}.values()]
    votes = [*{vote.person: vote for vote in votes}.values()]
    room = [stage.count for stage in stages]
    placed: dict[int, Vote] = {}
    for wild in (False, True):
        for number, vote in enumerate(votes):
            always = wild and escalation is not None and vote.group == escalation.group
            place = _place(vote, stages, room, always=always)
            if number not in placed and place is not None:
                room[place] -= 1
                placed[number] = replace(vote, stage=place)
    return tuple(placed[number] for number in sorted(placed))


def _place(
    vote: Vote, stages: Sequence[ApprovalStage], room: Sequence[int], *, always: bool
) -> int | None:
    for place, stage in enumerate(stages):
        if room[place] and (always or stage.group == vote.group):
            return place
    return None


def met(
    stages: Sequence[ApprovalStage],
    votes: Sequence[Vote],
    escalation: Escalation | None = None,
) -> bool:
    """Say whether *votes*, all of which count, are enough for *stages*."""
    return len(reassigned(votes, stages, escalation)) == sum(stage.count for stage in stages)


def counting(so_far: Standing) -> tuple[Vote, ...]:
    """Return the votes that count, in the order of their stages."""
    return tuple(vote for stage in so_far.stages for vote in stage.votes)


# What a vote is for.


def offer_digest(record: RequestRecord) -> str:
    """Return what names exactly this offer of exactly this request: whoever votes says it back."""
    seen = {
        "request": record.id,
        "fingerprint": record.fingerprint,
        "offer": offer_json(record.offer),
    }
    text = json.dumps(seen, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_seen(record: RequestRecord, digest: str) -> None:
    """Check that *digest* names the offer of *record* as it stands.

    Raises:
        RequestChanged: it is another by now.
    """
    if digest != offer_digest(record):
        raise RequestChanged("it changed: look at what is offered now, then decide")


def ids_in(record: RequestRecord) -> Collection[str]:
    """Return the ids of everybody whom the votes of *record* name."""
    named = {vote.person for vote in record.votes}
    return named | {vote.instead_of for vote in record.votes if vote.instead_of is not None}


def groups_of(record: RequestRecord) -> frozenset[str]:
    """Return every group that *record* may ask."""
    groups = frozenset(stage.group for stage in record.terms.stages)
    escalation = record.terms.escalation
    return groups if escalation is None else groups | {escalation.group}
