"""Transaction challenges, both ends (draft-rosomakho-oauth-txn-challenge-00)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fleeting.core.errors import InvalidScope, InvalidTransactionChallenge
from fleeting.core.issuance import details_json, scope_text
from fleeting.core.jose import CLIENT_ALGS, JoseError, KeySet, UnverifiedJwt, VerifiedClaims
from fleeting.core.model import Actor, Json, Operation
from fleeting.core.requests import parse_scope
from fleeting.core.validation import MAX_ACT_DEPTH, actor_chain

CHALLENGE_TYP = "txn-authz-challenge+jwt"
CHALLENGE_LIFE = timedelta(minutes=2)
ACCEPT_HEADER = "accept-txn-challenge"

_TRUE_ITEM = re.compile(r" *\?1 *(;.*)?")
_TXN = re.compile(r"[\x21-\x7e]{8,200}")
_MAX_LIFE = timedelta(minutes=10)
_SKEW = timedelta(seconds=10)


def accepts_challenge(values: Sequence[str]) -> bool:
    """Return whether ``Accept-Txn-Challenge`` is the Boolean Item true (draft §3.1, RFC 9651 §3.3).

    Several header fields make a List, which is not an Item: then it counts as absent. Unknown
    parameters are ignored.
    """
    return len(values) == 1 and _TRUE_ITEM.fullmatch(values[0]) is not None


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a resource server says that one call needs.

    details: JSON of ``authorization_details``, still to be held against the declared types.
    """

    resource: str
    authorization_server: str
    jti: str
    txn: str
    details: Json
    scopes: tuple[str, ...]
    reason: str
    expires_at: datetime
    actors: tuple[Actor, ...] = ()


def make_challenge_claims(
    *,
    resource: str,
    authorization_server: str,
    jti: str,
    txn: str,
    operation: Operation,
    reason: str,
    now: datetime,
    act: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the claims of a challenge for exactly *operation* (draft §3.2.2)."""
    issued_at = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": resource,
        "aud": authorization_server,
        "iat": issued_at,
        "exp": issued_at + int(CHALLENGE_LIFE.total_seconds()),
        "jti": jti,
        "txn": txn,
        "authorization_details": details_json([operation]),
        "reason": reason,
    }
    scope = scope_text([operation])
    if scope:
        claims["scope"] = scope
    if act is not None:
        claims["act"] = act
    return claims


def challenge_resource(text: str) -> str | None:
    """Return the resource that *text* claims to come from: fit only to choose whose keys to try.

    Raises:
        InvalidTransactionChallenge: not a JWS.
    """
    try:
        claimed = UnverifiedJwt.parse(text).claimed("iss")
    except JoseError as error:
        raise InvalidTransactionChallenge(f"the transaction challenge: {error}") from None
    return claimed if isinstance(claimed, str) else None


def read_challenge(
    text: str, keys: KeySet, *, resource: str, authorization_server: str, now: datetime
) -> Challenge:
    """Validate a challenge as its reader must, client and server alike (draft §3.5, §3.6).

    This does NOT check that the operation is permitted, nor that the challenge is new (the store
    claims its ``jti``).

    Raises:
        UnknownKeyError: no key fits; newer keys might.
        JoseError: not signed by *resource*, not for *authorization_server*, or expired.
    """
    jwt = UnverifiedJwt.parse(text)
    claims = jwt.verify(keys, algs=CLIENT_ALGS, typ=(CHALLENGE_TYP,))
    if claims.string("iss") != resource:
        raise JoseError("its 'iss' is another resource")
    if claims.claims.get("aud") != authorization_server:
        raise JoseError(f"its 'aud' is not {authorization_server}")
    claims.check_times(now=now, leeway=_SKEW)
    claims.instant("iat")
    expires_at = claims.instant("exp")
    if expires_at > now + _MAX_LIFE:
        raise JoseError("its 'exp' is more than ten minutes away")
    return _challenge(claims, expires_at)


def _challenge(claims: VerifiedClaims, expires_at: datetime) -> Challenge:
    txn = claims.string("txn")
    if not _TXN.fullmatch(txn):
        raise JoseError("its 'txn' is not 8 to 200 visible ASCII characters")
    details: Json = claims.claims.get("authorization_details")
    if not isinstance(details, list):
        raise JoseError("its 'authorization_details' is missing or not an array")
    scope = claims.optional_string("scope")
    if not details and scope is None:
        raise JoseError("it describes no operation")
    return Challenge(
        resource=claims.string("iss"),
        authorization_server=claims.string("aud"),
        jti=claims.string("jti"),
        txn=txn,
        details=details or None,
        scopes=() if scope is None else _scopes(scope),
        reason=claims.string("reason"),
        expires_at=expires_at + _SKEW,
        actors=actor_chain(claims.claims.get("act")),
    )


def _scopes(text: str) -> tuple[str, ...]:
    try:
        return parse_scope(text)
    except InvalidScope as error:
        raise JoseError(f"its 'scope': {error.description}") from None


def carried_chain(
    own: tuple[Actor, ...], challenge: Challenge, client_id: str
) -> tuple[Actor, ...]:
    """Carry the requester context of *challenge* behind our own chain (draft §3.2.2 ``act``).

    The current actor is whoever asks, never whom a challenge names (RFC 8693 §4.1).

    Raises:
        InvalidTransactionChallenge: the chain becomes longer than any honest one.
    """
    if challenge.actors and not own:
        own = (Actor(client_id),)
    chain = (*own, *(actor for actor in challenge.actors if actor not in own))
    if len(chain) > MAX_ACT_DEPTH:
        raise InvalidTransactionChallenge(f"its delegation chain is longer than {MAX_ACT_DEPTH}")
    return chain
