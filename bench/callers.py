"""The callers of a token endpoint, the same for both sides: what they are and what they send."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from bench import load, wire
from bench.keys import Assertions, Key, Proofs

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MODES = {
    "basic": "client_secret_basic, bearer",
    "dpop": "private_key_jwt, DPoP with nonce",
}
SECRET_CLIENT = "bench-secret"
KEY_CLIENT = "bench-key"
REVIEWED_CLIENT = "bench-reviewed"
"""Gets nothing before people said yes."""
_FORM = "application/x-www-form-urlencoded"


_LEAST_AMOUNT = 1000


def refund(payment: str, amount: int = _LEAST_AMOUNT) -> dict[str, Any]:
    """Return the operation that every benchmark asks for."""
    return {
        "type": "payment_refund",
        "actions": ["refund"],
        "payment_id": payment,
        "amount": amount,
        "currency": ["EUR"],
    }


@dataclass(frozen=True, slots=True)
class Callers:
    """One client with a secret and one with a key, at one token endpoint."""

    issuer: str
    token_url: str
    resource: str
    secret: str
    key: Key = field(default_factory=Key.generate)
    proof_key: Key = field(default_factory=Key.generate)
    amounts: Iterator[int] = field(default_factory=lambda: itertools.count(_LEAST_AMOUNT))

    def basic(self, count: int) -> list[bytes]:
        """Make `count` requests with client_secret_basic, for bearer tokens."""
        headers = {"Authorization": basic_credentials(SECRET_CLIENT, self.secret)}
        return [self._request(self._form(), headers) for _ in range(count)]

    def reviewed(self, forms: Sequence[Mapping[str, str]], *, wait: int = 0) -> list[bytes]:
        """Make a request of each of *forms* that people decide; wait: seconds to hold it back."""
        headers = {"Authorization": basic_credentials(REVIEWED_CLIENT, self.secret)}
        if wait:
            headers["Prefer"] = f"wait={wait}"
        return [self._request(form, headers) for form in forms]

    def forms(self, count: int) -> list[dict[str, str]]:
        """Make `count` requests' parameters, each for its own payment."""
        return [self._form() for _ in range(count)]

    async def dpop(self, count: int, client_id: str = KEY_CLIENT) -> list[bytes]:
        """Make `count` requests with private_key_jwt and a DPoP proof, for bound tokens."""
        return self._dpop(count, await self.nonce(), client_id)

    async def nonce(self) -> str:
        """Learn the server's current DPoP nonce: ask without one, as RFC 9449 section 8 has it."""
        [request] = self._dpop(1, None, KEY_CLIENT)
        answer = await wire.once(request, self.token_url)
        nonce = answer.headers.get("dpop-nonce")
        if nonce is None:
            raise load.BadAnswerError(f"no DPoP-Nonce in {answer.status} {answer.body[:300]!r}")
        return nonce

    async def tokens(self, count: int, client_id: str = KEY_CLIENT) -> list[str]:
        """Obtain `count` bound tokens, each for its own payment.

        Raises:
            BadAnswerError: not every request was answered with a token.
        """
        requests = await self.dpop(count, client_id)
        answers = await load.gather_answers(self.token_url, requests)
        load.check_all(answers)
        return [answer.json()["access_token"] for answer in answers]

    def _dpop(self, count: int, nonce: str | None, client_id: str) -> list[bytes]:
        assertions = Assertions(self.key, client_id, self.issuer).make(count)
        proofs = Proofs(self.proof_key, "POST", self.token_url).make(count, nonce=nonce)
        made = []
        for assertion, proof in zip(assertions, proofs, strict=True):
            form = {
                **self._form(),
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion,
            }
            made.append(self._request(form, {"DPoP": proof}))
        return made

    def _form(self) -> dict[str, str]:
        # Each request is for another payment of another amount than any before it.
        amount = next(self.amounts)
        operation = refund(str(amount), amount)
        return {
            "grant_type": "client_credentials",
            "resource": self.resource,
            "authorization_details": json.dumps([operation], separators=(",", ":")),
        }

    def _request(self, form: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
        return post_form(self.token_url, form, headers)


@dataclass(frozen=True, slots=True)
class Side:
    """A running token endpoint with its callers."""

    name: str
    callers: Callers
    pid: int

    async def requests(self, mode: str, count: int) -> list[bytes]:
        """Prepare token requests, signed now."""
        return self.callers.basic(count) if mode == "basic" else await self.callers.dpop(count)


def post_form(url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
    """Serialise one form-encoded POST."""
    return wire.request_bytes(
        "POST", url, {"Content-Type": _FORM, **headers}, urlencode(form).encode()
    )


def basic_credentials(client_id: str, secret: str) -> str:
    """Return the Authorization header of client_secret_basic (RFC 6749 section 2.3.1)."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
