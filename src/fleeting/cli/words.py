"""Say what ledger entries hold in plain words, safe to print whatever they hold."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from fleeting.core.declaring import UNSAFE
from fleeting.core.errors import ServerError
from fleeting.core.evidence import ChainedEntry, Entry, EntryKind
from fleeting.core.model import SCOPE_TYPE, Json
from fleeting.core.request_words import WORDS, request_words

SHORT = 12
"""How much of a digest or a writer's name is shown."""


def clean(text: object) -> str:
    """Return *text* without what could steer a terminal or reorder a line."""
    return UNSAFE.sub("?", str(text))


def shown_time(at: datetime) -> str:
    """Return an instant to the millisecond, in UTC."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}Z"


def shown_value(value: Json) -> str:
    """Return one value of a field or an attribute."""
    if isinstance(value, list):
        return ",".join(shown_value(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return clean(value)


def shown_members(members: Mapping[str, Json], but: tuple[str, ...] = ()) -> str:
    """Return ``amount=5000 currency=EUR``."""
    pairs = (f"{clean(k)}={shown_value(v)}" for k, v in members.items() if k not in but)
    return " ".join(pairs)


def shown_operation(operation: object) -> str:
    """Return an operation in one line: ``payment_refund:refund payment_id=42 amount=5000``."""
    if not isinstance(operation, dict):
        return "a call" if operation is None else clean(operation)
    actions = operation.get("actions", [])
    names = ",".join(map(clean, actions if isinstance(actions, list) else [actions]))
    if operation.get("type") == SCOPE_TYPE:
        return f"scope {names}"
    fields = shown_members(operation, but=("type", "actions"))
    return f"{clean(operation.get('type'))}:{names} {fields}".rstrip()


def shown_uses(uses: object) -> str:
    """Return how often a token may be used."""
    if uses is None:
        return "unlimited uses"
    return "1 use" if uses == 1 else f"{uses} uses"


def shown_limits(limits: Mapping[str, Json]) -> str:
    """Return the limits of a path in one line."""
    bound = limits.get("bound")
    known = [clean(limits.get("lifetime")), shown_uses(limits.get("uses"))]
    known.append("no key needed" if bound == "none" else shown_bound(bound))
    if "approval" in limits:
        known.append(f"approval by {clean(limits['approval'])}")
    if limits.get("step_up"):
        known.append(f"login {_levels(limits['step_up'])}")
    if "max_age" in limits:
        known.append(f"login within {clean(limits['max_age'])}")
    return ", ".join(known)


def _levels(value: object) -> str:
    return " or ".join(map(clean, value)) if isinstance(value, list) else clean(value)


def shown_bound(bound: object) -> str:
    """Return how a token is tied to its holder."""
    return "bearer" if bound == "none" else f"bound ({clean(bound)})"


def would_allow_words(alternative: object) -> str:
    """Return what would have to be otherwise, all of it together, as a refusal told it."""
    if not isinstance(alternative, dict):
        return clean(alternative)
    try:
        *parts, last = _alternative(cast("Mapping[str, Any]", alternative))
    except (AttributeError, KeyError, TypeError, ValueError):  # of a server that says it otherwise
        return clean(alternative)
    words = f"{', '.join(parts)} and {last}" if parts else last
    place = alternative.get("operation")
    several = isinstance(place, int) and place > 0
    return f"{words} ({clean(alternative.get('action'))})" if several else words


def _alternative(told: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("fields", "context"):
        yield from (f"{clean(name)} {shown_value(v)}" for name, v in told.get(kind, {}).items())
        yield from (f"a {clean(name)}" for name in told.get(f"needs_{kind}", ()))
        yield from (f"no {clean(name)}" for name in told.get(f"without_{kind}", ()))
    if "login" in told:
        yield login_words(told["login"])
    if "key" in told:
        yield f"a key ({clean(told['key'])})"
    if "not_before" in told:
        yield f"the same at {clean(told['not_before'])}"
    if told.get("approval"):
        yield "approval by people"


def login_words(login: Mapping[str, Any]) -> str:
    """Return which login it would take."""
    level = f" with acr {clean(login['acr'])}" if login.get("acr") else ""
    return f"a {'fresh' if login.get('fresh') else 'stronger'} login{level}"


def entry_words(entry: Entry) -> str:
    """Return what happened, in one sentence."""
    if entry.kind in WORDS:
        return clean(request_words(entry))
    try:
        return _WORDS[entry.kind](cast("Mapping[str, Any]", entry.body))
    except (KeyError, TypeError, AttributeError, IndexError):
        return "(an entry that this version cannot read)"


def entry_ids(entry: Entry) -> str:
    """Return the id to give to ``fleeting explain``, if there is one."""
    return clean(entry.request_id or entry.txn or entry.jti or "")


def entry_json(chained: ChainedEntry) -> dict[str, Any]:
    """Return an entry for programs: with its place in its chain, and what the hash is over."""
    entry = chained.entry
    return {
        "writer": chained.writer,
        "sequence": chained.sequence,
        "kind": entry.kind.value,
        "at": entry.at.isoformat(timespec="microseconds"),
        "request_id": entry.request_id,
        "txn": entry.txn,
        "jti": entry.jti,
        "body": entry.body,
        "previous": chained.previous.hex(),
        "hash": chained.hash.hex(),
    }


def _issued(body: Mapping[str, Any]) -> str:
    token, client, subject = body["token"], clean(body["client"]), clean(body["subject"]["id"])
    who = client if subject == client else f"{client}, for {subject},"
    operations = "; ".join(map(shown_operation, token["operations"]))
    until = datetime.fromisoformat(token["expires_at"]).astimezone(UTC)
    return f"{who} may {operations}: {shown_uses(token['uses'])}, until {until:%H:%M:%S}"


def _refused(body: Mapping[str, Any]) -> str:
    error = body["error"]
    operations = "; ".join(map(shown_operation, body.get("operations", ())))
    detail = f" ({clean(error['detail'])})" if error.get("detail") else ""
    who = clean(body.get("client") or "a stranger")
    if error["error"] == ServerError.error:
        asked = f" about {operations}" if operations else ""
        return f"{who} is told nothing{asked}: {clean(error['description'])}{detail}"
    refused = f"may not {operations}" if operations else "is refused"
    return f"{who} {refused}: {clean(error['error'])}: {clean(error['description'])}{detail}"


def _evaluated(body: Mapping[str, Any]) -> str:
    who = f"{clean(body['client'])} is told that"
    if "error" in body:
        return f"{who} it may not be done: {clean(body['error']['description'])}"
    operations = "; ".join(map(shown_operation, body["operations"]))
    may = "may" if body["permitted"] else "may not"
    return f"{who} {clean(body['subject']['id'])} {may} {operations}"


def _spent(body: Mapping[str, Any]) -> str:
    count = "" if body["uses"] is None else f" of {body['uses']}"
    again = ", asked again" if body.get("repeated") else ""
    served = shown_operation(body["operation"])
    return f"{clean(body['guard'])} serves {served}: use {body['use']}{count}{again}"


def _spend_refused(body: Mapping[str, Any]) -> str:
    served = shown_operation(body["operation"])
    return f"{clean(body['guard'])} refuses {served}: the token is {_STATES[body['reason']]}"


_STATES = {
    "spent": "spent",
    "expired": "expired",
    "revoked": "revoked",
    "unknown": "not known",
    "audience": "for another resource",
}


def _served(body: Mapping[str, Any]) -> str:
    return f"{clean(body['guard'])} serves {shown_operation(body['operation'])}"


def _call_refused(body: Mapping[str, Any]) -> str:
    reason = f": {clean(body['reason'])}" if body.get("reason") else ""
    return f"{clean(body['guard'])} refuses {shown_operation(body['operation'])}{reason}"


def _revoked(body: Mapping[str, Any]) -> str:
    late = "" if body["ended"] else ", which was over already"
    because = f": “{clean(body['reason'])}”" if body.get("reason") else ""
    return f"{clean(body.get('by') or body['client'])} revokes the token{late}{because}"


def _server(body: Mapping[str, Any], deed: str) -> str:
    digest = clean(body["policy_digest"])[:SHORT]
    return f"a worker of version {clean(body['version'])} {deed}, with policies {digest}"


def _checkpoint(body: Mapping[str, Any]) -> str:
    signed = "signed" if body.get("signature") else "not signed"
    count = len(body["chains"])
    return f"where {count} {'chain stands' if count == 1 else 'chains stand'}, {signed}"


def _pruned(body: Mapping[str, Any]) -> str:
    return f"entries from before {clean(body['before'])} are deleted"


def _origin(body: Mapping[str, Any]) -> str:
    return f"by {clean(body['by'])}, {clean(body['how'])}"


def _policies(body: Mapping[str, Any], deed: str) -> str:
    digest = clean(body["digest"])[:SHORT]
    before = f", instead of {clean(body['live_before'])[:SHORT]}" if body["live_before"] else ""
    moved = before if body["live"] != body["live_before"] else ""
    return f"policies {digest} {deed}{moved}, from {clean(body['from'])}, {_origin(body)}"


def _policies_refused(body: Mapping[str, Any]) -> str:
    problems = clean(body["problem"].splitlines()[0]) if body["problem"] else ""
    live = clean(body["live"])[:SHORT]
    source = clean(body["from"])
    return f"policies from {source} are wrong, {live} stays live: {problems} ({_origin(body)})"


_DIFFERENCES = {
    "newly_permitted": "would permit this",
    "newly_denied": "would not permit this",
    "limits_changed": "would permit this with other limits",
    "refused_otherwise": "would refuse this for another reason",
}


def _differed(body: Mapping[str, Any]) -> str:
    candidate, live = body["candidate"], body["live"]
    digest = clean(candidate["policy_digest"])[:SHORT]
    pairs = zip(live["answers"], candidate["answers"], strict=True)
    details = "; ".join(detail for was, would in pairs for detail in _changes(was, would))
    return f"the candidate {digest} {_DIFFERENCES[body['difference']]}: {details}"


def _changes(was: Mapping[str, Any], would: Mapping[str, Any]) -> Iterator[str]:
    """Yield ``payment_refund:refund lifetime 1m → 30s`` of one action that differs."""
    action = clean(was["action"])
    if was["verdict"] != would["verdict"]:
        told = (clean(each["verdict"]).replace("_", " ") for each in (was, would))
        yield f"{action} {' → '.join(told)}"
    elif was["paths"] and would["paths"]:
        before, after = was["paths"][0], would["paths"][0]
        for name in dict.fromkeys((*before, *after)):
            if name != "policy" and before.get(name) != after.get(name):
                unsaid = "unlimited" if name == "uses" else "none"
                told = (shown_value(each.get(name) or unsaid) for each in (before, after))
                yield f"{action} {clean(name)} {' → '.join(told)}"


_WORDS = {
    EntryKind.TOKEN_ISSUED: _issued,
    EntryKind.REQUEST_REFUSED: _refused,
    EntryKind.ACCESS_EVALUATED: _evaluated,
    EntryKind.TOKEN_SPENT: _spent,
    EntryKind.SPEND_REFUSED: _spend_refused,
    EntryKind.CALL_SERVED: _served,
    EntryKind.CALL_REFUSED: _call_refused,
    EntryKind.TOKEN_REVOKED: _revoked,
    EntryKind.SERVER_STARTED: lambda body: _server(body, "starts"),
    EntryKind.SERVER_STOPPED: lambda body: _server(body, "stops"),
    EntryKind.CHECKPOINT: _checkpoint,
    EntryKind.LEDGER_PRUNED: _pruned,
    EntryKind.POLICY_LOADED: lambda body: _policies(body, "are loaded"),
    EntryKind.POLICY_REFUSED: _policies_refused,
    EntryKind.POLICY_SHADOWED: lambda body: _policies(body, "are shadowed"),
    EntryKind.POLICY_UNSHADOWED: lambda body: _policies(body, "are no longer shadowed"),
    EntryKind.POLICY_PROMOTED: lambda body: _policies(body, "are promoted"),
    EntryKind.POLICY_ROLLED_BACK: lambda body: _policies(body, "are live again"),
    EntryKind.POLICY_DIFFERED: _differed,
}
