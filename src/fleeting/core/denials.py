"""Denials that people could change, bound to the question that was denied.

AuthZEN Access Request and Approval Profile (draft 1), cited as ARAP: §7 and §21.1.4. The binding
token is all that is remembered of the denial: nothing is stored for it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fleeting.core.authzen import Evaluation
from fleeting.core.canonical_json import digest
from fleeting.core.errors import ExpiredDenial, InvalidDenialBinding
from fleeting.core.jose import CLIENT_ALGS, JoseError, KeySet, UnverifiedJwt
from fleeting.core.model import Json

DENIAL_TYP = "fleeting-denial+jwt"
"""The JWS ``typ`` of a binding token."""

DENIAL_LIFE = timedelta(minutes=10)
"""How long a denial may be made a request of."""

APPROVAL_REQUIRED = "approval_required"

MACHINERY = frozenset({"access_request", "evaluation_id", "evaluated_at", "reason", "approval"})
"""Members of a context that the profile itself speaks with; none is part of a question."""


@dataclass(frozen=True, slots=True)
class Denial:
    """What a binding token vouches for. digest: of the question; members: of its context."""

    jti: str
    evaluation_id: str
    client_id: str
    digest: str
    members: tuple[str, ...]
    expires_at: datetime


def binding_members(declared: Collection[str]) -> tuple[str, ...]:
    """Return the context members that bind: those that policies can read, given or not."""
    return tuple(sorted(set(declared) - MACHINERY))


def question_digest(asked: Evaluation, members: Collection[str]) -> str:
    """Return the ``binding_hash`` of a question (ARAP §21.1.4).

    Without ``subject.properties.act``, which an enforcement point may say elsewhere.
    """
    written = asked.written
    bound: dict[str, Json] = {name: written[name] for name in ("subject", "resource", "action")}
    bound["subject"] = _without_act(bound["subject"])
    bound["context"] = {name: asked.context[name] for name in members if name in asked.context}
    return digest(bound)


def _without_act(subject: Json) -> Json:
    if not isinstance(subject, dict) or not isinstance(subject.get("properties"), dict):
        return subject
    properties = {k: v for k, v in subject["properties"].items() if k != "act"}  # type: ignore[union-attr]
    return {**subject, "properties": properties}


def denial_claims(
    asked: Evaluation,
    *,
    issuer: str,
    client_id: str,
    evaluation_id: str,
    declared: Collection[str],
    jti: str,
    now: datetime,
) -> dict[str, Any]:
    """Return the claims of a binding token (ARAP §21.1.4, hashed form)."""
    members = binding_members(declared)
    expires_at = denial_ends_at(now)
    return {
        "iss": issuer,
        "aud": issuer,
        "iat": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
        "jti": jti,
        "denial_expires_at": timestamp(expires_at),
        "client_id": client_id,
        "evaluation_id": evaluation_id,
        "binding_context_members": [*members],
        "binding_hash": question_digest(asked, members),
    }


def denial_ends_at(now: datetime) -> datetime:
    """Return until when a denial of *now* may be made a request of: whole seconds, as in a JWT."""
    return now.replace(microsecond=0) + DENIAL_LIFE


def requestable_json(
    binding_token: str, *, issuer: str, path: str, template: str, now: datetime
) -> dict[str, Json]:
    """Return what a denial's context says where people could change it (ARAP §7)."""
    return {
        "evaluated_at": timestamp(now),
        "reason": APPROVAL_REQUIRED,
        "access_request": {
            "endpoint": f"{issuer}{path}",
            "template": template,
            "expires_at": timestamp(denial_ends_at(now)),
            "binding_token": binding_token,
        },
    }


def read_denial(text: str, keys: KeySet, *, issuer: str, client_id: str, now: datetime) -> Denial:
    """Return what a binding token vouches for, to the one whom it was told (ARAP §21.1.4).

    Raises:
        InvalidDenialBinding: we never signed it, or not for this enforcement point.
        ExpiredDenial: its time is over.
    """
    try:
        claims = UnverifiedJwt.parse(text).verify(keys, algs=CLIENT_ALGS, typ=(DENIAL_TYP,))
        denial = Denial(
            jti=claims.string("jti"),
            evaluation_id=claims.string("evaluation_id"),
            client_id=claims.string("client_id"),
            digest=claims.string("binding_hash"),
            members=tuple(claims.claims["binding_context_members"]),
            expires_at=claims.instant("exp"),
        )
        meant = (claims.string("iss"), claims.audience(), denial.client_id)
    except (JoseError, LookupError, TypeError) as error:
        raise InvalidDenialBinding(
            "denial.binding_token is not one that this server gave out", detail=str(error)
        ) from None
    if meant != (issuer, (issuer,), client_id):
        raise InvalidDenialBinding("denial.binding_token was given to another enforcement point")
    if now >= denial.expires_at:
        raise ExpiredDenial("this denial is too old: evaluate again, and submit the new one")
    return denial


def check_same_question(denial: Denial, asked: Evaluation) -> None:
    """Check that what is submitted is what was denied, member by member (ARAP §18).

    Raises:
        InvalidDenialBinding: it is not.
    """
    if question_digest(asked, denial.members) != denial.digest:
        raise InvalidDenialBinding(
            "subject, resource, action or context are not those that were denied: "
            "send them as they were evaluated"
        )


def timestamp(at: datetime) -> str:
    """Return *at* as RFC 3339 has it, in UTC."""
    return at.isoformat().replace("+00:00", "Z")
