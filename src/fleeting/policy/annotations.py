"""Annotations: the closed set of them, and the limits they state (DESIGN D2)."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fleeting.core.ceremony import parse_break_glass, parse_escalation, parse_plan
from fleeting.core.declaring import UNSAFE, nearest, shown
from fleeting.core.limits import Terms, parse_approval, parse_duration
from fleeting.core.model import SenderConstraint, StepUp
from fleeting.policy.rules import ACCEPTABLE, UNLIMITED_USES
from fleeting.policy.tree import Effect

MOST_USES = 1_000_000_000
LONGEST_REASON = 500

_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_ACR = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one annotation."""

    name: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Annotations:
    """The annotations of one policy, parsed. reason: public; terms: what a permit limits.

    accepts: the warnings of ``fleeting policy check`` that are known and meant.
    """

    id: str
    reason: str
    terms: Terms
    accepts: tuple[str, ...] = ()


def _id(text: str) -> str:
    if _ID.fullmatch(text) is None:
        told = "an id has 1 to 100 ASCII letters, digits, '.', '_', ':' or '-'"
        strange = next((each for each in text if not each.isascii()), "")
        name = strange and unicodedata.name(strange, f"U+{ord(strange):04X}")
        raise ValueError(f"{told}, and no {name}" if strange else told)
    return text


def _sentence(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_REASON or UNSAFE.search(text):
        raise ValueError(f"write one line of 1 to {LONGEST_REASON} characters")
    return text


def _uses(text: str) -> int:
    if re.fullmatch(r"[1-9][0-9]{0,9}", text) is None or int(text) > MOST_USES:
        raise ValueError(f'write a whole number from 1 to {MOST_USES}, such as @uses("1")')
    return int(text)


def _bound(text: str) -> SenderConstraint:
    try:
        return SenderConstraint(text)
    except ValueError:
        raise ValueError('write @bound("dpop"), @bound("mtls") or @bound("none")') from None


def _acrs(text: str) -> tuple[str, ...]:
    acrs = tuple(text.split(" "))
    if not all(map(_ACR.fullmatch, acrs)):
        raise ValueError('write acr values with one space between, such as @step_up("gold silver")')
    return acrs


def _accepted(text: str) -> tuple[str, ...]:
    rules, colon, why = text.partition(":")
    if not colon or not why.strip():
        raise ValueError(
            f'write warning and why, such as @accept("{UNLIMITED_USES}: it only reads")'
        )
    accepted = tuple(rule.strip() for rule in rules.split(","))
    for rule in accepted:
        if rule not in ACCEPTABLE:
            raise ValueError(f"no warning here is called {shown(rule)}{nearest(rule, ACCEPTABLE)}")
    return accepted


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "id": _id,
    "description": str,
    "reason": _sentence,
    "lifetime": parse_duration,
    "uses": _uses,
    "approval": parse_approval,
    "step_up": _acrs,
    "max_age": parse_duration,
    "bound": _bound,
    "approval_in": parse_duration,
    "escalate": parse_escalation,
    "approver_max_age": parse_duration,
    "plan": parse_plan,
    "break_glass": parse_break_glass,
    "accept": _accepted,
}
_ON_BOTH = ("id", "description", "reason", "accept")


def parse_annotations(
    written: Mapping[str, str | None], effect: Effect
) -> tuple[Annotations, tuple[Fault, ...]]:
    """Return what *written* says, and all that is wrong with it; only a faultless one counts."""
    faults: list[Fault] = []
    values: dict[str, Any] = {}
    if "id" not in written:
        faults.append(Fault("", "this policy has no @id", 'write such as @id("small-refunds")'))
    for name, text in written.items():
        fault = _misplaced(name, effect)
        if fault is not None:
            faults.append(fault)
            continue
        try:
            values[name] = _PARSERS[name](text or "")
        except ValueError as error:
            faults.append(Fault(name, f"@{name} cannot be read: {error}"))
    return _assemble(values), tuple(faults)


def _misplaced(name: str, effect: Effect) -> Fault | None:
    if name not in _PARSERS:
        known = ", ".join(f"@{each}" for each in _PARSERS)
        hint = nearest(name, _PARSERS).removeprefix("; ")
        return Fault(name, f"unknown annotation @{name}", hint or f"known are {known}")
    if effect is Effect.FORBID and name not in _ON_BOTH:
        hint = "a forbid grants nothing; limit with `unless { context.limits... }` instead"
        return Fault(name, f"@{name} stands on a forbid", hint)
    return None


def _assemble(values: Mapping[str, Any]) -> Annotations:
    acr, max_age = values.get("step_up", ()), values.get("max_age")
    step_up = StepUp(acr, max_age) if acr or max_age else None
    return Annotations(
        id=values.get("id", ""),
        reason=values.get("reason", ""),
        terms=Terms(
            lifetime=values.get("lifetime"),
            uses=values.get("uses"),
            bound=values.get("bound"),
            approvals=values.get("approval", ()),
            step_up=step_up,
            approval_in=values.get("approval_in"),
            escalation=values.get("escalate"),
            approver_max_age=values.get("approver_max_age"),
            plan=values.get("plan"),
            break_glass=values.get("break_glass"),
        ),
        accepts=values.get("accept", ()),
    )
