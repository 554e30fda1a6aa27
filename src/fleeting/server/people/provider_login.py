"""Log in with the organisation's OpenID provider: there and back (OpenID Connect Core §3.1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from fleeting.core.errors import SignInRefused
from fleeting.core.exchange import Declarations, IdentityProvider
from fleeting.core.jose import JoseError, VerifiedClaims
from fleeting.core.login import (
    LoginRequest,
    authorization_url,
    person_after_login,
    read_callback,
    shown_name,
    signed_in_subject,
    verify_id_token,
)
from fleeting.core.people_deeds import SignInMethod
from fleeting.core.signing_in import SignIn, SignInKind, local_path
from fleeting.server.people.people_desk import Begun, Login, PeopleDesk
from fleeting.server.people.provider_client import HttpProvider
from fleeting.server.people.sessions import NewSession, new_token
from fleeting.usecases.parties import PartyKeys, verified_by
from fleeting.usecases.people import person_change


@dataclass(frozen=True, slots=True)
class ProviderLogin:
    """The way through the provider.

    identity: the same declaration by which its tokens are exchanged, so that ids are the same.
    """

    desk: PeopleDesk
    provider: HttpProvider
    keys: PartyKeys
    identity: IdentityProvider
    declarations: Callable[[], Declarations]
    asked: LoginRequest

    async def start(
        self, return_to: str | None, *, again: bool, browser: str = ""
    ) -> tuple[str, Begun]:
        """Return where to send the browser, and what it must bring back.

        again: whoever it is proves it now, even if the provider knows them already.

        Raises:
            SlowDown: too many begin at once. TemporarilyUnavailable: no provider, or no store.
        """
        now = self.desk.clock.now()
        metadata = await self.provider.metadata(now)
        begun = await self.desk.begin(
            SignIn(
                SignInKind.PROVIDER,
                browser="",
                challenge=new_token(),
                started_at=now,
                return_to=local_path(return_to),
                code_verifier=new_token(),
                again=again,
            ),
            browser,
        )
        asked = self.asked.of(begun.sign_in)
        return authorization_url(metadata, asked, begun.sign_in, begun.state), begun

    async def finish(self, answer: Mapping[str, str], browser: str) -> tuple[NewSession, str]:
        """Return the new session of whoever came back, and where they were going.

        Raises:
            SignInRefused: the login is not good; recorded. TemporarilyUnavailable: likewise.
        """
        now = self.desk.clock.now()
        try:
            sign_in = await self.desk.take(
                SignInKind.PROVIDER, answer.get("state", ""), browser, now
            )
            metadata = await self.provider.metadata(now)
            claims = await self._claims(read_callback(answer, metadata), sign_in, now)
            session = await self.desk.complete(
                lambda: self._login(claims, now), SignInMethod.PROVIDER
            )
        except SignInRefused as error:
            await self.desk.refused(error, SignInMethod.PROVIDER)
            raise
        return session, sign_in.return_to

    async def _claims(self, code: str, sign_in: SignIn, now: datetime) -> VerifiedClaims:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.asked.redirect_uri,
            "client_id": self.asked.client_id,
            "code_verifier": sign_in.code_verifier,
        }
        token = await self.provider.id_token(form, now)
        asked = self.asked.of(sign_in)
        try:
            return await verified_by(
                self.identity.issuer,
                self.keys,
                lambda keys: verify_id_token(token, keys, self.identity, asked, sign_in, now),
            )
        except JoseError as error:
            told = f"the identity provider's token is not acceptable: {error}"
            raise SignInRefused(told) from None

    async def _login(self, claims: VerifiedClaims, now: datetime) -> Login:
        subject = signed_in_subject(claims, self.identity, self.declarations())
        kept = await self.desk.people.kept(subject.id)
        known, revision = (None, 0) if kept is None else (kept.person, kept.revision)
        at = min(claims.instant("auth_time"), now)
        person = person_after_login(subject, shown_name(claims.claims, subject.id), known, at)
        session = self.desk.sessions.begin(person, now, signed_in_at=at, acr=subject.acr)
        return Login(person, session, (person_change(person, revision),))
