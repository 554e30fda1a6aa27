"""What can be wrong with a set of policies, and where."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class PolicySource:
    """One file of policies; name: how people find it, such as ``policies/refunds.cedar``."""

    name: str
    text: str


class Severity(StrEnum):
    """An error stops the set from being loaded; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One error or warning; line and column are counted from 1, in characters.

    hint: what was probably meant. policy: the ``@id`` of the policy, where it has one.
    rule: which of ``policy.rules`` it breaks.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    policy: str = ""
    rule: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        """Return it as compilers do: ``file:line:column: message (hint)``."""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{hint}"


class PolicyProblems(Exception):
    """A set of policies cannot be loaded; it carries every problem found, in reading order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Sort *problems* by where they stand."""
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))
