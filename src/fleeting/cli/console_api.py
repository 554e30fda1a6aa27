"""Call the console's API as the person who signed in, each call with a proof of the key."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from fleeting.cli.logins import Login, login_at, only_login
from fleeting.cli.terminal import CommandError, harmless
from fleeting.client.origins import is_secure, parse_plain_url
from fleeting.core import strict_json
from fleeting.core.sender import PROOF_TYP, make_proof_claims

_WHOLE_ID = 32
_UNAUTHORIZED = 401
_TIMEOUT_SECONDS = 30.0
_LONGEST_ANSWER = 4 * 2**20


class ApiRefusalError(CommandError):
    """The server refused it: error is its code, status the HTTP one."""

    def __init__(self, message: str, *, error: str, status: int) -> None:
        super().__init__(message)
        self.error = error
        self.status = status


@dataclass(slots=True)
class ConsoleApi:
    """The API at one issuer, for one person."""

    login: Login
    http: httpx.Client
    nonce: str | None = field(default=None, repr=False)

    def get(self, path: str, **params: str) -> Any:  # noqa: ANN401 -- it is JSON
        """Return what is at *path*."""
        return self._call("GET", path, params=params)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- it is JSON
        """Post *body* to *path*."""
        return self._call("POST", path, json=dict(body))

    def deed(self, id_: str, deed: str, **body: Any) -> Any:  # noqa: ANN401 -- it is JSON
        """Do *deed* to the request *id_*."""
        return self.post(f"/api/requests/{quote(id_, safe='')}/{deed}", body)

    def shown(self, id_: str) -> dict[str, Any]:
        """Return all that may be seen of the request *id_*."""
        found: dict[str, Any] = self.get(f"/api/requests/{quote(id_, safe='')}")
        return found

    def listed(self, view: str) -> list[dict[str, Any]]:
        """Return the requests of a view."""
        found: list[dict[str, Any]] = self.get("/api/requests", view=view)["requests"]
        return found

    def whole_id(self, beginning: str) -> str:
        """Return the one id that begins so.

        Raises:
            CommandError: none does, or several do.
        """
        if len(beginning) >= _WHOLE_ID:
            return beginning
        ids = [str(each["id"]) for each in self.listed("all")]
        found = [id_ for id_ in ids if id_.startswith(beginning)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise CommandError(
                f"no request that you may see begins with {harmless(beginning)!r}: "
                "'fleeting requests --all' lists them"
            )
        raise CommandError(f"{len(found)} requests begin so: {', '.join(map(harmless, found))}")

    def _call(self, method: str, path: str, **content: Any) -> Any:  # noqa: ANN401 -- it is JSON
        request = self.http.build_request(method, self.login.issuer + path, **content)
        response = self._send(request)
        if response.status_code == _UNAUTHORIZED and _error(response) == "use_dpop_nonce":
            response = self._send(request)
        body = _object(response)
        if response.is_success and body is not None:
            return body
        raise _refusal(response, body, self.login.issuer)

    def _send(self, request: httpx.Request) -> httpx.Response:
        request.headers["Authorization"] = f"DPoP {self.login.token}"
        request.headers["DPoP"] = self._proof(request)
        try:
            response = self.http.send(request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = harmless(str(error)) or type(error).__name__
            raise CommandError(f"{self.login.issuer} cannot be reached: {why}") from None
        self.nonce = response.headers.get("dpop-nonce", self.nonce)
        return response

    def _proof(self, request: httpx.Request) -> str:
        claims = make_proof_claims(
            jti=secrets.token_urlsafe(16),
            method=request.method,
            uri=str(request.url.copy_with(query=None)),
            now=datetime.now(UTC),
            nonce=self.nonce,
            access_token=self.login.token,
        )
        return self.login.key.sign(PROOF_TYP, claims, jwk=self.login.key.public_jwk())


def issuer_of(config: Path | None, issuer: str | None) -> str | None:
    """Return the issuer that is meant: the named one, else the installation's, else None.

    Raises:
        SettingsError: the installation that was named cannot be read.
        CommandError: it is no URL that credentials may be sent to.
    """
    from fleeting.server.settings import config_path, load_settings

    if issuer is None:
        path = config_path(config)
        if config is None and not path.exists():
            return None
        return load_settings(path).issuer
    url = parse_plain_url(issuer)
    if url is None or not is_secure(url):
        raise CommandError(f"{harmless(issuer)!r} is no issuer: write https://… without a query")
    return issuer.rstrip("/")


@contextmanager
def console_of(config: Path | None, issuer: str | None) -> Iterator[ConsoleApi]:
    """Give the API to who is signed in at the issuer that is meant, as long as it is needed.

    Raises:
        CommandError: nobody is.
    """
    named = issuer_of(config, issuer)
    login = only_login() if named is None else login_at(named)
    with open_http() as http:
        yield ConsoleApi(login, http)


def open_http() -> httpx.Client:
    """Return what carries calls: it follows no redirect, so that nothing is sent elsewhere."""
    return httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=False)


def _object(response: httpx.Response) -> dict[str, Any] | None:
    if len(response.content) > _LONGEST_ANSWER:
        return None
    try:
        body = strict_json.loads(response.content, max_depth=32)
    except strict_json.JsonError:
        return None
    return body if isinstance(body, dict) else None


def _error(response: httpx.Response) -> str:
    return str((_object(response) or {}).get("error", ""))


_INSTEAD: Mapping[str, str] = {
    "invalid_token": "sign in again with 'fleeting login'",
    "insufficient_user_authentication": "sign in again with 'fleeting login', then repeat it",
    "conflict": "'fleeting show ID' shows how it stands",
}


def _refusal(response: httpx.Response, body: dict[str, Any] | None, issuer: str) -> CommandError:
    if body is None or not isinstance(body.get("error"), str):
        return CommandError(f"{issuer} answered {response.status_code}, and not as Fleeting does")
    error = str(body["error"])
    said = str(body.get("error_description") or error)
    instead = _INSTEAD.get(error)
    message = harmless(said if instead is None or instead in said else f"{said}: {instead}")
    return ApiRefusalError(message, error=error, status=response.status_code)
