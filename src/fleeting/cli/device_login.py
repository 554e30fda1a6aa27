"""Sign in from a command line: the device authorization grant (RFC 8628), bound to a new key."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from fleeting.cli.terminal import CommandError, harmless
from fleeting.client.keys import PrivateKey, generate_key
from fleeting.core import strict_json
from fleeting.core.sender import PROOF_TYP, make_proof_claims
from fleeting.core.signing_in import COMMAND_LINE

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER_SECONDS = 5
_LONGEST_WAIT_SECONDS = 60


@dataclass(slots=True)
class _Server:
    """The endpoints of one issuer, each call with a proof of the new key."""

    issuer: str
    http: httpx.Client
    key: PrivateKey = field(repr=False)
    nonce: str | None = field(default=None, repr=False)

    def post(self, path: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Return status and object of the answer; a wanted nonce is sent by itself."""
        status, body = self._post(path, form)
        if body.get("error") == "use_dpop_nonce":
            status, body = self._post(path, form)
        return status, body

    def _post(self, path: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        url = self.issuer + path
        try:
            response = self.http.post(url, data=dict(form), headers={"DPoP": self._proof(url)})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = harmless(str(error)) or type(error).__name__
            raise CommandError(f"{self.issuer} cannot be reached: {why}") from None
        self.nonce = response.headers.get("dpop-nonce", self.nonce)
        try:
            body = strict_json.loads(response.content)
        except strict_json.JsonError:
            body = None
        if not isinstance(body, dict):
            raise CommandError(
                f"{url} answered {response.status_code}, and not as Fleeting does: is this "
                "the issuer?"
            )
        return response.status_code, body

    def _proof(self, url: str) -> str:
        claims = make_proof_claims(
            jti=secrets.token_urlsafe(16),
            method="POST",
            uri=url,
            now=datetime.now(UTC),
            nonce=self.nonce,
            access_token=None,
        )
        return self.key.sign(PROOF_TYP, claims, jwk=self.key.public_jwk())


def sign_in(issuer: str, http: httpx.Client, say: Callable[[str], None]) -> tuple[str, PrivateKey]:
    """Return the token of a new session, and the key that it is bound to.

    say: tells the person where to go and what to compare.

    Raises:
        CommandError: it was denied, took too long, or the server does not do this.
    """
    server = _Server(issuer, http, generate_key())
    status, begun = server.post("/device_authorization", {"client_id": COMMAND_LINE})
    if status != httpx.codes.OK:
        raise _refusal(begun)
    for line in _instructions(begun):
        say(line)
    return _wait(server, begun), server.key


def _instructions(begun: Mapping[str, Any]) -> list[str]:
    uri, code = harmless(str(begun["verification_uri"])), harmless(str(begun["user_code"]))
    return [
        f"open {uri}",
        f"and enter the code {code}",
        f"good for {int(begun['expires_in']) // 60} minutes; waiting ...",
    ]


def _wait(server: _Server, begun: Mapping[str, Any]) -> str:
    """Poll until the person said yes or no in the browser (RFC 8628 §3.5)."""
    form = {
        "grant_type": DEVICE_CODE,
        "client_id": COMMAND_LINE,
        "device_code": str(begun["device_code"]),
    }
    interval = int(begun.get("interval", 5))
    ends = time.monotonic() + int(begun["expires_in"])
    while time.monotonic() < ends:
        time.sleep(interval)
        status, body = server.post("/token", form)
        if status == httpx.codes.OK:
            return _token(body)
        if body.get("error") == "slow_down":
            told = body.get("interval")
            slower = told if isinstance(told, int) else interval + _SLOWER_SECONDS
            interval = min(max(slower, interval), _LONGEST_WAIT_SECONDS)
        elif body.get("error") != "authorization_pending":
            raise _refusal(body)
    raise CommandError("nobody confirmed this in time: 'fleeting login' begins anew")


def _token(body: Mapping[str, Any]) -> str:
    token = body.get("access_token")
    if not isinstance(token, str) or body.get("token_type") != "DPoP":
        raise CommandError("the server's answer holds no session that is bound to the key")
    return token


def _refusal(body: Mapping[str, Any]) -> CommandError:
    said = body.get("error_description") or body.get("error") or "refused"
    return CommandError(f"not signed in: {harmless(str(said))}")
