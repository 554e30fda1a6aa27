"""The ``when`` of a property: a Cedar condition, checked as a policy's own are.

It is kept as a forbid of its own, so that it may read ``context.limits``: then it speaks of the
limits about to be granted.
"""

from collections.abc import Iterable

from fleeting.core.model import AccessRequest, Limits
from fleeting.policy.engine import SlicedEngine
from fleeting.policy.facts import Facts
from fleeting.policy.loading import load_policies
from fleeting.policy.policies import Policy
from fleeting.policy.problems import PolicyProblems, PolicySource
from fleeting.policy.proving.cases import Case
from fleeting.policy.schema import PolicyWorld, action_id

_ID = "when"
_BEFORE = "\nwhen {\n"


def guard(
    text: str, actions: Iterable[str], world: PolicyWorld
) -> Policy | list[tuple[int, str, str]]:
    """Return the condition *text* over *actions*; or what is wrong: offset, message and hint."""
    listed = ", ".join(f'Action::"{each}"' for each in sorted(actions))
    head = f'@id("{_ID}") forbid (principal, action in [{listed}], resource){_BEFORE}'
    source = PolicySource(_ID, f"{head}{text}\n}};")
    try:
        bundle = load_policies([source], world)
    except PolicyProblems as found:
        first = head.count("\n") + 1
        return [
            (max(0, each.column - 1) if each.line == first else 0, each.message, each.hint)
            for each in found.problems
        ]
    if len(bundle.policies) != 1 or not bundle.policies[_ID].text.endswith(f"{text}\n}};"):
        return [(0, "this is more than one condition", "join conditions with && or ||")]
    return bundle.policies[_ID]


def guard_holds(policy: Policy | None, case: Case, limits: Limits, world: PolicyWorld) -> bool:
    """Say whether the condition holds of *case*, by the reference engine; None always does."""
    if policy is None:
        return True
    request: AccessRequest = case.request
    operation = request.operations[0]
    action = action_id(operation.type, operation.actions[0])
    engine = SlicedEngine([policy], world.types)
    answer = engine.forbids(action, Facts(request, operation, case.now, limits))
    return bool(answer.satisfied) and not answer.errors
