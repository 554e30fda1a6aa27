"""Every request there can be for one place, as variables for the solver and what binds them.

Only what the policies read becomes a variable. The bounds are those of the declarations: values of
fields and context keys, declared clients, resources and identity providers, and what the server
itself says of a request (POLICY.md §5, DESIGN D3).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import z3

from fleeting.core.context import GROUPS, ValueType
from fleeting.core.declaring import I64
from fleeting.core.exchange import IdentityProvider
from fleeting.core.model import Resource, SubjectKind
from fleeting.core.operations import Field, FieldKind, FieldType
from fleeting.core.validation import MAX_ACT_DEPTH
from fleeting.policy.policies import Policy
from fleeting.policy.proving.bounds import Bounds
from fleeting.policy.proving.fitting import fits_context, fits_field
from fleeting.policy.proving.instants import EPOCH, Login
from fleeting.policy.proving.literals import decimal_units
from fleeting.policy.proving.parties import Door, Parties, Place, askers, offers
from fleeting.policy.proving.sets import Universe, Variable
from fleeting.policy.proving.strings import Numbered, Spelled, Strings
from fleeting.policy.proving.terms import (
    Attribute,
    Entity,
    Kind,
    Term,
    Truth,
    divided,
    every,
    negated,
    some,
)
from fleeting.policy.schema import PolicyWorld
from fleeting.policy.tree import Uid

LAST_MS = int((datetime.max.replace(tzinfo=UTC) - EPOCH) / timedelta(milliseconds=1)) - 1
_FIRST = int((EPOCH - datetime.min.replace(tzinfo=UTC)).total_seconds())

_KINDS = {
    FieldType.STRING: Kind.STRING,
    FieldType.INTEGER: Kind.LONG,
    FieldType.DECIMAL: Kind.DECIMAL,
    FieldType.BOOLEAN: Kind.BOOL,
    ValueType.STRING: Kind.STRING,
    ValueType.INTEGER: Kind.LONG,
    ValueType.BOOLEAN: Kind.BOOL,
    ValueType.STRINGS: Kind.SET,
}


class Variables:
    """One request for *place*, undetermined but for what must be.

    principal, client, resource: who asks for what. attributes: the principal's.
    operation, request: what is below these records of the context. issuer: the user's.
    reason: when it says why it cannot wait for people.
    acr, actor, login: None where nothing reads them, or a client has none.
    """

    def __init__(
        self, place: Place, world: PolicyWorld, parties: Parties, policies: Iterable[Policy]
    ) -> None:
        """Make variables of what *policies* read."""
        read = [*policies]
        self.place, self.world, self.parties = place, world, parties
        self.clients, self.resources = askers(parties, place), offers(parties, place)
        spelled = any("like" in each.reads.functions for each in read)
        self.strings: Strings = Spelled() if spelled else Numbered()
        self.universe = Universe(self.strings)
        self._bounds = Bounds(self.strings, self.universe)
        self._ids: dict[str, int] = {}
        self._groups: dict[str, Truth] = {}
        paths = {path for each in read for path in each.reads.context}
        step_ups = [each.terms.step_up for each in read if each.terms.step_up is not None]
        paths |= {("acr",) for each in step_ups if each.acr}
        paths |= {("auth_age",) for each in step_ups if each.max_age is not None}
        names = {name for each in read for name in each.reads.attributes}
        self.client = Entity("Client", z3.Int("client"), self._client_groups)
        self.resource = Entity("Resource", z3.Int("resource"), lambda _uid: False)
        self.issuer = self._value("issuer", Kind.STRING)
        self.depth = z3.Int("depth")
        self.now = z3.Int("now")
        self.attributes = {name: each for name in sorted(names) for each in self._attribute(name)}
        self.operation = {name: self._field(each) for name, each in self._fields(paths)}
        self.request = {name: self._key(name) for name in self._keys(paths)}
        self.acr = self._optional("acr", Kind.STRING, there=("acr",) in paths)
        self.actor = self._actor(there=("actor",) in paths)
        self.login = self._login(there=("auth_age",) in paths)
        # Whether a reason was given: what opens paths that are for emergencies, and nothing else.
        self.reason = any(each.terms.break_glass is not None for each in read) and z3.Bool("reason")
        self.principal = self._principal()
        self._bind()

    # What policies see.

    def context(self) -> dict[str, Attribute]:
        """Return what is below ``context``, limits aside."""
        whole = {
            "operation": Term(Kind.RECORD, self.operation),
            "request": Term(Kind.RECORD, self.request),
            "client": Term(Kind.ENTITY, self.client),
            "delegation_depth": Term(Kind.LONG, self.depth),
            "now": Term(Kind.DATETIME, self.now),
        }
        seen = {name: Attribute(present=True, term=term) for name, term in whole.items()}
        optional = {"acr": self.acr, "auth_age": self.login, "actor": self.actor}
        for name, each in optional.items():
            attribute = each.attribute if isinstance(each, Login) else each
            if attribute is not None:
                seen[name] = attribute
        return seen

    def id(self, text: str) -> int:
        """Return the number that stands for the id of an entity."""
        return self._ids.setdefault(text, len(self._ids))

    def id_of(self, number: int) -> str | None:
        """Return the id that *number* stands for, None for any other one."""
        return next((text for text, its in self._ids.items() if its == number), None)

    def id_number(self, text: str) -> int | None:
        """Return the number that stands for *text*, None where nobody named it."""
        return self._ids.get(text)

    def groups(self) -> Mapping[str, Truth]:
        """Return every group that was named, and when the user is in it."""
        return self._groups

    # What binds them.

    def constraints(self) -> list[Truth]:
        """Return what every request keeps to, as far as ``size`` goes."""
        return self._bounds.constraints()

    def size(self) -> tuple[int, ...]:
        """Return what grows where another policy is encoded, and the constraints with it."""
        return (*self._bounds.size(), len(self._groups))

    def through(self, door: Door) -> Truth:
        """Say when the request comes through *door*."""
        return some(
            every((self._is_client(c.client_id for c in clients), self._is_resource(resources)))
            for clients, resources in door.pairs
        )

    # How each is made.

    def _principal(self) -> Entity:
        if self.place.kind is SubjectKind.CLIENT:
            # A client that acts for nobody is the caller itself.
            return Entity("Client", self.client.code, self._client_groups)
        return Entity("User", z3.Int("user"), self._user_groups, self.attributes)

    def _client_groups(self, group: Uid) -> Truth:
        if group.type != "Group":
            return False
        return self._is_client(c.client_id for c in self.clients if group.id in c.groups)

    def _user_groups(self, group: Uid) -> Truth:
        known = self.world.groups
        if group.type != "Group" or (known is not None and group.id not in known):
            return False
        return self._groups.setdefault(group.id, z3.Bool(f"in group {group.id}"))

    def _is_client(self, ids: Iterable[str]) -> Truth:
        return some(self.client.code == self.id(id_) for id_ in ids)

    def _is_resource(self, resources: Iterable[Resource]) -> Truth:
        return some(self.resource.code == self.id(each.identifier) for each in resources)

    def _attribute(self, name: str) -> Iterable[Attribute]:
        if self.place.kind is SubjectKind.CLIENT:
            return
        if name == "issuer":
            yield Attribute(present=True, term=self.issuer)
        elif name in self.world.attributes:
            found = self._optional(f"principal.{name}", _KINDS[self.world.attributes[name]])
            yield self._said_by(name, found)

    def _said_by(self, attribute: str, found: Attribute | None) -> Attribute:
        """Keep an attribute to users of the providers that have a claim for it."""
        assert found is not None  # noqa: S101 -- it was asked for
        sayers = [each for each in self.parties.providers if attribute in each.claims.values()]
        if len(sayers) < len(self.parties.providers):
            self._from(sayers, found.present)
        return found

    def _from(self, sayers: Iterable[IdentityProvider], there: Truth) -> None:
        self._bounds.add(lambda: some((negated(there), self._issued_by(sayers))))

    def _issued_by(self, providers: Iterable[IdentityProvider]) -> Truth:
        return some(self.issuer.value == self.strings.literal(each.issuer) for each in providers)

    def _fields(self, paths: Iterable[tuple[str, ...]]) -> list[tuple[str, Field]]:
        type_ = self.world.types.get(self.place.type)
        declared = type_.fields if type_ is not None else {}
        return [(name, declared[name]) for name in _below("operation", paths) if name in declared]

    def _keys(self, paths: Iterable[tuple[str, ...]]) -> list[str]:
        return [name for name in _below("request", paths) if name in self.world.context_keys]

    def _field(self, declared: Field) -> Attribute:
        kind = Kind.SET if declared.kind is FieldKind.ONE_OF else _KINDS[declared.type]
        term = self._value(f"operation.{declared.name}", kind)
        fitting = fits_field(declared)
        if kind is Kind.SET:
            self._bounds.choices(term, fitting)
        elif kind is Kind.STRING:
            self._bounds.string(term, fitting)
        elif kind in (Kind.LONG, Kind.DECIMAL):
            scale = 1 if kind is Kind.LONG else decimal_units("1")
            self._bounds.range(term.value, declared.minimum, declared.maximum, scale)
        present = z3.Bool(f"operation has {declared.name}") if declared.optional else True
        return Attribute(present, term)

    def _key(self, name: str) -> Attribute:
        key = self.world.context_keys[name]
        term = self._value(f"request.{name}", _KINDS[key.type])
        if term.kind is Kind.STRING:
            self._bounds.string(term, fits_context(key))
        return Attribute(True if key.required else z3.Bool(f"request has {name}"), term)

    def _optional(self, name: str, kind: Kind, *, there: bool = True) -> Attribute | None:
        if not there or self.place.kind is SubjectKind.CLIENT:
            return None
        return Attribute(z3.Bool(f"has {name}"), self._value(name, kind))

    def _actor(self, *, there: bool) -> Attribute | None:
        if not there:
            return None
        term = self._value("actor", Kind.STRING)
        if self.place.kind is SubjectKind.CLIENT:
            # Whoever a challenge names stands behind the client itself in the chain.
            named = [
                (self.id(c.client_id), self.strings.literal(c.client_id)) for c in self.clients
            ]
            self._bounds.add(
                lambda: every(
                    some((self.client.code != code, term.value == text)) for code, text in named
                )
            )
        return Attribute(self.depth > 0, term)

    def _login(self, *, there: bool) -> Login | None:
        found = self._optional("auth_age", Kind.LONG, there=there)
        if found is None:
            return None
        age = found.term.value
        self._bounds.add(lambda: every((age >= 0, age <= divided(self.now, 1000) + _FIRST)))
        return Login(found, z3.Bool("auth_age and a part of a second"))

    def _value(self, name: str, kind: Kind) -> Term:
        if kind is Kind.STRING:
            return Term(kind, self.strings.variable(name))
        if kind is Kind.BOOL:
            return Term(kind, z3.Bool(name))
        if kind is Kind.SET:
            holds = z3.Function(name, self.strings.sort, z3.BoolSort())
            like = Term(Kind.STRING, self.strings.literal(""))
            return Term(kind, Variable(self.universe, like, holds))
        number = z3.Int(name)
        self._bounds.range(number, I64.start, I64.stop - 1)
        return Term(kind, number)

    # Bounds.

    def _bind(self) -> None:
        acted_for = self.place.kind is SubjectKind.USER and not self.parties.vouching
        least = 1 if acted_for else 0
        self._bounds.range(self.depth, least, MAX_ACT_DEPTH)
        self._bounds.range(self.now, 0, LAST_MS)
        self._bounds.add(lambda: self._is_client(each.client_id for each in self.clients))
        self._bounds.add(lambda: self._is_resource(self.resources))
        if self.place.kind is SubjectKind.CLIENT:
            return
        self._bounds.add(lambda: self._issued_by(self.parties.providers))
        self._bounds.add(
            lambda: every(self.principal.code != self.id(c.client_id) for c in self.parties.clients)
        )
        sayers = [each for each in self.parties.providers if GROUPS in each.claims.values()]
        if len(sayers) < len(self.parties.providers):
            anywhere = z3.Bool("in any group")
            self._from(sayers, anywhere)
            self._bounds.add(
                lambda: every(some((negated(each), anywhere)) for each in self._groups.values())
            )


def _below(record: str, paths: Iterable[tuple[str, ...]]) -> list[str]:
    return sorted({path[1] for path in paths if len(path) > 1 and path[0] == record})
