"""Read parsed policies (Cedar's JSON form): their scope, and every attribute they look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

Node: TypeAlias = Any
"""A piece of Cedar's JSON form of a policy, as the Cedar engine wrote it."""

_COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
_EQUALITIES = frozenset({"==", "!=", "contains", "containsAll", "containsAny"})
_PRINCIPAL = {"Var": "principal"}


class Effect(StrEnum):
    """What a policy does where it is satisfied."""

    PERMIT = "permit"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True, order=True)
class Uid:
    """A Cedar entity."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What a policy's scope says of its principal or resource; None is no condition.

    equal: the entity itself, not one within it.
    """

    type: str | None = None
    entity: Uid | None = None
    equal: bool = False


@dataclass(frozen=True, slots=True)
class Reads:
    """All that the conditions of a policy look at.

    context: paths below ``context``, such as ("operation", "amount"); () is all of it.
    whole: those of them whose very value counts; of the others only how they compare does.
    landmarks: the whole numbers that such others are compared with.
    held: strings that context attributes are held against for equality, as (path, string).
    attributes: of entities. asked: those of both that a ``has`` asks for, entities' as ("", name).
    entities: every entity named, scope included. functions: every operator and function used.
    variables: those used otherwise than by attribute, by group or by type.
    """

    context: set[tuple[str, ...]] = field(default_factory=set)
    whole: set[tuple[str, ...]] = field(default_factory=set)
    landmarks: dict[tuple[str, ...], set[int]] = field(default_factory=dict)
    held: set[tuple[tuple[str, ...], str]] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    asked: set[tuple[str, ...]] = field(default_factory=set)
    entities: set[Uid] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)

    @property
    def identity(self) -> bool:
        """Say whether it may matter who exactly the principal is."""
        named = any(entity.type in ("User", "Client") for entity in self.entities)
        return named or "principal" in self.variables or ("client",) in self.context


def read_scope(node: Node) -> Scope:
    """Return the scope of a principal or a resource."""
    inside = node.get("in", node)
    entity = _uid(inside["entity"]) if "entity" in inside else None
    return Scope(node.get("entity_type"), entity, equal=node["op"] == "==")


def read_actions(node: Node, named: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the actions that a policy's scope takes; *named* says which a name means.

    A name that means nothing takes none: the Cedar validator says so.
    """
    if node["op"] == "All":
        return frozenset().union(*named.values())
    written = node.get("entities") or [node["entity"]]
    if node["op"] == "==":
        return frozenset({written[0]["id"]})
    return frozenset().union(*(named.get(each["id"], ()) for each in written))


def read(policy: Node) -> Reads:
    """Return what *policy* looks at: never less than what Cedar would, at times more."""
    reads = Reads()
    for variable in ("principal", "resource"):
        entity = read_scope(policy[variable]).entity
        if entity is not None:
            reads.entities.add(entity)
    # A stack of our own: a long `||` is a deep tree, and Python's stack is not.
    waiting = [condition["body"] for condition in policy["conditions"]]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            for operator, operands in node.items():
                waiting += _read_expression(operator, operands, reads)
    return reads


def _read_expression(operator: str, operands: Node, reads: Reads) -> list[Node]:
    """Note what one expression looks at, and return the expressions within it."""
    reads.functions.add(operator)
    if operator == "Value":
        _read_literal(operands, reads)
        return []
    if operator == "Var":
        reads.variables.add(operands)
        if operands == "context":
            reads.context.add(())
        return []
    if operator in _EQUALITIES:
        _read_equality(operands, reads)
    if operator in (".", "has"):
        return _read_attribute(operator, operands, reads)
    if operator in _COMPARISONS and _read_comparison(operands, reads):
        return []
    if operator in ("in", "is") and operands["left"] == _PRINCIPAL:
        return [value for side, value in operands.items() if side != "left"]
    return list(operands.values()) if isinstance(operands, dict) else [operands]


def _read_comparison(operands: Node, reads: Reads) -> bool:
    """Note a context attribute that is held against a whole number, if that is what it is."""
    for one, other in (("left", "right"), ("right", "left")):
        path, number = context_path(operands[one]), operands[other].get("Value")
        if path and isinstance(number, int) and not isinstance(number, bool):
            reads.context.add(path)
            reads.landmarks.setdefault(path, set()).add(number)
            return True
    return False


def _read_equality(operands: Node, reads: Reads) -> None:
    """Note the strings that a context attribute is held against, if that is what they are."""
    for one, other in (("left", "right"), ("right", "left")):
        path = context_path(operands[one])
        if path is not None:
            values = (each.get("Value") for each in operands[other].get("Set", [operands[other]]))
            reads.held.update((path, value) for value in values if isinstance(value, str))


def _read_attribute(operator: str, operands: Node, reads: Reads) -> list[Node]:
    left, name = operands["left"], operands["attr"]
    base = context_path(left)
    if operator == "has":
        reads.asked.add(("", name) if base is None else (*base, name))
    if base is not None:
        reads.context.add((*base, name))
        if operator == ".":
            reads.whole.add((*base, name))
        return []
    reads.attributes.add(name)
    return [] if left == _PRINCIPAL else [left]


def context_path(node: Node) -> tuple[str, ...] | None:
    """Return the path below ``context`` that *node* is, () for itself, or None for another."""
    if node == {"Var": "context"}:
        return ()
    if isinstance(node, dict) and "." in node:
        base = context_path(node["."]["left"])
        return None if base is None else (*base, node["."]["attr"])
    return None


def _read_literal(value: Node, reads: Reads) -> None:
    if not isinstance(value, dict) or "__entity" not in value:
        return
    entity = _uid(value["__entity"])
    reads.entities.add(entity)
    if entity.type == "Client":
        # It may be the one that asks, whose groups are known: then they count, as does who asks.
        reads.context.add(("client",))
        reads.whole.add(("client",))


def _uid(node: Node) -> Uid:
    return Uid(node["type"], node["id"])
