"""Show why a request is decided as it is: for people in the terminal, for programs as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fleeting.cli.policy_test_text import condition_text, told_json
from fleeting.cli.problem_text import nearby
from fleeting.cli.words import (
    SHORT,
    clean,
    login_words,
    shown_limits,
    shown_members,
    shown_operation,
    shown_time,
    shown_value,
)
from fleeting.core.limits import describe_approvals
from fleeting.core.model import AccessRequest, SenderConstraint, SubjectKind, Verdict
from fleeting.core.recording import limits_json, request_json
from fleeting.core.story import ToldPath, told_paths
from fleeting.policy import Policy, PolicyBundle
from fleeting.policy.alternatives import Alternative
from fleeting.policy.candidates import ANY, Change, What
from fleeting.policy.explaining import Explanation
from fleeting.policy.hypothetical import Hypothetical

_NEAR_SHOWN = 5


def explanation_text(
    asked: Hypothetical, explanations: Sequence[Explanation], bundle: PolicyBundle
) -> Group:
    """Return the explanations of one request for people."""
    parts: list[RenderableType] = [_asked(asked)]
    for place, operation in enumerate(asked.request.operations):
        parts.append(Text(f"\n{shown_operation(operation.to_json())}", "bold"))
        for each in explanations:
            if each.answer.operation == place:
                parts += _explanation(asked.request, each, bundle)
    parts.append(Text(f"\ndecided by policies {bundle.digest[:SHORT]}", "dim"))
    return Group(*parts)


def _asked(asked: Hypothetical) -> Table:
    request = asked.request
    table = _grid(dim=True)
    for name, value in _facts(request):
        table.add_row(name, Text(value))
    table.add_row("asked", Text(shown_time(asked.now)))
    return table


def _facts(request: AccessRequest) -> Iterator[tuple[str, str]]:
    subject, body = request.subject, request_json(request)
    groups = f", in {', '.join(sorted(map(clean, subject.groups)))}" if subject.groups else ""
    itself = subject.kind is SubjectKind.CLIENT
    if not itself:
        yield "client", clean(request.client.client_id)
    yield "client" if itself else "subject", f"{clean(subject.id)}{groups}"
    if subject.attributes:
        yield "attributes", shown_members(body["subject"]["attributes"])  # type: ignore[index, call-overload, arg-type]
    if subject.acr:
        yield "acr", clean(subject.acr)
    if subject.auth_time is not None:
        yield "login", shown_time(subject.auth_time)
    if request.actors:
        yield "acting", " ← ".join(clean(actor.sub) for actor in request.actors)
    yield "resource", clean(request.resource.identifier)
    yield "key", "none: a bearer token" if request.key is None else request.key.constraint.value
    if request.context:
        yield "context", shown_members(body["context"])  # type: ignore[arg-type]
    if request.break_glass is not None:
        yield "break-glass", clean(request.break_glass)


def _grid(*, dim: bool = False) -> Table:
    table = Table.grid(padding=(0, 2 if dim else 1))
    table.add_column(style="dim" if dim else None, no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _explanation(
    request: AccessRequest, explanation: Explanation, bundle: PolicyBundle
) -> Iterator[RenderableType]:
    answer = explanation.answer
    style = "green" if answer.verdict is Verdict.PERMITTED else "red"
    verdict = answer.verdict.value.replace("_", " ")
    yield _indented(Text.assemble(clean(answer.action), ": ", (verdict, style)), 2)
    yield _indented(_decided(request, explanation, bundle), 4)
    if explanation.near:
        yield _indented(Text("nearly permits it:", "bold"), 4)
        yield _indented(_near(explanation), 6)
    if explanation.alternatives:
        yield _indented(Text("what would allow it:", "bold"), 4)
        yield _indented(_alternatives(explanation.alternatives), 6)
    elif answer.verdict is not Verdict.PERMITTED:
        words = "nothing that was tried would allow it: other values, a login, another time"
        yield _indented(Text(words, "bold"), 4)


def _decided(request: AccessRequest, explanation: Explanation, bundle: PolicyBundle) -> Table:
    """Return what decided: satisfied permits, the chosen one first, forbids, reasons, errors."""
    answer, table = explanation.answer, _grid()
    for path in _paths(request, explanation):
        table.add_row(*_path(path, bundle.policies[path.policy]))
    for forbid in explanation.forbids:
        words = Text.assemble(_named(forbid.policy), " forbids it")
        for told in forbid.held:
            words.append_text(Text.assemble("\n", condition_text(told)))
        table.add_row(Text("✗", "red"), words)
    if not answer.paths and not explanation.forbids and not explanation.near:
        table.add_row(Text("✗", "red"), Text("no policy permits this to anybody"))
    for reason in answer.reasons:
        table.add_row("", Text(f"“{clean(reason)}”"))
    for error in answer.errors:
        table.add_row(Text("!", "red"), Text(f"error: {clean(error)}", "red"))
    return table


def _paths(request: AccessRequest, explanation: Explanation) -> tuple[ToldPath, ...]:
    held = SenderConstraint.NONE if request.key is None else request.key.constraint
    paths = explanation.answer.paths
    return told_paths([{"policy": p.policy, **limits_json(p.limits)} for p in paths], held)


def _path(path: ToldPath, policy: Policy) -> tuple[Text, Text]:
    why = f"chosen: {path.why}" if path.chosen else f"not chosen: {path.why}"
    words = Text.assemble(
        _named(policy), " is satisfied: ", shown_limits(path.limits), "\n", (why, "italic")
    )
    return Text("→" if path.chosen else "·"), words


def _named(policy: Policy) -> Text:
    place = f" ({nearby(policy.file)}:{policy.line})"
    return Text.assemble((clean(policy.id), "bold"), (place, "dim"))


def _near(explanation: Explanation) -> Table:
    table = _grid()
    for near in explanation.near[:_NEAR_SHOWN]:
        words = _named(near.policy)
        words.append(" lacks:" if not near.personal else " is for others:")
        for told in near.failed:
            words.append_text(Text.assemble("\n", condition_text(told)))
        table.add_row("·", words)
    if len(explanation.near) > _NEAR_SHOWN:
        more = len(explanation.near) - _NEAR_SHOWN
        table.add_row("", Text(f"and {more} more: --json has them all", "dim"))
    return table


def _alternatives(alternatives: Sequence[Alternative]) -> Table:
    table = _grid()
    for alternative in alternatives:
        path = alternative.answer.paths[0]
        words = [*map(_change, alternative.changes)]
        if alternative.needs_approval:
            words.append(f"approval by {describe_approvals(path.limits.approvals)}")
        limits = shown_limits(limits_json(replace(path.limits, approvals=())))
        by = Text.assemble(f": {limits}, by ", (clean(path.policy), "bold"))
        table.add_row("•", Text.assemble((", and ".join(words), "green"), by))
    return table


def _change(change: Change) -> str:
    if change.what is What.LOGIN and isinstance(change.value, dict):
        return login_words(change.value)
    if change.what is What.KEY:
        return f"a key ({clean(change.value)})"
    if change.what is What.TIME:
        return f"asking at {clean(change.value)}"
    name = f"{'context ' if change.what is What.CONTEXT else ''}{clean(change.name)}"
    if change.value is None:
        return f"no {name}"
    return f"any {name}" if change.value == ANY else f"{name} {shown_value(change.value)}"


def _indented(what: RenderableType, by: int) -> Padding:
    return Padding(what, (0, 0, 0, by), expand=False)


# For programs.


def explanation_json(
    asked: Hypothetical, explanations: Sequence[Explanation], digest: str
) -> dict[str, Any]:
    """Return the explanations of one request, for programs."""
    return {
        "asked": {"at": asked.now.isoformat(), **request_json(asked.request)},
        "policy_digest": digest,
        "answers": [_json(asked.request, each) for each in explanations],
    }


def _json(request: AccessRequest, explanation: Explanation) -> dict[str, Any]:
    answer = explanation.answer
    return {
        "operation": answer.operation,
        "action": answer.action,
        "verdict": answer.verdict.value,
        "reasons": list(answer.reasons),
        "errors": list(answer.errors),
        "paths": [
            {"policy": p.policy, "chosen": p.chosen, "why": p.why, **p.limits}
            for p in _paths(request, explanation)
        ],
        "forbids": [
            {"policy": each.policy.id, "conditions": [*map(told_json, each.held)]}
            for each in explanation.forbids
        ],
        "near": [
            {
                "policy": each.policy.id,
                "personal": each.personal,
                "failed": [*map(told_json, each.failed)],
            }
            for each in explanation.near
        ],
        "alternatives": [_alternative_json(each) for each in explanation.alternatives],
    }


def _alternative_json(alternative: Alternative) -> dict[str, Any]:
    path = alternative.answer.paths[0]
    return {
        "changes": [
            {"what": each.what.value, "name": each.name, "value": each.value}
            for each in alternative.changes
        ],
        "approval": alternative.needs_approval,
        "policy": path.policy,
        "limits": limits_json(path.limits),
    }
