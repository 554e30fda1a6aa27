"""Ask the issuer for what is wished, wait for people where they decide, and read the token.

Everything here is a flow (``client.wire``): it does no I/O, so that threads and tasks share it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from fleeting.client.answers import success
from fleeting.client.awaiting import obtain_patiently, wait
from fleeting.client.calling_issuer import Asker, post
from fleeting.client.pending import Patience, Pending
from fleeting.client.tokens import Token
from fleeting.client.wire import Flow
from fleeting.core.challenge import Challenge
from fleeting.core.model import Json
from fleeting.core.requests import CLIENT_CREDENTIALS, TOKEN_EXCHANGE

JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"


class Wish(TypedDict, total=False):
    """What to ask the token endpoint for; each is optional, but something must be asked for.

    authorization_details: operations (RFC 9396). scope: OAuth scopes, as text or one by one.
    resource: whose operations these are (RFC 8707). context: the ``request_context``.
    subject_token: whose authority to use (RFC 8693); left out, the client's own. An empty one is
    an error, never the client's own authority in its place.
    actor_token: who acts for that subject.
    break_glass: why this cannot wait for anybody, where policy has a path for that.
    plan: standing work (calls, duration, totals) that operations bound, each token by itself.
    access_request_id: of a plan that was approved, to have another token of it.
    """

    authorization_details: Sequence[Mapping[str, Json]]
    scope: str | Iterable[str]
    resource: str
    context: Mapping[str, Json]
    subject_token: str
    subject_token_type: str
    actor_token: str
    actor_token_type: str
    break_glass: str
    plan: Mapping[str, Json]
    access_request_id: str


PATIENT = Patience()
"""As long as the request itself waits."""


def obtain(asker: Asker, wish: Wish, patience: Patience = PATIENT) -> Flow[Token]:
    """Obtain a token for *wish* at the token endpoint (RFC 6749 §4.4, RFC 8693 §2.1)."""
    return (yield from obtain_patiently(asker, "token_endpoint", wish_form(wish), patience))


def resume(asker: Asker, pending: Pending, wish: Wish, patience: Patience = PATIENT) -> Flow[Token]:
    """Go on waiting for *pending*; *wish* brings the tokens that it was asked with.

    Raises:
        ValueError: it was asked on somebody's authority, and their token is missing.
    """
    if pending.form.get("grant_type") == TOKEN_EXCHANGE and "subject_token" not in wish:
        raise ValueError("this was asked on somebody's authority: give their subject_token again")
    tokens = _tokens(wish)
    return (yield from wait(asker, pending, patience, tokens))


def wish_form(wish: Wish) -> dict[str, str]:
    """Return *wish* as the form of a token request (RFC 6749 §4.4.2, RFC 8693 §2.1)."""
    grant_type = TOKEN_EXCHANGE if "subject_token" in wish else CLIENT_CREDENTIALS
    return _optional(
        grant_type=grant_type,
        scope=_scope_text(wish.get("scope")),
        resource=wish.get("resource"),
        authorization_details=_json_text(wish.get("authorization_details")),
        plan=_json_text(wish.get("plan")),
        access_request_id=wish.get("access_request_id"),
        **_circumstances(wish),
    )


def _circumstances(wish: Wish) -> dict[str, str]:
    """Return for whom and why, which goes with a challenge as with a token request."""
    return _tokens(wish) | _optional(
        request_context=_json_text(wish.get("context")), break_glass=wish.get("break_glass")
    )


def _tokens(wish: Wish) -> dict[str, str]:
    form: dict[str, str] = {}
    if "subject_token" in wish:
        form["subject_token"] = _present(wish["subject_token"], "subject_token")
        form["subject_token_type"] = wish.get("subject_token_type", JWT_TYPE)
    if "actor_token" in wish:
        form["actor_token"] = _present(wish["actor_token"], "actor_token")
        form["actor_token_type"] = wish.get("actor_token_type", JWT_TYPE)
    return form


def _present(token: object, name: str) -> str:
    """Return *token* if there is one: without it, the client's own authority would be used."""
    if isinstance(token, str) and token:
        return token
    raise ValueError(f"{name} is empty: leave it out to ask for the client itself")


def answer_challenge(
    asker: Asker, text: str, challenge: Challenge, wish: Wish, patience: Patience = PATIENT
) -> Flow[Token]:
    """Trade a validated challenge for a token (draft-rosomakho-oauth-txn-challenge §4.1).

    wish: for whom and why; what is asked for is the challenge itself. The token must be for the
    same transaction: one with another ``txn`` would be good for another.
    """
    form = {"transaction_challenge": text, **_circumstances(wish)}
    endpoint = "transaction_authorization_endpoint"
    return (yield from obtain_patiently(asker, endpoint, form, patience, txn=challenge.txn))


def revoke(asker: Asker, token: Token) -> Flow[None]:
    """End *token* (RFC 7009 §2.1)."""
    form = {"token": token.value, "token_type_hint": "access_token"}
    answer, private = yield from post(asker, "revocation_endpoint", form)
    if answer.status != 200:  # noqa: PLR2004 -- RFC 7009 §2.2: the body says nothing then
        success(answer, private)


def _optional(**members: str | None) -> dict[str, str]:
    return {name: value for name, value in members.items() if value is not None}


def _scope_text(scope: str | Iterable[str] | None) -> str | None:
    return scope if scope is None or isinstance(scope, str) else " ".join(scope)


def _json_text(value: Any) -> str | None:  # noqa: ANN401 -- it is JSON
    return None if value is None else json.dumps(value, ensure_ascii=False)
