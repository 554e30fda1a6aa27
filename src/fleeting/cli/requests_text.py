"""Say what access requests are in plain words, safe to print whatever callers wrote."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fleeting.cli.words import clean, shown_uses, shown_value

Request = Mapping[str, Any]

SHORT_ID = 12
"""How much of an id is shown in a table: more than the time of its making, which comes first."""
_STYLES = {
    "pending": "yellow",
    "approved": "green",
    "granted": "green",
    "denied": "red",
    "revoked": "red",
}
_SAID = {"question": "asked", "answer": "answered", "narrowed": "narrowed it"}
_EMPTY = {
    "to-approve": "nothing waits for you",
    "mine": "you stand behind no request",
    "open": "nothing is open",
    "all": "there are no requests",
}


def requests_table(requests: Sequence[Request], view: str, trouble: str = "") -> RenderableType:
    """Return a table of *requests*, or why there is none; trouble: what went wrong just now."""
    parts: list[RenderableType] = []
    if trouble:
        parts.append(Text(clean(trouble), style="red"))
    if not requests:
        parts.append(Text(_EMPTY[view], style="dim"))
        return Group(*parts)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("id", "what", "for", "how it stands"):
        table.add_column(name, overflow="fold", no_wrap=name == "id")
    for each in requests:
        table.add_row(clean(each["id"])[:SHORT_ID], _what(each), Text(_for(each)), _standing(each))
    return Group(*parts, table)


def _what(request: Request) -> Text:
    words = [clean(each) for each in request["words"]] or ["nothing is left of it"]
    more = f" and {len(words) - 1} more" if len(words) > 1 else ""
    text = Text(words[0] + more)
    if request["caller_says"].get("break_glass"):
        text = Text.assemble(("break-glass ", "bold red"), text)
    return text


def _for(request: Request) -> str:
    subject, client = clean(request["subject"]["id"]), clean(request["client"])
    return subject if subject == client else f"{subject} through {client}"


def _standing(request: Request) -> Text:
    status = clean(request["status"])
    text = Text(status, style=_STYLES.get(status, ""))
    waits, review = request["waits_for"], request["review"]
    if waits:
        text.append(f", {waits['missing']} more of {clean(waits['group'])}", "default")
    if status == "pending":
        text.append(f", ends {ahead(request['expires_at'])}", "default")
    elif status == "granted" and request["not_after"]:
        text.append(f", ends {ahead(request['not_after'])}", "default")
    if review and review["open"]:
        text.append(", review overdue" if review["overdue"] else ", review open", "red")
    return text


def ahead(text: str, now: datetime | None = None) -> str:
    """Return how far an ISO instant is: ``in 14m``, ``3h ago``."""
    span = (datetime.fromisoformat(text) - (now or datetime.now(UTC))).total_seconds()
    size = int(abs(span))
    for seconds, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if size >= seconds:
            words = f"{size // seconds}{unit}"
            break
    else:
        words = f"{size}s"
    return f"in {words}" if span > 0 else f"{words} ago"


def request_text(request: Request) -> RenderableType:
    """Return all of a request, what counts first; the caller's words are marked as such."""
    return Group(*_sections(request))


def _sections(request: Request) -> Iterator[RenderableType]:
    for operation in request["operations"]:
        yield Text(clean(operation["words"]), style="bold")
        if operation["asked"]:
            yield Text(f"as asked: {clean(operation['asked'])}", style="dim")
    for words in request["left_out"]:
        yield Text(f"left out: {clean(words)}", style="dim")
    yield _grid(_facts(request))
    said = [*_said(request)]
    if said:
        yield Text("\nthe caller's own words, not checked:", style="yellow")
        yield Padding(_grid(said), (0, 0, 0, 2))
    yield from _people(request)
    if request["timeline"]:
        yield Text("\nwhat happened", style="bold")
        yield _grid(
            (shown_instant(each["at"]), clean(each["words"])) for each in request["timeline"]
        )


def _grid(rows: Any) -> Table:  # noqa: ANN401 -- pairs of texts
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value if isinstance(value, Text) else Text(value))
    return table


def _facts(request: Request) -> Iterator[tuple[str, Any]]:
    offer = request["offer"]
    yield "request", clean(request["id"])
    yield "status", _standing(request)
    key = "bound to the key that asked" if request["key"] else "not bound to a key"
    if request["question"]:
        key = "no token comes of it"
    token = f"lives {clean(offer['lifetime'])}, {shown_uses(offer['uses'])}, {key}"
    one = "decision" if request["question"] else "token"
    yield ("each token" if offer["plan"] else one), token
    if offer["plan"]:
        yield "plan", _plan(offer["plan"])
        if request["calls"]:
            yield "used", _used(request)
    if request["extends"]:
        yield "extends", f"{clean(request['extends'])}: it lasts longer, the rest stays as it is"
    for words in request["less_than_asked"]:
        yield "narrowed", clean(words)
    yield "reaches", clean(request["reaches"]["resource"])
    yield "for", _for(request)
    yield from _behind(request)
    for policy in request["policies"]:
        why = [clean(policy[name]) for name in ("description", "reason") if policy[name]]
        yield "policy", ": ".join((clean(policy["id"]), *why))
    yield "asked before", _history(request["history"])
    if request["reason"]:
        yield "reason", clean(request["reason"])


def _behind(request: Request) -> Iterator[tuple[str, str]]:
    """Say who acts, who answers for the client, and so who may not decide."""
    for actor in request["chain"]:
        yield "acts for it", clean(actor["sub"])
    for role, people in request["answers_for_client"].items():
        if people:
            yield clean(role), ", ".join(map(clean, people))
    behind = ", ".join(_called(each) for each in request["behind"])
    if behind:
        yield "behind it", f"{behind} (may not decide it)"


def _plan(plan: Mapping[str, Any]) -> str:
    totals = "".join(
        f"; {clean(name)} at most {clean(most)} in all"
        for name, most in plan.get("totals", {}).items()
    )
    return f"at most {clean(plan['calls'])} tokens within {clean(plan['duration'])}{totals}"


def _used(request: Mapping[str, Any]) -> str:
    sums = (f"; {clean(name)} {clean(value)}" for name, value in request["spent"].items())
    return f"{clean(request['calls'])} issued so far{''.join(sums)}"


def _history(history: Mapping[str, Any]) -> str:
    if not history["count"]:
        return "never"
    outcomes = ", ".join(f"{count} {clean(name)}" for name, count in history["outcomes"].items())
    return f"{history['count']} times: {outcomes}"


def _said(request: Request) -> Iterator[tuple[str, Any]]:
    says = request["caller_says"]
    if says["break_glass"]:
        yield "break-glass", Text(clean(says["break_glass"]), style="bold")
    if says.get("business_justification"):
        yield "why", Text(clean(says["business_justification"]))
    if says.get("emergency"):
        yield "urgent", Text("yes", style="bold")
    for name, value in (says["context"] or {}).items():
        yield clean(name), shown_value(value)
    for operation in request["operations"]:
        for field in operation["fields"]:
            if field["caller_says"]:
                yield clean(field["name"]), shown_value(field["value"])


def _people(request: Request) -> Iterator[RenderableType]:
    """Say who must approve, who did, and what was said meanwhile."""
    if request["stages"]:
        yield Text("\napprovals", style="bold")
    for stage in request["stages"]:
        missing = f", {stage['missing']} missing" if stage["missing"] else ", complete"
        yield Text(f"{stage['count']} of {clean(stage['group'])}{missing}")
        for vote in stage["votes"]:
            comment = f": {clean(vote['comment'])}" if vote["comment"] else ""
            yield Text(f"  {_called(vote['by'])}, {shown_instant(vote['at'])}{comment}")
    for vote in request["idle_votes"]:
        yield Text(f"the vote of {_called(vote['by'])} does not count: {clean(vote['why'])}", "dim")
    if request["remarks"]:
        yield Text("\nwhat was said", style="bold")
    for remark in request["remarks"]:
        verb = _SAID.get(remark["kind"], clean(remark["kind"]))
        yield Text(f"{_called(remark['by'])} {verb}: {clean(remark['text'])}")


def _called(person: Mapping[str, Any]) -> str:
    id_, name = clean(person["id"]), person["name"]
    return id_ if name in (None, person["id"]) else f"{clean(name)} ({id_})"


def shown_instant(text: str) -> str:
    """Return an ISO instant in UTC, to the second."""
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def outcome_text(request: Request, done: str) -> Text:
    """Return what became of a request by what was just done."""
    if request["extends"] and request["status"] == "ended":  # its purpose is served
        return Text.assemble((done, "bold green"), f": {clean(request['extends'])} lasts longer")
    text = Text.assemble((done, "bold green"), f": {clean(request['id'])} is ")
    return text + _standing(request)
