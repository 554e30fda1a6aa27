"""What a resource server must check before it serves (RFC 9068 §4, RFC 9449 §7, DESIGN §1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fleeting.core.declaring import UNSAFE
from fleeting.core.errors import InvalidToken
from fleeting.core.issuance import ACCESS_TOKEN_TYP
from fleeting.core.jose import SERVER_ALG, JoseError, KeySet, UnverifiedJwt, VerifiedClaims
from fleeting.core.model import (
    AccessToken,
    Actor,
    Json,
    Operation,
    SenderConstraint,
    SenderKey,
    TokenRecord,
    scope_operation,
)
from fleeting.core.operations import OperationType, details_from_claims, find_permitting

MAX_ACT_DEPTH = 8
LONGEST_NAME = 1000
"""How long a subject or an actor may be called: a token must still fit into a header."""
_FUTURE_SKEW = timedelta(seconds=10)
_ALGS = frozenset({SERVER_ALG})
_SCHEMES = {"dpop": SenderConstraint.DPOP, "bearer": SenderConstraint.NONE}


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """An access token as a call presents it. Nothing of it is verified."""

    scheme: SenderConstraint
    text: str


def presented_token(authorization: list[str]) -> PresentedToken | None:
    """Take the access token out of the ``Authorization`` fields (RFC 6750 §2.1, RFC 9449 §7.1).

    Tokens in the query or the body are not looked for (RFC 9700 §4.3.2).

    Raises:
        InvalidToken: several credentials, or a malformed one.
    """
    if not authorization:
        return None
    if len(authorization) > 1:  # also: one as DPoP and one as Bearer (RFC 9449 §7.2)
        raise InvalidToken("send one Authorization header field")
    scheme, _, text = authorization[0].partition(" ")
    constraint = _SCHEMES.get(scheme.lower())
    if constraint is None:
        return None
    text = text.strip()
    if not text or " " in text or "," in text:
        raise InvalidToken("the Authorization header holds no access token")
    return PresentedToken(constraint, text)


def read_access_token(
    text: str, keys: KeySet, *, issuer: str, types: Mapping[str, OperationType]
) -> AccessToken:
    """Return the claims of an access token that *issuer* signed (RFC 9068 §2, §4).

    This does NOT check its audience, its times, its sender, or whether it was spent or revoked.

    Raises:
        UnknownKeyError: no key fits; newer keys might.
        JoseError: not an access token of this issuer.
    """
    jwt = UnverifiedJwt.parse(text)
    claims = jwt.verify(keys, algs=_ALGS, typ=(ACCESS_TOKEN_TYP,))
    if claims.string("iss") != issuer:
        raise JoseError("its 'iss' is another issuer")
    return _access_token(claims, types)


def _access_token(claims: VerifiedClaims, types: Mapping[str, OperationType]) -> AccessToken:
    (audience, *others) = claims.audience()
    if others:
        raise JoseError("it has several audiences")
    return AccessToken(
        jti=claims.string("jti"),
        txn=claims.string("txn"),
        issuer=claims.string("iss"),
        audience=audience,
        client_id=claims.string("client_id"),
        subject=claims.string("sub"),
        operations=_operations(claims, types),
        issued_at=claims.instant("iat"),
        expires_at=claims.instant("exp"),
        key=_sender_key(claims.claims.get("cnf")),
        uses=_uses(claims.claims.get("uses")),
        actors=actor_chain(claims.claims.get("act")),
        acr=claims.optional_string("acr"),
        auth_time=claims.optional_instant("auth_time"),
    )


def _operations(
    claims: VerifiedClaims, types: Mapping[str, OperationType]
) -> tuple[Operation, ...]:
    details: Json = claims.claims.get("authorization_details")
    try:
        operations = () if details is None else details_from_claims(details, types)
    except InvalidToken as error:
        raise JoseError(f"its authorization_details are not ours: {error.detail}") from None
    scope = claims.optional_string("scope") or ""
    return (*operations, *map(scope_operation, scope.split()))


def _sender_key(cnf: object) -> SenderKey | None:
    """Read ``cnf``; what cannot be checked here must not count as unbound (RFC 7800 §3.1)."""
    if cnf is None:
        return None
    if isinstance(cnf, dict) and len(cnf) == 1 and isinstance(cnf.get("jkt"), str):
        return SenderKey(SenderConstraint.DPOP, cnf["jkt"])
    raise JoseError("its 'cnf' is of a kind that cannot be checked here")


def _uses(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise JoseError("its 'uses' is not a positive integer")
    return value


def actor_chain(act: object) -> tuple[Actor, ...]:
    """Read nested ``act`` claims, current actor first (RFC 8693 §4.1).

    Raises:
        JoseError: malformed, or nested deeper than any honest chain.
    """
    actors: list[Actor] = []
    while act is not None:
        if not isinstance(act, dict) or len(actors) == MAX_ACT_DEPTH:
            raise JoseError(f"its 'act' is malformed or deeper than {MAX_ACT_DEPTH}")
        members = VerifiedClaims({}, act)
        actors.append(
            Actor(
                name_claim(members, "sub"),
                optional_name(members, "iss"),
                optional_name(members, "client_id"),
            )
        )
        act = act.get("act")
    return tuple(actors)


def name_claim(claims: VerifiedClaims, name: str) -> str:
    """Return a claim that names somebody: people will read it in the ledger, on a terminal.

    Raises:
        JoseError: missing, not a string, long, or with characters that could forge what is read.
    """
    text = claims.string(name)
    if len(text) > LONGEST_NAME or UNSAFE.search(text):
        raise JoseError(f"claim '{name}' is too long or has control characters")
    return text


def optional_name(claims: VerifiedClaims, name: str) -> str | None:
    """Return a claim that names somebody, or None where it is not given."""
    return None if claims.claims.get(name) is None else name_claim(claims, name)


def check_token(token: AccessToken, *, audience: str, now: datetime) -> None:
    """Check that *token* is for *audience* and alive (RFC 9068 §4).

    This does NOT check its sender, nor whether it was spent or revoked: only the issuer knows.

    Raises:
        InvalidToken: for another audience, expired, or issued in the future.
    """
    if token.audience != audience:
        raise InvalidToken("the access token is for another resource")
    if now >= token.expires_at:  # no leeway: it lives for seconds, and its end is meant
        raise InvalidToken("the access token has expired")
    if token.issued_at > now + _FUTURE_SKEW:
        raise InvalidToken("the access token is not valid yet")


def check_sender(
    token: AccessToken, presented_as: SenderConstraint, proven: SenderKey | None
) -> None:
    """Check that who presents *token* holds the key it is bound to (RFC 9449 §7.1, §7.2).

    proven: the key of a proof that ``core.sender`` verified for this call and this token.

    Raises:
        InvalidToken: a bound token without its key or as Bearer, or an unbound one as DPoP.
    """
    if token.key is None:
        if presented_as is not SenderConstraint.NONE:
            raise InvalidToken("the access token is not bound to a key: present it as Bearer")
        return
    if presented_as is SenderConstraint.NONE:  # RFC 9449 §7.2: MUST reject
        raise InvalidToken("the access token is bound to a key: present it with DPoP")
    if proven is None or proven != token.key:
        raise InvalidToken("the DPoP proof is not made with the key of the access token")


def check_call(
    token: AccessToken, call: Operation, types: Mapping[str, OperationType]
) -> Operation:
    """Return the granted operation that *call* lies within (RFC 9396 §6.1: compared by type).

    Raises:
        InsufficientScope: none does; the description says what is exceeded.
    """
    return find_permitting(token.operations, call, types)


INACTIVE: Mapping[str, Any] = {"active": False}
"""What anyone is told of a token that is not alive, or not theirs to know (RFC 7662 §2.2)."""


def introspection_response(
    token: AccessToken, claims: Mapping[str, Any], record: TokenRecord | None = None
) -> dict[str, Any]:
    """Return an active token as RFC 7662 §2.2 tells it (RFC 9449 §6.2, RFC 9396 §9.2).

    record: what the issuer remembers, for how many of its limited uses are left.
    This does NOT check that it is active.
    """
    token_type = "Bearer" if token.key is None else "DPoP"
    response = {"active": True, **claims, "token_type": token_type}
    if record is not None and record.uses is not None:
        response["uses_left"] = record.uses - record.used
    return response
