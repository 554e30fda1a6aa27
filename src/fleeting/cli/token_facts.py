"""Show what a caller was granted, or why it was refused, and where to read the whole story."""

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from fleeting.cli.words import clean, shown_operation, shown_time, shown_uses, would_allow_words
from fleeting.client import ApprovalPending, FleetingError, Token
from fleeting.server.settings import CONFIG_VARIABLE


def token_text(token: Token) -> Table:
    """Return what *token* is good for; not the token itself."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(token):
        table.add_row(name, Text(value))
    return table


def _facts(token: Token) -> Iterator[tuple[str, str]]:
    for operation in token.authorization_details:
        yield "granted", shown_operation(dict(operation))
    if token.scope:
        yield "granted", f"scope {clean(token.scope)}"
    for refused in token.refused:
        yield "refused", f"{clean(refused.type)}:{clean(refused.action)}: {clean(refused.reason)}"
    yield "type", f"{token.type}, {'bound to your key' if token.type == 'DPoP' else 'unbound'}"
    yield "lives", f"until {shown_time(token.expires_at)}"
    yield "uses", shown_uses(token.uses)


def token_json(token: Token) -> dict[str, Any]:
    """Return all of *token*, its value included, for programs."""
    return {
        "access_token": token.value,
        "token_type": token.type,
        "expires_at": token.expires_at.isoformat(),
        "uses": token.uses,
        "txn": token.txn,
        "authorization_details": [dict(each) for each in token.authorization_details],
        "scope": token.scope,
        "refused": [
            {"type": r.type, "action": r.action, "operation": r.operation, "reason": r.reason}
            for r in token.refused
        ],
    }


def refusal_text(error: FleetingError, config: Path | None) -> Text:
    """Return why it was refused, and the command that tells the whole story."""
    code = f" ({clean(error.error)})" if error.error else ""
    text = Text.assemble((error.what, "bold red"), f": {clean(error.reason)}{code}")
    for alternative in error.would_allow:
        text.append(f"\nit would be allowed with {would_allow_words(alternative)}")
    id_ = error.request_id or error.txn
    if id_:
        name = "request" if error.request_id else "txn"
        text.append(f"\n{name} {clean(id_)}: {explain_command(id_, config)}", "dim")
    return text


def pending_text(error: ApprovalPending) -> Text:
    """Return where people decide, and how to go on."""
    text = Text.assemble((error.what, "bold"), f": {clean(error.reason)}")
    for alternative in error.would_allow:
        text.append(f"\nit would be allowed with {would_allow_words(alternative)}")
    if error.pending is not None and "access_request_id" in error.pending.form:
        again = f"repeat the command with --resume {clean(error.pending.id)}"
        text.append(f"\nonce they have, {again}", "dim")
    return text


def pending_json(error: ApprovalPending) -> dict[str, Any]:
    """Return what waits for programs; ``pending`` is what ``Pending.from_json`` reads."""
    pending = error.pending
    return {
        "error": "authorization_pending",
        "what": error.what,
        "reason": error.reason,
        "access_request_id": None if pending is None else pending.id,
        "authorization_uri": None if pending is None else pending.authorization_uri,
        "expires_at": None if pending is None else pending.expires_at.isoformat(),
        "pending": None if pending is None else json.loads(pending.to_json()),
    }


def refusal_json(error: FleetingError) -> dict[str, Any]:
    """Return the refusal for programs."""
    return {
        "error": error.error or "failed",
        "what": error.what,
        "reason": error.reason,
        "request_id": error.request_id,
        "txn": error.txn,
        "status": error.status,
        "would_allow": [dict(each) for each in error.would_allow],
    }


def explain_command(id_: str, config: Path | None) -> str:
    """Return what to type to read the story of *id_* in the installation that was named."""
    named = () if config is None or CONFIG_VARIABLE in os.environ else ("-c", str(config))
    return shlex.join(("fleeting", "explain", *named, clean(id_)))
