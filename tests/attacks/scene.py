"""What every attack must come to: the right error, nothing changed, nothing leaked, recorded."""

import json
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import httpx

from fleeting.core.evidence import Entry
from fleeting.resource import Guard, GuardMiddleware, body, operation, path, protect, scope
from tests.simulator import PAYMENTS, SECRETS, Caller, Simulator, refused

REFUNDS = "/payments/42/refunds"
CALL = {"amount": 5000, "currency": "EUR"}
_PRIVATE = ("client_assertion", "subject_token", "actor_token", "token", "transaction_challenge")


def private_values(request: httpx.Request) -> set[str]:
    """Return the credentials in *request*: they may come up nowhere again."""
    form = parse_qs(request.content.decode("latin-1"))
    values = {value for name in _PRIVATE for value in form.get(name, ())}
    for name in ("authorization", "dpop"):
        values |= {value.rpartition(" ")[2] for value in request.headers.get_list(name)}
    return {value for value in values if len(value) > 8} | {*SECRETS.values()}


@dataclass
class Scene:
    """A running installation, its log, and what attackers may not change in it.

    at: the attack under way, where a test goes through many.
    """

    sim: Simulator
    log: list[Any]
    at: str = ""

    def state(self) -> tuple[Any, ...]:
        """Return tokens and uses as they stand."""
        tables = self.sim.worker.store.tables  # type: ignore[attr-defined]
        return dict(tables.tokens), dict(tables.uses)

    def entries(self, since: int) -> list[Entry]:
        """Return what the ledger took in after its *since* first entries."""
        tables = self.sim.worker.store.tables  # type: ignore[attr-defined]
        rows = [row for chain in tables.ledger.values() for row in chain]
        return [row.read().entry for row in rows[since:]]

    def count(self) -> int:
        """Return how many entries the ledger has."""
        tables = self.sim.worker.store.tables  # type: ignore[attr-defined]
        return sum(map(len, tables.ledger.values()))

    def check_silence(self, private: Iterable[str], *texts: str, since: int = 0) -> None:
        """Check that none of *private* is in any of *texts* or in the log from *since* on."""
        everything = "\n".join([*texts, *map(repr, self.log[since:])])
        for value in private:
            assert value not in everything, f"leaked: {value[:40]}"

    async def refuses(
        self,
        attack: Awaitable[httpx.Response],
        error: str,
        status: int = 400,
        *,
        recorded: bool = True,
    ) -> str:
        """Check all that a refused attack must come to, and return what the attacker was told."""
        state, told, logged = self.state(), self.count(), len(self.log)
        response = await attack
        assert response.status_code == status, f"{self.at}: {response.text}"
        description = refused(response, error, status)
        assert self.state() == state, "something was issued, spent or revoked"
        told_late = ("call.refused", "checkpoint")  # by a guard, by the server itself
        news = [entry for entry in self.entries(told) if entry.kind not in told_late]
        assert [entry.kind for entry in news] == ["request.refused"] * recorded
        said = [json.dumps(dict(entry.body)) for entry in news]
        private = private_values(response.request)
        self.check_silence(private, response.text, *said, since=logged)
        return description

    async def inactive(self, attack: Awaitable[httpx.Response], reason: str) -> None:
        """Check a spend that must get nothing, and that the ledger says so."""
        state = self.state()
        response = await attack
        assert (response.status_code, response.json()) == (
            200,
            {"active": False, "reason": reason},
        )
        assert self.state() == state
        if reason != "unknown":
            last = (await self.sim.recorded())[-1]
            assert (last.kind, last.body["reason"]) == ("spend.refused", reason)
        self.check_silence(private_values(response.request))

    async def newest(self) -> Entry:
        """Return the newest entry of a request."""
        return (await self.sim.recorded())[-1]


@dataclass
class Api:
    """A guarded payments API of a simulated installation, and what it served."""

    sim: Simulator
    guard: Guard
    http: httpx.AsyncClient
    served: list[Any]

    def headers(self, caller: Caller, token: str, **proof: Any) -> list[tuple[str, str]]:
        """Return what an honest holder of *token* presents, unless *proof* says otherwise."""
        honest = {
            "uri": PAYMENTS + REFUNDS,
            "access_token": token,
            "nonce": self.guard.nonce(),
        }
        return [
            ("Authorization", f"DPoP {token}"),
            ("DPoP", caller.proof(**{**honest, **proof})),
        ]

    async def call(
        self, headers: Iterable[tuple[str, str]], where: str = REFUNDS, **changes: Any
    ) -> httpx.Response:
        """Make a refund call."""
        request = {"json": CALL, **changes}
        return await self.http.post(PAYMENTS + where, headers=[*headers], **request)

    async def refuses(
        self, headers: Iterable[tuple[str, str]], error: str, status: int = 401, **changes: Any
    ) -> str:
        """Check that a call is refused, serves nothing and repeats no credential."""
        served = len(self.served)
        response = await self.call(headers, **changes)
        told: dict[str, Any] = response.json()
        assert (response.status_code, told["error"]) == (status, error), response.text
        assert len(self.served) == served
        answer = response.text + repr(response.headers)
        for value in private_values(response.request):
            assert value not in answer
        description: str = told["error_description"]
        return description

    async def aclose(self) -> None:
        """Let go."""
        await self.guard.aclose()
        await self.http.aclose()


def make_api(sim: Simulator, **settings: Any) -> Api:
    """Return an API whose guard asks the issuer of *sim*."""
    guard = Guard(
        issuer=sim.installation.issuer,
        resource=PAYMENTS,
        types=sim.installation.config,
        scopes=("payments:read",),
        client_id="payments-api",
        secret=SECRETS["payments-api"],
        **{"http": sim.http, "clock": sim.clock.now, **settings},
    )
    served: list[Any] = []

    async def app(scope_: Any, receive: Any, send: Any) -> None:
        message = await receive()
        served.append((scope_["path"], message.get("body", b"")))
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    rules = [
        protect(
            "POST",
            "/payments/{payment_id}/refunds",
            operation(
                "payment_refund",
                payment_id=path("payment_id"),
                amount=body("amount"),
                currency=body("currency"),
            ),
        ),
        protect("GET", "/payments", scope("payments:read")),
    ]
    guarded = GuardMiddleware(app, guard, rules)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(guarded))
    return Api(sim, guard, http, served)
