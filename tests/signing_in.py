"""People who sign in to a simulated server, and a stand-in for their OpenID provider.

The stand-in is as strict as a real one where it matters (code, verifier, client, redirect URI), and
lies wherever a test tells it to. ``tests/openid_provider.py`` runs a real one.
"""

import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from fleeting.core.jose import SigningKey
from fleeting.core.login import code_challenge
from fleeting.core.people import Person
from fleeting.core.sender import make_proof_claims
from fleeting.core.signing_in import COMMAND_LINE, DEVICE_CODE
from fleeting.server.app import app_of
from tests.simulator import Simulator, WoundClock, new_key, public_jwk, sign, simulator

FORM = "application/x-www-form-urlencoded"
LOGIN = "https://login.example.com"
CLIENT_ID = "fleeting-console"
SECRET = "the-secret-of-the-console-9f2a7c41"
SIGN_IN = f"""
[[identity_providers]]
issuer = "{LOGIN}"
jwks_uri = "{LOGIN}/jwks"
audience = "fleeting"
subject_prefix = "p:"
[identity_providers.claims]
groups = "groups"
department = "department"
[sign_in]
provider = "{LOGIN}"
client_id = "{CLIENT_ID}"
client_secret_file = "keys/console.secret"
"""


def asked_of(url: str) -> dict[str, str]:
    """Return the query of *url*, every parameter once."""
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}


@dataclass
class StandInProvider(httpx.AsyncBaseTransport):
    """An OpenID provider. announces: what else its configuration says; lies: claims it replaces."""

    clock: WoundClock = field(default_factory=WoundClock)
    key: SigningKey = field(default_factory=new_key)
    announces: dict[str, Any] = field(default_factory=dict)
    lies: dict[str, Any] = field(default_factory=dict)
    typ: str = "JWT"
    broken: httpx.Response | None = None
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[httpx.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.asked.append(request)
        if request.url.path == "/jwks":
            return httpx.Response(200, json={"keys": [self.key.public().to_jwk()]})
        if request.url.path == "/token":
            return self.broken or self._token(dict(self._form(await request.aread())), request)
        assert request.url.path == "/.well-known/openid-configuration"
        return httpx.Response(200, json=self.configuration())

    def configuration(self) -> dict[str, Any]:
        """Return what the provider says of itself."""
        return {
            "issuer": LOGIN,
            "authorization_endpoint": f"{LOGIN}/auth",
            "token_endpoint": f"{LOGIN}/token",
            "jwks_uri": f"{LOGIN}/jwks",
            "authorization_response_iss_parameter_supported": True,
            **self.announces,
        }

    def logs_in(self, url: str, sub: str = "alice", **claims: Any) -> str:
        """Log *sub* in, whom a browser brought from *url*, and return where to send it back to."""
        asked = asked_of(url)
        code = secrets.token_urlsafe(16)
        now = int(self.clock.now().timestamp())
        told = {"sub": sub, "name": sub.title(), "auth_time": now, "groups": ["leads"], **claims}
        self.codes[code] = {"asked": asked, "claims": told}
        answer = {"code": code, "state": asked["state"], "iss": LOGIN}
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    @staticmethod
    def _form(body: bytes) -> list[tuple[str, str]]:
        return [(name, value) for name, (value,) in parse_qs(body.decode()).items()]

    def _token(self, form: dict[str, str], request: httpx.Request) -> httpx.Response:
        pair = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
        known = self.codes.pop(form.get("code", ""), None)
        right = known is not None and (
            request.headers["authorization"] == f"Basic {pair}"
            and code_challenge(form["code_verifier"]) == known["asked"]["code_challenge"]
            and form["redirect_uri"] == known["asked"]["redirect_uri"]
        )
        if known is None or not right:
            return httpx.Response(400, json={"error": "invalid_grant"})
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": LOGIN,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": known["asked"]["nonce"],
            **known["claims"],
            **self.lies,
        }
        token = sign(self.key, claims, typ=self.typ)
        return httpx.Response(200, json={"id_token": token, "token_type": "Bearer"})


@dataclass
class Browser:
    """One browser at a simulated server: it keeps cookies, and says where its forms come from."""

    http: httpx.AsyncClient
    origin: str

    async def get(self, path: str) -> httpx.Response:
        """Follow a link."""
        return await self.http.get(path)

    async def post(self, path: str, form: dict[str, str], **headers: str) -> httpx.Response:
        """Send a form of our own page."""
        sent = {"Origin": self.origin, "Content-Type": FORM, **headers}
        return await self.http.post(path, content=urlencode(form), headers=sent)

    async def script(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """Send what our script sends."""
        return await self.http.post(path, json=body, headers={"Origin": self.origin, **headers})

    async def to_provider(self, query: str = "") -> str:
        """Begin a login; return where at the provider it leads."""
        answer = await self.get(f"/login/provider{query}")
        assert answer.status_code == 303, answer.text
        location: str = answer.headers["location"]
        assert location.startswith(f"{LOGIN}/auth?")
        return location

    @property
    def session(self) -> str | None:
        """The session's cookie."""
        return self.http.cookies.get("fleeting") or self.http.cookies.get("__Host-fleeting")


@dataclass
class PeopleScene:
    """A simulated server and the provider of its people."""

    sim: Simulator
    provider: StandInProvider
    browsers: list[Browser] = field(default_factory=list)

    def browser(self) -> Browser:
        """Return a fresh browser."""
        issuer = self.sim.installation.issuer
        transport = httpx.ASGITransport(app_of(self.sim.worker), raise_app_exceptions=True)
        http = httpx.AsyncClient(transport=transport, base_url=issuer)
        parts = urlsplit(issuer)
        made = Browser(http, f"{parts.scheme}://{parts.netloc}")
        self.browsers.append(made)
        return made

    async def signed_in(self, sub: str = "alice", **claims: Any) -> Browser:
        """Return the browser of somebody who signed in with the provider."""
        browser = self.browser()
        back = self.provider.logs_in(await browser.to_provider(), sub, **claims)
        answer = await browser.get(back)
        assert answer.status_code == 303, answer.text
        return browser

    async def add(self, person: Person) -> None:
        """Keep a person as ``fleeting people add`` does."""
        from fleeting.usecases.change_people import ChangePeople

        await ChangePeople(self.sim.worker.store, self.sim.clock, "tests").add(person)

    async def person(self, id_: str) -> Person | None:
        """Return whom the server knows by that name."""
        return await self.sim.worker.people.desk.people.person(id_)


class CommandLine:
    """A command line with a key, as ``fleeting login`` is one."""

    def __init__(self, scene: PeopleScene) -> None:
        self.scene, self.key, self.count = scene, new_key(), 0
        self.begun: dict[str, Any] = {}

    async def post(self, path: str, **form: str) -> httpx.Response:
        """Send a form with a fresh proof."""
        issuer = self.scene.sim.installation.issuer
        now = self.scene.sim.clock.now()
        self.count += 1
        claims = make_proof_claims(
            jti=f"{id(self)}-{self.count}",
            method="POST",
            uri=issuer + path,
            now=now,
            nonce=self.scene.sim.worker.signing_keys.nonces().make(now),
            access_token=None,
        )
        header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": public_jwk(self.key), "kid": None}
        proof = sign(self.key, claims, header=header)
        return await self.scene.sim.http.post(
            issuer + path, data={"client_id": COMMAND_LINE, **form}, headers={"DPoP": proof}
        )

    async def begin(self) -> dict[str, Any]:
        """Ask for a code."""
        answer = await self.post("/device_authorization")
        assert answer.status_code == 200, answer.text
        self.begun = answer.json()
        return self.begun

    async def poll(self, device_code: str | None = None) -> httpx.Response:
        """Ask whether its person has said yes."""
        code = device_code or self.begun["device_code"]
        return await self.post("/token", grant_type=DEVICE_CODE, device_code=code)


@asynccontextmanager
async def people_scene(
    directory: Path, *, tables: str = SIGN_IN, **changes: Any
) -> AsyncIterator[PeopleScene]:
    """Run a simulated server whose people sign in with the stand-in."""
    (directory / "keys").mkdir(parents=True, exist_ok=True)
    (directory / "keys" / "console.secret").write_text(f"{SECRET}\n")
    provider = StandInProvider()
    http = httpx.AsyncClient(transport=provider)
    async with simulator(directory, http=http, tables=tables, **changes) as sim:
        provider.clock = sim.clock
        scene = PeopleScene(sim, provider)
        try:
            yield scene
        finally:
            for browser in scene.browsers:
                await browser.http.aclose()
