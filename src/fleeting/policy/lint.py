"""What the Cedar engine lets pass and we do not: silence in a policy is a hole in the fence."""

import unicodedata
from collections.abc import Iterator

from fleeting.core.declaring import UNSAFE
from fleeting.policy.hints import Pointer, context_names, likely
from fleeting.policy.schema import PolicyWorld
from fleeting.policy.tree import Effect, Reads, Uid

_RECORDS = ((), ("operation",), ("request",), ("limits",))


def lint(reads: Reads, effect: Effect, world: PolicyWorld) -> Iterator[tuple[str, Pointer]]:
    """Yield what is wrong with a policy that looks at *reads*, and where to point."""
    yield from _limits_in_permit(reads, effect)
    yield from _whole_records(reads)
    yield from _asked_in_vain(reads, world)
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


def _odd_entity(entity: Uid, world: PolicyWorld) -> Iterator[tuple[str, Pointer]]:
    scripts = {_script(each) for each in entity.id if each.isalpha()}
    if len(scripts) > 1:
        strange = next(each for each in entity.id if each.isalpha() and not each.isascii())
        hint = f"'{strange}' is U+{ord(strange):04X} {unicodedata.name(strange, '?')}"
        yield f"{entity.type} id mixes {' and '.join(sorted(scripts))}", Pointer(entity.id, hint)
    if UNSAFE.search(entity.id):
        yield f"{entity.type} id has a character that cannot be seen", Pointer(entity.id)
    if entity.type == "Group" and world.groups is not None and entity.id not in world.groups:
        hint = likely(entity.id, world.groups)
        yield f"nobody is in the group `{entity.id}`", Pointer(entity.id, hint)


def _script(letter: str) -> str:
    return unicodedata.name(letter, "?").split(" ")[0]
