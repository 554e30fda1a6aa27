"""A stand-in issuer and a stand-in resource on real HTTP, made of core's own checks."""

import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fleeting.core.challenge import CHALLENGE_TYP, accepts_challenge, make_challenge_claims
from fleeting.core.challenge import read_challenge as read
from fleeting.core.client_auth import ClientCredentials, Registration, authenticate_client
from fleeting.core.errors import (
    InvalidDpopProof,
    InvalidToken,
    MissingToken,
    OAuthError,
    TransactionAuthorizationRequired,
    UseDpopNonce,
)
from fleeting.core.forms import parse_form
from fleeting.core.issuance import ACCESS_TOKEN_TYP, token_claims, token_response
from fleeting.core.jose import JoseError, KeySet, SigningKey
from fleeting.core.metadata import AS_METADATA, RESOURCE_METADATA
from fleeting.core.metadata import resource_metadata as resource_document
from fleeting.core.metadata import server_metadata as issuer_document
from fleeting.core.model import AccessToken, Client, SenderConstraint
from fleeting.core.operation_types import declare_type
from fleeting.core.operations import parse_details
from fleeting.core.requests import parse_ask
from fleeting.core.sender import Nonces, ProofContext, verify_proof
from fleeting.core.validation import check_sender, check_token, presented_token, read_access_token

TYPES = {
    "payment_refund": declare_type(
        "payment_refund",
        {
            "actions": ["refund"],
            "fields": {
                "payment_id": {"kind": "exact", "type": "string"},
                "amount": {"kind": "at_most", "type": "integer"},
            },
        },
    )
}
METADATA_PATH = AS_METADATA
RESOURCE_METADATA_PATH = RESOURCE_METADATA


def refund(amount: int = 5000) -> dict:
    return {
        "type": "payment_refund",
        "actions": ["refund"],
        "payment_id": "42",
        "amount": amount,
    }


def new_key() -> SigningKey:
    made = ECKey.generate_key("P-256", private=True, auto_kid=False)
    return SigningKey.from_jwk(made.as_dict(private=True))


def private_jwk(key: SigningKey, **members) -> dict:
    return {**key.key.as_dict(private=True), **members}


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict
    body: bytes

    @property
    def form(self) -> dict:
        form = parse_form(self.body)
        return {**form.fields, **{name: list(all_) for name, all_ in form.repeated.items()}}


@dataclass
class StandIn:
    """A server that remembers what it received, and answers a path otherwise where told to."""

    url: str
    received: list[Received] = field(default_factory=list)
    instead: dict = field(default_factory=dict)
    secrets: tuple[bytes, ...] = field(default_factory=lambda: (secrets.token_bytes(32),))
    require_nonce: bool = True

    def app(self) -> Starlette:
        methods = ["GET", "POST", "PUT", "DELETE"]
        return Starlette(routes=[Route("/{path:path}", self.serve, methods=methods)])

    async def serve(self, request) -> Response:
        body = await request.body()
        path = request.url.path
        self.received.append(Received(request.method, path, dict(request.headers), body))
        if path in self.instead:
            answer = self.instead[path](request)
            if answer is not None:
                return answer
        return self.answer(request, path, body)

    def nonces(self) -> Nonces:
        return Nonces(self.secrets)

    def paths(self) -> list[str]:
        return [received.path for received in self.received]

    def at(self, path: str) -> list[Received]:
        return [received for received in self.received if received.path == path]


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class StandInIssuer(StandIn):
    key: SigningKey = field(default_factory=new_key)
    registrations: dict = field(default_factory=dict)
    resource_keys: dict = field(default_factory=dict)
    lifetime: timedelta = timedelta(seconds=60)
    uses: int | None = 1
    left: dict = field(default_factory=dict)
    revoked: set = field(default_factory=set)

    def register(self, client_id: str, key: SigningKey | None = None, sha256=None, **members):
        public = (
            None
            if key is None
            else KeySet.from_jwks({"keys": [{**key.public().to_jwk(), **members}]})
        )
        client = Client(client_id, frozenset())
        self.registrations[client_id] = Registration(client, public, sha256)

    def answer(self, request, path: str, body: bytes) -> Response:
        if path == METADATA_PATH:
            return JSONResponse(issuer_document(self.url, types=TYPES, scopes=()))
        headers = {"dpop-nonce": self.nonces().make(now())}
        try:
            return JSONResponse(self.serve_form(request, path, body), headers=headers)
        except OAuthError as error:
            return self.refuse(error.error, error.description, error.status)

    def refuse(self, error: str, description: str = "", status: int = 400) -> Response:
        body = {"error": error, "error_description": description, "request_id": "req-1"}
        headers = {"dpop-nonce": self.nonces().make(now())}
        return JSONResponse(body, status_code=status, headers=headers)

    def serve_form(self, request, path: str, body: bytes) -> dict:
        form = parse_form(body)
        sent = ClientCredentials(
            request.headers.getlist("authorization"),
            form.get("client_id"),
            form.get("client_assertion"),
            form.get("client_assertion_type"),
        )
        client = authenticate_client(sent, self.registrations, issuer=self.url, now=now()).client
        if path == "/revoke":
            self.revoked.add(form.require("token"))
            return {}
        key = self.sender_key(request, path)
        if path == "/transaction-authorization":
            return self.trade(form.require("transaction_challenge"), client, key)
        ask = parse_ask(form)
        return self.issue(client, key, ask.details, ask.resources[0], "txn-of-its-own")

    def sender_key(self, request, path: str):
        proofs = request.headers.getlist("dpop")
        if not proofs and not self.require_nonce:
            return None
        context = ProofContext("POST", self.url + path, self.nonces(), now())
        return verify_proof(proofs, context).key

    def trade(self, text: str, client: Client, key) -> dict:
        (resource, keys), *_ = self.resource_keys.items()
        challenge = read(text, keys, resource=resource, authorization_server=self.url, now=now())
        return self.issue(client, key, challenge.details, challenge.resource, challenge.txn)

    def issue(self, client: Client, key, details, audience: str, txn: str) -> dict:
        issued_at = now().replace(microsecond=0)
        token = AccessToken(
            jti=secrets.token_urlsafe(8),
            txn=txn,
            issuer=self.url,
            audience=audience,
            client_id=client.client_id,
            subject=client.client_id,
            operations=parse_details(details, TYPES),
            issued_at=issued_at,
            expires_at=issued_at + self.lifetime,
            key=key,
            uses=self.uses,
        )
        signed = self.key.sign(ACCESS_TOKEN_TYP, token_claims(token))
        self.left[signed] = self.uses
        return token_response(token, signed)

    def spend(self, text: str) -> None:
        if text in self.revoked:
            raise InvalidToken("the access token was revoked")
        left = self.left[text]
        if left == 0:
            raise InvalidToken("the access token is spent")
        self.left[text] = None if left is None else left - 1


@dataclass
class StandInResource(StandIn):
    issuer: StandInIssuer | None = None
    key: SigningKey = field(default_factory=new_key)
    challenge_key: SigningKey | None = None
    identifier: str = ""
    claims: dict = field(default_factory=dict)
    challenges: int = 0

    def answer(self, request, path: str, body: bytes) -> Response:
        if path.startswith(RESOURCE_METADATA_PATH):
            return JSONResponse(self.metadata())
        if path == "/keys":
            return JSONResponse({"keys": [self.key.public().to_jwk()]})
        try:
            self.admit(request, path)
        except OAuthError as error:
            return self.refuse(request, error, body)
        return JSONResponse({"refunded": json.loads(body or b"null")})

    def metadata(self, **changes) -> dict:
        document = resource_document(
            self.identifier or self.url,
            issuer=self.issuer.url,
            jwks_uri=f"{self.url}/keys",
            types=TYPES,
            scopes=(),
        )
        return {**document, **changes}

    def admit(self, request, path: str) -> None:
        presented = presented_token(request.headers.getlist("authorization"))
        if presented is None:
            raise MissingToken("this call needs an access token")
        keys = KeySet((self.issuer.key.public(),))
        try:
            token = read_access_token(presented.text, keys, issuer=self.issuer.url, types=TYPES)
        except JoseError as error:
            raise InvalidToken(f"the access token: {error}") from None
        check_token(token, audience=self.identifier or self.url, now=now())
        proven = None
        if presented.scheme is SenderConstraint.DPOP:
            context = ProofContext(
                request.method,
                self.url + path,
                self.nonces(),
                now(),
                access_token=presented.text,
            )
            proven = verify_proof(request.headers.getlist("dpop"), context).key
        check_sender(token, presented.scheme, proven)
        self.issuer.spend(presented.text)

    def refuse(self, request, error: OAuthError, body: bytes) -> Response:
        nonce = {"dpop-nonce": self.nonces().make(now())}
        challenged = isinstance(error, MissingToken | InvalidToken)
        if challenged and accepts_challenge(request.headers.getlist("accept-txn-challenge")):
            needed = TransactionAuthorizationRequired("this call needs its own authorization")
            parameter = f'transaction_challenge="{self.challenge(body)}"'
            header = f'Bearer error="{needed.error}", {parameter}'
            return Response(status_code=401, headers={"www-authenticate": header, **nonce})
        said = f'DPoP error="{error.error}", error_description="{error.description}"'
        headers = {"www-authenticate": said, **nonce}
        proof_errors = (UseDpopNonce, InvalidDpopProof)  # RFC 9449 §7.1, §9
        status = 401 if isinstance(error, proof_errors) else error.status
        return Response(status_code=status, headers=headers)

    def challenge(self, body: bytes) -> str:
        self.challenges += 1
        amount = json.loads(body or b"{}").get("amount", 5000)
        operations = parse_details([refund(amount)], TYPES)
        claims = make_challenge_claims(
            resource=self.identifier or self.url,
            authorization_server=self.issuer.url,
            jti=secrets.token_urlsafe(8),
            txn=f"txn-{self.challenges:08}",
            operation=operations[0],
            reason="money moves",
            now=now(),
        )
        return (self.challenge_key or self.key).sign(CHALLENGE_TYP, {**claims, **self.claims})


def json_answer(body, status: int = 200) -> Response:
    return JSONResponse(body, status_code=status)


def reset(standin: StandIn) -> None:
    """Make *standin* as it was when it started, its address and fixed relations apart."""
    kept = {"url": standin.url}
    if isinstance(standin, StandInResource):
        kept["issuer"] = standin.issuer
    fresh = replace(type(standin)(**kept))
    standin.__dict__.update(fresh.__dict__)
