"""Every OAuth error that Fleeting speaks, one class each.

``error`` and ``status`` are what the cited RFC prescribes. ``description`` is read by the client;
``detail`` is for the ledger and the log, and never leaves the server. One renderer per face
(``server.rendering``, ``resource.responses``) turns these into bodies and headers.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from fleeting.core.model import Json


class OAuthError(Exception):
    """Base of all refusals that may reach a caller.

    description: what went wrong and what to write instead; public.
    detail: what only the ledger and the log may know.
    would_allow: what the caller could ask instead; public, and set where policy refuses.
    members: what else the answer says; public.
    """

    error: ClassVar[str]
    status: ClassVar[int] = 400

    def __init__(self, description: str, *, detail: str = "") -> None:
        """Keep both texts apart."""
        super().__init__(description)
        self.description = description
        self.detail = detail
        self.would_allow: Sequence[Json] = ()
        self.members: Mapping[str, Json] = {}


# Authorization server: RFC 6749 §5.2 and its relatives.


class InvalidRequest(OAuthError):
    """A parameter is missing, repeated or malformed (RFC 6749 §5.2)."""

    error = "invalid_request"


class InvalidClient(OAuthError):
    """The client is unknown or did not prove who it is (RFC 6749 §5.2)."""

    error = "invalid_client"
    status = 401


class InvalidGrant(OAuthError):
    """The grant is invalid, expired, revoked or another client's (RFC 6749 §5.2)."""

    error = "invalid_grant"


class UnauthorizedClient(OAuthError):
    """The client may not use this grant type (RFC 6749 §5.2)."""

    error = "unauthorized_client"


class NotAnEnforcementPoint(UnauthorizedClient):
    """The client guards no resource: it may not ask for decisions (AuthZEN §10.1.2)."""

    status = 403


class UnsupportedGrantType(OAuthError):
    """The server does not know this grant type (RFC 6749 §5.2)."""

    error = "unsupported_grant_type"


class InvalidScope(OAuthError):
    """A requested scope is unknown, malformed or not the client's to ask for (RFC 6749 §5.2)."""

    error = "invalid_scope"


class InvalidTarget(OAuthError):
    """The resource is unknown, malformed, or not one (RFC 8707 §2)."""

    error = "invalid_target"


class InvalidAuthorizationDetails(OAuthError):
    """The authorization details do not fit their declared type (RFC 9396 §5)."""

    error = "invalid_authorization_details"


class AccessDenied(OAuthError):
    """Policy refuses all that was asked (RFC 6749 §4.1.2.1, RFC 8628 §3.5)."""

    error = "access_denied"


class AuthorizationPending(OAuthError):
    """People have not decided yet: ask again in a while (RFC 8628 §3.5)."""

    error = "authorization_pending"


class SlowDown(AuthorizationPending):
    """As pending, and the caller asks too often: five seconds more from now on (RFC 8628 §3.5)."""

    error = "slow_down"


class ExpiredToken(OAuthError):
    """Nobody decided, or nobody collected, in time: ask anew (RFC 8628 §3.5)."""

    error = "expired_token"


class NotAllowed(AccessDenied):
    """The person may not do this to this access request, or not now."""

    status = 403


class NoSuchRequest(OAuthError):
    """There is no such access request, or it is not this person's to see."""

    error = "not_found"
    status = 404


class RequestChanged(OAuthError):
    """The access request is not, or no longer, as the person saw it: look again."""

    error = "conflict"
    status = 409


# What enforcement points request: AuthZEN Access Request and Approval Profile, cited as ARAP §14.


class RequestProblem:
    """A problem type of the profile (ARAP §14), told as RFC 9457 has it."""

    error: ClassVar[str]

    @property
    def type(self) -> str:
        """Its URN."""
        return f"urn:openid:authzen:access-request:error:{self.error}"


class NotRequestable(RequestProblem, OAuthError):
    """The denial is not one that people could change (ARAP §14)."""

    error = "not_requestable"


class ExpiredDenial(RequestProblem, OAuthError):
    """The denial is too old to be made a request of (ARAP §14)."""

    error = "expired_denial"
    status = 410


class InvalidDenialBinding(RequestProblem, OAuthError):
    """What is submitted is not what was denied (ARAP §14, §21.1.4)."""

    error = "invalid_denial_binding"


class DuplicateRequest(RequestProblem, OAuthError):
    """The ``Idempotency-Key``, or the denial, came with another body before (ARAP §14)."""

    error = "duplicate_request"
    status = 409


class UnknownTask(RequestProblem, OAuthError):
    """There is no such task, or it is another enforcement point's (ARAP §14)."""

    error = "unknown_task"
    status = 404


class TaskExpired(RequestProblem, OAuthError):
    """What was approved is over (ARAP §14)."""

    error = "task_expired"
    status = 410


class InvalidTaskState(RequestProblem, OAuthError):
    """That does not go with where the task is (ARAP §14)."""

    error = "invalid_task_state"
    status = 409


class InvalidDpopProof(OAuthError):
    """The DPoP proof is missing or invalid (RFC 9449 §5, §7.1)."""

    error = "invalid_dpop_proof"


class UseDpopNonce(OAuthError):
    """The DPoP proof lacks the server's current nonce (RFC 9449 §8, §9)."""

    error = "use_dpop_nonce"


class UnsupportedTokenType(OAuthError):
    """The server cannot revoke this type of token (RFC 7009 §2.2.1)."""

    error = "unsupported_token_type"


class InvalidTransactionChallenge(OAuthError):
    """The transaction challenge cannot be validated (draft-rosomakho-oauth-txn-challenge §4)."""

    error = "invalid_transaction_challenge"


class RequestTooLarge(InvalidRequest):
    """The body is larger than this server reads (RFC 9110 §15.5.14)."""

    status = 413


class SignInRefused(OAuthError):
    """A person could not be signed in: not by this login (OpenID Connect Core §3.1.2.6)."""

    error = "access_denied"
    status = 403


class TemporarilyUnavailable(OAuthError):
    """Something this answer needs cannot be reached now (RFC 6749 §4.1.2.1)."""

    error = "temporarily_unavailable"
    status = 503


class ServerError(OAuthError):
    """A bug: recorded with its traceback, told as nothing (RFC 6749 §4.1.2.1)."""

    error = "server_error"
    status = 500


# Resource server: RFC 6750 §3.1 and its relatives.


class MissingToken(OAuthError):
    """No access token came with the call; the answer carries no error code (RFC 6750 §3.1)."""

    error = ""
    status = 401


class InvalidToken(OAuthError):
    """The access token is malformed, expired, revoked, spent or not for us (RFC 6750 §3.1)."""

    error = "invalid_token"
    status = 401


class InsufficientScope(OAuthError):
    """The access token is valid, but not for this very call (RFC 6750 §3.1)."""

    error = "insufficient_scope"
    status = 403


class InsufficientUserAuthentication(OAuthError):
    """A stronger or fresher login is needed (RFC 9470 §3)."""

    error = "insufficient_user_authentication"
    status = 401


class TransactionAuthorizationRequired(OAuthError):
    """This very call needs its own authorization (draft-rosomakho-oauth-txn-challenge §3.2)."""

    error = "transaction_authorization_required"
    status = 401
