"""What the Cedar engine lets pass and we do not: silence in a policy is a hole in the fence."""

import unicodedata
from collections.abc import Iterator

from fleeting.core.declaring import UNSAFE
from fleeting.policy.hints import Pointer, context_names, likely
from fleeting.policy.schema import PolicyWorld
from fleeting.policy.tree import Effect, Node, Reads, Uid, read_actions

_RECORDS = ((), ("operation",), ("request",), ("limits",))


def lint(
    node: Node, reads: Reads, effect: Effect, world: PolicyWorld
) -> Iterator[tuple[str, Pointer]]:
    """Yield what is wrong with the policy *node*, which looks at *reads*, and where to point."""
    yield from _limits_in_permit(reads, effect)
    yield from _whole_records(reads)
    yield from _asked_in_vain(reads, world)
    yield from _never_so(node, reads, world)
    if "unknown" in reads.functions:
        yield "unknown(...) has no value here", Pointer("unknown", "compare with a known value")
    for entity in sorted(reads.entities):
        yield from _odd_entity(entity, world)


def _limits_in_permit(reads: Reads, effect: Effect) -> Iterator[tuple[str, Pointer]]:
    # DESIGN D2: limits come of the permits, so only a forbid can look at them.
    if effect is Effect.PERMIT and any(path[:1] == ("limits",) for path in reads.context):
        hint = "state them as annotations, or write a forbid that reads them"
        yield "a permit cannot read context.limits", Pointer("limits", hint)


def _whole_records(reads: Reads) -> Iterator[tuple[str, Pointer]]:
    for path in sorted(reads.context & set(_RECORDS)):
        name = ".".join(("context", *path))
        hint = f"read its attributes, such as {name}.{'amount' if path else 'acr'}"
        yield f"{name} as a whole cannot be compared", Pointer(name.rpartition(".")[2], hint)


def _asked_in_vain(reads: Reads, world: PolicyWorld) -> Iterator[tuple[str, Pointer]]:
    # The engine takes `has` of any name: misspelt, it is never true and switches a forbid off.
    for *base, name in sorted(reads.asked):
        own = [*world.attributes, "issuer"]
        known = own if base == [""] else context_names(tuple(base), world)
        if name not in known:
            yield f"nothing has an attribute `{name}` here", Pointer(name, likely(name, known))


def _never_so(node: Node, reads: Reads, world: PolicyWorld) -> Iterator[tuple[str, Pointer]]:
    # No operation carries a value outside of its field's closed set, so a forbid would be dead.
    fields = {(path, path[-1]) for path, _ in reads.held if path[:-1] == ("operation",)}
    closed = {path: _values(name, node, world) for path, name in fields}
    for path, value in sorted(reads.held):
        known = closed.get(path)
        if known and value not in known:
            hint = likely(value, sorted(known))
            yield f"`{path[-1]}` is never `{value}`", Pointer(value, hint, near=path[-1])


def _values(name: str, node: Node, world: PolicyWorld) -> frozenset[str]:
    """Return the closed set of the field *name* in all that *node* is about; empty: any value."""
    covered = {each.partition(":")[0] for each in read_actions(node["action"], world.actions())}
    types = (type_ for key, type_ in world.types.items() if key in covered)
    fields = [type_.fields[name] for type_ in types if name in type_.fields]
    if not all(each.values for each in fields):
        return frozenset()
    return frozenset(value for each in fields for value in each.values)


def _odd_entity(entity: Uid, world: PolicyWorld) -> Iterator[tuple[str, Pointer]]:
    letters = () if entity.id.isascii() else filter(str.isalpha, entity.id)
    scripts = {*map(_script, letters)}
    if len(scripts) > 1:
        strange = next(each for each in entity.id if each.isalpha() and not each.isascii())
        hint = f"'{strange}' is U+{ord(strange):04X} {unicodedata.name(strange, '?')}"
        yield f"{entity.type} id mixes {' and '.join(sorted(scripts))}", Pointer(entity.id, hint)
    if UNSAFE.search(entity.id):
        yield f"{entity.type} id has a character that cannot be seen", Pointer(entity.id)
    if entity.type == "Group" and world.groups is not None and entity.id not in world.groups:
        hint = likely(entity.id, world.groups)
        yield f"nobody is in the group `{entity.id}`", Pointer(entity.id, hint)
    if entity.type == "Resource" and world.resources is not None:
        yield from _undeclared(entity, world.resources)


def _undeclared(entity: Uid, resources: frozenset[str]) -> Iterator[tuple[str, Pointer]]:
    if entity.id not in resources:
        hint = likely(entity.id, resources)
        pointer = Pointer(entity.id, hint, near=entity.type)
        yield f"no resource is declared as `{entity.id}`", pointer


def _script(letter: str) -> str:
    return unicodedata.name(letter, "?").split(" ")[0]
