"""Propose tighter policies: what was used and some headroom, with the evidence for each line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum

from fleeting.core.durations import format_duration
from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.edits import (
    Bound,
    Edit,
    annotation_words,
    bounds,
    removal,
    scope_actions,
    set_annotation,
    set_bound,
    texts_by_id,
)
from fleeting.policy.needs import Needs, PoliciesNeeded
from fleeting.policy.parsing import ParsedPolicy, parse_policy
from fleeting.policy.policies import Policy
from fleeting.policy.problems import PolicySource
from fleeting.policy.scanner import PolicyText
from fleeting.policy.tree import Effect
from fleeting.policy.usage import Number, Sample, about

SHORTEST = timedelta(seconds=10)
"""No lifetime below this is proposed: clocks and networks are not that exact."""

MOST_ACTIONS = 12
"""A scope is not narrowed to a longer list than this."""

_STEPS = ((60, 5), (300, 15), (3600, 60))
_HOUR_STEP = 300
_SHARE = 0.99
_MILLION = 1_000_000


class Tightening(StrEnum):
    """What a proposal makes less of."""

    LIFETIME = "lifetime"
    USES = "uses"
    BOUND = "bound"
    ACTIONS = "actions"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Proposal:
    """One change of one policy, before and after in words, and why."""

    policy: str
    file: str
    line: int
    what: Tightening
    before: str
    after: str
    evidence: str
    edit: Edit


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A permit for which nothing, or not all, is proposed, and why."""

    policy: str
    why: str


@dataclass(frozen=True, slots=True)
class Margins:
    """How careful to be: so large a share on top of what was used, and so many uses at least."""

    headroom: Decimal = Decimal("0.2")
    least_uses: int = 20


def propose(
    bundle: PolicyBundle,
    sources: Sequence[PolicySource],
    needed: PoliciesNeeded,
    margins: Margins,
) -> tuple[list[Proposal], list[LeftAlone]]:
    """Return what of the permits in *sources*, loaded as *bundle*, was never needed.

    A proposal is no proof: that nothing used would have been refused is replayed with ``Trial``.
    """
    texts = texts_by_id(sources)
    proposals: list[Proposal] = []
    left: list[LeftAlone] = []
    for policy in bundle.policies.values():
        if policy.effect is Effect.PERMIT:
            parsed = parse_policy(texts[policy.id], bundle.world)
            assert isinstance(parsed, ParsedPolicy)  # noqa: S101 -- it was loaded
            for each in _Sizing(policy, parsed, needed, margins).results():
                if isinstance(each, LeftAlone):
                    left.append(each)
                else:
                    proposals.append(each)
    return proposals, left


@dataclass(frozen=True, slots=True)
class _Sizing:
    """One permit, held against what it was needed for."""

    policy: Policy
    parsed: ParsedPolicy
    needed: PoliciesNeeded
    margins: Margins

    @property
    def text(self) -> PolicyText:
        return self.parsed.text

    def results(self) -> Iterator[Proposal | LeftAlone]:
        """Yield what can be proposed of it, and why not more."""
        needs = self.needed.of(self.policy.id)
        if not needs.chosen:
            yield self._unneeded(needs)
        elif needs.tokens and not needs.told and not needs.uses:
            yield self._left("guards do not report the uses of its tokens, which are unlimited")
        elif needs.uses < self.margins.least_uses:
            few = _counted(needs.uses, "use")
            yield self._left(f"{few} of its tokens; at least {self.margins.least_uses} are needed")
        else:
            yield from self._tighter(needs)

    def _tighter(self, needs: Needs) -> Iterator[Proposal | LeftAlone]:
        if needs.evaluated:
            yield self._left("its lifetime and uses: enforcement points ask for its decisions")
        elif needs.late:
            late = _counted(needs.late, "token")
            yield self._left(f"its lifetime: {late} came to be used only after the end")
        else:
            yield from self._lifetime(needs)
        if not needs.evaluated:
            yield from self._uses(needs)
        for bound in bounds(self.text, self.parsed.node):
            # It held wherever the permit was chosen, so there is such a number.
            yield from self._bound(bound, needs.asked[bound.field], needs)
        yield from self._actions(needs)

    def _unneeded(self, needs: Needs) -> Proposal | LeftAlone:
        if self.needed.uses < self.margins.least_uses:
            return self._left("nothing asked for it, but little was used at all")
        beside = f"; {needs.beside:,} times it stood beside a better path" if needs.beside else ""
        evidence = f"none of {_counted(self.needed.requests, 'request')} needed it{beside}"
        what = f"permit {self.policy.id}"
        return self._proposal(Tightening.POLICY, what, "", evidence, removal(self.text))

    def _lifetime(self, needs: Needs) -> Iterator[Proposal]:
        seconds = float(needs.seconds.most) * (1 + float(self.margins.headroom))
        tight = max(SHORTEST, _nice_duration(seconds))
        if tight < needs.lifetime:
            yield self._annotation(
                Tightening.LIFETIME,
                format_duration(tight),
                f"{_tokens(needs)}: {_late(needs.seconds)}",
                format_duration(needs.lifetime),
            )

    def _uses(self, needs: Needs) -> Iterator[Proposal]:
        if needs.granted_uses is None:
            return
        tight = _up(Decimal(needs.most_uses) * (1 + self.margins.headroom))
        if tight < needs.granted_uses:
            most = _counted(needs.most_uses, "time")
            evidence = f"{_tokens(needs)}: none was used more than {most}"
            yield self._annotation(Tightening.USES, f"{tight}", evidence, f"{needs.granted_uses}")

    def _bound(self, bound: Bound, asked: Sample, needs: Needs) -> Iterator[Proposal]:
        tight = _tight(bound, asked, self.margins.headroom)
        if tight is None:
            return
        edit = set_bound(self.text, bound, tight)
        after = bound.words.replace(f"{bound.value}", f"{tight}")
        evidence = f"{_tokens(needs)}: {_asked(bound, asked, needs)}"
        yield self._proposal(Tightening.BOUND, bound.words, after, evidence, edit)

    def _actions(self, needs: Needs) -> Iterator[Proposal]:
        unused = self.policy.actions - needs.chosen.keys()
        used = self.policy.actions & needs.chosen.keys()
        if unused and len(used) <= MOST_ACTIONS:
            edit, before = scope_actions(self.text, used)
            evidence = f"{_tokens(needs)}: none of it for {', '.join(sorted(unused))}"
            yield self._proposal(Tightening.ACTIONS, before, edit.text, evidence, edit)

    def _annotation(self, what: Tightening, value: str, evidence: str, granted: str) -> Proposal:
        before = annotation_words(self.text, what) or f"{what} {granted}, by default or a ceiling"
        edit = set_annotation(self.text, what, value)
        return self._proposal(what, before, f'@{what}("{value}")', evidence, edit)

    def _proposal(
        self, what: Tightening, before: str, after: str, evidence: str, edit: Edit
    ) -> Proposal:
        policy = self.policy
        return Proposal(policy.id, policy.file, policy.line, what, before, after, evidence, edit)

    def _left(self, why: str) -> LeftAlone:
        return LeftAlone(self.policy.id, why)


# Words and numbers.


def _counted(count: int, one: str) -> str:
    return f"{count:,} {one if count == 1 else f'{one}s'}"


def _tokens(needs: Needs) -> str:
    return f"{_counted(needs.tokens, 'token')}, {_counted(needs.uses, 'use')}"


def _late(seconds: Sample) -> str:
    most, usual = float(seconds.most), float(seconds.within(_SHARE))
    return f"the last use came at most {most:.1f}s after issuance (99 of 100 within {usual:.1f}s)"


def _asked(bound: Bound, asked: Sample, needs: Needs) -> str:
    """Return how far what was asked for lay within *bound*, and what was served of it."""
    served = needs.served.get(bound.field)
    if not bound.upper:
        return f"what was used asked for at least {asked.least}"
    beneath = f", and at most {served} was served" if served and served < asked.most else ""
    usual = f" (99 of 100: {asked.within(_SHARE)})"
    return f"what was used asked for at most {asked.most}{usual}{beneath}"


def _tight(bound: Bound, asked: Sample, headroom: Decimal) -> Number | None:
    """Return a tighter value for *bound*, or None if it is tight enough."""
    if bound.upper:
        value = _rounded(Decimal(asked.most) * (1 + headroom), bound, ROUND_CEILING)
        value += bound.strict and value <= asked.most
        return value if value < bound.value else None
    value = _rounded(Decimal(asked.least) * (1 - headroom), bound, ROUND_FLOOR)
    value -= bound.strict and value >= asked.least
    return value if value > bound.value else None


def _rounded(value: Decimal, bound: Bound, rounding: str) -> Number:
    """Return *value* to two digits, as a number of the kind that *bound* has."""
    if isinstance(bound.value, int):
        value = value.to_integral_value(rounding)
        return int(about(int(value), rounding))
    rounded = about(value, rounding)
    assert isinstance(rounded, Decimal)  # noqa: S101 -- a decimal stays one
    return rounded.quantize(Decimal("0.0001"), rounding)


def _up(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_CEILING))


def _nice_duration(seconds: float) -> timedelta:
    """Return the next duration that people would write."""
    step = next((step for end, step in _STEPS if seconds <= end), _HOUR_STEP)
    return timedelta(seconds=-(-seconds // step) * step)


def without(proposals: Sequence[Proposal], blamed: Mapping[str, set[Tightening]]) -> list[Proposal]:
    """Return *proposals* without those that are *blamed*; if none of them can be, none."""
    kept = [each for each in proposals if each.what not in blamed.get(each.policy, ())]
    return kept if len(kept) < len(proposals) else []
