"""What each permit was needed for: by whom it was chosen, and how much of it was used."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import reduce

from fleeting.core.limits import strictest
from fleeting.core.model import Limits, Verdict
from fleeting.policy.replaying import Redecided, decider
from fleeting.policy.schema import action_id
from fleeting.policy.usage import Number, Sample, UsedToken, numbers


@dataclass(frozen=True, slots=True)
class Chosen:
    """The permit that was chosen for one action. values: the numbers of the operation asked for."""

    policy: str
    type: str
    action: str
    values: Mapping[str, Number]


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a set of policies lets one token be: its chosen permits and their strictest limits.

    limits: None where nothing is permitted.
    """

    chosen: tuple[Chosen, ...]
    limits: Limits | None

    def of(self, type_: str, action: str) -> bool:
        """Say whether this action is permitted."""
        return any((each.type, each.action) == (type_, action) for each in self.chosen)


def allowance(redecided: Redecided) -> Allowance:
    """Return what the decision in *redecided* allows."""
    operations = redecided.request.operations
    permitted = [it for it in redecided.decision.answers if it.verdict is Verdict.PERMITTED]
    chosen = tuple(
        Chosen(
            decider(answer),
            operations[answer.operation].type,
            answer.action,
            numbers(operations[answer.operation].fields),
        )
        for answer in permitted
    )
    limits = [answer.paths[0].limits for answer in permitted]
    return Allowance(chosen, reduce(strictest, limits) if limits else None)


@dataclass(slots=True)
class Needs:
    """What one permit was needed for.

    chosen: how often it was the path of least ceremony, by Cedar action. beside: how often it was
    satisfied and another one chosen. tokens: those that it gave. used, uses: how many of them were
    used, and how often in all. lifetime, granted_uses: the most that it gave (None: unlimited).
    most_uses: of one token. seconds: from issuance to the last use. late: uses after the end.
    evaluated: of the uses, decisions that enforcement points asked for and got no token for.
    asked, served: of each number, what used tokens were asked for, and what was served of it.
    """

    chosen: Counter[str] = field(default_factory=Counter)
    beside: int = 0
    tokens: int = 0
    used: int = 0
    uses: int = 0
    lifetime: timedelta = timedelta()
    granted_uses: int | None = 0
    most_uses: int = 0
    seconds: Sample = field(default_factory=Sample)
    late: int = 0
    evaluated: int = 0
    asked: dict[str, Sample] = field(default_factory=dict)
    served: dict[str, Number] = field(default_factory=dict)

    @property
    def told(self) -> bool:
        """Say whether every use is in the ledger: those of unlimited tokens need not be."""
        return self.granted_uses is not None


@dataclass(slots=True)
class PoliciesNeeded:
    """What the permits of a set were needed for, in a period.

    refused: tokens that were used, and that the set as it is now would not give.
    """

    requests: int = 0
    tokens: int = 0
    uses: int = 0
    refused: int = 0
    policies: dict[str, Needs] = field(default_factory=dict)

    def of(self, policy: str) -> Needs:
        """Return what *policy* was needed for."""
        return self.policies.setdefault(policy, Needs())

    def asked(self, redecided: Redecided) -> None:
        """Take note of what was asked, whatever was said to it then."""
        self.requests += 1
        operations = redecided.request.operations
        for answer in redecided.decision.answers:
            for place, path in enumerate(answer.paths):
                needs = self.of(path.policy)
                if place == 0:
                    needs.chosen[action_id(operations[answer.operation].type, answer.action)] += 1
                else:
                    needs.beside += 1

    def settle(self, token: UsedToken[Allowance]) -> None:
        """Take note of a token, now that all its uses are known."""
        self.tokens += not token.evaluated
        self.uses += token.uses
        self.refused += bool(token.uses and token.note.limits is None)
        policies = {each.policy for each in token.note.chosen}
        for policy in policies:
            self._token(self.of(policy), token)
        used = {c.policy for c in token.note.chosen if token.covers(c.type, c.action)}
        for policy in used:
            _used(self.of(policy), token)
        for chosen in token.note.chosen:
            if token.covers(chosen.type, chosen.action):
                for name, value in chosen.values.items():
                    self.of(chosen.policy).asked.setdefault(name, Sample()).add(value)

    def _token(self, needs: Needs, token: UsedToken[Allowance]) -> None:
        limits = token.note.limits
        assert limits is not None  # noqa: S101 -- something was chosen
        needs.tokens += not token.evaluated
        needs.late += token.late
        needs.lifetime = max(needs.lifetime, limits.lifetime)
        if limits.uses is None or needs.granted_uses is None:
            needs.granted_uses = None
        else:
            needs.granted_uses = max(needs.granted_uses, limits.uses)


def _used(needs: Needs, token: UsedToken[Allowance]) -> None:
    needs.used += 1
    needs.uses += token.uses
    needs.evaluated += token.evaluated
    needs.most_uses = max(needs.most_uses, token.uses)
    needs.seconds.add(token.seconds)
    for name, value in token.most.items():
        needs.served[name] = max(needs.served.get(name, value), value)
