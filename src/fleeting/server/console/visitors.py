"""Who is at the other end of a page or of the API, and whether it is they who ask."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.requests import Request

from fleeting.core.errors import InvalidToken, OAuthError
from fleeting.core.people import SignedIn
from fleeting.ports import Clock
from fleeting.server.people.cookies import Cookies
from fleeting.server.people.sessions import SessionCall, Sessions

CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"


class ForgedRequest(OAuthError):
    """The request did not come from a page of ours (ATTACKS 38): nothing was done."""

    error = "access_denied"
    status = 403


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who signed in. token: a browser's session; None for the command line's."""

    who: SignedIn
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Door:
    """Tells visitors apart. issuer: who we are. cookies: what a browser's session is kept in."""

    issuer: str
    cookies: Cookies
    sessions: Sessions
    clock: Clock

    async def visitor(self, request: Request) -> Visitor | None:
        """Return who looks at a page, or None."""
        token = self.cookies.session_of(request)
        who = await self.sessions.signed_in(token, self.clock.now()) if token else None
        return None if who is None else Visitor(who, token)

    async def caller(self, request: Request) -> Visitor:
        """Return who calls the API: with a key-bound session, or from a page with a cookie.

        Raises:
            InvalidToken: nobody who signed in. InvalidDpopProof, UseDpopNonce: see ``core.sender``.
            ForgedRequest: a page of somebody else's sent it.
        """
        authorization = tuple(request.headers.getlist("authorization"))
        if authorization:
            call = SessionCall(
                request.method,
                self.uri(request),
                authorization,
                tuple(request.headers.getlist("dpop")),
            )
            return Visitor(await self.sessions.proven(call, self.clock.now()))
        visitor = await self.visitor(request)
        if visitor is None:
            raise InvalidToken("sign in: with 'fleeting login' on a command line, or on the pages")
        if request.method not in ("GET", "HEAD"):
            self.check(request, visitor, request.headers.get(CSRF_HEADER, ""))
        return visitor

    def uri(self, request: Request) -> str:
        """Return the request's address as we know ourselves, never as a Host header tells it."""
        origin = urlsplit(self.issuer)
        return f"{origin.scheme}://{origin.netloc}{request.scope['path']}"

    def csrf(self, visitor: Visitor) -> str:
        """Return what the forms of *visitor* carry; nothing where none can be sent."""
        return "" if visitor.token is None else self.sessions.csrf_token(visitor.token)

    def check(self, request: Request, visitor: Visitor, csrf: str) -> None:
        """Refuse what another site made the visitor's browser send (ATTACKS 38).

        Raises:
            ForgedRequest: it comes from elsewhere, or lacks what our forms carry.
        """
        if visitor.token is None:
            return
        self.check_origin(request)
        if not self.sessions.is_csrf_token(csrf, visitor.token):
            raise ForgedRequest("this form is not from your session: open the page again")

    def check_origin(self, request: Request) -> None:
        """Refuse what no page of ours sent.

        Raises:
            ForgedRequest: its ``Origin`` is another's, or there is none.
        """
        parts = urlsplit(self.issuer)
        own = f"{parts.scheme}://{parts.netloc}"
        site = request.headers.get("sec-fetch-site", "same-origin")
        if request.headers.getlist("origin") != [own] or site != "same-origin":
            raise ForgedRequest(f"this was not sent by a page of {own}")
