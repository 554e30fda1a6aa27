"""The texts of the records of people and of how they sign in: written here, read back here."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from fleeting.core.jose import JoseError, decode_base64url, encode_base64url
from fleeting.core.model import AttributeValue
from fleeting.core.people import Delegation, Person
from fleeting.core.recorded import maybe_instant, readable
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

T = TypeVar("T")


def _write(members: Mapping[str, object]) -> str:
    """Return *members* as JSON, in ASCII; what is absent is left out."""
    there = {name: value for name, value in members.items() if value is not None}
    return json.dumps(there, separators=(",", ":"), sort_keys=True)


def _read(text: str, read: Callable[[dict[str, Any]], T]) -> T:
    """Return what *read* makes of the object that *text* is.

    Raises:
        ValueError: it is of another shape than this version writes.
    """
    return readable(lambda: read(dict(json.loads(text))))


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _bytes(text: str) -> bytes:
    try:
        return decode_base64url(text.encode())
    except JoseError as error:
        raise ValueError(str(error)) from None


def write_person(person: Person) -> str:
    """Return the text of the person's record."""
    attributes = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in person.attributes.items()
    }
    delegations = [
        {"to": each.to, "since": _time(each.since), "until": _time(each.until)}
        for each in person.delegations
    ]
    return _write(
        {
            "id": person.id,
            "name": person.name,
            "groups": sorted(person.groups),
            "attributes": attributes,
            "issuer": person.issuer,
            "aliases": sorted(person.aliases),
            "disabled": person.disabled,
            "signed_in_at": _time(person.signed_in_at),
            "delegations": delegations,
        }
    )


def read_person(text: str) -> Person:
    """Return the person that ``write_person`` wrote.

    Raises:
        ValueError: it wrote no such thing; here and below.
    """
    return _read(text, _person)


def _person(members: dict[str, Any]) -> Person:
    attributes: dict[str, AttributeValue] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in members["attributes"].items()
    }
    delegations = tuple(
        Delegation(
            each["to"], datetime.fromisoformat(each["since"]), datetime.fromisoformat(each["until"])
        )
        for each in members["delegations"]
    )
    return Person(
        id=members["id"],
        name=members["name"],
        groups=frozenset(members["groups"]),
        attributes=attributes,
        issuer=members.get("issuer"),
        aliases=frozenset(members["aliases"]),
        disabled=members["disabled"],
        signed_in_at=maybe_instant(members.get("signed_in_at")),
        delegations=delegations,
    )


def write_alias(person: str) -> str:
    """Return the text of the record that says whose other name its id is."""
    return _write({"person": person})


def read_alias(text: str) -> str:
    """Return the id of the person that an alias is another name of."""
    return _read(text, lambda members: str(members["person"]))


def write_session(session: Session) -> str:
    """Return the text of the session's record."""
    return _write(
        {
            "person": session.person,
            "signed_in_at": _time(session.signed_in_at),
            "started_at": _time(session.started_at),
            "used_at": _time(session.used_at),
            "acr": session.acr,
            "jkt": session.jkt,
        }
    )


def read_session(text: str) -> Session:
    """Return the session that ``write_session`` wrote."""
    return _read(
        text,
        lambda members: Session(
            members["person"],
            datetime.fromisoformat(members["signed_in_at"]),
            datetime.fromisoformat(members["started_at"]),
            datetime.fromisoformat(members["used_at"]),
            members.get("acr"),
            members.get("jkt"),
        ),
    )


def write_passkey(passkey: Passkey) -> str:
    """Return the text of the passkey's record."""
    return _write(
        {
            "person": passkey.person,
            "credential_id": encode_base64url(passkey.credential_id).decode(),
            "public_key": encode_base64url(passkey.public_key).decode(),
            "sign_count": passkey.sign_count,
            "made_at": _time(passkey.made_at),
            "used_at": _time(passkey.used_at),
            "label": passkey.label,
        }
    )


def read_passkey(text: str) -> Passkey:
    """Return the passkey that ``write_passkey`` wrote."""
    return _read(
        text,
        lambda members: Passkey(
            members["person"],
            _bytes(members["credential_id"]),
            _bytes(members["public_key"]),
            int(members["sign_count"]),
            datetime.fromisoformat(members["made_at"]),
            maybe_instant(members.get("used_at")),
            members["label"],
        ),
    )


def write_sign_in(sign_in: SignIn) -> str:
    """Return the text of the record of a login that is under way."""
    return _write(
        {
            "kind": sign_in.kind.value,
            "browser": sign_in.browser,
            "challenge": sign_in.challenge,
            "started_at": _time(sign_in.started_at),
            "return_to": sign_in.return_to,
            "code_verifier": sign_in.code_verifier,
            "again": sign_in.again,
        }
    )


def read_sign_in(text: str) -> SignIn:
    """Return the login that ``write_sign_in`` wrote."""
    return _read(
        text,
        lambda members: SignIn(
            SignInKind(members["kind"]),
            members["browser"],
            members["challenge"],
            datetime.fromisoformat(members["started_at"]),
            members["return_to"],
            members["code_verifier"],
            members["again"],
        ),
    )


def write_enrolment(enrolment: Enrolment) -> str:
    """Return the text of the record of a one-time link."""
    return _write(
        {
            "person": enrolment.person,
            "kind": enrolment.kind.value,
            "expires_at": _time(enrolment.expires_at),
        }
    )


def read_enrolment(text: str) -> Enrolment:
    """Return the link that ``write_enrolment`` wrote."""
    return _read(
        text,
        lambda members: Enrolment(
            members["person"],
            LinkKind(members["kind"]),
            datetime.fromisoformat(members["expires_at"]),
        ),
    )


def write_device(device: DeviceAuthorization) -> str:
    """Return the text of the record of a device authorization."""
    return _write(
        {
            "jkt": device.jkt,
            "user_code": device.user_code,
            "expires_at": _time(device.expires_at),
            "status": device.status.value,
            "interval": device.interval.total_seconds(),
            "polled_at": _time(device.polled_at),
            "person": device.person,
            "signed_in_at": _time(device.signed_in_at),
            "acr": device.acr,
        }
    )


def read_device(text: str) -> DeviceAuthorization:
    """Return the device authorization that ``write_device`` wrote."""
    return _read(
        text,
        lambda members: DeviceAuthorization(
            members["jkt"],
            members["user_code"],
            datetime.fromisoformat(members["expires_at"]),
            DeviceStatus(members["status"]),
            timedelta(seconds=members["interval"]),
            maybe_instant(members.get("polled_at")),
            members.get("person"),
            maybe_instant(members.get("signed_in_at")),
            members.get("acr"),
        ),
    )
