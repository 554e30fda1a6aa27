"""The command line's login: the device authorization grant (RFC 8628), bound to a key by DPoP."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from fleeting.core.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidClient,
    InvalidGrant,
    SignInRefused,
    SlowDown,
)
from fleeting.core.model import SenderKey
from fleeting.core.people import Person, SignedIn
from fleeting.core.people_deeds import SignInMethod
from fleeting.core.people_text import read_device, write_device
from fleeting.core.sender import ProofContext, verify_proof
from fleeting.core.signing_in import (
    COMMAND_LINE,
    DEVICE_CODE,
    DeviceAuthorization,
    DeviceStatus,
    digest,
)
from fleeting.ports import Record, RecordChange, RecordKind, Write, unless_stale
from fleeting.server.people.people_desk import PeopleDesk
from fleeting.server.people.sessions import NewSession, new_token
from fleeting.usecases.calling import Budget, Call, Desk, Story, unavailable

DEVICE_LIFE = timedelta(minutes=10)
_FASTER = timedelta(seconds=5)
"""How much longer a device must wait once it polled too fast (RFC 8628 §3.5)."""
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 §6.1: easy to type, no vowels and so no words, nothing that looks alike."""
_ATTEMPTS = 8


def new_user_code() -> str:
    """Return a code that a person can compare and type: 34 bits, good for ten minutes."""
    letters = [secrets.choice(_LETTERS) for _ in range(8)]
    return f"{''.join(letters[:4])}-{''.join(letters[4:])}"


def typed_user_code(text: str) -> str:
    """Return what a person typed as the code that it means, or "" (RFC 8628 §6.1)."""
    letters = [letter for letter in text.upper() if letter in _LETTERS]
    return f"{''.join(letters[:4])}-{''.join(letters[4:])}" if len(letters) == 8 else ""  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Devices:
    """Command lines that wait for their person. strangers: a bound on how many begin to."""

    desk: PeopleDesk
    calls: Desk
    issuer: str
    strangers: Budget

    async def authorize(self, call: Call) -> dict[str, Any]:
        """Answer ``POST /device_authorization`` (RFC 8628 §3.2), for a key that is proven.

        Raises:
            InvalidClient, InvalidRequest, InvalidDpopProof, UseDpopNonce, SlowDown.
        """
        async with self.calls.story(call) as story:
            key = self._proven(story)
            if not self.strangers.allows(story.now):
                raise SlowDown("too many command lines sign in just now: try again in a moment")
            device_code = new_token()
            device = DeviceAuthorization(key.thumbprint, new_user_code(), story.now + DEVICE_LIFE)
            await self.calls.commit(story, Write(changes=(_change(device_code, device, 0),)))
            page = f"{self.issuer}/device"
            return {
                "device_code": device_code,
                "user_code": device.user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?user_code={device.user_code}",
                "expires_in": int(DEVICE_LIFE.total_seconds()),
                "interval": int(device.interval.total_seconds()),
            }

    async def token(self, call: Call) -> dict[str, Any]:
        """Answer ``POST /token`` with ``grant_type`` device_code (RFC 8628 §3.4, §3.5).

        Raises:
            AuthorizationPending, SlowDown: not yet. AccessDenied, ExpiredToken: never.
            InvalidGrant: no such code, or it was begun with another key.
        """
        async with self.calls.story(call) as story:
            key = self._proven(story)
            device_code = call.form.require("device_code")
            for _ in range(_ATTEMPTS):
                answer = await self._poll(story, device_code, key)
                if answer is not None:
                    return answer
            raise unavailable(RuntimeError("the record of a device changes all the time"))

    async def _poll(self, story: Story, device_code: str, key: SenderKey) -> dict[str, Any] | None:
        record = await self.desk.store.record(RecordKind.DEVICE, digest(device_code))
        if record is None:
            raise InvalidGrant("there is no such device_code, or it was used: sign in anew")
        device = read_device(record.text)
        if device.jkt != key.thumbprint:
            raise InvalidGrant("this device_code was begun with another key")
        if story.now >= device.expires_at:
            raise ExpiredToken("nobody confirmed this in time: sign in anew")
        if device.status is DeviceStatus.PENDING:
            await self._wait(story, record, device)
            return None
        return await self._end(story, record, device)

    async def _wait(self, story: Story, record: Record, device: DeviceAuthorization) -> None:
        early = device.polled_at is not None and story.now < device.polled_at + device.interval
        interval = device.interval + _FASTER if early else device.interval
        waiting = replace(device, interval=interval, polled_at=story.now)
        change = _changed(record, waiting)
        if (await self.calls.commit(story, Write(changes=(change,)))).stale:
            return
        kind = SlowDown if early else AuthorizationPending
        error = kind("nobody has confirmed this in the browser yet: ask again in a while")
        error.members = {"interval": int(interval.total_seconds())}
        story.recorded = True  # polls are no refusals
        raise error

    async def _end(
        self, story: Story, record: Record, device: DeviceAuthorization
    ) -> dict[str, Any] | None:
        gone = RecordChange(RecordKind.DEVICE, record.id, record.revision)
        kept = await self.desk.people.kept(device.person or "")
        if device.status is DeviceStatus.DENIED or kept is None or kept.person.disabled:
            if (await self.calls.commit(story, Write(changes=(gone,)))).stale:
                return None
            raise AccessDenied("it was denied in the browser")
        person = kept.person
        session = self.desk.sessions.begin(
            person, story.now, signed_in_at=device.signed_in_at, acr=device.acr, jkt=device.jkt
        )
        entry = session.entry(person, SignInMethod.DEVICE)
        write = Write(
            changes=(gone, session.change, kept.change(person)),  # or whoever is removed meanwhile
            record=unless_stale(entry),
        )
        if (await self.calls.commit(story, write)).stale:
            return None
        return self._response(session, person, story.now)

    def _response(self, session: NewSession, person: Person, now: datetime) -> dict[str, Any]:
        longest = session.session.started_at + self.desk.sessions.terms.longest
        return {
            "access_token": session.token,
            "token_type": "DPoP",
            "expires_in": int((longest - now).total_seconds()),
            "person": person.id,
            "name": person.name,
        }

    async def waiting(self, user_code: str, now: datetime) -> DeviceAuthorization | None:
        """Return the command line that shows *user_code*, if it still waits."""
        found = await self._waiting(typed_user_code(user_code), now)
        return None if found is None else found[1]

    async def _waiting(
        self, user_code: str, now: datetime
    ) -> tuple[Record, DeviceAuthorization] | None:
        if not user_code:
            return None
        records = await self.desk.store.records(RecordKind.DEVICE, states=(user_code,))
        found = [(record, read_device(record.text)) for record in records]
        alive = [(record, device) for record, device in found if now < device.expires_at]
        return alive[0] if len(alive) == 1 else None

    async def answer(self, who: SignedIn, user_code: str, *, allow: bool) -> None:
        """Say for the command line that shows *user_code* whether it may act for *who*.

        Raises:
            SignInRefused: none that shows it waits.
        """
        for _ in range(_ATTEMPTS):  # it may be polling just now
            now = self.desk.clock.now()
            found = await self._waiting(typed_user_code(user_code), now)
            if found is None:
                raise SignInRefused("no command line waits with this code: is it typed right?")
            change = _answered(*found, who, allow=allow)
            if not (await self.desk.store.commit(Write(changes=(change,)))).stale:
                return
        raise unavailable(RuntimeError("the record of a device changes all the time"))

    def _proven(self, story: Story) -> SenderKey:
        """Return the key that the command line proves; it is a public client, and no more."""
        call = story.call
        if call.form.require("client_id") != COMMAND_LINE:
            raise InvalidClient(f"only {COMMAND_LINE} signs people in this way")
        context = ProofContext(call.method, call.uri, self.calls.nonces(), story.now)
        proof = verify_proof(call.proofs, context)
        story.claims.append(proof.claim)
        return proof.key


@dataclass(frozen=True, slots=True)
class TokenByGrant:
    """``POST /token`` for whoever asks: the command line's login, or anybody's access token."""

    others: Callable[[Call], Awaitable[Any]]
    devices: Devices

    async def __call__(self, call: Call) -> dict[str, Any]:
        """Return the body of the token response.

        Raises:
            OAuthError: see ``Devices.token`` and ``usecases.issue_token``.
        """
        deed = self.devices.token if call.form.get("grant_type") == DEVICE_CODE else self.others
        answer: dict[str, Any] = await deed(call)
        return answer


def _change(device_code: str, device: DeviceAuthorization, seen: int) -> RecordChange:
    return RecordChange(
        RecordKind.DEVICE,
        digest(device_code),
        seen,
        device.user_code,
        write_device(device),
        device.expires_at,
    )


def _answered(
    record: Record, device: DeviceAuthorization, who: SignedIn, *, allow: bool
) -> RecordChange:
    said = replace(
        device,
        status=DeviceStatus.APPROVED if allow else DeviceStatus.DENIED,
        person=who.person.id,
        signed_in_at=who.signed_in_at,
        acr=who.acr,
    )
    return replace(_changed(record, said), state=said.status.value)


def _changed(record: Record, device: DeviceAuthorization) -> RecordChange:
    return RecordChange(
        RecordKind.DEVICE,
        record.id,
        record.revision,
        record.state,
        write_device(device),
        device.expires_at,
    )
