"""Spend a use of a token at the issuer before anything is served (DESIGN D5)."""

import json
import logging
import re
import secrets
from typing import Any

from fleeting.core.errors import InvalidToken, TemporarilyUnavailable
from fleeting.core.model import AccessToken, Operation, SpendRefusal
from fleeting.resource.issuer import Issuer, IssuerError, Reply, UnreachableError

_log = logging.getLogger("fleeting.resource")
_OK = 200
_LONGEST_WHY = 300
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_MISDECLARED = (
    "a use was not spent: client_id '%s' of this guard is not the one that the issuer has declared "
    "for the resource '%s'"
)
_SAID = {
    SpendRefusal.EXPIRED: "the access token has expired",
    SpendRefusal.REVOKED: "the access token was revoked",
    SpendRefusal.UNKNOWN: "the access token is not known to its issuer",
    SpendRefusal.AUDIENCE: "the access token is for another resource",
}


class SpentToken(InvalidToken):
    """Every use of the access token is spent."""


class RefusedByIssuer(InvalidToken):
    """The issuer does not let the access token be used any more."""


async def spend(issuer: Issuer, token: AccessToken, text: str, call: Operation) -> int:
    """Use *token* once for *call* and return the number of this use.

    A lost answer is asked for again, once, with the same ``use_id``: it is spent once all the same.

    Raises:
        SpentToken, RefusedByIssuer: the issuer says no.
        TemporarilyUnavailable: the issuer cannot be asked, or its answer cannot be used.
    """
    form = {
        "token": text,
        "use_id": secrets.token_urlsafe(16),
        "operation": json.dumps(call.to_json()),
    }
    try:
        answer = _answer(await _post_twice(issuer, form), text)
        if answer.get("reason") == SpendRefusal.AUDIENCE:
            _log.warning(_MISDECLARED, issuer.client_id, token.audience)
        return _use_number(answer, token)
    except IssuerError as error:
        _log.warning("a use was not spent: %s", error)
        raise TemporarilyUnavailable("the use of this token cannot be recorded now") from None


async def _post_twice(issuer: Issuer, form: dict[str, str]) -> Reply:
    try:
        return await issuer.post("/spend", form)
    except UnreachableError:
        return await issuer.post("/spend", form)


def _answer(reply: Reply, text: str) -> dict[str, Any]:
    if reply.status != _OK:
        raise IssuerError(f"the issuer answers {reply.status} to a spend{_why(reply, text)}")
    return reply.json()


def _why(reply: Reply, text: str) -> str:
    """Return the OAuth error in *reply* (RFC 6749 §5.2), fit for a log and without the token."""
    try:
        body = reply.json()
    except IssuerError:
        return ""
    said = (body.get(name) for name in ("error", "error_description"))
    told = (each.replace(text, "[token]")[:_LONGEST_WHY] for each in said if isinstance(each, str))
    return "".join(f": {_UNPRINTABLE.sub('?', each)}" for each in told)


def _use_number(answer: dict[str, Any], token: AccessToken) -> int:
    active, use = answer.get("active"), answer.get("use")
    if active is False:
        raise _refusal(answer.get("reason"))
    fits = isinstance(use, int) and not isinstance(use, bool) and 1 <= use <= (token.uses or use)
    if active is not True or not fits or not isinstance(use, int):
        raise IssuerError("the issuer's answer to a spend says neither yes nor no")
    return use


def _refusal(reason: object) -> InvalidToken:
    if reason == SpendRefusal.SPENT:
        return SpentToken("the access token is spent")
    for refusal, said in _SAID.items():
        if reason == refusal:
            return RefusedByIssuer(said)
    return RefusedByIssuer("the access token is not active any more")
