"""Requests at the boundaries of what policies compare: they find much, and prove nothing.

Each attribute takes the values at which some policy changes its mind and their neighbours, and is
left out where it may be; all combinations if they are few, else every pair of values.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from itertools import product
from typing import Any

from fleeting.core.context import GROUPS, ContextKey, ValueType
from fleeting.core.model import Actor, Operation, Subject, SubjectKind
from fleeting.core.operations import Field, FieldKind, FieldType
from fleeting.core.validation import MAX_ACT_DEPTH
from fleeting.policy.policies import Policy
from fleeting.policy.proving.cases import Case, is_possible
from fleeting.policy.proving.fitting import Fitting, fits_context, fits_field
from fleeting.policy.proving.landmarks import Landmarks, landmarks, neighbours
from fleeting.policy.proving.pairwise import rows
from fleeting.policy.proving.parties import A_REASON, Parties, Place, askers, asking, keys, offers
from fleeting.policy.schema import PolicyWorld

MOST_CASES = 2000
"""How many requests are tried for one action of one kind of subject."""

_UNITS = Decimal("0.0001")
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_EXAMPLES = 2

Change = Callable[[Case], Case]


def cases(
    place: Place,
    world: PolicyWorld,
    parties: Parties,
    policies: Iterable[Policy],
    now: datetime,
    most: int = MOST_CASES,
) -> Iterator[Case]:
    """Yield requests for *place* at the boundaries of *policies*, at most *most*."""
    marks = landmarks(policies)
    starts = [
        Case(replace(asking(client, resource, key), operations=(_bare(place),)), now)
        for client, resource in product(askers(parties, place), offers(parties, place))
        for key in keys(client)
    ]
    columns = [*_columns(place, world, parties, marks)]
    for first, *row in rows([len(starts), *(len(each) for each in columns)], most):
        changes = [column[at] for column, at in zip(columns, row, strict=True)]
        case = reduce(lambda case, change: change(case), changes, starts[first])
        if is_possible(case, world):
            yield case


def _bare(place: Place) -> Operation:
    return Operation(place.type, (place.action,), {})


def _columns(
    place: Place, world: PolicyWorld, parties: Parties, marks: Landmarks
) -> Iterator[list[Change]]:
    """Yield for each thing that a request says the ways to say it."""
    yield [_at(now) for now in _instants(marks)]
    if any(each.terms.break_glass is not None for each in marks.policies):
        yield [_keep, _in_an_emergency]
    if place.kind is SubjectKind.USER:
        yield from _user(world, parties, marks)
    type_ = world.types.get(place.type)
    for field in type_.fields.values() if type_ is not None else ():
        values = [_Field(field.name, value) for value in _field_values(field, marks)]
        yield [*values, *([_keep] if field.optional or not values else [])]
    for key in world.context_keys.values():
        values_of_key = [_Key(key.name, value) for value in _key_values(key, marks)]
        yield [*values_of_key, *([] if key.required and values_of_key else [_keep])]


def _keep(case: Case) -> Case:
    return case


def _in_an_emergency(case: Case) -> Case:
    return _with(case, break_glass=A_REASON)


def _at(now: datetime | None) -> Change:
    return _keep if now is None else lambda case: replace(case, now=now)


def _instants(marks: Landmarks) -> Iterator[datetime | None]:
    yield None
    for ms in neighbours(marks.instants):
        try:
            yield _EPOCH + timedelta(milliseconds=ms)
        except OverflowError:
            continue


@dataclass(frozen=True, slots=True)
class _Field:
    """Say a field of the operation."""

    name: str
    value: Any

    def __call__(self, case: Case) -> Case:
        operation = case.request.operations[0]
        said = replace(operation, fields={**operation.fields, self.name: self.value})
        return _with(case, operations=(said,))


@dataclass(frozen=True, slots=True)
class _Key:
    """Say a key of the request context."""

    name: str
    value: Any

    def __call__(self, case: Case) -> Case:
        return _with(case, context={**case.request.context, self.name: self.value})


def _with(case: Case, **changes: Any) -> Case:  # noqa: ANN401 -- of AccessRequest
    return replace(case, request=replace(case.request, **changes))


# The user.


def _user(world: PolicyWorld, parties: Parties, marks: Landmarks) -> Iterator[list[Change]]:
    ids = [
        name for name in marks.named("User") if all(name != c.client_id for c in parties.clients)
    ]
    issuers = product([*ids, "user-1"], parties.providers)
    yield [_Subject(id_, each.issuer) for id_, each in issuers]
    if any(GROUPS in each.claims.values() for each in parties.providers):
        yield [_Said("groups", frozenset(each)) for each in _groups(marks)]
    named = {name for each in marks.policies for name in each.reads.attributes}
    for name in sorted(named & world.attributes.keys()):
        values = _attribute_values(name, world.attributes[name], marks)
        yield [_keep, *[_Attribute(name, value) for value in values]]
    yield [_keep, *[_Said("acr", level) for level in _levels(marks)]]
    yield [_keep, *[_Age(seconds) for seconds in _ages(marks)]]
    yield [_Chain(actor, depth) for actor, depth in _chains(marks)]


@dataclass(frozen=True, slots=True)
class _Subject:
    """Say who the user is."""

    id: str
    issuer: str

    def __call__(self, case: Case) -> Case:
        return _with(case, subject=Subject(SubjectKind.USER, self.id, issuer=self.issuer))


@dataclass(frozen=True, slots=True)
class _Said:
    """Say one thing of the user."""

    name: str
    value: Any

    def __call__(self, case: Case) -> Case:
        subject: Any = replace(case.request.subject, **{self.name: self.value})
        return _with(case, subject=subject)


@dataclass(frozen=True, slots=True)
class _Attribute:
    """Say one attribute of the user."""

    name: str
    value: Any

    def __call__(self, case: Case) -> Case:
        subject = case.request.subject
        attributes = {**subject.attributes, self.name: self.value}
        return _with(case, subject=replace(subject, attributes=attributes))


@dataclass(frozen=True, slots=True)
class _Age:
    """Say how long ago the user logged in."""

    seconds: int

    def __call__(self, case: Case) -> Case:
        at = case.now - timedelta(seconds=self.seconds)
        return _with(case, subject=replace(case.request.subject, auth_time=at))


@dataclass(frozen=True, slots=True)
class _Chain:
    """Say who acts for the user; without a name, the client itself."""

    actor: str
    depth: int

    def __call__(self, case: Case) -> Case:
        current = self.actor or case.request.client.client_id
        earlier = [f"earlier-actor-{number}" for number in range(1, self.depth)]
        return _with(case, actors=tuple(map(Actor, [current, *earlier])))


def _groups(marks: Landmarks) -> list[list[str]]:
    named = marks.named("Group")
    return [[], *[[each] for each in named], *([named] if len(named) > 1 else [])]


def _levels(marks: Landmarks) -> list[str]:
    asked = [each.terms.step_up for each in marks.policies if each.terms.step_up is not None]
    levels = {level for each in asked for level in each.acr}
    return sorted({*levels, *marks.texts_at(("acr",))})


def _ages(marks: Landmarks) -> list[int]:
    asked = [each.terms.step_up for each in marks.policies if each.terms.step_up is not None]
    longest = {int(e.max_age.total_seconds()) for e in asked if e.max_age is not None}
    return [age for age in {*neighbours(longest), *marks.numbers_at(("auth_age",))} if age >= 0]


def _chains(marks: Landmarks) -> list[tuple[str, int]]:
    depths = {1, *marks.numbers_at(("delegation_depth",))}
    actors = ["", *marks.texts_at(("actor",))]
    fitting = [depth for depth in sorted(depths) if 0 < depth <= MAX_ACT_DEPTH]
    return [*product(actors, fitting)]


# Values.


def _field_values(field: Field, marks: Landmarks) -> list[Any]:
    path = ("operation", field.name)
    if field.type is FieldType.BOOLEAN:
        return [True, False]
    if field.type is FieldType.INTEGER:
        ends = [int(end) for end in (field.minimum, field.maximum) if end is not None]
        return [*dict.fromkeys([*ends, 0, *marks.numbers_at(path)])]
    if field.type is FieldType.DECIMAL:
        written = [end for end in (field.minimum, field.maximum) if end is not None]
        near = [Decimal(each) * _UNITS for each in neighbours(marks.decimals)]
        return [*dict.fromkeys([*map(Decimal, written), *near, Decimal(0)])]
    texts = _texts(fits_field(field), marks.texts_at(path))
    if field.kind is not FieldKind.ONE_OF:
        return texts
    every = [tuple(texts)] if len(texts) > 1 else []
    return [*[(text,) for text in texts], *every]


def _key_values(key: ContextKey, marks: Landmarks) -> list[Any]:
    path = ("request", key.name)
    if key.type is ValueType.STRING:
        return _texts(fits_context(key), marks.texts_at(path))
    return [True, False] if key.type is ValueType.BOOLEAN else [0, *marks.numbers_at(path)]


def _attribute_values(name: str, type_: ValueType, marks: Landmarks) -> list[Any]:
    texts = [*marks.texts_at(("", name)), "other-1"]
    if type_ is ValueType.STRINGS:
        return [(), *[(text,) for text in texts], tuple(sorted(set(texts)))]
    if type_ is ValueType.INTEGER:
        return [0, *neighbours(marks.numbers)]
    return [True, False] if type_ is ValueType.BOOLEAN else texts


def _texts(fitting: Fitting, held: list[str]) -> list[str]:
    named = [text for text in held if fitting.fits(text)]
    return [*dict.fromkeys([*named, *(fitting.values or fitting.examples(_EXAMPLES))])]


__all__ = ["MOST_CASES", "cases"]
