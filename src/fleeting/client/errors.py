"""What can go wrong for a caller, one class each; every one is a ``FleetingError``.

None of them holds a token, an assertion, a proof or a secret: what servers say is cleaned by
``readable`` before it gets in here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_JWT_LIKE = re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*)*")
_REMOVED = "[removed]"
_LONGEST = 500
_SHORTEST_SECRET = 4


def readable(text: str, private: Iterable[str] = ()) -> str:
    """Return what a server said, fit for a terminal and a log, without the values in *private*.

    Whatever looks like a JWT goes too; the rest is cut at 500 characters.
    """
    for value in sorted(set(private), key=len, reverse=True):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, _REMOVED)
    text = _JWT_LIKE.sub(_REMOVED, text)
    return _UNPRINTABLE.sub(" ", text).strip()[:_LONGEST]


class FleetingError(Exception):
    """Base of all that this package raises on a refusal or a failure.

    reason: why, for people. error: the OAuth error code, or "". description: the server's own
    ``error_description``, or "". request_id, txn: what ``fleeting explain`` takes, where known.
    status: the HTTP status of the answer, where there was one.
    would_allow: what could be asked instead, where the server tells it; the members of each object
    are needed together (``docs/how-to/test-and-explain-policies.md``).
    """

    what: ClassVar[str] = "just-in-time access failed"

    def __init__(
        self,
        reason: str,
        *,
        error: str = "",
        description: str = "",
        request_id: str | None = None,
        txn: str | None = None,
        status: int | None = None,
        would_allow: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Keep what is known; only *reason* must be."""
        super().__init__(reason)
        self.reason = reason
        self.error = error
        self.description = description
        self.request_id = request_id
        self.txn = txn
        self.status = status
        self.would_allow = tuple(would_allow)

    def __str__(self) -> str:
        """Say what failed, why, and under which id it can be looked up."""
        ids = [f"request {self.request_id}"] if self.request_id else []
        ids += [f"txn {self.txn}"] if self.txn else []
        return f"{self.what}: {self.reason}" + (f" ({', '.join(ids)})" if ids else "")


class AccessDeniedError(FleetingError):
    """Policy refuses the operation; ``reason`` is what it lets the caller know."""

    what = "access denied"


class StepUpRequiredError(AccessDeniedError):
    """Policy would permit it after a stronger or fresher login of the subject (RFC 9470)."""

    what = "a stronger login is needed"


class TokenRefusedError(FleetingError):
    """The resource does not accept the token: spent, expired, revoked, or not for this call."""

    what = "token refused"


class ChallengeRefusedError(FleetingError):
    """The transaction challenge of the resource is not acceptable: nothing was sent anywhere."""

    what = "transaction challenge refused"


class IssuerMismatchError(FleetingError):
    """Something names another issuer than the one the credentials are for: nothing was sent to it.

    expected: the issuer that was configured. named: the other one.
    """

    what = "wrong issuer"

    def __init__(self, reason: str, *, expected: str = "", named: str = "") -> None:
        """Keep both names."""
        super().__init__(reason)
        self.expected = expected
        self.named = named


class IssuerUnavailableError(FleetingError):
    """The issuer cannot be reached, or cannot answer now; trying later may help."""

    what = "issuer unavailable"


class UnexpectedAnswerError(FleetingError):
    """The issuer answered with something that is not the protocol."""

    what = "unexpected answer"


class ClientRefusedError(FleetingError):
    """The issuer does not accept this client, its credentials or its proof of possession."""

    what = "client refused"


class RequestRefusedError(FleetingError):
    """The issuer does not accept what was asked, or the subject token; ``error`` says which."""

    what = "request refused"


class InsecureUrlError(FleetingError, ValueError):
    """A token may be sent to https, or to http on loopback, and to nothing else."""

    what = "insecure URL"
