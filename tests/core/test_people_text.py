from datetime import UTC, datetime, timedelta

import pytest

from fleeting.core.people import Delegation, Person
from fleeting.core.people_text import (
    read_alias,
    read_device,
    read_enrolment,
    read_passkey,
    read_person,
    read_session,
    read_sign_in,
    write_alias,
    write_device,
    write_enrolment,
    write_passkey,
    write_person,
    write_session,
    write_sign_in,
)
from fleeting.core.signing_in import (
    DeviceAuthorization,
    DeviceStatus,
    Enrolment,
    LinkKind,
    Passkey,
    Session,
    SignIn,
    SignInKind,
)

NOW = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
PERSON = Person(
    id="https://idp#ali\u00e7e",
    name="Ali\u00e7e \u202e",
    groups=frozenset({"b", "a"}),
    attributes={"department": "x", "level": 3, "on_call": True, "teams": ("a", "b")},
    issuer="https://idp",
    aliases=frozenset({"alice"}),
    disabled=True,
    signed_in_at=NOW,
    delegations=(Delegation("bob", NOW, LATER),),
)


@pytest.mark.parametrize(
    ("write", "read", "value"),
    [
        (write_person, read_person, PERSON),
        (write_person, read_person, Person("a", "A")),
        (write_alias, read_alias, "alice"),
        (write_session, read_session, Session("a", NOW, LATER, LATER, "high", "thumb")),
        (write_session, read_session, Session("a", NOW, LATER, LATER)),
        (write_passkey, read_passkey, Passkey("a", b"\x00\xff", b"key", 7, NOW, LATER, "laptop")),
        (write_passkey, read_passkey, Passkey("a", b"id", b"key", 0, NOW)),
        (
            write_sign_in,
            read_sign_in,
            SignIn(SignInKind.PROVIDER, "b", "n", NOW, "/x", "v", again=True),
        ),
        (write_sign_in, read_sign_in, SignIn(SignInKind.PASSKEY, "b", "c", NOW)),
        (write_enrolment, read_enrolment, Enrolment("a", LinkKind.SIGN_IN, LATER)),
        (write_device, read_device, DeviceAuthorization("jkt", "ABCD", LATER)),
        (
            write_device,
            read_device,
            DeviceAuthorization(
                *("jkt", "ABCD", LATER, DeviceStatus.APPROVED, timedelta(seconds=10)),
                *(NOW, "a", NOW, "high"),
            ),
        ),
    ],
)
def test_what_is_written_is_read_back(write, read, value):
    text = write(value)
    assert read(text) == value
    assert text.isascii()


@pytest.mark.parametrize(
    "read",
    [
        read_person,
        read_alias,
        read_session,
        read_passkey,
        read_sign_in,
        read_enrolment,
        read_device,
    ],
)
@pytest.mark.parametrize("text", ["", "[]", "{}", "3", '{"id": 3}'])
def test_what_nobody_wrote_is_a_value_error(read, text):
    with pytest.raises(ValueError, match=r".+"):
        read(text)


def test_a_passkey_that_is_not_base64url_is_a_value_error():
    text = write_passkey(Passkey("a", b"id", b"key", 0, NOW)).replace('"a2V5"', '"a2V5="')
    with pytest.raises(ValueError, match="base64url"):
        read_passkey(text)
