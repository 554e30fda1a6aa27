"""Turn a model of the solver into the request that it is."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import z3

from fleeting.core.model import (
    Actor,
    AttributeValue,
    Client,
    FieldValue,
    Operation,
    Resource,
    Subject,
    SubjectKind,
)
from fleeting.policy.proving.cases import Case
from fleeting.policy.proving.fitting import Fitting, fits_context, fits_field
from fleeting.policy.proving.instants import EPOCH
from fleeting.policy.proving.parties import A_REASON, Door, asking, key_of
from fleeting.policy.proving.plain import plain_context, plain_field
from fleeting.policy.proving.sets import Variable
from fleeting.policy.proving.terms import Attribute, Expression, Kind, Term
from fleeting.policy.proving.variables import Variables

_HALF_SECOND = timedelta(milliseconds=500)
_ANYTHING = Fitting(lambda _text: True)


def case_of(model: z3.ModelRef, variables: Variables, door: Door) -> Case | None:
    """Return the request that *model* says; None where some string of it cannot be spelled."""
    try:
        return _Reading(model, variables).case(door)
    except _NoSuchStringError:
        return None


class _NoSuchStringError(Exception):
    """Other strings than those that were named would be needed, and none was found."""


class _Reading:
    """One model. A number that stands for no known text gets one, the same wherever it stands."""

    def __init__(self, model: z3.ModelRef, variables: Variables) -> None:
        self._model = model
        self._variables = variables
        self._spelled: dict[int, str] = {}

    def case(self, door: Door) -> Case:
        seen, place = self._variables, self._variables.place
        client, resource = self._client(), self._resource()
        now = EPOCH + timedelta(milliseconds=self._number(seen.now))
        fields, context = self._fields(), self._context()
        request = replace(
            asking(client, resource, key_of(door.held)),
            operations=(Operation(place.type, (place.action,), fields),),
            context=context,
            actors=self._actors(client),
            break_glass=A_REASON if self._holds(seen.reason) else None,
        )
        if place.kind is SubjectKind.USER:
            request = replace(request, subject=self._user(now))
        return Case(request, now)

    def _client(self) -> Client:
        name = self._variables.id_of(self._number(self._variables.client.code))
        return next(each for each in self._variables.clients if each.client_id == name)

    def _resource(self) -> Resource:
        name = self._variables.id_of(self._number(self._variables.resource.code))
        return next(each for each in self._variables.resources if each.identifier == name)

    def _user(self, now: Any) -> Subject:  # noqa: ANN401 -- an instant
        seen = self._variables
        attributes = {
            name: self._value(each.term, _ANYTHING)
            for name, each in seen.attributes.items()
            if name != "issuer" and self._is_there(each)
        }
        acr = seen.acr is not None and self._is_there(seen.acr)
        return Subject(
            SubjectKind.USER,
            seen.id_of(self._number(seen.principal.code)) or self._someone(),
            frozenset(name for name, member in seen.groups().items() if self._holds(member)),
            attributes=attributes,
            issuer=self._issuer(),
            acr=self._text(seen.acr.term.value, _ANYTHING) if acr and seen.acr else None,
            auth_time=self._login(now),
        )

    def _someone(self) -> str:
        taken = {each.client_id for each in self._variables.parties.clients}
        return next(
            name
            for number in range(1, len(taken) + 2)
            for name in (f"user-{number}",)
            if name not in taken and self._variables.id_number(name) is None
        )

    def _issuer(self) -> str:
        known = [each.issuer for each in self._variables.parties.providers]
        said = self._variables.strings.read(self._evaluated(self._variables.issuer.value))
        return said if isinstance(said, str) and said in known else known[0]

    def _login(self, now: Any) -> Any:  # noqa: ANN401
        login = self._variables.login
        if login is None or not self._is_there(login.attribute):
            return None
        ago = timedelta(seconds=self._number(login.attribute.term.value))
        return now - ago - (_HALF_SECOND if self._holds(login.more) else timedelta(0))

    def _actors(self, client: Client) -> tuple[Actor, ...]:
        depth = self._number(self._variables.depth)
        named = self._variables.actor
        current = client.client_id
        if named is not None and depth:
            current = self._text(named.term.value, _ANYTHING)
        others = [f"earlier-actor-{number}" for number in range(1, depth)]
        return tuple(map(Actor, [current, *others][:depth]))

    def _fields(self) -> dict[str, FieldValue]:
        type_ = self._variables.world.types.get(self._variables.place.type)
        found: dict[str, FieldValue] = {}
        for name, field in type_.fields.items() if type_ is not None else ():
            attribute = self._variables.operation.get(name)
            if attribute is not None and self._is_there(attribute):
                found[name] = self._value(attribute.term, fits_field(field))
            elif attribute is None and not field.optional:
                found[name] = self._plain(plain_field(field))
        return found

    def _context(self) -> Mapping[str, AttributeValue]:
        found: dict[str, AttributeValue] = {}
        for name, key in self._variables.world.context_keys.items():
            attribute = self._variables.request.get(name)
            if attribute is not None and self._is_there(attribute):
                found[name] = self._value(attribute.term, fits_context(key))
            elif attribute is None and key.required:
                found[name] = self._plain(plain_context(key))
        return found

    def _plain(self, value: Any) -> Any:  # noqa: ANN401
        if value is None:
            raise _NoSuchStringError
        return value

    # Values.

    def _value(self, term: Term, fitting: Fitting) -> Any:  # noqa: ANN401 -- of any declared type
        if term.kind is Kind.SET:
            return self._members(term.value, fitting)
        if term.kind is Kind.STRING:
            return self._text(term.value, fitting)
        if term.kind is Kind.BOOL:
            return self._holds(term.value)
        number = self._number(term.value)
        return Decimal(number).scaleb(-4) if term.kind is Kind.DECIMAL else number

    def _members(self, strings: Variable, fitting: Fitting) -> tuple[str, ...]:
        found = {
            self._text(each.value, fitting)
            for each in strings.universe.members
            if self._holds(strings.has(each))
        }
        return tuple(sorted(found))

    def _text(self, value: Expression, fitting: Fitting) -> str:
        read = self._variables.strings.read(self._evaluated(value))
        if isinstance(read, str):
            return read
        if read not in self._spelled:
            taken = {*self._variables.strings.literals(), *self._spelled.values()}
            examples = fitting.examples(len(taken) + 1)
            free = next((text for text in examples if text not in taken), None)
            if free is None:
                raise _NoSuchStringError
            self._spelled[read] = free
        return self._spelled[read]

    def _is_there(self, attribute: Attribute) -> bool:
        return self._holds(attribute.present)

    def _holds(self, truth: Any) -> bool:  # noqa: ANN401 -- see Truth
        return truth if isinstance(truth, bool) else z3.is_true(self._evaluated(truth))

    def _number(self, number: Any) -> int:  # noqa: ANN401 -- see Number
        return number if isinstance(number, int) else int(self._evaluated(number).as_long())

    def _evaluated(self, expression: Expression) -> Expression:
        if isinstance(expression, int):
            return z3.IntVal(expression)
        return self._model.eval(expression, model_completion=True)
