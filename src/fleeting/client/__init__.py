"""For callers: obtain just-in-time access, prove possession, and call guarded APIs.

``httpx.post(url, json=…, auth=JustInTime(issuer, client_id, key))`` is all that most callers need;
``TokenClient`` and ``AsyncTokenClient`` are for those that know what to ask for. Refusals and
failures are exceptions: each is a ``FleetingError`` and carries the reason.
"""

from fleeting.client.asking import Wish
from fleeting.client.errors import (
    AccessDeniedError,
    ChallengeRefusedError,
    ClientRefusedError,
    FleetingError,
    InsecureUrlError,
    IssuerMismatchError,
    IssuerUnavailableError,
    RequestRefusedError,
    StepUpRequiredError,
    TokenRefusedError,
    UnexpectedAnswerError,
)
from fleeting.client.just_in_time import JustInTime, TokenAuth
from fleeting.client.keys import KeySource
from fleeting.client.pending import ApprovalPending, Pending
from fleeting.client.token_client import AsyncTokenClient, TokenClient
from fleeting.client.tokens import Refused, Token

__all__ = [
    "AccessDeniedError",
    "ApprovalPending",
    "AsyncTokenClient",
    "ChallengeRefusedError",
    "ClientRefusedError",
    "FleetingError",
    "InsecureUrlError",
    "IssuerMismatchError",
    "IssuerUnavailableError",
    "JustInTime",
    "KeySource",
    "Pending",
    "Refused",
    "RequestRefusedError",
    "StepUpRequiredError",
    "Token",
    "TokenAuth",
    "TokenClient",
    "TokenRefusedError",
    "UnexpectedAnswerError",
    "Wish",
]
