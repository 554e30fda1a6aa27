"""Passkeys (WebAuthn): made through a one-time link, then a login by touch, face or PIN.

Credentials are discoverable and verify their user, so that one passkey is two factors; attestation
is not asked for: which make an authenticator is of is not our affair.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from fleeting.core.errors import SignInRefused
from fleeting.core.jose import JoseError, decode_base64url
from fleeting.core.model import Json
from fleeting.core.people import Person
from fleeting.core.people_deeds import PersonDeed, SignInMethod, person_entry
from fleeting.core.people_text import read_passkey, write_passkey
from fleeting.core.signing_in import (
    LinkKind,
    Passkey,
    SignIn,
    SignInKind,
    digest,
    local_path,
    whose,
)
from fleeting.ports import Record, RecordChange, RecordKind
from fleeting.server.people.links import Links
from fleeting.server.people.people_desk import Begun, Login, PeopleDesk
from fleeting.server.people.sessions import NewSession, new_token
from fleeting.usecases.people import person_change

MOST_PASSKEYS = 50
_UNREADABLE = (WebAuthnException, JoseError, ValueError, TypeError, KeyError, AttributeError)
"""What reading a credential raises where a browser would not have made it."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """What we are to an authenticator: our host, our origin, and what people call us."""

    id: str
    origin: str
    name: str = "Fleeting"


@dataclass(frozen=True, slots=True)
class Passkeys:
    """The passkeys of the people who were added here."""

    desk: PeopleDesk
    links: Links
    party: RelyingParty

    async def creation(self, link: str, browser: str) -> tuple[dict[str, Json], Begun]:
        """Return how the browser is to make a passkey; the link is not used up by it.

        Raises:
            SignInRefused: the link is not good.
        """
        now = self.desk.clock.now()
        opened = await self.links.open(link, LinkKind.ENROL, now)
        begun = await self._begin(SignInKind.ENROLMENT, now, "/", browser)
        known = [read_passkey(it.text).credential_id for it in await self._of(opened.person)]
        options = generate_registration_options(
            rp_id=self.party.id,
            rp_name=self.party.name,
            user_name=opened.person.id,
            user_display_name=opened.person.name,
            user_id=_handle(opened.person.id),
            challenge=base64url_to_bytes(begun.sign_in.challenge),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
        )
        return json.loads(options_to_json(options)), begun

    async def enrol(
        self, link: str, sent: Mapping[str, Any], state: str, browser: str
    ) -> NewSession:
        """Keep the passkey that a browser made, use the link up, and sign its person in.

        Raises:
            SignInRefused: the link, the challenge or the passkey is not good; recorded.
        """
        now = self.desk.clock.now()
        try:
            await self.links.open(link, LinkKind.ENROL, now)
            sign_in = await self.desk.take(SignInKind.ENROLMENT, state, browser, now)
            made = self._made(sent, sign_in, now)
            return await self.desk.complete(
                lambda: self._enrolled(link, made, now), SignInMethod.PASSKEY
            )
        except SignInRefused as error:
            await self.desk.refused(error, SignInMethod.PASSKEY)
            raise

    def _made(self, sent: Mapping[str, Any], sign_in: SignIn, now: datetime) -> Passkey:
        """Verify a new credential (WebAuthn §7.1)."""
        try:
            verified = verify_registration_response(
                credential=dict(sent),
                expected_challenge=base64url_to_bytes(sign_in.challenge),
                expected_rp_id=self.party.id,
                expected_origin=self.party.origin,
                require_user_verification=True,
            )
        except _UNREADABLE as error:
            raise SignInRefused("this passkey is not acceptable", detail=str(error)) from None
        return Passkey(
            person="",
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            made_at=now,
            used_at=now,
        )

    async def _enrolled(self, link: str, made: Passkey, now: datetime) -> Login:
        opened = await self.links.open(link, LinkKind.ENROL, now)
        if len(await self._of(opened.person)) >= MOST_PASSKEYS:
            raise SignInRefused(f"this person has {MOST_PASSKEYS} passkeys: remove one first")
        if await self._find(made.credential_id) is not None:  # §7.1: MUST be unknown
            raise SignInRefused("this passkey is known already")
        person = replace(opened.person, signed_in_at=now)
        passkey = replace(made, person=person.id)
        entry = person_entry(PersonDeed.PASSKEY_ADDED, person, person.id, now)
        changes = (
            opened.used_up,
            _passkey_change(passkey, 0),
            opened.kept.change(person),
        )
        return Login(person, self.desk.sessions.begin(person, now), changes, (entry,))

    async def request(self, return_to: str | None, browser: str) -> tuple[dict[str, Json], Begun]:
        """Return how the browser is to use a passkey: whichever its owner chooses."""
        now = self.desk.clock.now()
        begun = await self._begin(SignInKind.PASSKEY, now, local_path(return_to), browser)
        options = generate_authentication_options(
            rp_id=self.party.id,
            challenge=base64url_to_bytes(begun.sign_in.challenge),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return json.loads(options_to_json(options)), begun

    async def sign_in(
        self, sent: Mapping[str, Any], state: str, browser: str
    ) -> tuple[NewSession, str]:
        """Return a session of whoever has the passkey, and where they were going.

        Raises:
            SignInRefused: the challenge or the passkey is not good; recorded.
        """
        now = self.desk.clock.now()
        person = None
        try:
            sign_in = await self.desk.take(SignInKind.PASSKEY, state, browser, now)
            raw = _credential_id(sent)
            found = await self._find(raw)
            person = None if found is None else read_passkey(found.text).person
            session = await self.desk.complete(
                lambda: self._signed_in(raw, sent, sign_in, now), SignInMethod.PASSKEY
            )
        except SignInRefused as error:
            await self.desk.refused(error, SignInMethod.PASSKEY, person)
            raise
        return session, sign_in.return_to

    async def _signed_in(
        self, raw: bytes, sent: Mapping[str, Any], sign_in: SignIn, now: datetime
    ) -> Login:
        record = await self._find(raw)
        if record is None:
            raise SignInRefused("this passkey is not known here, or no longer")
        passkey = read_passkey(record.text)
        kept = await self.desk.people.kept(passkey.person)
        if kept is None or kept.person.disabled:
            raise SignInRefused("whose passkey this is, is not, or no longer, allowed in")
        used = self._used(passkey, sent, sign_in, now)
        person = replace(kept.person, signed_in_at=now)
        changes = (_passkey_change(used, record.revision), person_change(person, kept.revision))
        return Login(person, self.desk.sessions.begin(person, now), changes)

    def _used(
        self, passkey: Passkey, sent: Mapping[str, Any], sign_in: SignIn, now: datetime
    ) -> Passkey:
        """Verify an assertion (WebAuthn §7.2), the sign count included."""
        try:
            handle = sent["response"].get("userHandle")
            if handle and base64url_to_bytes(handle) != _handle(passkey.person):
                raise SignInRefused("this passkey is somebody else's")
            verified = verify_authentication_response(
                credential=dict(sent),
                expected_challenge=base64url_to_bytes(sign_in.challenge),
                expected_rp_id=self.party.id,
                expected_origin=self.party.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
        except _UNREADABLE as error:
            raise SignInRefused("this passkey is not acceptable", detail=str(error)) from None
        return replace(passkey, sign_count=verified.new_sign_count, used_at=now)

    async def _begin(self, kind: SignInKind, now: datetime, return_to: str, browser: str) -> Begun:
        challenge = new_token()  # base64url of 32 bytes
        return await self.desk.begin(SignIn(kind, "", challenge, now, return_to), browser)

    async def _find(self, raw: bytes) -> Record | None:
        return await self.desk.store.record(RecordKind.PASSKEY, digest(raw.hex()))

    async def _of(self, person: Person) -> tuple[Record, ...]:
        found = await self.desk.store.records(RecordKind.PASSKEY, states=(whose(person.id),))
        return tuple(found)


def _passkey_change(passkey: Passkey, seen: int) -> RecordChange:
    id_ = digest(passkey.credential_id.hex())
    text = write_passkey(passkey)
    return RecordChange(RecordKind.PASSKEY, id_, seen, whose(passkey.person), text)


def _handle(person: str) -> bytes:
    """Return what an authenticator calls a person: the same each time, and no name (§14.6.1)."""
    return bytes.fromhex(digest(f"passkeys of {person}"))


def _credential_id(sent: Mapping[str, Any]) -> bytes:
    try:
        return decode_base64url(str(sent.get("rawId", "")).encode())
    except (JoseError, UnicodeEncodeError):
        raise SignInRefused("this passkey is not acceptable") from None
