"""What is remembered of people who sign in: sessions, passkeys, links, and logins under way.

No secret is kept: where something random is handed out (a session token, a link, a code), only its
SHA-256 stands here, as the id of the record.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from fleeting.core.jose import encode_base64url

COMMAND_LINE = "fleeting-cli"
"""The client_id of our own command line: a public client, known to every installation."""
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
"""The grant type of the command line's login (RFC 8628 §3.4)."""
_LONGEST_PATH = 1000
_UNPRINTED = re.compile(r"[^\x21-\x7e]")


def digest(secret: str) -> str:
    """Return the name under which what *secret* is good for is kept."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def same_secret(secret: str, kept: str) -> bool:
    """Return whether *kept* is the digest of *secret*, in the same time whatever they are."""
    return hmac.compare_digest(digest(secret), kept)


def whose(person: str) -> str:
    """Return the word that what is a person's is listed by; their id may be too long for one."""
    return digest(person)[:32]


def csrf_token(session_token: str) -> str:
    """Return what forms must carry to be taken for the session's own; no page of others has it."""
    key = session_token.encode(errors="replace")
    return encode_base64url(hmac.digest(key, b"fleeting csrf token", "sha256")).decode()


def is_csrf_token(sent: str, session_token: str) -> bool:
    """Return whether *sent* is the token of the session, in the same time whatever it is."""
    return hmac.compare_digest(sent.encode(errors="replace"), csrf_token(session_token).encode())


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """How long sessions live: from the login on, and without being used."""

    longest: timedelta = timedelta(hours=12)
    idle: timedelta = timedelta(hours=1)

    @property
    def touched_every(self) -> timedelta:
        """How exactly it is kept when a session was used last: so often at most it is written."""
        return min(timedelta(minutes=1), self.idle / 4)


@dataclass(frozen=True, slots=True)
class Session:
    """A login that lasts; signed_in_at: when the person proved who they are (``auth_time``).

    jkt: the key that every call must prove, of a session of the command line; None: a browser's.
    """

    person: str
    signed_in_at: datetime
    started_at: datetime
    used_at: datetime
    acr: str | None = None
    jkt: str | None = None

    def ends_at(self, terms: SessionTerms) -> datetime:
        """Return when it is over, unless it is used before."""
        return min(self.started_at + terms.longest, self.used_at + terms.idle)


@dataclass(frozen=True, slots=True)
class Passkey:
    """A WebAuthn credential; sign_count: of its last use, where it counts."""

    person: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    made_at: datetime
    used_at: datetime | None = None
    label: str = ""


class SignInKind(StrEnum):
    """How somebody is signing in."""

    PROVIDER = "provider"
    PASSKEY = "passkey"
    ENROLMENT = "enrolment"


@dataclass(frozen=True, slots=True)
class SignIn:
    """A login that is under way, in one browser.

    browser: the digest of the cookie that says which. challenge: the ``nonce`` of a provider's
    login, or a passkey's challenge. again: the person must prove who they are now.
    """

    kind: SignInKind
    browser: str
    challenge: str
    started_at: datetime
    return_to: str = "/"
    code_verifier: str = ""
    again: bool = False


class LinkKind(StrEnum):
    """What a one-time link is good for."""

    ENROL = "enrol"
    """To make a passkey."""
    SIGN_IN = "sign_in"
    """To sign in once, without one."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A one-time link that was handed to somebody."""

    person: str
    kind: LinkKind
    expires_at: datetime


class DeviceStatus(StrEnum):
    """What a person said to a device that asks to act for them (RFC 8628)."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class DeviceAuthorization:
    """A command line that waits for its person in a browser (RFC 8628); one that holds *jkt*.

    interval: how long it must wait between two polls. session: the login that said yes.
    """

    jkt: str
    user_code: str
    expires_at: datetime
    status: DeviceStatus = DeviceStatus.PENDING
    interval: timedelta = timedelta(seconds=5)
    polled_at: datetime | None = None
    person: str | None = None
    signed_in_at: datetime | None = None
    acr: str | None = None


def local_path(text: str | None) -> str:
    r"""Return *text* if it leads to a page of this server, else ``/`` (RFC 9700 §4.11).

    Browsers read ``\`` as ``/``, and leave out tabs and line breaks: neither is let through.
    """
    if not text or len(text) > _LONGEST_PATH or _UNPRINTED.search(text) or "\\" in text:
        return "/"
    return text if text.startswith("/") and not text.startswith("//") else "/"
