"""The pages of signing in: with the provider, with a passkey, by a link, for a command line."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from fleeting.core.durations import format_duration
from fleeting.core.errors import InvalidRequest, SignInRefused
from fleeting.core.signing_in import LinkKind, local_path
from fleeting.server.people.answering import Front, endpoint
from fleeting.server.people.devices import typed_user_code
from fleeting.server.people.passkeys import Passkeys
from fleeting.server.people.people_desk import Begun
from fleeting.server.people.provider_login import ProviderLogin
from fleeting.server.people.services import CALLBACK
from fleeting.server.people.sessions import NewSession

_SEE_OTHER = 303
"""Never 307: that would send a form on (RFC 9700 §4.12)."""
_PLAIN_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def people_routes(front: Front) -> Sequence[BaseRoute]:
    """Return the routes."""
    table = (
        ("/login", "GET", _login),
        ("/login/provider", "GET", _to_provider),
        (CALLBACK, "GET", _from_provider),
        ("/login/passkey/options", "POST", _passkey_options),
        ("/login/passkey", "POST", _passkey),
        ("/logout", "POST", _logout),
        ("/signed-out", "GET", _signed_out),
        ("/enrol/{token}", "GET", _link),
        ("/enrol/{token}", "POST", _use_link),
        ("/enrol/{token}/options", "POST", _enrolment_options),
        ("/enrol/{token}/passkey", "POST", _enrol),
        ("/device", "GET", _device),
        ("/device", "POST", _answer_device),
    )
    return [
        Route(front.url(path), endpoint(front, path, handle), methods=[method])
        for path, method, handle in table
    ]


# ------------------------------------------------------------------------------ logging in


async def _login(front: Front, request: Request) -> Response:
    """Show the ways in; where there is but one that needs no page, take it."""
    wanted, again = local_path(request.query_params.get("next")), _again(request)
    if not again and await front.visitor(request) is not None:
        return see_other(front, wanted)
    people = front.people
    query = urlencode({"next": wanted} | ({"fresh": "1"} if again else {}))
    to_provider = front.url(f"/login/provider?{query}")
    if people.provider is not None and people.passkeys is None:
        return RedirectResponse(to_provider, _SEE_OTHER, _PLAIN_HEADERS)
    return front.pages.render(
        "login.html",
        scripts=people.passkeys is not None,
        again=again,
        wanted=wanted,
        provider=None if people.provider is None else to_provider,
        passkeys=people.passkeys is not None,
    )


def _again(request: Request) -> bool:
    return request.query_params.get("fresh") == "1"


def _provider(front: Front) -> ProviderLogin:
    if front.people.provider is None:
        raise InvalidRequest("no identity provider is declared here for people to sign in with")
    return front.people.provider


async def _to_provider(front: Front, request: Request) -> Response:
    """Send the browser to the provider."""
    wanted = request.query_params.get("next")
    url, begun = await _provider(front).start(
        wanted, again=_again(request), browser=front.people.cookies.browser_of(request)
    )
    response = RedirectResponse(url, _SEE_OTHER, _PLAIN_HEADERS)
    front.people.cookies.begin(response, begun.browser)
    return response


async def _from_provider(front: Front, request: Request) -> Response:
    """Take the browser back from the provider (OpenID Connect Core §3.1.2.5)."""
    pairs = request.query_params.multi_items()
    answer = dict(pairs)
    if len(answer) != len(pairs):  # RFC 6749 §3.1: parameters MUST NOT come twice
        raise SignInRefused("the answer has a parameter twice")
    browser = front.people.cookies.browser_of(request)
    session, wanted = await _provider(front).finish(answer, browser)
    return await _signed_in(front, request, session, see_other(front, wanted))


async def _signed_in(
    front: Front, request: Request, session: NewSession, response: Response
) -> Response:
    """End the session that the browser had, and give it the new one: no fixation."""
    earlier = front.people.cookies.session_of(request)
    if earlier:
        await front.people.sessions.sign_out(earlier, front.people.desk.clock.now())
    front.people.cookies.signed_in(response, session.token)
    return response


def see_other(front: Front, path: str) -> Response:
    """Send the browser to a page of ours, with a GET. A path with our prefix is taken as it is."""
    prefix = front.pages.prefix
    ours = path if prefix and path.startswith(f"{prefix}/") else front.url(path)
    return RedirectResponse(ours, _SEE_OTHER, _PLAIN_HEADERS)


async def _logout(front: Front, request: Request) -> Response:
    """End the session, if the form is its own."""
    form = await front.form(request)
    cookies = front.people.cookies
    token = cookies.session_of(request)
    if token:
        if not front.people.sessions.is_csrf_token(form.get("csrf") or "", token):
            raise SignInRefused("this form is not from your session: open the page again")
        await front.people.sessions.sign_out(token, front.people.desk.clock.now())
    response = see_other(front, "/signed-out")
    cookies.signed_out(response)
    return response


async def _signed_out(front: Front, _request: Request) -> Response:
    return front.pages.render(
        "message.html",
        title="You are signed out",
        text="Your session here is over. At your identity provider you may still be signed in.",
        request_id="",
        link={"href": front.url("/login"), "text": "Sign in again"},
    )


# ------------------------------------------------------------------------------ passkeys


def _passkeys(front: Front) -> Passkeys:
    if front.people.passkeys is None:
        raise InvalidRequest("there are no passkeys here")
    return front.people.passkeys


async def _passkey_options(front: Front, request: Request) -> Response:
    sent = await front.json(request)
    browser = front.people.cookies.browser_of(request)
    options, begun = await _passkeys(front).request(_text(sent, "next"), browser)
    return _begun(front, options, begun)


def _begun(front: Front, options: Any, begun: Begun) -> Response:  # noqa: ANN401 -- it is JSON
    response = JSONResponse({"state": begun.state, "options": options}, headers=_PLAIN_HEADERS)
    front.people.cookies.begin(response, begun.browser)
    return response


async def _passkey(front: Front, request: Request) -> Response:
    sent = await front.json(request)
    browser = front.people.cookies.browser_of(request)
    session, wanted = await _passkeys(front).sign_in(
        _credential(sent), _text(sent, "state"), browser
    )
    return await _signed_in(front, request, session, _next(front, wanted))


def _next(front: Front, wanted: str) -> Response:
    """Tell the script of ours where to go."""
    ours = see_other(front, wanted).headers["location"]
    return JSONResponse({"next": ours}, headers=_PLAIN_HEADERS)


def _text(sent: dict[str, Any], name: str) -> str:
    value = sent.get(name)
    return value if isinstance(value, str) else ""


def _credential(sent: dict[str, Any]) -> dict[str, Any]:
    value = sent.get("credential")
    if not isinstance(value, dict):
        raise InvalidRequest("send the credential that the browser made")
    return value


# ------------------------------------------------------------------------------ one-time links


async def _link(front: Front, request: Request) -> Response:
    """Show what a link is good for; looking does not use it up (ATTACKS 38)."""
    token = request.path_params["token"]
    link = await front.people.links.look(token, front.people.desk.clock.now())
    enrols = link.enrolment.kind is LinkKind.ENROL
    if enrols:
        _passkeys(front)
    return front.pages.render(
        "enrol.html",
        scripts=enrols,
        enrols=enrols,
        name=link.person.name,
        id=link.person.id,
        action=front.url(f"/enrol/{quote(token, safe='')}"),
    )


async def _use_link(front: Front, request: Request) -> Response:
    """Sign in by a link that is good for that, once."""
    await front.form(request)
    session = await front.people.links.sign_in(request.path_params["token"])
    return await _signed_in(front, request, session, see_other(front, "/"))


async def _enrolment_options(front: Front, request: Request) -> Response:
    await front.json(request)
    browser = front.people.cookies.browser_of(request)
    options, begun = await _passkeys(front).creation(request.path_params["token"], browser)
    return _begun(front, options, begun)


async def _enrol(front: Front, request: Request) -> Response:
    sent = await front.json(request)
    session = await _passkeys(front).enrol(
        request.path_params["token"],
        _credential(sent),
        _text(sent, "state"),
        front.people.cookies.browser_of(request),
    )
    return await _signed_in(front, request, session, _next(front, "/"))


# ------------------------------------------------------------------------------ command lines


async def _device(front: Front, request: Request) -> Response:
    """Ask which command line wants to act for whoever is signed in; nothing is allowed by a GET."""
    who = await front.visitor(request)
    code = typed_user_code(request.query_params.get("user_code", ""))
    if who is None:
        wanted = "/device" + (f"?user_code={code}" if code else "")
        return see_other(front, f"/login?next={quote(front.url(wanted), safe='')}")
    now = front.people.desk.clock.now()
    waiting = await front.people.devices.waiting(code, now) if code else None
    return front.pages.render(
        "device.html",
        person=who.person,
        csrf=front.csrf(request),
        code=code,
        waiting=waiting is not None,
        longest=format_duration(front.people.sessions.terms.longest),
    )


async def _answer_device(front: Front, request: Request) -> Response:
    form = await front.form(request)
    who = await front.visitor(request)
    token = front.people.cookies.session_of(request) or ""
    if who is None or not front.people.sessions.is_csrf_token(form.get("csrf") or "", token):
        raise SignInRefused("this form is not from your session: open the page again")
    answer = form.require("answer")
    if answer not in ("allow", "deny"):
        raise InvalidRequest("answer is allow or deny")
    allow = answer == "allow"
    await front.people.devices.answer(who, form.require("user_code"), allow=allow)
    return front.pages.render(
        "message.html",
        person=who.person,
        csrf=front.csrf(request),
        title="The command line is signed in" if allow else "The command line was turned away",
        text="Go back to it; you can close this page." if allow else "It may do nothing for you.",
        request_id="",
        link=None,
    )
