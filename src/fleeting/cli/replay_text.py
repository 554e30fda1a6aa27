"""Show what a replay found: to people as text, to programs as JSON."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from fleeting.cli.problem_text import nearby
from fleeting.cli.terminal import counted, note
from fleeting.cli.words import SHORT, clean, shown_operation, shown_time, shown_uses
from fleeting.core.durations import format_duration
from fleeting.core.limits import describe_approvals
from fleeting.core.model import ActionDecision, Verdict
from fleeting.core.recording import answer_json
from fleeting.policy import PolicyBundle
from fleeting.policy.replay_report import Example, Group, LeftOut, ReplayReport
from fleeting.policy.replaying import Change, decider

_STYLES = {
    Change.NEWLY_PERMITTED: "bold red",
    Change.NEWLY_DENIED: "bold yellow",
    Change.LIMITS_CHANGED: "bold cyan",
}
_WORDS = {Change.OTHERWISE: "same outcome, decided otherwise"}
_INDENT = " " * 9


@dataclass(frozen=True, slots=True)
class Replayed:
    """A period of the ledger, replayed with a set of policies; name: what people call it."""

    report: ReplayReport
    bundle: PolicyBundle
    name: str
    since: datetime
    until: datetime


def replay_text(replayed: Replayed) -> RenderableType:
    """Return what *replayed* found, for people."""
    return Lines(*_lines(replayed))


def _lines(replayed: Replayed) -> Iterator[RenderableType]:
    report, bundle = replayed.report, replayed.bundle
    policies = counted(len(bundle.policies), "policy", "policies")
    yield Text(
        f"{counted(report.requests, 'request')} since {shown_time(replayed.since)}, decided again "
        f"with {nearby(replayed.name)} ({policies}, {bundle.digest[:SHORT]})"
    )
    for change in Change:
        count = report.decisions[change]
        style = _STYLES.get(change, "") if count else "dim"
        yield Text.assemble(f"{count:>7,}  ", (change_words(change), style))
    if report.exact:
        yield Text(f"\n{_exactness(report)}")
    if report.faults.count:
        yield from _group_lines(report.faults, replayed, "the same policies decided otherwise")
    heading = None
    for group in report.groups():
        if group.change is not heading:
            heading = group.change
            yield Text(f"\n{change_words(heading)}", _STYLES.get(heading, "bold"))
        yield from _group_lines(group, replayed, group.how)


def change_words(change: Change) -> str:
    """Return the change as people say it."""
    return _WORDS.get(change, change.value.replace("-", " "))


def _exactness(report: ReplayReport) -> str:
    whose = f"{counted(report.exact, 'request')} had been decided by these very policies"
    if report.faults.count:
        return f"{whose}; {counted(report.faults.count, 'decision')} came out otherwise: a fault"
    return f"{whose}: the same again, exactly"


def _group_lines(group: Group, replayed: Replayed, how: str) -> Iterator[RenderableType]:
    name = clean(group.policy)
    place = _place(replayed.bundle, group.policy)
    policy = (f"{name}{place} ", "bold") if name else ""
    yield Text.assemble(f"{group.count:>7,}  ", policy, clean(how))
    said = ""
    for example in group.examples:
        yield _example(example)
        became = f"{answer_words(example.before)} → {answer_words(example.after)}"
        if became != said:
            yield Text(f"{_INDENT}  {became}")
        said = became


def _place(bundle: PolicyBundle, policy: str) -> str:
    found = bundle.policies.get(policy)
    return "" if found is None else f" ({nearby(found.file)}:{found.line})"


def _example(example: Example) -> Text:
    client, subject = clean(example.client), clean(example.subject)
    who = client if client == subject else f"{client}, for {subject}"
    return Text.assemble(
        (f"{_INDENT}{shown_time(example.at)}  ", "dim"),
        f"{who}: {shown_operation(example.operation.to_json())}",
        (f"  [{clean(example.request_id)}]", "dim"),
    )


def answer_words(answer: ActionDecision) -> str:
    """Return such as ``permitted by small-refunds (60s, 1 use)``."""
    verdict, policy = answer.verdict.value.replace("_", " "), clean(decider(answer))
    by = f" by {policy}" if policy else ""
    if answer.verdict is Verdict.FORBIDDEN or not answer.paths:
        return f"{verdict}{by}"
    limits = answer.paths[0].limits
    said = [format_duration(limits.lifetime), shown_uses(limits.uses)]
    if limits.approvals:
        said.append(describe_approvals(limits.approvals))
    return f"{verdict}{by} ({', '.join(said)})"


def replay_json(replayed: Replayed) -> dict[str, Any]:
    """Return what *replayed* found, for programs."""
    report, bundle = replayed.report, replayed.bundle
    return {
        "since": replayed.since.isoformat(),
        "until": replayed.until.isoformat(),
        "candidate": {
            "name": replayed.name,
            "digest": bundle.digest,
            "policies": len(bundle.policies),
        },
        "requests": report.requests,
        "decided_by_the_same_policies": report.exact,
        "left_out": left_out_json(report.left_out),
        "decisions": {change.value: report.decisions[change] for change in Change},
        "faults": _group_json(report.faults, bundle),
        "differences": [_group_json(group, bundle) for group in report.groups()],
    }


def left_out_json(left_out: LeftOut) -> dict[str, Any]:
    """Return what could not be decided again, for programs."""
    return {
        "refused_before_policy": left_out.undecided,
        "recorded_by_an_older_version": left_out.too_old,
        "unreadable": left_out.unreadable,
    }


def remark(left_out: LeftOut) -> None:
    """Say on standard error what had to be left out."""
    if left_out.too_old:
        note(
            f"{counted(left_out.too_old, 'request')} recorded by a version that did not record the "
            "ceilings of then: they cannot be replayed exactly, and are left out"
        )
    if left_out.unreadable:
        unreadable = counted(left_out.unreadable, "entry", "entries")
        note(
            f"{unreadable} cannot be read: {clean(left_out.first)}; "
            "'fleeting audit verify' says whether they were altered"
        )


def _group_json(group: Group, bundle: PolicyBundle) -> dict[str, Any]:
    policy = bundle.policies.get(group.policy)
    return {
        "change": group.change.value,
        "policy": group.policy or None,
        "file": None if policy is None else policy.file,
        "line": None if policy is None else policy.line,
        "how": group.how,
        "count": group.count,
        "examples": [_example_json(example) for example in group.examples],
    }


def _example_json(example: Example) -> dict[str, Any]:
    return {
        "at": example.at.isoformat(),
        "request_id": example.request_id,
        "client": example.client,
        "subject": example.subject,
        "operation": example.operation.to_json(),
        "before": answer_json(example.before),
        "after": answer_json(example.after),
    }
