"""Requests that policies decide, and what was used of their tokens, without any ledger."""

from dataclasses import dataclass

from fleeting.core.evidence import EntryKind, RecordedEntry, microseconds
from fleeting.core.model import AccessRequest
from fleeting.policy import PolicyBundle, PolicySource, load_policies
from fleeting.policy.edits import apply
from fleeting.policy.needs import Allowance, PoliciesNeeded, allowance
from fleeting.policy.replaying import Redecided
from fleeting.policy.rightsizing import LeftAlone, Margins, Proposal, propose
from fleeting.policy.trial import Trial
from fleeting.policy.usage import TokenUses, UsedToken
from tests.policy.conftest import NOW, WORLD

ISSUED_US = microseconds(NOW)


@dataclass(frozen=True)
class Used:
    """A request, and after how many seconds its token was used. late: and once after its end."""

    request: AccessRequest
    seconds: tuple[float, ...] = (1.0,)
    late: bool = False
    operation: dict | None = None
    evaluated: bool = False


def decided(bundle: PolicyBundle, request: AccessRequest) -> Redecided:
    decision = bundle.decide(request, now=NOW)
    return Redecided(request, decision, False, len(decision.answers), ())


def settle(used: list[Used], notes: list, settle_token) -> None:
    tokens = TokenUses()
    for number, (each, note) in enumerate(zip(used, notes, strict=True)):
        if each.evaluated:
            settle_token(UsedToken.evaluation(note, ISSUED_US))
            continue
        jti = f"jti-{number}"
        tokens.issued(jti, ISSUED_US, note)
        for seconds in each.seconds:
            operation = each.operation or each.request.operations[0].to_json()
            tokens.used(_row(jti, seconds, EntryKind.TOKEN_SPENT), {"operation": operation})
        if each.late:
            tokens.used(_row(jti, 9999, EntryKind.SPEND_REFUSED), {"reason": "expired"})
    for token in tokens.tokens():
        settle_token(token)


def _row(jti: str, seconds: float, kind: EntryKind) -> RecordedEntry:
    at = ISSUED_US + int(seconds * 1_000_000)
    return RecordedEntry("writer", 1, kind, at, "", None, jti, "")


class Sized:
    """A set of policies, what was used under it, and what is proposed."""

    def __init__(self, text: str, used: list[Used], margins: Margins | None = None) -> None:
        self.sources = [PolicySource("test.cedar", text)]
        self.bundle = load_policies(self.sources, WORLD)
        self.used = used
        self.needed = PoliciesNeeded()
        notes: list[Allowance] = []
        for each in used:
            redecided = decided(self.bundle, each.request)
            self.needed.asked(redecided)
            notes.append(allowance(redecided))
        settle(used, notes, self.needed.settle)
        self.proposals, self.left = propose(
            self.bundle, self.sources, self.needed, margins or Margins(least_uses=1)
        )

    def lines(self) -> list[tuple[str, str, str]]:
        return [(each.policy, each.before, each.after) for each in self.proposals]

    def evidence(self) -> list[str]:
        return [each.evidence for each in self.proposals]

    def why_left(self) -> dict[str, str]:
        return {each.policy: each.why for each in self.left}

    def text_with(self, proposals: list[Proposal] | None = None) -> str:
        wanted = self.proposals if proposals is None else proposals
        (source,) = apply(self.sources, [each.edit for each in wanted])
        return source.text

    def trial(self, text: str | None = None) -> Trial:
        """Try the proposals, or any other policies."""
        source = PolicySource("test.cedar", self.text_with() if text is None else text)
        proposed = load_policies([source], WORLD)
        trial = Trial()
        notes = [
            trial.decided(decided(self.bundle, each.request), decided(proposed, each.request))
            for each in self.used
        ]
        settle(self.used, notes, trial.settle)
        return trial


__all__ = ["LeftAlone", "Margins", "Sized", "Used", "decided"]
