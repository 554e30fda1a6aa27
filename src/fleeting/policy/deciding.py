"""From satisfied policies to a verdict: the path of least ceremony, unless a policy forbids it."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fleeting.core.limits import (
    NO_LOGIN,
    Ceilings,
    approvals_needed,
    ceilings,
    is_at_least,
)
from fleeting.core.model import (
    SCOPE_TYPE,
    AccessRequest,
    ActionDecision,
    Client,
    Json,
    Operation,
    Path,
    StepUp,
    Verdict,
)
from fleeting.core.recording import installation_ceilings_json
from fleeting.policy.engine import DecisionEngine
from fleeting.policy.facts import Facts, meets
from fleeting.policy.policies import Policy
from fleeting.policy.recent import Recent
from fleeting.policy.schema import UNLIMITED_USES, PolicyWorld, action_id

UNEVALUATED = "policy could not be evaluated for this request"
"""All that a caller learns of an error in a policy."""

UNAPPROVED = "this needs approval by people"
"""All that a caller learns of approvals: who would approve stands in the ledger."""


ANSWERS = 8192
CEILINGS = 512
"""How many of each are remembered at least; twice as many at most."""


class Deciding:
    """One set of policies, ready to decide, and what it decided lately.

    A decision is a pure function of what the policies read and of the ceilings, so a remembered
    one is exact.
    """

    __slots__ = ("_answers", "_ceilings", "_engine", "_policies", "_world")

    def __init__(
        self, policies: Mapping[str, Policy], world: PolicyWorld, engine: DecisionEngine
    ) -> None:
        """Decide by *policies* as *engine* evaluates them."""
        self._policies = policies
        self._world = world
        self._engine = engine
        self._answers: Recent[Hashable, ActionDecision] = Recent(ANSWERS)
        self._ceilings: Recent[tuple[str, ...], Mapping[str, Json]] = Recent(CEILINGS)

    def under(self, world: PolicyWorld) -> "Deciding":
        """Return the same policies in a *world* that differs in its ceilings alone."""
        return Deciding(self._policies, world, self._engine)

    def ceilings_of(self, operations: Sequence[Operation]) -> Mapping[str, Json]:
        """Return the installation's ceilings on *operations*, as the ledger writes them."""
        names = tuple([operation.type for operation in operations])
        found = self._ceilings.get(names)
        if found is None:
            types = [self._world.types[name] for name in sorted({*names} & {*self._world.types})]
            rendered = installation_ceilings_json(types, self._world.hard_cap)
            found = self._ceilings.put(names, rendered)
        return found

    def decide(
        self, request: AccessRequest, place: int, action: str, *, now: datetime
    ) -> ActionDecision:
        """Return what policy says of one action of the operation at *place* (DESIGN D2).

        This does NOT check that the operation fits its type, the resource or the subject token.
        """
        operation = request.operations[place]
        cedar_action = action_id(operation.type, action)
        facts = Facts(request, operation, now)
        key = (
            place,
            _ceilings_of(request),
            self._engine.fingerprint(cedar_action, facts),
        )
        answer = self._answers.get(key)
        if answer is None:
            answer = self._decide(Asked(place, operation, action), facts)
            if not answer.errors:  # they may quote what no policy reads
                self._answers.put(key, answer)
        return answer

    def _decide(self, asked: "Asked", facts: Facts) -> ActionDecision:
        if not _within_client(asked, facts.request.client):
            reason = f"this client may not ask for {asked.name}"
            return asked.answer(Verdict.OUTSIDE_CLIENT, reason)
        permits = self._engine.permits(asked.id, facts)
        if permits.errors:
            return asked.failed(permits.errors)
        open_ = self._open(permits.satisfied, facts.request)
        if not open_:
            return self._unpermitted(asked, facts)
        type_ = self._world.types.get(asked.operation.type)
        above = ceilings(facts.request, type_, hard_cap=self._world.hard_cap)
        asked = replace(asked, paths=self._paths(open_, above, facts))
        return self._unless_forbidden(asked, facts, above)

    def _open(self, permits: Sequence[str], request: AccessRequest) -> Sequence[str]:
        """Return which satisfied permits are a path for *request*: break-glass only with a reason.

        A reason opens a path; it is never a reason by itself.
        """
        if request.break_glass is not None:
            return permits
        return [id_ for id_ in permits if self._policies[id_].terms.break_glass is None]

    def _paths(self, permits: Iterable[str], above: Ceilings, facts: Facts) -> tuple[Path, ...]:
        paths = [Path(id_, above.over(self._policies[id_].terms)) for id_ in permits]
        return tuple(sorted(paths, key=lambda path: self._ceremony(path, above, facts)))

    def _ceremony(self, path: Path, above: Ceilings, facts: Facts) -> tuple[object, ...]:
        """Return what orders paths: least ceremony, then the narrower, then the id (DESIGN D2).

        A path for emergencies alarms people: it comes after one that needs as few of them anyway.
        """
        limits = path.limits
        return (
            not is_at_least(above.held, limits.bound),
            not meets(facts.request.subject, limits.step_up, now=facts.now),
            approvals_needed(limits),
            self._policies[path.policy].terms.break_glass is not None,
            limits.lifetime,
            UNLIMITED_USES if limits.uses is None else limits.uses,
            path.policy,
        )

    def _unpermitted(self, asked: "Asked", facts: Facts) -> ActionDecision:
        # Nothing is granted anyhow; a forbid may still tell the caller why.
        forbids = self._engine.forbids(asked.id, facts)
        if forbids.satisfied:
            return self._forbidden(asked, forbids.satisfied)
        reason = f"no policy permits {asked.name} for this request"
        return replace(asked.answer(Verdict.NO_PERMIT, reason), errors=forbids.errors)

    def _unless_forbidden(self, asked: "Asked", facts: Facts, above: Ceilings) -> ActionDecision:
        chosen = asked.paths[0]
        forbids = self._engine.forbids(asked.id, facts._replace(limits=chosen.limits))
        # DESIGN D1: a forbid that errs may be the one that would have forbidden.
        if forbids.errors:
            return asked.failed(forbids.errors)
        if forbids.satisfied:
            return self._forbidden(asked, forbids.satisfied)
        ceremony = _next_ceremony(chosen, above, facts)
        if ceremony is not None:
            return asked.answer(*ceremony)
        return asked.answer(Verdict.PERMITTED, self._policies[chosen.policy].reason)

    def _forbidden(self, asked: "Asked", forbids: tuple[str, ...]) -> ActionDecision:
        reasons = tuple(self._policies[id_].reason for id_ in forbids if self._policies[id_].reason)
        told = reasons or (f"policy forbids {asked.name} for this request",)
        return replace(asked.answer(Verdict.FORBIDDEN, *told), forbids=forbids)


@dataclass(frozen=True, slots=True)
class Asked:
    """One action of one operation, and the paths found to it, the chosen one first."""

    place: int
    operation: Operation
    action: str
    paths: tuple[Path, ...] = ()

    @property
    def id(self) -> str:
        """The Cedar action."""
        return action_id(self.operation.type, self.action)

    @property
    def name(self) -> str:
        """What callers call it: a scope by itself, any other action with its type."""
        return f"scope {self.action}" if self.operation.type == SCOPE_TYPE else self.id

    def answer(self, verdict: Verdict, *reasons: str) -> ActionDecision:
        """Return *verdict*, with what the caller may know of it."""
        told = tuple(reason for reason in reasons if reason)
        return ActionDecision(self.place, self.action, verdict, self.paths, reasons=told)

    def failed(self, errors: tuple[str, ...]) -> ActionDecision:
        """Return the refusal that any error of any policy means."""
        return replace(self.answer(Verdict.POLICY_ERROR, UNEVALUATED), errors=errors)


def _ceilings_of(request: AccessRequest) -> Hashable:
    """Return all that the ceilings and the open paths depend on, the type aside."""
    client, resource = request.client, request.resource
    return (
        client.types,
        client.scopes,
        client.insecure_bearer,
        client.max_lifetime,
        client.max_uses,
        resource.max_lifetime,
        resource.max_uses,
        request.break_glass is None,
        None if request.key is None else request.key.constraint,
    )


def _within_client(asked: Asked, client: Client) -> bool:
    if asked.operation.type == SCOPE_TYPE:
        return client.scopes is None or asked.action in client.scopes
    return client.types is None or asked.operation.type in client.types


def _next_ceremony(path: Path, above: Ceilings, facts: Facts) -> tuple[Verdict, str] | None:
    limits = path.limits
    if not is_at_least(above.held, limits.bound):
        return Verdict.NOT_BOUND, f"needs a key: a token bound with {limits.bound}"
    if not meets(facts.request.subject, limits.step_up, now=facts.now):
        return Verdict.NEEDS_STEP_UP, _login_needed(limits.step_up)
    if limits.approvals:
        return Verdict.NEEDS_APPROVAL, UNAPPROVED
    return None


def _login_needed(step_up: StepUp | None) -> str:
    """Return what a caller must know to log the user in again (RFC 9470 §3), and no more."""
    levels = [acr for acr in step_up.acr if acr != NO_LOGIN] if step_up is not None else []
    told = f": acr {' or '.join(levels)}" if levels else ""
    return f"needs a stronger or fresher login{told}"
