"""Cedar's expressions over one request, as terms; errors are told apart from false (DESIGN D1)."""

from collections.abc import Callable, Mapping
from typing import Any

from fleeting.policy.proving import literals
from fleeting.policy.proving.operators import OPERATORS, equal
from fleeting.policy.proving.sets import Written
from fleeting.policy.proving.terms import (
    FAILED,
    SCALARS,
    Attribute,
    Entity,
    Kind,
    Term,
    Truth,
    UnsupportedError,
    either,
    every,
    negated,
    some,
)
from fleeting.policy.proving.variables import Variables
from fleeting.policy.tree import Node, Uid

_LITERALS: Mapping[str, tuple[Kind, Callable[[str], int]]] = {
    "decimal": (Kind.DECIMAL, literals.decimal_units),
    "datetime": (Kind.DATETIME, literals.datetime_ms),
    "duration": (Kind.DURATION, literals.duration_ms),
}


class Expressions:
    """Finds the terms of expressions over one request, and over the limits about to be granted."""

    def __init__(self, variables: Variables, limits: Mapping[str, Attribute]) -> None:
        """Read *variables* and *limits*."""
        self._variables = variables
        seen = variables.context()
        if limits:
            seen["limits"] = Attribute(present=True, term=Term(Kind.RECORD, limits))
        place = variables.place
        action = Entity(
            "Action",
            variables.id(place.id),
            lambda uid: uid == Uid("Action", place.type),
            literal=Uid("Action", place.id),
        )
        self._names = {
            "principal": Term(Kind.ENTITY, variables.principal),
            "resource": Term(Kind.ENTITY, variables.resource),
            "action": Term(Kind.ENTITY, action),
            "context": Term(Kind.RECORD, seen),
        }
        self._special: Mapping[str, Callable[[Any], Term]] = {
            "Value": self._value,
            "Var": lambda name: self._names[name],
            "&&": lambda operands: self._chain("&&", operands),
            "||": lambda operands: self._chain("||", operands),
            "if-then-else": self._choice,
            "Set": self._set,
            "Record": self._record,
            ".": self._get,
            "has": self._has,
            "like": self._like,
            "is": self._is,
        }

    def term(self, node: Node) -> Term:
        """Return the term of the expression *node*.

        Raises:
            UnsupportedError: something in it is not modelled.
        """
        ((operator, operands),) = node.items()
        special = self._special.get(operator)
        if special is not None:
            return special(operands)
        if operator in _LITERALS:
            return _literal(operator, operands)
        if operator not in OPERATORS:
            raise UnsupportedError(operator)
        values = operands if isinstance(operands, list) else operands.values()
        return OPERATORS[operator](*[self.term(each) for each in values])

    # Literals.

    def _value(self, value: Any) -> Term:  # noqa: ANN401 -- it is JSON
        if isinstance(value, bool):
            return Term(Kind.BOOL, value)
        if isinstance(value, int):
            return Term(Kind.LONG, value)
        if isinstance(value, str):
            return Term(Kind.STRING, self._variables.strings.literal(value))
        return Term(Kind.ENTITY, self._named(Uid(**value["__entity"])))

    def _named(self, uid: Uid) -> Entity:
        """Return the entity that the policy names; only the request's own have parents."""
        code = self._variables.id(uid.id)
        own = [self._names[name].value for name in ("principal", "action")]
        known = next((entity for entity in own if entity.type == uid.type), None)
        if known is None:
            return Entity(uid.type, code, lambda group: self._unknown(uid, group), literal=uid)
        here = known.code == code
        attributes = {
            name: Attribute(every((here, each.present)), each.term)
            for name, each in known.attributes.items()
        }
        parents = _parents_where(here, known)
        return Entity(uid.type, code, parents, attributes, literal=uid)

    def _unknown(self, uid: Uid, group: Uid) -> Truth:
        if uid.type == "Client" and group.type == "Group":
            # The engine knows the groups of the caller only where some policy asks for them.
            raise UnsupportedError(f'{uid.type}::"…" in {group.type}::"…"')
        return False

    def _set(self, elements: list[Node]) -> Term:
        terms = tuple(self.term(each) for each in elements)
        if any(each.kind is Kind.NOTHING for each in terms):
            return FAILED
        written = Written(terms, equal)
        return Term(Kind.SET, written, some(each.errs for each in terms))

    def _record(self, entries: Mapping[str, Node]) -> Term:
        terms = {name: self.term(each) for name, each in entries.items()}
        # Evaluating a record evaluates all of it.
        errs = some(each.errs for each in terms.values())
        present = {name: Attribute(present=True, term=each) for name, each in terms.items()}
        return Term(Kind.RECORD, present, errs)

    # Control: what is not evaluated cannot err.

    def _chain(self, operator: str, operands: Node) -> Term:
        """Return a chain of one operator, whose left sides can be nested deeper than our stack."""
        waiting = [operands["right"]]
        node = operands["left"]
        while isinstance(node, dict) and operator in node:
            waiting.append(node[operator]["right"])
            node = node[operator]["left"]
        found = condition(self.term(node))
        while waiting:
            found = self._link(operator, found, waiting.pop())
        return found

    def _link(self, operator: str, left: Term, node: Node) -> Term:
        goes_on = left.value if operator == "&&" else negated(left.value)
        if goes_on is False:
            return left
        right = condition(self.term(node))
        combined = (every if operator == "&&" else some)((left.value, right.value))
        return Term(Kind.BOOL, combined, some((left.errs, every((goes_on, right.errs)))))

    def _choice(self, operands: Node) -> Term:
        test = condition(self.term(operands["if"]))
        if isinstance(test.value, bool):
            chosen = self.term(operands["then" if test.value else "else"])
            return Term(chosen.kind, chosen.value, some((test.errs, chosen.errs)))
        then, otherwise = self.term(operands["then"]), self.term(operands["else"])
        errs = some((test.errs, either(test.value, then.errs, otherwise.errs)))
        if then.kind is Kind.NOTHING or otherwise.kind is Kind.NOTHING:
            known = otherwise if then.kind is Kind.NOTHING else then
            return Term(known.kind, known.value, errs)
        if then.kind is not otherwise.kind or then.kind not in SCALARS:
            raise UnsupportedError(f"if … then … else of {then.kind.value}")
        return Term(then.kind, either(test.value, then.value, otherwise.value), errs)

    # Attributes.

    def _get(self, operands: Node) -> Term:
        base, name = self.term(operands["left"]), operands["attr"]
        found = _attributes(base).get(name)
        if found is None:
            return FAILED
        errs = some((base.errs, negated(found.present), found.term.errs))
        return Term(found.term.kind, found.term.value, errs)

    def _has(self, operands: Node) -> Term:
        base, name = self.term(operands["left"]), operands["attr"]
        if base.kind not in (Kind.ENTITY, Kind.RECORD):
            return FAILED
        found = _attributes(base).get(name)
        return Term(Kind.BOOL, False if found is None else found.present, base.errs)

    def _like(self, operands: Node) -> Term:
        text = self.term(operands["left"])
        if text.kind is not Kind.STRING:
            return FAILED
        matches = self._variables.strings.like(text.value, operands["pattern"])
        return Term(Kind.BOOL, matches, text.errs)

    def _is(self, operands: Node) -> Term:
        entity = self.term(operands["left"])
        if entity.kind is not Kind.ENTITY:
            return FAILED
        if entity.value.type != operands["entity_type"]:
            return Term(Kind.BOOL, value=False, errs=entity.errs)
        if "in" not in operands:
            return Term(Kind.BOOL, value=True, errs=entity.errs)
        return OPERATORS["in"](entity, self.term(operands["in"]))


def condition(term: Term) -> Term:
    """Return *term* as the Boolean that it must be; evaluating anything else errs."""
    return term if term.kind is Kind.BOOL else Term(Kind.BOOL, value=False, errs=True)


def _attributes(base: Term) -> Mapping[str, Attribute]:
    if base.kind is Kind.RECORD:
        found: Mapping[str, Attribute] = base.value
        return found
    return base.value.attributes if base.kind is Kind.ENTITY else {}


def _parents_where(here: Truth, known: Entity) -> Callable[[Uid], Truth]:
    return lambda group: every((here, known.parents(group)))


def _literal(function: str, operands: list[Node]) -> Term:
    kind, parse = _LITERALS[function]
    text = operands[0].get("Value")
    if not isinstance(text, str):
        raise UnsupportedError(f"{function}() of what is no literal")
    return Term(kind, parse(text))
