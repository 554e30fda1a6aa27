"""Wait for people as a flow: hold on to the issuer's answer, poll as it says, collect the token."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from fleeting.client.answers import objects, read_object, success
from fleeting.client.calling_issuer import Asker, post
from fleeting.client.errors import IssuerUnavailableError, UnexpectedAnswerError
from fleeting.client.pending import (
    Patience,
    Pending,
    again,
    read_pending,
    still_pending,
)
from fleeting.client.tokens import Token, read_token
from fleeting.client.wire import Answer, Flow, Rest

LONGEST_HOLD = timedelta(seconds=20)
"""How long the issuer is asked to hold its answer back (RFC 7240 §4.3)."""

_AFTER_TROUBLE = timedelta(seconds=2)
_BARELY = timedelta(seconds=1)


def obtain_patiently(
    asker: Asker,
    endpoint: str,
    form: Mapping[str, str],
    patience: Patience,
    *,
    txn: str | None = None,
) -> Flow[Token]:
    """Ask, and wait for people where they decide.

    Raises:
        ApprovalPending: they have not, as long as *patience* lasts.
    """
    asked_at = asker.now()
    answer, private = yield from post(asker, endpoint, form)
    body = _pending_body(answer)
    if body is None:
        granted = success(answer, private)
        return _checked(read_token(granted, asked_at=asked_at, bound=_bound(asker)), txn)
    pending = read_pending(body, endpoint, form, asked_at)
    if pending is None:
        raise still_pending(None)
    tokens = {name: form[name] for name in form if name.startswith(("subject_", "actor_"))}
    hints = objects(body.get("would_allow"))
    return (yield from wait(asker, replace(pending, txn=txn), patience, tokens, hints))


def wait(
    asker: Asker,
    pending: Pending,
    patience: Patience,
    tokens: Mapping[str, str],
    would_allow: Sequence[Mapping[str, Any]] = (),
) -> Flow[Token]:
    """Wait until people have decided, and return the token.

    tokens: those that the request came with, which ``Pending`` does not keep.
    would_allow: what needs nobody, where the issuer told it.

    Raises:
        ApprovalPending: they have not, as long as *patience* lasts.
        AccessDeniedError, RequestRefusedError: they said no, or not in time.
    """
    until = patience.until(pending, asker.now())
    with_tokens = tokens if pending.endpoint == "token_endpoint" else {}
    patience.tell(pending)
    while (left := until - asker.now()) > timedelta(0):
        asked_at, hold = asker.now(), min(left, LONGEST_HOLD)
        try:
            answer, private = yield from post(
                asker, pending.endpoint, {**pending.form, **with_tokens}, hold=hold
            )
            body = _pending_body(answer)
            if body is None:
                granted = success(answer, private)
                token = read_token(granted, asked_at=asked_at, bound=_bound(asker))
                return _checked(token, pending.txn)
        except IssuerUnavailableError:
            if asker.now() + _AFTER_TROUBLE >= until:
                raise
            yield Rest(_AFTER_TROUBLE)
            continue
        slower = body.get("error") == "slow_down"
        pending = again(pending, body, asker.now(), slower=slower)
        patience.tell(pending)
        held = asker.now() - asked_at >= hold - _BARELY
        if slower or not held:  # it holds nothing back: poll as it says
            yield Rest(min(pending.interval, max(timedelta(0), until - asker.now())))
    raise still_pending(pending, would_allow)


def _bound(asker: Asker) -> bool:
    return asker.identity.proof_key is not None


def _checked(token: Token, txn: str | None) -> Token:
    if txn is not None and token.txn not in (None, txn):
        raise UnexpectedAnswerError("the token is for another transaction than the challenge")
    return token


def _pending_body(answer: Answer) -> dict[str, Any] | None:
    """Return the body of an answer that says to wait, or None."""
    body = read_object(answer)
    if body is None:
        return None
    if answer.status == 200:  # noqa: PLR2004 -- txn-challenge draft §4.2
        return body if "access_token" not in body and _names_a_transaction(body) else None
    return body if body.get("error") in ("authorization_pending", "slow_down") else None


def _names_a_transaction(body: Mapping[str, Any]) -> bool:
    return "transaction_authorization_id" in body
