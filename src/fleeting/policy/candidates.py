"""Propose changes to a request that could be attained, and that its policies look at."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import partial

from fleeting.core.context import ContextKey, ValueType, parse_context
from fleeting.core.model import (
    AccessRequest,
    AttributeValue,
    FieldValue,
    Json,
    SenderConstraint,
    SenderKey,
    SubjectKind,
)
from fleeting.core.operations import Field, FieldKind, FieldType, parse_operation
from fleeting.policy.conditions import Condition, TakenApart
from fleeting.policy.hypothetical import Hypothetical
from fleeting.policy.landmarks import booleans, decimals, instants, integers, lists, strings
from fleeting.policy.schema import PolicyWorld
from fleeting.policy.tree import Effect, Node

ANY = "(any)"
"""A value of which it only counts that it is there."""

_MOST = 60
"""How many values of one thing are proposed at most."""


class What(StrEnum):
    """What about a request could be otherwise. Who asks cannot."""

    LOGIN = "login"
    KEY = "key"
    CONTEXT = "context"
    FIELD = "field"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that would be otherwise.

    name: of the field or the context key. value: what it would be; None: left out.
    disclosed: what it would be can be read nowhere but in a policy.
    """

    what: What
    name: str
    value: Json
    apply: Callable[[Hypothetical], Hypothetical] = field(compare=False)
    disclosed: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """What some policies look at: their atoms, and what their permits ask of a login."""

    atoms: tuple[Condition, ...]
    acrs: tuple[str, ...]
    fresh: bool

    @classmethod
    def at(cls, policies: Iterable[TakenApart]) -> "Looked":
        """Return what *policies* look at."""
        taken = [*policies]
        permits = (each.policy for each in taken if each.policy.effect is Effect.PERMIT)
        step_ups = [each.terms.step_up for each in permits if each.terms.step_up is not None]
        atoms = tuple(atom for each in taken for atom in each.atoms())
        looked = cls(atoms, (), fresh=False)
        held = [text for text in looked.literals(("acr",)) if isinstance(text, str)]
        acrs = [acr for step_up in step_ups for acr in step_up.acr]
        fresh = looked.reads(("auth_age",)) or any(step_up.max_age for step_up in step_ups)
        return cls(atoms, tuple(dict.fromkeys([*acrs, *held])), fresh=fresh)

    def reads(self, path: tuple[str, ...]) -> bool:
        """Say whether anything looks at *path* below ``context``."""
        return any(path in atom.reads.context for atom in self.atoms)

    def literals(self, path: tuple[str, ...]) -> list[Node]:
        """Return every value that stands in a condition on *path*."""
        atoms = (atom for atom in self.atoms if path in atom.reads.context)
        return [literal for atom in atoms for literal in atom.literals]


def candidates(
    asked: Hypothetical, place: int, looked: Looked, world: PolicyWorld
) -> list[list[Change]]:
    """Return what could be otherwise, thing by thing, the nearest values first.

    None of it is known to help: only the engine says so.
    """
    request = asked.request
    found = [
        [*_logins(request, looked)],
        [*_keys(request)],
        *([*_context_values(request, key, looked, world)] for key in world.context_keys.values()),
        *_fields(request, place, looked, world),
        [*_times(asked.now, looked)],
    ]
    return [each[:_MOST] for each in found if each]


# The login, and the key.


def _logins(request: AccessRequest, looked: Looked) -> Iterator[Change]:
    if request.subject.kind is not SubjectKind.USER:
        return
    if looked.fresh:
        yield _login(request.subject.acr, fresh=True)
    others = [acr for acr in looked.acrs if acr and acr != request.subject.acr]
    for acr in others:
        yield _login(acr, fresh=False)
    for acr in others if looked.fresh else ():
        yield _login(acr, fresh=True)


def _login(acr: str | None, *, fresh: bool) -> Change:
    def apply(asked: Hypothetical) -> Hypothetical:
        at = asked.now if fresh else asked.request.subject.auth_time
        subject = replace(asked.request.subject, acr=acr, auth_time=at)
        return replace(asked, request=replace(asked.request, subject=subject))

    return Change(What.LOGIN, "", {"acr": acr, "fresh": fresh}, apply)


def _keys(request: AccessRequest) -> Iterator[Change]:
    if request.key is None:
        key = SenderKey(SenderConstraint.DPOP, "hypothetical")
        yield Change(What.KEY, "", key.constraint.value, partial(_with, key=key))


def _with(asked: Hypothetical, **changes: object) -> Hypothetical:
    return replace(asked, request=replace(asked.request, **changes))  # type: ignore[arg-type]


# What the request says about itself.

_TEXTS = (ValueType.STRING, ValueType.STRINGS)
_VALUES: Mapping[ValueType, Callable[[AttributeValue | None, list[Node]], list[Json]]] = {
    ValueType.STRING: strings,
    ValueType.INTEGER: integers,
    ValueType.BOOLEAN: booleans,
    ValueType.STRINGS: lists,
}


def _context_values(
    request: AccessRequest, key: ContextKey, looked: Looked, world: PolicyWorld
) -> Iterator[Change]:
    path = ("request", key.name)
    if not looked.reads(path):
        return
    now, literals = request.context.get(key.name), looked.literals(path)
    if now is None and key.type is ValueType.STRING:
        yield _context(key.name, ANY, world)
    for value in _VALUES[key.type](now, literals):
        yield _context(key.name, value, world, disclosed=key.type in _TEXTS)
    if now is not None and not key.required:
        yield _context(key.name, None, world)


def _context(name: str, value: Json, world: PolicyWorld, *, disclosed: bool = False) -> Change:
    def apply(asked: Hypothetical) -> Hypothetical:
        context = {k: v for k, v in asked.request.context.items() if k != name}
        if value is not None:
            one = {name: world.context_keys[name]}
            context |= {name: ANY} if value == ANY else parse_context({name: value}, one)
        return _with(asked, context=context)

    return Change(What.CONTEXT, name, value, apply, disclosed)


# What is asked.


def _fields(
    request: AccessRequest, place: int, looked: Looked, world: PolicyWorld
) -> Iterator[list[Change]]:
    operation = request.operations[place]
    type_ = world.types.get(operation.type)
    for declared in () if type_ is None else type_.fields.values():
        path = ("operation", declared.name)
        if looked.reads(path):
            now = operation.fields.get(declared.name)
            known = {ANY, *declared.values, *_chosen(now)}
            values = _field_values(declared, now, looked)
            yield [
                replace(change, disclosed=not known.issuperset(_chosen(change.value)))
                for change in (_field(declared.name, value, place, world) for value in values)
            ]


def _field_values(declared: Field, now: FieldValue | None, looked: Looked) -> Iterator[Json]:
    literals = looked.literals(("operation", declared.name))
    if declared.kind is FieldKind.ONE_OF:
        yield from _choices(declared, now, literals)
    elif declared.type is FieldType.STRING:
        yield from (ANY,) if now is None else ()
        yield from (each for each in declared.values or strings(now, literals) if each != now)
    elif declared.type is FieldType.BOOLEAN:
        yield from booleans(now, literals)
    else:
        numbers = decimals if declared.type is FieldType.DECIMAL else integers
        yield from sorted(numbers(now, literals), key=partial(_beyond, declared.kind, now))
    if now is not None and declared.optional:
        yield None


def _beyond(kind: FieldKind, now: FieldValue | None, value: Json) -> bool:
    """Say whether *value* asks for more than *now*: what is narrower is proposed first."""
    if now is None or not isinstance(now, int | Decimal) or value is None:
        return False
    more = Decimal(str(value)) > now
    return more if kind is FieldKind.AT_MOST else kind is FieldKind.AT_LEAST and not more


def _choices(declared: Field, now: FieldValue | None, literals: Sequence[Node]) -> Iterator[Json]:
    chosen = _chosen(now)
    fewer = [tuple(each for each in chosen if each != other) for other in chosen]
    others = declared.values or tuple(each for each in literals if isinstance(each, str))
    alone = [(each,) for each in dict.fromkeys((*chosen, *others))]
    for values in dict.fromkeys((*fewer, *alone)):
        if values and values != chosen:
            yield [*values]


def _chosen(value: object) -> tuple[str, ...]:
    """Return the strings that *value* is or holds; a number holds none."""
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, tuple | list) else ()


def _field(name: str, value: Json, place: int, world: PolicyWorld) -> Change:
    def apply(asked: Hypothetical) -> Hypothetical:
        operations = [*asked.request.operations]
        body = {k: v for k, v in operations[place].to_json().items() if k != name}
        if value not in (None, ANY):
            body[name] = value
        parsed = parse_operation(body, world.types)
        held = {**parsed.fields, name: ANY} if value == ANY else parsed.fields
        operations[place] = replace(parsed, fields=held)
        return _with(asked, operations=tuple(operations))

    return Change(What.FIELD, name, value, apply)


# When it is asked.


def _times(now: datetime, looked: Looked) -> Iterator[Change]:
    if looked.reads(("now",)):
        for at in instants(now, looked.literals(("now",))):
            yield Change(What.TIME, "", _written(at), partial(_at, at=at))


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _at(asked: Hypothetical, at: datetime) -> Hypothetical:
    # Whoever waits does not log in again meanwhile: the login ages.
    return replace(asked, now=at)
