"""Turn what the Cedar engine says into a place in the text and what was probably meant."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from fleeting.core.declaring import nearest
from fleeting.policy.scanner import PolicyText
from fleeting.policy.schema import CONTEXT_ATTRIBUTES, ENTITY_TYPES, LIMITS, PolicyWorld

METHODS = (
    *("contains", "containsAll", "containsAny", "isEmpty"),
    *("lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"),
    *("offset", "durationSince", "toDate", "toTime"),
    *("toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays"),
    *("isIpv4", "isIpv6", "isLoopback", "isMulticast", "isInRange"),
)
FUNCTIONS = ("decimal", "datetime", "duration", "ip")
VARIABLES = ("principal", "action", "resource", "context")


@dataclass(frozen=True, slots=True)
class Pointer:
    """The word to point at, if there is one, and what was probably meant.

    near: where it stands more than once, the one next to this word is meant.
    """

    word: str = ""
    hint: str = ""
    nth: int = 0
    near: str = ""


def likely(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?``, or all that is known where nothing is like *name*."""
    names = [*known]
    listed = f"known are {', '.join(sorted(names))}" if names else "there are none"
    return nearest(name, names).removeprefix("; ") or listed


def context_names(path: tuple[str, ...], world: PolicyWorld, action: str = "") -> list[str]:
    """Return what there is below ``context`` at *path*: for one action, or for any."""
    if not path:
        return [name.removesuffix("?") for name in CONTEXT_ATTRIBUTES]
    if path == ("operation",):
        own = world.types.get(action.partition(":")[0])
        types = world.types.values() if own is None else (own,)
        return sorted({name for type_ in types for name in type_.fields})
    if path == ("request",):
        return [*world.context_keys]
    return [*LIMITS] if path == ("limits",) else []


def _context_attribute(found: re.Match[str], world: PolicyWorld) -> Pointer:
    *base, name = found[1].split(".")
    if name in context_names(tuple(base), world):  # but of other actions than this one
        holder = ".".join(("context", *base))
        return Pointer(name, f"name its action in the scope, or ask `{holder} has {name} &&` first")
    return Pointer(name, likely(name, context_names(tuple(base), world, found[2])))


def _entity_attribute(found: re.Match[str], world: PolicyWorld) -> Pointer:
    if found[1] in (*world.attributes, "issuer"):
        return Pointer(
            found[1],
            f"only users have attributes: not {found[2]}; write `principal is User` in the scope",
        )
    return Pointer(found[1], likely(found[1], [*world.attributes, "issuer"]))


def _optional(found: re.Match[str], _world: PolicyWorld) -> Pointer:
    *base, name = found[1].split(".")
    holder = ".".join(["context", *base]) if "in context" in found[2] else "principal"
    return Pointer(name, f"it may be absent: write `{holder} has {name} && ...`")


def _action(found: re.Match[str], world: PolicyWorld) -> Pointer:
    return Pointer(found[1], likely(found[1], world.actions()))


def _entity_type(found: re.Match[str], _world: PolicyWorld) -> Pointer:
    return Pointer(found[1], likely(found[1], ENTITY_TYPES))


def _nothing_fits(_found: re.Match[str], _world: PolicyWorld) -> Pointer:
    return Pointer("", "a principal is a User or a Client, or in a Group; a resource a Resource")


def _wrong_type(found: re.Match[str], _world: PolicyWorld) -> Pointer:
    if found[2] == "decimal":
        return Pointer("", "compare decimals with .lessThan(), .lessThanOrEqual() and so on")
    if found[2] == "Set<String>":
        return Pointer("", 'a set of strings: write such as context.operation.x.contains("EUR")')
    return Pointer()


def _literal(found: re.Match[str], _world: PolicyWorld) -> Pointer:
    return Pointer(found[1], "")


def _among(*known: str) -> Callable[[re.Match[str], PolicyWorld], Pointer]:
    return lambda found, _world: Pointer(found[1], likely(found[1], known))


def _operator(found: re.Match[str], _world: PolicyWorld) -> Pointer:
    return Pointer(found[1], "write '==' to compare" if found[1] == "=" else "")


def _twice(found: re.Match[str], _world: PolicyWorld) -> Pointer:
    return Pointer(found[1], "write it once", nth=1)


_RULES: Mapping[str, Callable[[re.Match[str], PolicyWorld], Pointer]] = {
    r'^attribute `(.+)` in context for Action::"(.+)" not found': _context_attribute,
    r"^attribute `(.+)` on entity type `(.+)` not found": _entity_attribute,
    r"^unable to guarantee safety of access to optional attribute `(\S+)`(.*)": _optional,
    r'^unrecognized action `Action::"(.*)"`': _action,
    r"^unrecognized entity type `(.+)`": _entity_type,
    r"^unable to find an applicable action": _nothing_fits,
    r"^unexpected type: expected (.+) but saw (.+)": _wrong_type,
    r'failed to parse as .+: `"(.*)"`': _literal,
    r"^found an invalid variable in the policy scope: (\w+)": _among(*VARIABLES),
    r"^invalid variable: (\w+)": _among(*VARIABLES),
    r"^invalid member access `(\w+)\.": _among(*VARIABLES),
    r"^invalid policy effect: (\w+)": _among("permit", "forbid"),
    r"^invalid policy condition: (\w+)": _among("when", "unless"),
    r"^`(\w+)` is not a valid method": _among(*METHODS),
    r"^`(\w+)` is not a valid function": _among(*FUNCTIONS),
    r"^'(.+)' is not a valid operator": _operator,
    r"^duplicate annotation: @(\w+)": _twice,
}


def explain(message: str, world: PolicyWorld) -> Pointer:
    """Return where to look for, and what to write instead of, what *message* complains of."""
    for pattern, rule in _RULES.items():
        found = re.search(pattern, message)
        if found is not None:
            return rule(found, world)
    return Pointer()


def locate(text: PolicyText, pointer: Pointer) -> int | None:
    """Return where in *text* the pointed word stands, None where it cannot be told."""
    if pointer.near:
        return text.find_near(pointer.word, pointer.near)
    return text.find(pointer.word, nth=pointer.nth) if pointer.word else None
