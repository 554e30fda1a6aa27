"""What ``policy prove`` and ``policy diff`` share: z3, the parties, how a request is shown."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any

from rich.text import Text

from fleeting.cli.options import duration
from fleeting.cli.problem_text import nearby
from fleeting.cli.terminal import CommandError
from fleeting.core.model import ActionDecision, SubjectKind, Verdict
from fleeting.policy import PolicyBundle
from fleeting.policy.proving.cases import Case, limits_json, outcome
from fleeting.policy.proving.parties import Parties
from fleeting.server.installing import identity_providers
from fleeting.server.settings import Settings

UNPROVED = 3
"""The exit code where nothing is found wrong, and yet not all is proved."""


def effort(timeout: str) -> Any:  # noqa: ANN401 -- Effort, which needs z3
    """Return how hard to try.

    Raises:
        CommandError: z3 is not installed.
    """
    if find_spec("z3") is None:
        raise CommandError("this needs the z3 solver: pip install 'fleeting[prove]'")
    from fleeting.policy.proving.solving import Effort

    return Effort(duration(timeout), datetime.now(UTC).replace(microsecond=0))


def parties_of(settings: Settings) -> Parties:
    """Return who may ask for what; nobody's keys are needed for that."""
    return Parties(
        clients=tuple(declared.client for declared in settings.clients),
        resources=tuple(declared.resource for declared in settings.resources),
        providers=identity_providers(settings),
    )


def case_lines(case: Case) -> Iterator[tuple[str, str]]:
    """Yield what a request says, each with what it is."""
    told = case.to_json()
    request = case.request
    if request.subject.kind is SubjectKind.USER:
        yield "client", request.client.client_id
        yield "subject", _subject(case)
    else:
        yield "client", f"{request.client.client_id}, for itself"
    if request.subject.groups:
        yield "groups", ", ".join(sorted(request.subject.groups))
    yield "resource", request.resource.identifier
    if "scope" in told:
        yield "scope", str(told["scope"])
    else:
        yield "authorization_details", json.dumps(told["authorization_details"], ensure_ascii=False)
    if request.context:
        yield "request_context", json.dumps(told["request_context"], ensure_ascii=False)
    chain = [actor.sub for actor in request.actors]
    if chain not in ([], [request.client.client_id]):
        yield "actors", ", ".join(chain)
    yield "key", str(told["key"])
    yield "time", str(told["now"])


def _subject(case: Case) -> str:
    subject = case.request.subject
    facts = [f"{name} {_plain(value)}" for name, value in subject.attributes.items()]
    if subject.acr is not None:
        facts.append(f"acr {subject.acr}")
    if subject.auth_time is not None:
        facts.append(f"logged in {(case.now - subject.auth_time).total_seconds():g}s ago")
    return ", ".join([f"{subject.id} of {subject.issuer}", *facts])


def _plain(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def answer_text(answer: ActionDecision, bundle: PolicyBundle) -> str:
    """Return what was decided, by which policy, with what limits."""
    limits = outcome(answer)
    if limits is None:
        by = _forbids(answer, bundle)
        return f"denied ({answer.verdict.value.replace('_', ' ')}{by})"
    policy = bundle.policies[answer.paths[0].policy]
    words = ", ".join(f"{name} {value}" for name, value in limits_json(limits).items())
    place = f"{nearby(policy.file)}:{policy.line}"
    verdict = answer.verdict.value.replace("_", " ")
    uses = "" if limits.uses is not None else ", uses without limit"
    return f"{verdict} by '{policy.id}' ({place}): {words}{uses}"


def _forbids(answer: ActionDecision, bundle: PolicyBundle) -> str:
    if answer.verdict is not Verdict.FORBIDDEN:
        return ""
    named = (bundle.policies[id_] for id_ in answer.forbids)
    return " by " + ", ".join(f"'{each.id}' ({nearby(each.file)}:{each.line})" for each in named)


def answer_json(answer: ActionDecision) -> dict[str, Any]:
    """Return what was decided, for programs."""
    limits = outcome(answer)
    return {
        "verdict": answer.verdict.value,
        "policy": answer.paths[0].policy if limits is not None else None,
        "forbids": list(answer.forbids),
        "limits": None if limits is None else limits_json(limits),
    }


def indented(lines: list[tuple[str, str]]) -> Text:
    """Return *lines* in two columns, below a heading."""
    width = max(len(name) for name, _ in lines)
    text = Text()
    for name, value in lines:
        text.append(f"    {name:<{width}}  ", "dim").append(f"{value}\n")
    return text


def why_text(gaps: tuple[str, ...], tried: int, found: str) -> Text:
    """Return why something is not proved, and what was done instead."""
    text = Text()
    for gap in gaps:
        text.append(f"    {gap}\n")
    return text.append(f"    {tried:,} requests at boundary values {found}: this is no proof\n")
