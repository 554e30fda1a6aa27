"""A stand-in issuer on real HTTP, and a caller who can say and prove anything."""

import asyncio
import json
import secrets
import time
from datetime import UTC, datetime, timedelta

from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from fleeting.core.event_stream import MEDIA_TYPE, write_beat, write_event
from fleeting.core.issuance import ACCESS_TOKEN_TYP, token_claims
from fleeting.core.jose import SigningKey
from fleeting.core.metadata import server_metadata
from fleeting.core.model import AccessToken, SenderConstraint, SenderKey, scope_operation
from fleeting.core.operations import parse_operation
from fleeting.core.sender import PROOF_TYP, make_proof_claims
from fleeting.resource.declarations import read_types

RESOURCE = "http://127.0.0.1:8401"
REFUNDS = "/payments/42/refunds"
TYPES = {
    "payment_refund": {
        "description": "Refund one payment",
        "actions": ["refund"],
        "fields": {
            "payment_id": {"kind": "exact", "type": "string"},
            "amount": {"kind": "at_most", "type": "integer", "unit": "cent"},
            "currency": {"kind": "one_of", "type": "string", "values": ["EUR", "USD"]},
            "note": {"kind": "text", "optional": True},
        },
    }
}
DECLARED = read_types(TYPES)
REFUND = {
    "type": "payment_refund",
    "actions": ["refund"],
    "payment_id": "42",
    "amount": 5000,
    "currency": "EUR",
}


def new_key() -> SigningKey:
    made = ECKey.generate_key("P-256", private=True, auto_kid=False)
    return SigningKey.from_jwk(made.as_dict(private=True))


def private_jwk(key: SigningKey) -> dict:
    return {**key.key.as_dict(private=True), "kid": key.kid}


class StandInIssuer:
    """Signs what it is told to, spends as told, and remembers who asked what."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.reset()

    def reset(self) -> None:
        self.key = new_key()
        self.published = [self.key]
        self.metadata_issuer = self.url
        self.jwks_uri = f"{self.url}/jwks"
        self.jwks_asked = 0
        self.down = False
        self.spends: list[tuple[dict, str]] = []
        self.reports: list[dict] = []
        self.use_ids: dict[str, list[str]] = {}
        self.limits: dict[str, int] = {}
        self.refusal: str | None = None
        self.raw_answer: tuple[int, bytes] | None = None
        self.lose_answers = 0
        self.report_delay = 0.0
        self.ended: list[dict] = []
        self.follows = "streams"
        self.beats = True
        self.cuts = 0
        self.followers: list[tuple[str, str]] = []
        self.authorizations: list[str] = []

    def token(self, *operations, uses=None, key=None, signer=None, **changes) -> str:
        now = changes.pop("now", datetime.now(UTC))
        typ = changes.pop("typ", ACCESS_TOKEN_TYP)
        token = AccessToken(
            **{
                "jti": secrets.token_urlsafe(8),
                "txn": "txn-" + secrets.token_urlsafe(8),
                "issuer": self.url,
                "audience": RESOURCE,
                "client_id": "support-bot",
                "subject": "support-bot",
                "operations": tuple(as_operation(one) for one in operations or (REFUND,)),
                "issued_at": now.replace(microsecond=0),
                "expires_at": now.replace(microsecond=0) + timedelta(minutes=5),
                "key": key,
                "uses": uses,
                **changes,
            }
        )
        text = (signer or self.key).sign(typ, token_claims(token))
        self.limits[text] = uses or 0
        return text

    async def metadata(self, _request):
        if self.down:
            return Response(status_code=500)
        document = server_metadata(self.metadata_issuer, types=[], scopes=[])
        return JSONResponse({**document, "jwks_uri": self.jwks_uri})

    async def jwks(self, _request):
        self.jwks_asked += 1
        if self.down:
            return Response(status_code=500)
        return JSONResponse({"keys": [key.public().to_jwk() for key in self.published]})

    async def spend(self, request):
        form = dict(await request.form())
        self.spends.append((form, request.headers.get("authorization", "")))
        if self.down:
            return Response(status_code=500)
        if self.raw_answer is not None:
            return Response(self.raw_answer[1], self.raw_answer[0])
        answer = self._spend(form)
        if self.lose_answers:
            self.lose_answers -= 1
            return StreamingResponse(_broken(), headers={"content-length": "100"})
        return JSONResponse(answer)

    def _spend(self, form):
        if self.refusal:
            return {"active": False, "reason": self.refusal}
        used, limit = self.use_ids.setdefault(form["token"], []), self.limits[form["token"]]
        if form["use_id"] not in used:
            if len(used) >= limit:
                return {"active": False, "reason": "spent"}
            used.append(form["use_id"])
        return {"active": True, "use": used.index(form["use_id"]) + 1, "uses": limit}

    async def report(self, request):
        form = dict(await request.form())
        if self.report_delay:
            time.sleep(self.report_delay)  # noqa: ASYNC251 -- an issuer that hangs
        self.reports.append(form)
        return JSONResponse({}, 500 if self.down else 200)

    async def revocations(self, request):
        """Tell what ended; follows: streams, refuses, is busy, holds back, is silent, is odd."""
        accept, last = request.headers["accept"], request.headers.get("last-event-id", "")
        self.followers.append((accept, last or request.query_params.get("after", "")))
        self.authorizations.append(request.headers["authorization"])
        if self.down or self.follows == "refuses":
            return Response(status_code=500 if self.down else 403)
        if self.follows == "is odd":
            return JSONResponse({"revoked": "all", "last": 7})
        if accept == "application/json":
            after = int(request.query_params["after"] or 0)
            page = self.ended[after : after + 2]
            last = str(after + len(page))
            more = after + len(page) < len(self.ended)
            return JSONResponse({"revoked": page, "last": last, "more": more, "reset": False})
        if self.follows == "is busy":
            return Response(status_code=503)
        if self.follows == "answers":
            return JSONResponse({})
        return StreamingResponse(self._events(int(last or 0)), media_type=MEDIA_TYPE)

    async def _events(self, place):
        cuts = self.cuts
        yield b"retry: 500\n\n"
        while self.follows == "holds back":  # noqa: ASYNC110 -- set in another thread
            await asyncio.sleep(0.02)
        while self.cuts == cuts and not self.down and self.follows != "ends":
            for ended in self.ended[place:]:
                place += 1
                yield write_event("revoked", json.dumps(ended), str(place))
            if self.beats:
                yield write_beat(str(place))
            await asyncio.sleep(0.02)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/oauth-authorization-server", self.metadata),
                Route("/jwks", self.jwks),
                Route("/spend", self.spend, methods=["POST"]),
                Route("/revocations", self.revocations),
                Route("/report", self.report, methods=["POST"]),
            ]
        )


async def _broken():
    yield b"{"
    raise ConnectionResetError


def as_operation(value):
    return scope_operation(value) if isinstance(value, str) else parse_operation(value, DECLARED)


class Caller:
    """Holds a key, and proves itself with it, rightly or wrongly."""

    def __init__(self, key: SigningKey | None = None) -> None:
        self.key = key or new_key()

    @property
    def bound(self) -> SenderKey:
        return SenderKey(SenderConstraint.DPOP, self.key.key.thumbprint())

    def proof(self, method, url, token, nonce, *, header=None, **changes) -> str:
        claims = make_proof_claims(
            jti=secrets.token_urlsafe(8),
            method=method,
            uri=url,
            now=changes.pop("now", datetime.now(UTC)),
            nonce=nonce,
            access_token=token,
        )
        claims.update(changes)
        jwk = self.key.key.as_dict(private=False)
        jwk.pop("kid", None)
        header = {"typ": PROOF_TYP, "alg": "ES256", "jwk": jwk, **(header or {})}
        return self.key.sign(PROOF_TYP, claims, header=header)

    def headers(self, guard, method, path, token, **changes) -> dict[str, str]:
        nonce = changes.pop("nonce", guard.nonce())
        proof = self.proof(method, RESOURCE + path, token, nonce, **changes)
        return {"Authorization": f"DPoP {token}", "DPoP": proof}
