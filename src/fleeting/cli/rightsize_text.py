"""Show proposals with their evidence: as text, as a patch, as JSON."""

import difflib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from fleeting.cli.problem_text import nearby
from fleeting.cli.replay_text import left_out_json
from fleeting.cli.rightsizing import Rightsized
from fleeting.cli.terminal import counted, harmless
from fleeting.cli.words import SHORT, clean, shown_time
from fleeting.policy.rightsizing import Proposal, Tightening

_DIFF_STYLES = {"-": "red", "+": "green", "@": "cyan"}


def rightsize_text(rightsized: Rightsized) -> RenderableType:
    """Return the proposals, for people."""
    return Lines(*_lines(rightsized))


def _lines(rightsized: Rightsized) -> Iterator[Text]:
    needed, bundle = rightsized.needed, rightsized.bundle
    policies = counted(len(bundle.policies), "policy", "policies")
    yield Text(
        f"{counted(needed.requests, 'request')}, {counted(needed.tokens, 'token')} and "
        f"{counted(needed.uses, 'use')} since {shown_time(rightsized.period[0])}, decided anew by "
        f"{nearby(str(rightsized.settings.policies))} ({policies}, {bundle.digest[:SHORT]})"
    )
    for policy, proposals in groupby(rightsized.proposals, lambda it: it.policy):
        yield from _policy_lines(policy, list(proposals))
    if rightsized.left:
        yield Text("\nleft as they are", "bold")
        for each in rightsized.left:
            yield Text(f"  {clean(each.policy)}: {each.why}")
    if not rightsized.proposals:
        yield Text("\nnothing to propose")
        return
    yield Text(f"\n{_proof(rightsized)}\n", "bold")
    for line in patch(rightsized).rstrip("\n").split("\n"):
        yield Text(harmless(line), _DIFF_STYLES.get(line[:1], ""))


def _policy_lines(policy: str, proposals: list[Proposal]) -> Iterator[Text]:
    place = f" ({nearby(proposals[0].file)}:{proposals[0].line})"
    yield Text.assemble("\n", (clean(policy), "bold"), place)
    for each in proposals:
        if each.what is Tightening.POLICY:
            yield Text("  remove it", "bold")
        else:
            before, after = clean(each.before), clean(each.after)
            yield Text.assemble("  ", (before, "red"), " → ", (after, "green"))
        yield Text(f"    {each.evidence}", "dim")


def _proof(rightsized: Rightsized) -> str:
    trial = rightsized.trial
    unused = (
        f"\n{counted(trial.unused, 'token')} that nobody used would not be given any more."
        if trial.unused
        else ""
    )
    return (
        f"Tried on the ledger: none of {counted(trial.uses, 'use')} of "
        f"{counted(trial.tokens, 'token')} would have been refused,\n"
        f"and none of {counted(trial.requests, 'request')} would have been given more.{unused}"
    )


def patch(rightsized: Rightsized) -> str:
    """Return the change as a patch, to be applied here with ``patch -p1`` or ``git apply``."""
    before = {source.name: source.text for source in rightsized.sources}
    return "".join(
        line
        for source in rightsized.changed
        for line in _file_patch(_here(source.name), before[source.name], source.text)
    )


def _file_patch(name: str, before: str, after: str) -> Iterator[str]:
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    for line in difflib.unified_diff(old, new, f"a/{name}", f"b/{name}"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _here(file: str) -> str:
    """Return *file* as it is called from here, or from the root of the disk."""
    return Path(nearby(file)).as_posix().removeprefix("/")


def rightsize_json(rightsized: Rightsized) -> dict[str, Any]:
    """Return the proposals, for programs."""
    needed, trial = rightsized.needed, rightsized.trial
    return {
        "since": rightsized.period[0].isoformat(),
        "until": rightsized.period[1].isoformat(),
        "digest": rightsized.bundle.digest,
        "requests": needed.requests,
        "tokens": needed.tokens,
        "uses": needed.uses,
        "refused_as_policies_are_now": needed.refused,
        "left_out": left_out_json(rightsized.left_out),
        "proposals": [_proposal_json(each) for each in rightsized.proposals],
        "left_as_they_are": [{"policy": each.policy, "why": each.why} for each in rightsized.left],
        "dropped": rightsized.dropped,
        "tried": {
            "requests": trial.requests,
            "tokens": trial.tokens,
            "uses": trial.uses,
            "unused": trial.unused,
        },
        "patch": patch(rightsized),
    }


def _proposal_json(proposal: Proposal) -> dict[str, Any]:
    return {
        "policy": proposal.policy,
        "file": proposal.file,
        "line": proposal.line,
        "what": proposal.what.value,
        "before": proposal.before,
        "after": proposal.after or None,
        "evidence": proposal.evidence,
    }
