"""Subject and actor tokens become a subject and a delegation chain (RFC 8693)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fleeting.core.context import ValueType, subject_attributes
from fleeting.core.errors import InvalidRequest, InvalidToken
from fleeting.core.jose import PROVIDER_ALGS, JoseError, KeySet, UnverifiedJwt, VerifiedClaims
from fleeting.core.model import Actor, Json, Operation, SenderKey, Subject, SubjectKind
from fleeting.core.operations import OperationType, details_from_claims
from fleeting.core.validation import MAX_ACT_DEPTH, actor_chain, name_claim, optional_name

_TYPS = ("jwt", "at+jwt", None)
"""ID tokens, JWTs and access tokens; not proofs, challenges, logout or transaction tokens."""
_SKEW = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """Whose tokens may be exchanged, and how their claims describe a subject.

    audience: what a token's ``aud`` must name, so that only tokens meant for us count.
    claims: claim → subject attribute.
    subject_prefix: keeps the subjects of several providers apart.
    """

    issuer: str
    audience: str
    claims: Mapping[str, str] = field(default_factory=dict)
    subject_prefix: str = ""


@dataclass(frozen=True, slots=True)
class Declarations:
    """What the installation declares that a subject token's claims are held against.

    client_ids: no user may be mistaken for one of these (RFC 9700 §4.15).
    subject_prefixes: those of all providers: no provider may name another one's users.
    """

    attributes: Mapping[str, ValueType]
    types: Mapping[str, OperationType]
    client_ids: Collection[str]
    subject_prefixes: Collection[str] = ()


def claimed_issuer(token: str, parameter: str) -> str:
    """Return the issuer that *token* claims: fit only to choose whose keys to try.

    Raises:
        InvalidRequest: not a JWT (RFC 8693 §2.2.2).
    """
    try:
        issuer = UnverifiedJwt.parse(token).claimed("iss")
    except JoseError as error:
        raise InvalidRequest(f"the {parameter} is not acceptable: {error}") from None
    if not isinstance(issuer, str):
        raise InvalidRequest(f"the {parameter} is not acceptable: it has no 'iss'")
    return issuer


def verify_provider_token(
    token: str, keys: KeySet, provider: IdentityProvider, *, now: datetime
) -> VerifiedClaims:
    """Verify a token of *provider* that was meant for us (RFC 8693 §2.1, RFC 7519 §4.1).

    This does NOT check that it was not revoked at the provider, nor whose hands it is in.

    Raises:
        UnknownKeyError: no key fits; newer keys might.
        JoseError: not that provider's, not for us, not in its time.
    """
    claims = UnverifiedJwt.parse(token).verify(keys, algs=PROVIDER_ALGS, typ=_TYPS)
    if claims.string("iss") != provider.issuer:
        raise JoseError("its 'iss' is another issuer")
    if provider.audience not in claims.audience():
        raise JoseError(f"its 'aud' does not name {provider.audience}")
    claims.check_times(now=now, leeway=_SKEW)
    name_claim(claims, "sub")
    _refuse_other_jwts(claims)
    return claims


def _refuse_other_jwts(claims: VerifiedClaims) -> None:
    """Refuse what is signed alike, and typed no better, but stands for nobody's authority."""
    if "events" in claims.claims:  # RFC 8417 §2.2; OpenID Back-Channel Logout 1.0 §2.4
        raise JoseError("it is about events, such as a logout: it stands for nobody")
    if "uses" in claims.claims:  # exchanged, it could be used as often as it is exchanged
        raise JoseError("it is limited in uses: only the resource it is for can use it")


def check_identity(
    claims: VerifiedClaims, provider: IdentityProvider, declared: Declarations
) -> str:
    """Return what a provider's subject is called here, once it can be nobody else (RFC 9700 §4.15).

    Raises:
        InvalidRequest: it has the name of a client, or of another provider's subject.
    """
    own = provider.subject_prefix
    identifier = own + claims.string("sub")
    if identifier in declared.client_ids:
        raise InvalidRequest("the 'sub' of a subject_token or actor_token is the name of a client")
    longer = (prefix for prefix in declared.subject_prefixes if len(prefix) > len(own))
    if any(identifier.startswith(prefix) for prefix in longer):
        raise InvalidRequest("the 'sub' of a subject_token or actor_token is another provider's")
    return identifier


def read_subject(
    claims: VerifiedClaims, provider: IdentityProvider, declared: Declarations
) -> Subject:
    """Return the user that a verified subject token speaks of.

    Raises:
        InvalidRequest: a claim is of another type than its attribute; or see ``check_identity``.
        JoseError: a malformed claim.
    """
    identifier = check_identity(claims, provider, declared)
    groups, attributes = subject_attributes(claims.claims, provider.claims, declared.attributes)
    return Subject(
        kind=SubjectKind.USER,
        id=identifier,
        groups=groups,
        attributes=attributes,
        issuer=provider.issuer,
        acr=optional_name(claims, "acr"),
        auth_time=claims.optional_instant("auth_time"),
        not_after=claims.instant("exp"),
        operations=_bounds(claims, declared.types),
    )


def _bounds(
    claims: VerifiedClaims, types: Mapping[str, OperationType]
) -> tuple[Operation, ...] | None:
    """Read what the subject token itself is bound to: nothing beyond it may be issued on it."""
    details: Json = claims.claims.get("authorization_details")
    if details is None:
        return None
    try:
        return details_from_claims(details, types)
    except InvalidToken as error:
        raise JoseError(error.detail or error.description) from None


def delegation_chain(
    subject: VerifiedClaims,
    client_id: str,
    actor: tuple[VerifiedClaims, IdentityProvider] | None,
) -> tuple[Actor, ...]:
    """Return who acts for the subject, current actor first, earlier ones kept (RFC 8693 §4.1).

    Without an actor token the client itself is the actor: it acts, the subject does not.

    Raises:
        JoseError: malformed or too deep a chain, an actor that is itself acted for, or one that the
            subject token's ``may_act`` does not name (§4.4).
    """
    current = Actor(client_id) if actor is None else _actor(*actor)
    _check_may_act(subject.claims.get("may_act"), current)
    chain = (current, *actor_chain(subject.claims.get("act")))
    if len(chain) > MAX_ACT_DEPTH:
        raise JoseError(f"its delegation chain is longer than {MAX_ACT_DEPTH}")
    return chain


def _actor(claims: VerifiedClaims, provider: IdentityProvider) -> Actor:
    if claims.claims.get("act") is not None:
        raise JoseError("the actor_token has an 'act' of its own: send the actor's own token")
    return Actor(provider.subject_prefix + claims.string("sub"), provider.issuer)


def _check_may_act(may_act: object, actor: Actor) -> None:
    if may_act is None:
        return
    members: dict[str, Any] = may_act if isinstance(may_act, dict) else {}
    if members.get("sub") != actor.sub or members.get("iss", actor.iss) != actor.iss:
        raise JoseError("its 'may_act' names another actor")


def check_possession(claims: VerifiedClaims, key: SenderKey | None) -> None:
    """Check that a bound subject or actor token comes from who holds its key (RFC 7800 §3.1).

    RFC 8693 leaves this open; a bound token in other hands is a stolen one to us.

    Raises:
        JoseError: it is bound to another key than the request proves, or in a way not known here.
    """
    cnf = claims.claims.get("cnf")
    if cnf is not None and (key is None or cnf != key.to_cnf()):
        raise JoseError("it is bound to a key ('cnf') that this request does not prove")
