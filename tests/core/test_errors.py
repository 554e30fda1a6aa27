import inspect

import pytest

from fleeting.core import errors
from fleeting.core.errors import OAuthError
from fleeting.server.rendering import render_error

CLASSES = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, OAuthError) and each is not OAuthError
]
STATUSES = {
    "InvalidClient": 401,
    "NotAnEnforcementPoint": 403,
    "NotAllowed": 403,
    "NoSuchRequest": 404,
    "RequestChanged": 409,
    "ExpiredDenial": 410,
    "DuplicateRequest": 409,
    "UnknownTask": 404,
    "TaskExpired": 410,
    "InvalidTaskState": 409,
    "RequestTooLarge": 413,
    "TemporarilyUnavailable": 503,
    "ServerError": 500,
    "SignInRefused": 403,
    "MissingToken": 401,
    "InvalidToken": 401,
    "InsufficientScope": 403,
    "InsufficientUserAuthentication": 401,
    "TransactionAuthorizationRequired": 401,
}


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_has_the_code_and_status_of_its_rfc(cls):
    assert cls.status == STATUSES.get(cls.__name__, 400)
    assert cls.error == cls.error.lower()
    assert cls.error or cls is errors.MissingToken  # RFC 6750 §3.1: no code where no token came


@pytest.mark.parametrize("cls", CLASSES)
def test_the_detail_stays_with_us(cls):
    error = cls("for the client", detail="for the log")
    assert str(error) == error.description == "for the client"
    assert error.detail == "for the log"
    _, body, headers = render_error(error, "request")
    assert b"for the log" not in body + b"".join(b"".join(pair) for pair in headers)


def test_no_two_classes_mean_the_same_code():
    same = (  # but for their status
        errors.RequestTooLarge,
        errors.NotAnEnforcementPoint,
        errors.NotAllowed,
        errors.SignInRefused,
    )
    codes = [each.error for each in CLASSES if each not in same]
    assert len(set(codes)) == len(codes)
