"""Show a story: for people in the terminal, for programs as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fleeting.cli.words import (
    SHORT,
    clean,
    entry_json,
    entry_words,
    shown_bound,
    shown_limits,
    shown_members,
    shown_operation,
    shown_time,
    shown_uses,
    would_allow_words,
)
from fleeting.core.durations import format_duration
from fleeting.core.evidence import ChainedEntry, EntryKind
from fleeting.core.people_story import ToldDeciding, ToldReview
from fleeting.core.story import Asked, Members, Story, ToldAnswer, ToldPath, ToldToken

_FIRST, _LAST = 20, 30
_STYLES = {
    "granted": "green",
    "partly granted": "yellow",
    "refused": "red",
    "permitted": "green",
    "denied": "red",
    "unknown": "yellow",
    "waiting": "yellow",
    "approved": "green",
    "expired": "red",
    "cancelled": "yellow",
    "returned": "green",
    "revoked": "red",
    "granted, and over": "green",
}
_DOORS = {
    "client_credentials": "by client credentials",
    "token_exchange": "by token exchange",
    "transaction_challenge": "by answering a transaction challenge",
    "access_evaluation": "as an enforcement point, for a decision",
}
_BEARER = "none: a bearer token"
_KEYLESS = {"access_evaluation": "none: no token is asked for"}
_GOOD = (
    EntryKind.TOKEN_ISSUED,
    EntryKind.TOKEN_SPENT,
    EntryKind.CALL_SERVED,
    EntryKind.REQUEST_APPROVED,
)
_BAD = (
    EntryKind.REQUEST_REFUSED,
    EntryKind.SPEND_REFUSED,
    EntryKind.CALL_REFUSED,
    EntryKind.REQUEST_DENIED,
    EntryKind.REQUEST_EXPIRED,
    EntryKind.REQUEST_REVOKED,
    EntryKind.ACTION_REFUSED,
)


def story_json(story: Story) -> dict[str, Any]:
    """Return *story* for programs."""
    return {
        "outcome": story.outcome,
        "asked": None if story.asked is None else _plain(asdict(story.asked)),
        "policy_digest": story.policy_digest,
        "answers": [_plain(asdict(answer)) for answer in story.answers],
        "token": None if story.token is None else _plain(asdict(story.token)),
        "error": story.error,
        "narrowed": list(story.narrowed),
        "deciding": None if story.deciding is None else _plain(asdict(story.deciding)),
        "events": [entry_json(chained) for chained in story.events],
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 -- any JSON, with instants in it
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    return value.isoformat() if isinstance(value, datetime) else value


def story_text(story: Story) -> RenderableType:
    """Return *story* for people."""
    parts: list[RenderableType] = []
    if story.asked is not None:
        parts += [_headline(story.asked, story.outcome), _facts(_asked(story.asked))]
        parts += _decision(story)
    if story.deciding is not None:
        parts += [_title("People"), _facts(_people(story.deciding))]
    if story.token is not None:
        parts += [_title("Token"), _facts(_token(story.token, story.narrowed))]
    if story.error is not None:
        parts += [_title("Refused"), _facts(_error(story.error))]
    parts += [_title("What happened"), _timeline(story.events)]
    return Group(*parts)


def _title(text: str) -> Text:
    return Text(f"\n{text}", "bold")


def _headline(asked: Asked, outcome: str) -> Text:
    return Text.assemble(
        ("Request ", "bold"), clean(asked.request_id), ": ", (outcome, f"bold {_STYLES[outcome]}")
    )


def _facts(rows: Iterator[tuple[str, str]]) -> Padding:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, min_width=8)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(value))
    return Padding(table, (0, 0, 0, 2), expand=False)


def _asked(asked: Asked) -> Iterator[tuple[str, str]]:
    door = _DOORS.get(asked.asked_by or "", "")
    yield "asked", f"{shown_time(asked.at)} {door}".rstrip()
    if asked.asked_as:
        yield "as", clean(asked.asked_as)
    if asked.txn:
        yield "txn", clean(asked.txn)
    yield "client", _with_groups(clean(asked.client or "not known"), asked.client_groups)
    for name, value in asked.written.items():
        yield "wrote", f"{clean(name)} {clean(json.dumps(value, ensure_ascii=False))}"
    if asked.subject:
        yield "subject", _subject(asked.subject)
        for name in ("attributes", "issuer", "acr", "auth_time"):
            if asked.subject.get(name):
                yield f"  {name}", _text(asked.subject[name])
    if asked.actors:
        yield "acting", " ← ".join(map(clean, asked.actors))
    if asked.resource:
        yield "resource", clean(asked.resource)
        yield "key", " ".join(_keys(asked.key)) or _KEYLESS.get(asked.asked_by or "", _BEARER)
        yield "context", shown_members(asked.context) or "none"


def _text(value: object) -> str:
    return shown_members(value) if isinstance(value, Mapping) else clean(value)


def _subject(subject: Members) -> str:
    groups = subject.get("groups")
    names = [str(name) for name in groups] if isinstance(groups, list) else []
    kind = "itself" if subject.get("kind") == "Client" else "a user"
    return _with_groups(f"{clean(subject.get('id'))} ({kind})", names)


def _with_groups(name: str, groups: Sequence[str]) -> str:
    return f"{name}, in {', '.join(map(clean, groups))}" if groups else name


def _keys(key: Members | None) -> Iterator[str]:
    for name, value in (key or {}).items():
        yield f"{clean(name)} {clean(value)}"


def _decision(story: Story) -> Iterator[RenderableType]:
    if story.asked is None or not story.asked.operations:
        return
    yield _title("Asked for")
    for place, operation in enumerate(story.asked.operations):
        number = f"{place + 1}. " if len(story.asked.operations) > 1 else ""
        yield Padding(Text(number + shown_operation(operation)), (0, 0, 0, 2), expand=False)
        for answer in story.answers:
            if answer.operation == place:
                yield from _answer(answer)
    if story.policy_digest:
        digest = clean(story.policy_digest)[:SHORT]
        yield Padding(Text(f"decided by policies {digest}", "dim"), (0, 0, 0, 2), expand=False)


def _answer(answer: ToldAnswer) -> Iterator[RenderableType]:
    style = "green" if answer.permitted else "red"
    verdict = clean(answer.verdict).replace("_", " ")
    yield _indented(Text.assemble(clean(answer.action), ": ", (verdict, style)), 4)
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for path in answer.paths:
        table.add_row(*_path(path, permitted=answer.permitted))
    for policy in answer.forbids:
        table.add_row(Text("✗", "red"), Text.assemble((clean(policy), "bold"), " forbids it"))
    for reason in answer.reasons:
        table.add_row("", Text(f"“{clean(reason)}”"))
    for error in answer.errors:
        table.add_row(Text("!", "red"), Text(f"error: {clean(error)}", "red"))
    yield _indented(table, 6)


def _path(path: ToldPath, *, permitted: bool) -> tuple[Text, Text]:
    mark = "✓" if path.chosen and permitted else "→" if path.chosen else "·"
    name = (clean(path.policy), "bold" if path.chosen else "")
    why = f"chosen: {path.why}" if path.chosen else f"not chosen: {path.why}"
    words = Text.assemble(name, " permits it: ", shown_limits(path.limits), "\n", (why, "italic"))
    return Text(mark, "green" if mark == "✓" else ""), words


def _indented(what: RenderableType, by: int) -> Padding:
    return Padding(what, (0, 0, 0, by), expand=False)


def _people(told: ToldDeciding) -> Iterator[tuple[str, str]]:
    if told.approval is not None:
        by = f" (by {', '.join(told.policies)})" if told.policies else ""
        until = "" if told.expires_at is None else f", until {shown_time(told.expires_at)}"
        yield "wanted", clean(f"{told.approval or 'nobody'}{by}{until}")
    for words in told.narrowed:
        yield "narrowed", clean(f"by {words}")
    for vote in told.votes:
        place = f", in the place of {vote.instead_of}" if vote.instead_of else ""
        said = f": “{vote.comment}”" if vote.comment else ""
        name = vote.by if vote.name in ("", vote.by) else f"{vote.name} ({vote.by})"
        yield "yes", clean(f"{name}, of {vote.group}{place}{said}")
    ended = f", by {told.by}" if told.by else ""
    because = f": “{told.because}”" if told.because else ""
    yield "outcome", clean(f"{told.outcome}{ended}{because}")
    if told.review is not None:
        yield from _review(told.review)


def _review(review: ToldReview) -> Iterator[tuple[str, str]]:
    yield "at once", clean(f"“{review.reason}” (the caller's words); {review.group} was alarmed")
    if review.closed_by is None:
        yield "review", f"open, until {shown_time(review.due_at)}"
    else:
        yield "review", clean(f"closed by {review.closed_by}: “{review.note}”")


def _token(token: ToldToken, narrowed: Sequence[str]) -> Iterator[tuple[str, str]]:
    lifetime = format_duration(token.expires_at - token.issued_at)
    yield "jti", clean(token.jti)
    yield "lives", f"{lifetime}, until {shown_time(token.expires_at)}"
    yield "limits", f"{shown_uses(token.uses)}, {shown_bound(token.bound)}"
    for operation in token.operations:
        yield "says", shown_operation(operation)
    for words in narrowed:
        yield "narrowed", clean(words)


def _error(error: Members) -> Iterator[tuple[str, str]]:
    yield "error", clean(error.get("error"))
    yield "reason", clean(error.get("description"))
    if error.get("detail"):
        yield "detail", clean(error["detail"])
    would_allow = error.get("would_allow")
    for alternative in would_allow if isinstance(would_allow, list) else ():
        yield "told", f"it would be allowed with {would_allow_words(alternative)}"


def _timeline(events: Sequence[ChainedEntry]) -> Padding:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    hidden = len(events) - _FIRST - _LAST
    shown = [*events[:_FIRST], *events[-_LAST:]] if hidden > 0 else events
    for place, chained in enumerate(shown):
        if hidden > 0 and place == _FIRST:
            table.add_row("…", Text(f"{hidden} more: --json has them all", "dim"))
        table.add_row(shown_time(chained.entry.at)[11:], _event(chained))
    return _indented(table, 2)


def _event(chained: ChainedEntry) -> Text:
    entry = chained.entry
    style = "green" if entry.kind in _GOOD else "red" if entry.kind in _BAD else ""
    return Text.assemble((entry.kind.value, style), "  ", entry_words(entry))
