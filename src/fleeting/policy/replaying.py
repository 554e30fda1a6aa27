"""Decide recorded requests again with another set of policies, and say what would be different."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

from fleeting.core.evidence import RecordedEntry
from fleeting.core.issuance import within_subject_token
from fleeting.core.model import (
    SCOPE_TYPE,
    AccessRequest,
    ActionDecision,
    Decision,
    Json,
    Limits,
    Verdict,
)
from fleeting.core.operations import OperationType
from fleeting.core.recorded import (
    UNREADABLE,
    RequestReader,
    decided_at,
    recorded_answer,
    recorded_ceilings,
    unreadable,
)
from fleeting.core.recording import answer_json, limits_json
from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.recent import Recent

_WORLDS = 256
_KNOWN = 20_000
_CONDITIONAL = {
    Verdict.NEEDS_APPROVAL: "approval",
    Verdict.NEEDS_STEP_UP: "a stronger login",
    Verdict.NOT_BOUND: "a key to bind it to",
}
_UNSAID: Mapping[str, Json] = {"uses": "unlimited"}


class Change(StrEnum):
    """What a candidate set would do otherwise with one action of one request.

    Access that needs an approval, a stronger login or a key stands between permitted and denied:
    what comes nearer to access is newly permitted, what goes farther from it newly denied.
    OTHERWISE: the same outcome, but another policy or another reason decides.
    """

    SAME = "same"
    NEWLY_PERMITTED = "newly-permitted"
    NEWLY_DENIED = "newly-denied"
    LIMITS_CHANGED = "limits-changed"
    OTHERWISE = "otherwise"


@dataclass(frozen=True, slots=True)
class Difference:
    """One answer that is another than the recorded one.

    policy: the one that makes the difference; "" where none does. how: what it does, in words.
    fault: the very same policies decided otherwise, which must not be.
    """

    change: Change
    policy: str
    how: str
    before: ActionDecision
    after: ActionDecision
    fault: bool = False


class Redecided(NamedTuple):
    """One recorded request, decided again: a tuple, for millions of them are made.

    exact: by the same policies as then. answers: how many actions were compared.
    """

    request: AccessRequest
    decision: Decision
    exact: bool
    answers: int
    differences: tuple[Difference, ...]


class Replaying:
    """A candidate set, ready to decide what the ledger recorded, under the ceilings of then.

    This does NOT check the ledger's hashes: ``fleeting audit verify`` does.
    """

    def __init__(
        self,
        candidate: PolicyBundle,
        *,
        operation_type: str | None = None,
        dumps: Callable[[Any], Hashable] = repr,
    ) -> None:
        """Replay with *candidate*; operation_type: compare only operations of this type.

        dumps: see ``core.recorded.RequestReader``.
        """
        self._dumps = dumps
        self._candidate = candidate
        self._only = operation_type
        self._reader = RequestReader(candidate.world.types, dumps)
        self._worlds: Recent[Hashable, PolicyBundle] = Recent(_WORLDS)
        # By identity: what is decided alike is one object, remembered by what decides.
        self._known: Recent[Hashable, tuple[ActionDecision, tuple[Difference, ...]]] = Recent(
            _KNOWN
        )

    def redecide(self, row: RecordedEntry, body: Mapping[str, Any]) -> Redecided:
        """Return what the candidate decides where *row*, whose parsed body is *body*, decided.

        Raises:
            TooOldError: the entry is of a version that recorded less than decisions depend on.
            ValueError: the entry is none that this version writes.
        """
        request = self._reader.request(row, body)
        bundle = self._under(body)
        decision = Decision(bundle.digest, bundle.answers(request, now=decided_at(row)))
        if request.subject.operations is not None:
            types = _declared(request, bundle.world.types)
            decision = within_subject_token(request, decision, types)
        try:
            return self._compare(request, decision, body)
        except UNREADABLE as error:
            raise unreadable(error) from error

    def _under(self, body: Mapping[str, Any]) -> PolicyBundle:
        """Return the candidate in the world of *body*: ceilings are recorded, for they change."""
        key = self._dumps((body["hard_cap"], body.get("type_ceilings")))
        known = self._worlds.get(key)
        if known is None:
            ceilings, hard_cap = recorded_ceilings(body)
            known = self._worlds.put(key, self._candidate.under(ceilings, hard_cap))
        return known

    def _compare(
        self, request: AccessRequest, decision: Decision, body: Mapping[str, Any]
    ) -> Redecided:
        exact = body["policy_digest"] == decision.policy_digest
        recorded = body["answers"]
        answers = 0
        differences: list[Difference] = []
        # strict: one answer for each action asked, then as now.
        for before, after in zip(recorded, decision.answers, strict=True):
            if self._only is None or self._only == request.operations[after.operation].type:
                answers += 1
                differences += self._differences(before, after, fault=exact)
        return Redecided(request, decision, exact, answers, tuple(differences))

    def _differences(
        self, written: Mapping[str, Any], after: ActionDecision, *, fault: bool
    ) -> tuple[Difference, ...]:
        key = (id(after), self._dumps(written), fault)
        known = self._known.get(key)
        if known is None:
            found = _differences(written, after, fault=fault)
            # With `after` in it, for as long as it is remembered nothing else has its identity.
            known = self._known.put(key, (after, found))
        return known[1]


def _declared(
    request: AccessRequest, types: Mapping[str, OperationType]
) -> Mapping[str, OperationType]:
    """Return *types* with those that are asked for and no more declared; they contain nothing."""
    gone = {each.type for each in request.operations} - {*types, SCOPE_TYPE}
    return {**types, **{name: OperationType(name, (), {}) for name in gone}}


def _differences(
    written: Mapping[str, Any], after: ActionDecision, *, fault: bool
) -> tuple[Difference, ...]:
    if answer_json(after) == written:
        return ()
    return tuple(_between(recorded_answer(written), after, fault=fault))


def _between(before: ActionDecision, after: ActionDecision, *, fault: bool) -> Iterator[Difference]:
    # How an engine words an error is no part of the decision; that there is one is.
    if before.errors and after.errors and replace(before, errors=after.errors) == after:
        return
    change = change_between(before, after)
    if change is Change.SAME and not fault:
        return  # but for a path that was not taken, say
    policy, how = _RESPONSIBLE[change](before, after)
    yield Difference(change, policy, how, before, after, fault)


def change_between(before: ActionDecision, after: ActionDecision) -> Change:
    """Return what kind of change there is from one decision about an action to another."""
    was, is_ = _nearness(before), _nearness(after)
    if was != is_:
        return Change.NEWLY_PERMITTED if is_ > was else Change.NEWLY_DENIED
    if is_ and before.paths[0].limits != after.paths[0].limits:
        return Change.LIMITS_CHANGED
    if before.verdict is after.verdict and decider(before) == decider(after):
        return Change.SAME
    return Change.OTHERWISE


def _nearness(answer: ActionDecision) -> int:
    """Return 0 for a refusal, 1 for access under a condition, 2 for access."""
    if answer.verdict is Verdict.PERMITTED:
        return 2
    return int(answer.verdict in _CONDITIONAL)


def decider(answer: ActionDecision) -> str:
    """Return the id of the policy that decided, "" where none did."""
    if _nearness(answer):
        return answer.paths[0].policy
    return answer.forbids[0] if answer.forbids else ""


def _permitting(before: ActionDecision, after: ActionDecision) -> tuple[str, str]:
    if before.verdict is Verdict.FORBIDDEN:
        return before.forbids[0], f"forbids it no more, {after.paths[0].policy} permits it"
    needs = _CONDITIONAL.get(after.verdict)
    return decider(after), f"permits it with {needs}" if needs else "permits it"


def _denying(before: ActionDecision, after: ActionDecision) -> tuple[str, str]:
    if after.verdict is Verdict.FORBIDDEN:
        return after.forbids[0], "forbids it"
    if after.verdict is Verdict.POLICY_ERROR:
        return "", f"cannot be evaluated: {after.errors[0]}"
    if after.verdict in _CONDITIONAL:
        return decider(after), f"asks for {_CONDITIONAL[after.verdict]}"
    return decider(before), "permits it no more"


def _limiting(before: ActionDecision, after: ActionDecision) -> tuple[str, str]:
    was, now = before.paths[0], after.paths[0]
    changes = "; ".join(limit_changes(was.limits, now.limits))
    by = "" if was.policy == now.policy else f" (before: {was.policy})"
    return now.policy, f"{changes}{by}"


def limit_changes(before: Limits, after: Limits) -> Iterator[str]:
    """Yield such as ``lifetime 5m → 1m``, for each limit that is another."""
    was, now = limits_json(before), limits_json(after)
    for name in dict.fromkeys((*was, *now)):
        if was.get(name) != now.get(name):
            yield f"{name} {_said(was, name)} → {_said(now, name)}"


def _said(limits: Mapping[str, Json], name: str) -> Json:
    value = limits.get(name)
    if value is None:
        return _UNSAID.get(name, "none")
    return " or ".join(map(str, value)) if isinstance(value, list) else value


def _otherwise(before: ActionDecision, after: ActionDecision) -> tuple[str, str]:
    was = decider(before) or before.verdict.value.replace("_", " ")
    now = decider(after)
    decides = "decides" if now else after.verdict.value.replace("_", " ")
    return now, f"{decides} in place of {was}"


def _same(_before: ActionDecision, after: ActionDecision) -> tuple[str, str]:
    return decider(after), "decides the same"


_RESPONSIBLE = {
    Change.NEWLY_PERMITTED: _permitting,
    Change.NEWLY_DENIED: _denying,
    Change.LIMITS_CHANGED: _limiting,
    Change.OTHERWISE: _otherwise,
    Change.SAME: _same,
}
