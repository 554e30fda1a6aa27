"""Tell an HTTP exchange in a few lines: what was sent, what came back, and why."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import httpx
from joserfc.jwk import ECKey
from rich.text import Text

from fleeting.client.authenticate_header import auth_challenges
from fleeting.core.jose import JoseError, UnverifiedJwt
from fleeting.core.strict_json import loads
from fleeting.demo.addresses import Addresses
from fleeting.demo.recording import Deed, Exchange
from fleeting.demo.screen import Row

_CLIENT_ERROR = 400
_KEY_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Narrator:
    """Tells exchanges to someone who knows whose servers and whose key are in play."""

    addresses: Addresses
    bot_key_id: str

    def narrate(self, exchanges: Iterable[Exchange], *, whole: bool) -> Iterator[Row]:
        """Tell *exchanges* in their order; whole: nonces and public documents, too."""
        again = False
        for exchange in essential(exchanges, nonces=whole):
            if not again:
                yield from self._sent(exchange)
            again = wants_nonce(exchange)
            yield from _wants_nonce(exchange) if again else _came(exchange, whole=whole)
        documents = sum(exchange.method == "GET" for exchange in exchanges)
        if documents and whole:
            told = f"(and {documents} public documents: the metadata and keys of both servers)"
            yield Row("more", "", Text(told, "dim"))

    def _sent(self, exchange: Exchange) -> Iterator[Row]:
        what = Text(f"{exchange.method} {exchange.url.path}", "bold")
        if exchange.origin == self.addresses.issuer:
            yield Row("sent", "issuer", what)
            told = _asked(exchange)
        else:
            yield Row("sent", "API", what.append(f"  {exchange.sent.decode()}", "not bold"))
            told = self._credentials(exchange)
        yield Row("more", "", Text(told, "dim"))

    def _credentials(self, exchange: Exchange) -> str:
        scheme = exchange.sent_headers.get("authorization", "").partition(" ")[0]
        if not scheme:
            return "with no token"
        proof = exchange.sent_headers.get("dpop")
        if proof is None:
            return f"with the token as {scheme}, and no proof"
        own = _proof_key_id(proof) == self.bot_key_id
        return f"with the token, and a proof signed by {'the bot' if own else 'another key'}"


def essential(exchanges: Iterable[Exchange], *, nonces: bool = False) -> list[Exchange]:
    """Return *exchanges* without public documents and, unless asked for, without nonces' rounds."""
    calls = [exchange for exchange in exchanges if exchange.method != "GET"]
    return [exchange for exchange in calls if nonces or not wants_nonce(exchange)]


def wants_nonce(exchange: Exchange) -> bool:
    """Whether the answer only asks for the same again with the server's nonce (RFC 9449 §8)."""
    return error_of(exchange) == "use_dpop_nonce"


def _proof_key_id(proof: str) -> str:
    return ECKey.import_key(UnverifiedJwt.parse(proof).header["jwk"]).thumbprint()


def _asked(exchange: Exchange) -> str:
    form = {name: values[0] for name, values in parse_qs(exchange.sent.decode()).items()}
    asked = ["the API's challenge"] if "transaction_challenge" in form else []
    asked += ["what waits"] if "transaction_authorization_id" in form else []
    if "authorization_details" in form:
        asked += [operation_text(one) for one in _list(form["authorization_details"])]
    if "token" in form:
        asked.append("the token")
    if "scope" in form:
        asked.append(f"scope {form['scope']}")
    if "request_context" in form:
        asked.append(f"for {values_text(json.loads(form['request_context']))}")
    if "access_request_id" in form:
        asked.append(f"request {form['access_request_id']}")
    if "break_glass" in form:
        asked.append(f"break-glass: “{form['break_glass']}”")
    return ", ".join([*asked, f"signed by {form.get('client_id', 'nobody')}"])


def _list(text: str) -> list[Any]:
    value = loads(text)
    return value if isinstance(value, list) else []


def _wants_nonce(exchange: Exchange) -> Iterator[Row]:
    told = "use_dpop_nonce: sent once more, with the nonce that came along"
    yield Row("came", str(exchange.status), Text(told, "dim"), "dim")


def _came(exchange: Exchange, *, whole: bool) -> Iterator[Row]:
    yield Row("came", str(exchange.status), _answer(exchange), _style(exchange.status))
    where = exchange.json().get("authorization_uri")
    if where is not None:
        yield Row("more", "", Text(f"people decide it at {where}", "cyan"))
    challenge = challenge_of(exchange)
    if challenge is not None and whole:
        yield Row("more", "", Text("the API signs, for the issuer, what this call is:", "dim"))
        yield from (Row("more", "", Text(operation_text(one), "cyan")) for one in challenge)
    token = token_of(exchange)
    if token is not None and whole:
        yield from (Row("more", "", Text(line, "cyan")) for line in token_lines(token))


def _style(status: int) -> str:
    return "yellow" if status >= _CLIENT_ERROR else "green"


def _answer(exchange: Exchange) -> Text:
    body = exchange.json()
    if "error" in body:
        return _error(body)
    if "transaction_authorization_id" in body:  # txn-challenge draft
        return Text("no token yet: it waits for people")
    if "error_description" in body:  # of a call without a token (RFC 6750 §3.1)
        return Text(str(body["error_description"]))
    if "access_token" in body:
        decided = b"access_request_id" in exchange.sent
        says = "what they approved" if decided else "exactly this"
        return Text(f"an access token that says {says}")
    return Text(values_text(body) if body else "done")


def _error(body: Mapping[str, Any]) -> Text:
    return Text.assemble((f"{body['error']}", "bold"), f": {body.get('error_description', '')}")


def narrate_deed(who: str, deed: Deed) -> Iterator[Row]:
    """Tell what somebody sent to the pages' API, and what came back."""
    yield Row("sent", who, Text(f"POST {deed.path}", "bold"))
    said = ", ".join(_said(name, value) for name, value in deed.sent.items() if name != "offer")
    if said:
        yield Row("more", "", Text(said, "dim"))
    body = deed.body
    told = _error(body) if "error" in body else Text("; ".join(_standing(deed)))
    yield Row("came", str(deed.status), told, _style(deed.status))


def narrate_reading(path: str, status: int) -> Iterator[Row]:
    """Tell a call that the API lets through, or not, by what it knows itself."""
    yield Row("sent", "API", Text(f"GET {path}", "bold"))
    yield Row("more", "", Text("with the token, and a proof signed by the bot", "dim"))
    refused = status >= _CLIENT_ERROR
    told = "invalid_token: nobody was asked" if refused else "served: nobody was asked"
    yield Row("came", str(status), Text(told), _style(status))


def _said(name: str, value: object) -> str:
    if name == "authorization_details" and isinstance(value, list):
        return ", ".join(operation_text(one) for one in value)
    return f"{name} “{value}”"


def _standing(deed: Deed) -> Iterator[str]:
    """Say what came of a deed: how a request stands, for how many people, for what token."""
    body = deed.body
    if "revoked" in body:
        yield f"everything of the {body['kind']} {body['value']} ends now"
        return
    closes = deed.path.endswith("/review")
    yield "the review is closed" if closes else str(body["status"])
    if body["status"] == "pending":
        yield f"{body['missing']} more must approve"
    if deed.path.endswith("/narrow"):
        yield from body.get("less_than_asked", ())


def error_of(exchange: Exchange) -> str:
    """Return the OAuth error code of an answer; empty where there is none."""
    return str(exchange.json().get("error", ""))


def reason_of(exchange: Exchange) -> str:
    """Return what an answer says for people."""
    return str(exchange.json().get("error_description", ""))


def challenge_of(exchange: Exchange) -> list[dict[str, Any]] | None:
    """Return the operations of the transaction challenge that an answer carries, or None."""
    response = httpx.Response(exchange.status, headers=exchange.headers)
    for challenge in auth_challenges(response):
        text = challenge.parameters.get("transaction_challenge")
        if text is not None:
            details = claims_of(text).get("authorization_details")
            return details if isinstance(details, list) else None
    return None


def token_of(exchange: Exchange) -> dict[str, Any] | None:
    """Return the claims of the access token that an answer carries, or None."""
    text = exchange.json().get("access_token")
    return claims_of(text) if isinstance(text, str) else None


def claims_of(text: str) -> dict[str, Any]:
    """Return what anyone can read in a JWT. This does NOT check anything: it is for the eye."""
    try:
        claims: dict[str, Any] = json.loads(UnverifiedJwt.parse(text).payload)
    except (JoseError, ValueError):
        return {}
    return claims


def operation_text(operation: Mapping[str, Any]) -> str:
    """Return one operation in one line."""
    actions = ",".join(operation.get("actions", []))
    fields = {name: text for name, text in operation.items() if name not in ("type", "actions")}
    return f"{operation.get('type')}:{actions} {values_text(fields)}"


def values_text(fields: Mapping[str, Any]) -> str:
    """Return names and values in one line."""
    return " ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in fields.items()
    )


def token_lines(claims: Mapping[str, Any]) -> Iterator[str]:
    """Say what a token is good for: its claims, in short."""
    yield from (operation_text(one) for one in claims.get("authorization_details", []))
    lifetime, uses = claims.get("exp", 0) - claims.get("iat", 0), claims.get("uses")
    key = claims.get("cnf", {}).get("jkt", "")
    bound = f"bound to the bot's key {key[:_KEY_DIGITS]}" if key else "bound to no key"
    yield f"uses {uses}, lives {lifetime} s, {bound}"
    yield f"at {claims.get('aud')} only"
