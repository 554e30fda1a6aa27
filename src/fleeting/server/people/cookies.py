"""The two cookies: a session's, and that of a login which is under way. Neither says anything."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from fleeting.core.errors import SignInRefused
from fleeting.server.people.people_desk import SIGN_IN_LIFE

_TOKEN_LENGTH = 43
"""Of 256 bits, base64url."""


@dataclass(frozen=True, slots=True)
class Cookies:
    """Cookies that no other host, no script and no other site's page gets at (RFC 6265bis §4.1.3).

    issuer: who we are. Over plain http, which is loopback, browsers take no ``__Host-``.
    """

    issuer: str

    @property
    def session(self) -> str:
        """What a session's cookie is called."""
        return self._name("fleeting")

    @property
    def sign_in(self) -> str:
        """What the cookie of a login that is under way is called."""
        return self._name("fleeting-sign-in")

    @property
    def origin(self) -> str:
        """What our own pages send as ``Origin``."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    def session_of(self, request: Request) -> str | None:
        """Return the session token that a browser sends; nothing of it is verified."""
        return request.cookies.get(self.session)

    def browser_of(self, request: Request) -> str:
        """Return what tells browsers apart that are signing in, or ""."""
        sent = request.cookies.get(self.sign_in, "")
        return sent if len(sent) == _TOKEN_LENGTH else ""

    def begin(self, response: Response, browser: str) -> None:
        """Let the browser remember that it is signing in, for as long as that may take."""
        self._set(response, self.sign_in, browser, int(SIGN_IN_LIFE.total_seconds()))

    def signed_in(self, response: Response, token: str) -> None:
        """Let the browser keep its new session until it is closed, or the session ends."""
        self._set(response, self.session, token, None)
        self._delete(response, self.sign_in)

    def signed_out(self, response: Response) -> None:
        """Let the browser forget its session."""
        self._delete(response, self.session)

    def check_origin(self, request: Request) -> None:
        """Refuse what no page of ours sent (ATTACKS 38).

        Raises:
            SignInRefused: its ``Origin`` is another's, or there is none.
        """
        if request.headers.getlist("origin") != [self.origin]:
            raise SignInRefused(f"this was not sent by a page of {self.origin}")

    @property
    def _secure(self) -> bool:
        return self.issuer.startswith("https:")

    def _name(self, name: str) -> str:
        return f"__Host-{name}" if self._secure else name

    def _set(self, response: Response, name: str, value: str, max_age: int | None) -> None:
        response.set_cookie(
            name, value, max_age, path="/", secure=self._secure, httponly=True, samesite="lax"
        )

    def _delete(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=self._secure, httponly=True, samesite="lax")
