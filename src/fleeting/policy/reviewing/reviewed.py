"""One policy under review: what it says, and where in its text to point."""

from dataclasses import dataclass

from fleeting.policy.policies import Policy
from fleeting.policy.problems import PolicySource, Problem, Severity
from fleeting.policy.scanner import PolicyText, split_policies
from fleeting.policy.tree import Effect, Node


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A policy of a loaded set. node: Cedar's JSON form of it."""

    policy: Policy
    text: PolicyText
    node: Node

    @property
    def is_permit(self) -> bool:
        """Say whether it permits."""
        return self.policy.effect is Effect.PERMIT

    @property
    def is_global(self) -> bool:
        """Say whether its scope takes every request."""
        scopes = (self.node["principal"], self.node["action"], self.node["resource"])
        return all(scope["op"] == "All" for scope in scopes)

    @property
    def types(self) -> list[str]:
        """Every operation type that its scope takes an action of."""
        return sorted({action.partition(":")[0] for action in self.policy.actions})

    @property
    def resource(self) -> str | None:
        """The only resource that its scope takes; None: any."""
        entity = self.policy.resource.entity
        return None if entity is None else entity.id

    @property
    def place(self) -> str:
        """Its id and where it stands, as another policy's warning names it."""
        name = self.policy.file.rpartition("/")[2]
        return f"`{self.policy.id}` ({name}:{self.policy.line})"

    def warn(self, rule: str, message: str, hint: str = "", *, at: int | None = None) -> Problem:
        """Return a warning about this policy, at its start unless *at* says where."""
        problem = self.text.problem(message, hint, at=at, policy=self.policy.id, rule=rule)
        return Problem(
            *(problem.file, problem.line, problem.column, message, hint, problem.policy, rule),
            severity=Severity.WARNING,
        )


def read_policy(policy: Policy) -> Reviewed:
    """Return *policy* as a review reads it."""
    # Blank lines and columns before the text put every token where it stands in its file.
    before = "\n" * (policy.line - 1) + " " * (policy.column - 1)
    (text,) = split_policies(PolicySource(policy.file, before + policy.text))
    return Reviewed(policy, text, policy.node)
