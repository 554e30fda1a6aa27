"""Limits: how a permit states them, how two of them combine, and the ceilings on top."""

import re
from dataclasses import dataclass
from datetime import timedelta

from fleeting.core.ceremony import BreakGlassTerms, Escalation, PlanTerms
from fleeting.core.durations import format_duration, parse_duration
from fleeting.core.model import (
    AccessRequest,
    ApprovalStage,
    Client,
    Limits,
    Resource,
    SenderConstraint,
    StepUp,
)
from fleeting.core.operation_types import OperationType

__all__ = [
    "DEFAULT_LIFETIME",
    "HARD_CAP",
    "NO_LOGIN",
    "Ceilings",
    "Terms",
    "approvals_needed",
    "ceilings",
    "ceilings_of",
    "describe_approvals",
    "format_duration",
    "is_at_least",
    "parse_approval",
    "parse_duration",
    "strictest",
    "stronger",
]

DEFAULT_LIFETIME = timedelta(minutes=5)
"""How long a token lives where neither the permit nor a ceiling says."""

HARD_CAP = timedelta(hours=1)
"""The longest life of a token unless the installation says otherwise."""

NO_LOGIN = ""
"""The ``acr`` that no login has: what is left of two demands that no login can meet."""

_STAGE = re.compile(r"([1-9][0-9]?) of ([^\s,]{1,100})")
_STRENGTH = (SenderConstraint.NONE, SenderConstraint.DPOP, SenderConstraint.MTLS)


@dataclass(frozen=True, slots=True)
class Terms:
    """What one permit says of limits; None where it says nothing.

    approval_in, escalation, approver_max_age: how people are asked, where they are.
    plan: the most standing work that it permits; None: single tokens only.
    break_glass: it is a path only for who gives a reason to go ahead at once.
    """

    lifetime: timedelta | None = None
    uses: int | None = None
    bound: SenderConstraint | None = None
    approvals: tuple[ApprovalStage, ...] = ()
    step_up: StepUp | None = None
    approval_in: timedelta | None = None
    escalation: Escalation | None = None
    approver_max_age: timedelta | None = None
    plan: PlanTerms | None = None
    break_glass: BreakGlassTerms | None = None


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The most that any permit can give this request for this type.

    lifetime: None where no ceiling says; hard_cap holds always.
    bound: the least constraint; held: the one that the request's own key brings.
    """

    lifetime: timedelta | None
    uses: int | None
    bound: SenderConstraint
    held: SenderConstraint
    sensitive: bool = False
    hard_cap: timedelta = HARD_CAP

    def over(self, terms: Terms) -> Limits:
        """Return the limits that a permit with *terms* has under these ceilings (DESIGN D2)."""
        lifetime = least(terms.lifetime, self.lifetime) or DEFAULT_LIFETIME
        uses = _fewest(terms.uses, self.uses)
        if self.sensitive and terms.uses is None:
            uses = 1  # DESIGN D3: a sensitive type is always limited in uses
        required = self.bound if terms.bound is None else stronger(self.bound, terms.bound)
        return Limits(
            lifetime=min(lifetime, self.hard_cap),
            uses=uses,
            bound=stronger(required, self.held),
            approvals=terms.approvals,
            step_up=terms.step_up,
        )


def ceilings(
    request: AccessRequest, type_: OperationType | None, *, hard_cap: timedelta = HARD_CAP
) -> Ceilings:
    """Return the meet of the ceilings of resource, client and *type_* (None: a scope)."""
    held = request.key.constraint if request.key else SenderConstraint.NONE
    return ceilings_of(request.resource, request.client, type_, held=held, hard_cap=hard_cap)


def ceilings_of(
    resource: Resource,
    client: Client,
    type_: OperationType | None,
    *,
    held: SenderConstraint,
    hard_cap: timedelta = HARD_CAP,
) -> Ceilings:
    """Return what ``ceilings`` does, of a request that need not be there yet."""
    holders = (resource, client, type_)
    sensitive = type_ is not None and type_.sensitive
    bearer = client.insecure_bearer and not sensitive
    return Ceilings(
        lifetime=least(*(holder.max_lifetime for holder in holders if holder)),
        uses=_fewest(*(holder.max_uses for holder in holders if holder)),
        bound=SenderConstraint.NONE if bearer else SenderConstraint.DPOP,
        held=held,
        sensitive=sensitive,
        hard_cap=hard_cap,
    )


def least(*durations: timedelta | None) -> timedelta | None:
    """Return the shortest of those that are said; None: none is."""
    return min((each for each in durations if each is not None), default=None)


def _fewest(*counts: int | None) -> int | None:
    return min((each for each in counts if each is not None), default=None)


def stronger(a: SenderConstraint, b: SenderConstraint) -> SenderConstraint:
    """Return the stronger of two constraints: none, then DPoP, then mTLS."""
    return max(a, b, key=_STRENGTH.index)


def is_at_least(held: SenderConstraint, required: SenderConstraint) -> bool:
    """Say whether a key with constraint *held* meets the constraint *required*."""
    return stronger(held, required) is held


def strictest(a: Limits, b: Limits) -> Limits:
    """Return the limits that keep both *a* and *b*."""
    return Limits(
        lifetime=min(a.lifetime, b.lifetime),
        uses=_fewest(a.uses, b.uses),
        bound=stronger(a.bound, b.bound),
        approvals=_both_approvals(a.approvals, b.approvals),
        step_up=_both_step_ups(a.step_up, b.step_up),
    )


def unbound(limits: Limits) -> Limits:
    """Return *limits* without a sender constraint, for who proves no key and need not."""
    none = SenderConstraint.NONE
    return Limits(limits.lifetime, limits.uses, none, limits.approvals, limits.step_up)


def _both_approvals(
    a: tuple[ApprovalStage, ...], b: tuple[ApprovalStage, ...]
) -> tuple[ApprovalStage, ...]:
    counts: dict[str, int] = {}
    for stage in (*_merged(a), *_merged(b)):
        counts[stage.group] = max(stage.count, counts.get(stage.group, 0))
    return tuple(ApprovalStage(count, group) for group, count in counts.items())


def _merged(stages: tuple[ApprovalStage, ...]) -> tuple[ApprovalStage, ...]:
    """Return *stages* with those of one group added up: each stage wants other people."""
    counts: dict[str, int] = {}
    for stage in stages:
        counts[stage.group] = counts.get(stage.group, 0) + stage.count
    return tuple(ApprovalStage(count, group) for group, count in counts.items())


def _both_step_ups(a: StepUp | None, b: StepUp | None) -> StepUp | None:
    if a is None or b is None:
        return a or b
    common = tuple(acr for acr in a.acr if acr in b.acr) or (NO_LOGIN,)
    acr = common if a.acr and b.acr else a.acr or b.acr
    return StepUp(acr=acr, max_age=least(a.max_age, b.max_age))


def parse_approval(text: str) -> tuple[ApprovalStage, ...]:
    """Return the stages of ``2 of payments-leads, then 1 of finance``.

    Raises:
        ValueError: with a message that says what to write instead.
    """
    stages: list[ApprovalStage] = []
    for part in text.split(", then "):
        found = _STAGE.fullmatch(part)
        if found is None:
            raise ValueError(
                f"{text!r} is not an approval: write such as '2 of payments-leads' "
                "or '2 of payments-leads, then 1 of finance'"
            )
        stages.append(ApprovalStage(int(found[1]), found[2]))
    return tuple(stages)


def describe_approvals(stages: tuple[ApprovalStage, ...]) -> str:
    """Return *stages* as ``parse_approval`` reads them."""
    return ", then ".join(f"{stage.count} of {stage.group}" for stage in stages)


def approvals_needed(limits: Limits) -> int:
    """Return how many approvals these limits ask for in all."""
    return sum(stage.count for stage in limits.approvals)
