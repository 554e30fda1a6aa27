"""Review what is right of a set that is wrong, so that one round shows as much as it can."""

import re
from collections.abc import Collection, Sequence

from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.loading import load_policies
from fleeting.policy.problems import PolicyProblems, PolicySource, Problem
from fleeting.policy.scanner import PolicyText, split_policies
from fleeting.policy.schema import PolicyWorld


def sound_part(
    sources: Sequence[PolicySource], world: PolicyWorld, problems: Sequence[Problem]
) -> PolicyBundle | None:
    """Return the bundle of those policies that no problem is about; None where there is none.

    It is for reading alone, never for deciding.
    """
    places = {(problem.file, problem.line, problem.column) for problem in problems}
    kept = [_without_faulty(source, places) for source in sources]
    try:
        return load_policies(kept, world)
    except PolicyProblems:  # it took the others to make these right
        return None


def _without_faulty(source: PolicySource, places: Collection[tuple[str, int, int]]) -> PolicySource:
    text = source.text
    for policy in split_policies(source):
        if any(_is_within(policy, place) for place in places):
            # Blanks instead: whatever follows stays where it stands.
            end = policy.start + len(policy.text)
            blank = re.sub(r"[^\n]", " ", text[policy.start : end])
            text = text[: policy.start] + blank + text[end:]
    return PolicySource(source.name, text)


def _is_within(policy: PolicyText, place: tuple[str, int, int]) -> bool:
    file, *at = place
    first, last = policy.problem(""), policy.problem("", at=len(policy.text))
    return file == first.file and [first.line, first.column] <= at <= [last.line, last.column]
