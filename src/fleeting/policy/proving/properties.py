"""Properties: what a set of policies must never do, as people write it in ``properties/*.toml``.

```toml
[[properties]]
name = "no refund token lives longer than five minutes"
types = ["payment_refund"]
never = { lifetime_over = "5m" }

[[properties]]
name = "contractors never pay out"
actions = ["payout:make"]
when = 'principal in Group::"contractors"'
never = { permitted = true }
```
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from fleeting.core.declaring import DeclarationError, Table, nearest
from fleeting.core.limits import is_at_least, parse_approval
from fleeting.core.model import ApprovalStage, Limits, SenderConstraint
from fleeting.policy.policies import Policy
from fleeting.policy.problems import PolicyProblems, PolicySource, Problem
from fleeting.policy.proving.blocks import Block, blocks
from fleeting.policy.proving.guards import guard
from fleeting.policy.schema import PolicyWorld

_KEYS = ("name", "types", "actions", "sensitive", "when", "never")
_NEVER = (
    "permitted",
    "lifetime_over",
    "uses_over",
    "approvals_under",
    "unbound",
    "bound_under",
)
_BOUNDS = (SenderConstraint.DPOP.value, SenderConstraint.MTLS.value)


@dataclass(frozen=True, slots=True)
class Never:
    """What must not be; any one of it breaks the property.

    permitted: that policy lets it through at all, even after approval.
    approvals: the stages that must be asked for, each at least so; a group of "" is any group.
    bound: the weakest sender constraint there may be.
    """

    permitted: bool = False
    lifetime_over: timedelta | None = None
    uses_over: int | None = None
    approvals: tuple[ApprovalStage, ...] = ()
    bound: SenderConstraint | None = None

    def broken_by(self, limits: Limits) -> bool:
        """Say whether a token with *limits* must not be."""
        return (
            self.permitted
            or (self.lifetime_over is not None and limits.lifetime > self.lifetime_over)
            or (
                self.uses_over is not None and (limits.uses is None or limits.uses > self.uses_over)
            )
            or any(_approvals(limits, stage.group) < stage.count for stage in self.approvals)
            or (self.bound is not None and not is_at_least(limits.bound, self.bound))
        )


@dataclass(frozen=True, slots=True)
class Property:
    """One property. actions: the Cedar actions it is about. when: the requests it is about."""

    name: str
    file: str
    line: int
    actions: frozenset[str]
    never: Never
    when: Policy | None = None


def load_properties(sources: Iterable[PolicySource], world: PolicyWorld) -> tuple[Property, ...]:
    """Return the properties of all *sources*, in their order.

    Raises:
        PolicyProblems: every error of every file, each with its place.
    """
    found: list[Property] = []
    problems: list[Problem] = []
    for source in sources:
        for read in _read(source, world):
            if isinstance(read, Problem):
                problems.append(read)
            else:
                found.append(read)
    problems += _repeated(found)
    if problems:
        raise PolicyProblems(problems)
    return tuple(found)


def _read(source: PolicySource, world: PolicyWorld) -> Iterator[Property | Problem]:
    try:
        whole = Table("", tomllib.loads(source.text))
        whole.allow_only(("properties",))
        tables = _tables(whole)
    except tomllib.TOMLDecodeError as error:
        yield _toml_problem(source, error)
        return
    except DeclarationError as error:
        yield Problem(source.name, 1, 1, str(error), "write [[properties]], then its keys")
        return
    found = [*blocks(source.text)]
    for place, table in enumerate(tables):
        block = found[place] if place < len(found) else Block(1, ())
        yield from _property(source, block, table, world)


def _tables(whole: Table) -> list[Table]:
    written = whole.values.get("properties", [])
    if not isinstance(written, list) or not all(isinstance(each, dict) for each in written):
        raise DeclarationError("properties must be an array of tables")
    return [Table("", each) for each in written]


def _toml_problem(source: PolicySource, error: tomllib.TOMLDecodeError) -> Problem:
    found = re.search(r"line (\d+), column (\d+)", str(error))
    line, column = (int(found[1]), int(found[2])) if found is not None else (1, 1)
    return Problem(source.name, line, column, f"this is not TOML: {error}")


# One property.


def _property(
    source: PolicySource, block: Block, table: Table, world: PolicyWorld
) -> Iterator[Property | Problem]:
    try:
        table.allow_only(_KEYS)
        name = _name(table)
        never = _never(table)
        actions = _actions(table, world)
    except _WrongError as error:
        yield block.problem(source.name, str(error), error.hint, error.word)
        return
    except DeclarationError as error:
        yield block.problem(source.name, str(error), word=_meant(str(error)))
        return
    when = _when(source, block, table, actions, world)
    if isinstance(when, list):
        yield from when
    else:
        yield Property(name, source.name, block.line, actions, never, when)


class _WrongError(Exception):
    """One value is wrong. word: where to point at."""

    def __init__(self, word: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.word, self.hint = word, hint


def _meant(message: str) -> str:
    """Return the key that a declaration's error is about."""
    unknown = re.search(r"unknown key '([^']+)'", message)
    found = unknown or re.search(r"^(?:\w+\.)?(\w+):", message)
    return found[1] if found is not None else ""


def _name(table: Table) -> str:
    name = table.text("name")
    if not name or "\n" in name:
        hint = 'write such as name = "no refund token lives longer than five minutes"'
        raise _WrongError("name", "this property has no name", hint)
    return name


def _actions(table: Table, world: PolicyWorld) -> frozenset[str]:
    """Return the actions of all selectors together; without any, all there are."""
    named = world.actions()
    types, actions = table.strings("types"), table.strings("actions")
    sensitive = table.flag("sensitive")
    for name in types:
        if name not in world.types:
            raise _WrongError(
                name, f"no operation type is called '{name}'", _near(name, world.types)
            )
    single = [name for name, meant in named.items() if ":" in name and meant]
    for name in actions:
        if name not in single:
            raise _WrongError(name, f"there is no action '{name}'", _near(name, single))
    if sensitive:
        types = (*types, *(name for name, type_ in world.types.items() if type_.sensitive))
    if not (types or actions or sensitive):
        return frozenset().union(*named.values())
    return frozenset().union(*(named[name] for name in (*types, *actions)))


def _near(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    return nearest(name, names).removeprefix("; ") or f"known are {', '.join(names) or 'none'}"


def _never(table: Table) -> Never:
    written = table.values.get("never")
    if not isinstance(written, dict) or not written:
        hint = f'write such as never = {{ lifetime_over = "5m" }}; known are {", ".join(_NEVER)}'
        raise _WrongError("never", "a property says what must never be", hint)
    inner = Table("never", written)
    inner.allow_only(_NEVER)
    found = Never(
        permitted=inner.flag("permitted"),
        lifetime_over=inner.duration("lifetime_over"),
        uses_over=inner.count("uses_over"),
        approvals=_approvals_under(inner.values.get("approvals_under")),
        bound=_bound(inner),
    )
    if found == Never():
        raise _WrongError("never", "this never says nothing", "write permitted = true, for one")
    return found


def _approvals_under(written: object) -> tuple[ApprovalStage, ...]:
    if written is None:
        return ()
    if isinstance(written, int) and not isinstance(written, bool) and written > 0:
        return (ApprovalStage(written, ""),)
    try:
        return parse_approval(str(written))
    except ValueError:
        hint = 'write a whole number, or such as "2 of payments-leads"'
        raise _WrongError("approvals_under", "approvals_under cannot be read", hint) from None


def _bound(table: Table) -> SenderConstraint | None:
    written = table.text("bound_under")
    if written is not None and written not in _BOUNDS:
        hint = 'write bound_under = "dpop" (no unbound token) or "mtls"'
        raise _WrongError("bound_under", f"bound_under is not '{written}'", hint)
    if written is not None:
        return SenderConstraint(written)
    return SenderConstraint.DPOP if table.flag("unbound") else None


def _when(
    source: PolicySource,
    block: Block,
    table: Table,
    actions: frozenset[str],
    world: PolicyWorld,
) -> Policy | list[Problem] | None:
    if "when" not in table.values:
        return None
    try:
        text = table.text("when") or ""
    except DeclarationError as error:
        return [block.problem(source.name, str(error), word="when")]
    found = guard(text, actions, world)
    if isinstance(found, Policy):
        return found
    line, column = block.place("when")
    shown = block.lines[line - block.line] if block.lines else ""
    start = shown.find(text.splitlines()[0]) if text.strip() else -1
    return [
        Problem(
            source.name,
            line,
            (start if start >= 0 else column - 1) + 1 + offset,
            f"when: {message}",
            hint,
        )
        for offset, message, hint in found
    ]


def _approvals(limits: Limits, group: str) -> int:
    return sum(each.count for each in limits.approvals if group in ("", each.group))


def _repeated(found: Iterable[Property]) -> Iterator[Problem]:
    first: dict[str, Property] = {}
    for each in found:
        earlier = first.setdefault(each.name, each)
        if earlier is not each:
            place = f"{earlier.file}:{earlier.line}"
            message = f"the name '{each.name}' is taken by {place}"
            yield Problem(each.file, each.line, 1, message)


__all__ = ["Never", "Property", "load_properties"]
