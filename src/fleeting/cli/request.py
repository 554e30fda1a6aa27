"""``fleeting request``: obtain a token, or make a guarded call, from the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fleeting.cli import request_options as options
from fleeting.cli.options import AsJson, Config, pairs
from fleeting.cli.terminal import FAILED, complain, err, say, say_json

if TYPE_CHECKING:
    import httpx

    from fleeting.cli.caller import Caller
    from fleeting.client import ApprovalPending, FleetingError, Pending, Token


WAITING = 3
"""The exit code where people have not decided yet."""


def request(  # noqa: PLR0913 -- options, each with a help of its own
    method: options.Method = None,
    url: options.Url = None,
    config: Config = None,
    *,
    type_: options.Type = None,
    action: options.Actions = None,
    field: options.Fields = None,
    scope: options.Scopes = None,
    resource: options.Resource = None,
    show_token: options.ShowToken = False,
    json_body: options.JsonBody = None,
    context: options.Context = None,
    client: options.Client = None,
    key: options.Key = None,
    issuer: options.Issuer = None,
    subject_token: options.SubjectToken = None,
    plan: options.Plan = None,
    break_glass: options.BreakGlass = None,
    no_wait: options.NoWait = False,
    resume: options.Resume = None,
    as_json: AsJson = False,
) -> None:
    """Obtain a token for one operation, or make a guarded call with a token for just that call.

    With METHOD and URL it calls the API, answers its challenge, and prints status and body. Without
    them it asks for what the options name and prints what was granted; --json holds the token
    itself. The exit code is 1 if it is refused.

    Where people must approve, it shows where, and waits until they have. With --no-wait the exit
    code is 3 and the request goes on waiting: repeat the same command with --resume ID.

    Where there is an installation (-c, ./fleeting.toml), issuer, client and key are its own, and
    fields have the JSON types that it declares; elsewhere a field is JSON if it reads as JSON.
    """
    from fleeting.cli.caller import caller_of, operation_of
    from fleeting.client import ApprovalPending, FleetingError

    caller = caller_of(config, issuer=issuer, client=client, key=key)
    about = _about(context, resource, subject_token)
    about |= _patience(no_wait=no_wait, as_json=as_json)
    try:
        if method is not None:
            if type_ is not None or action or field or scope or plan or break_glass or resume:
                raise typer.BadParameter("with METHOD and URL, the API says what to ask for")
            _call(caller, method, url, json_body, about, as_json=as_json)
            return
        operation = (
            None if type_ is None else operation_of(type_, action or (), field or (), caller.types)
        )
        about |= _asked(operation, scope) | _approach(plan, break_glass, resume)
        _say_token(caller.tokens().obtain(**about), config, show_token=show_token, as_json=as_json)
    except ApprovalPending as error:
        _say_pending(error, as_json=as_json)
        raise typer.Exit(WAITING) from None
    except FleetingError as error:
        _say_refusal(error, config, as_json=as_json)
        raise typer.Exit(FAILED) from None


def _asked(operation: dict[str, Any] | None, scope: list[str] | None) -> dict[str, Any]:
    """Return what is asked for."""
    asked: dict[str, Any] = {}
    if operation is None and not scope:
        raise typer.BadParameter("say what to ask for: --type or --scope, or METHOD and URL")
    if operation is not None:
        asked["authorization_details"] = [operation]
    if scope:
        asked["scope"] = scope
    return asked


def _patience(*, no_wait: bool, as_json: bool) -> dict[str, Any]:
    """Return how long to wait for people, and what shows that."""
    if no_wait:
        return {"wait": 0}
    shown: list[str] = []

    def show(pending: "Pending") -> None:
        from fleeting.cli.words import clean, shown_time

        if pending.id in shown or as_json:
            return
        shown.append(pending.id)
        where = clean(pending.authorization_uri or "")
        err().print(f"people must approve this, until {shown_time(pending.expires_at)}: {where}")
        err().print(f"waiting; request {clean(pending.id)}", style="dim")

    return {"on_pending": show}


def _approach(plan: str | None, break_glass: str | None, resume: str | None) -> dict[str, Any]:
    """Return how to come to people's yes, or around it."""
    import json

    given: dict[str, Any] = {}
    if plan is not None:
        given["plan"] = json.loads(_checked_json(plan, "--plan"))
    if break_glass is not None:
        given["break_glass"] = break_glass
    if resume is not None:
        given["access_request_id"] = resume
    return given


def _say_pending(error: "ApprovalPending", *, as_json: bool) -> None:
    from fleeting.cli.token_facts import pending_json, pending_text

    if as_json:
        say_json(pending_json(error))
    err().print(pending_text(error))


def _about(
    context: list[str] | None, resource: str | None, subject_token: Path | None
) -> dict[str, Any]:
    """Return what calls and asks alike may say beside the operation."""
    about: dict[str, Any] = {}
    if context:
        about["context"] = pairs("--context", context)
    if resource is not None:
        about["resource"] = resource
    if subject_token is not None:
        about["subject_token"] = subject_token.read_text("utf-8").strip()
    return about


def _call(
    caller: "Caller",
    method: str,
    url: str | None,
    body: str | None,
    about: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    import httpx

    if url is None:
        raise typer.BadParameter("write METHOD and URL, such as POST https://api.example.com/x")
    content = None if body is None else _checked_json(body).encode()
    headers = {"Accept": "application/json"}
    headers |= {} if content is None else {"Content-Type": "application/json"}
    try:
        response = httpx.request(
            method.upper(), url, content=content, headers=headers, auth=caller.auth(about)
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        complain(f"{url}: {error}")
        raise typer.Exit(FAILED) from None
    _say_response(response, as_json=as_json)
    if response.is_error:
        raise typer.Exit(FAILED)


def _checked_json(text: str, option: str = "--json-body") -> str:
    import json

    try:
        json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option} is not JSON: {error}") from None
    return text


def _say_response(response: "httpx.Response", *, as_json: bool) -> None:
    from fleeting.cli.words import clean

    body = _body(response)
    if as_json:
        say_json({"status": response.status_code, "body": body})
        return
    err().print(f"{response.status_code} {clean(response.reason_phrase)}")
    if isinstance(body, str):
        say("\n".join(map(clean, body.splitlines())))
    else:
        say_json(body)


def _body(response: "httpx.Response") -> Any:  # noqa: ANN401 -- JSON, or text
    try:
        return response.json()
    except ValueError:
        return response.text


def _say_token(token: "Token", config: Config, *, show_token: bool, as_json: bool) -> None:
    from fleeting.cli.token_facts import explain_command, token_json, token_text

    if as_json:
        say_json(token_json(token))
        return
    say(token_text(token))
    if token.txn:
        say(f"story    {explain_command(token.txn, config)}")
    if show_token:
        say(token.value)


def _say_refusal(error: "FleetingError", config: Config, *, as_json: bool) -> None:
    from fleeting.cli.token_facts import refusal_json, refusal_text

    if as_json:
        say_json(refusal_json(error))
    err().print(refusal_text(error, config))
