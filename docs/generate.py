"""Write the generated pages of the documentation: ``python -m docs.generate`` (``--check``)."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import cleandoc, getdoc
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from docs import citations
from docs.signatures import python_page
from fleeting.cli.app import app
from fleeting.core import errors
from fleeting.core.errors import OAuthError
from fleeting.core.lifecycle import TRANSITIONS, Event, diagram
from fleeting.policy.rules import ERRORS, WARNINGS, Rule

REFERENCE = Path(__file__).resolve().parent / "reference"
_NOTE = "<!-- Written by `python -m docs.generate`: change what it reads, not this page. -->"


# The command line.


def cli_page() -> str:
    """Return every command with its usage, options and examples, as Typer has them."""
    root = typer.main.get_command(app)
    head = cleandoc(
        """
        # Command line

        Every command but `init` and `demo` reads an installation: `-c FILE`, else
        `FLEETING_CONFIG`, else `./fleeting.toml`. `--json` prints what a program would read. Exit
        codes: 0, done; 1, done, and something is wrong, or it cannot be done (the message says what
        to do); 2, wrong usage.

        `fleeting --install-completion` teaches the shell; every command has `--help`.
        """
    )
    sections = _commands(root, typer.Context(root, info_name="fleeting"))
    return "\n\n".join([_NOTE, head, *filter(None, sections)]) + "\n"


def _commands(command: Any, context: typer.Context) -> Iterator[str]:  # noqa: ANN401 -- Typer's own
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            if not inner.hidden:
                yield from _commands(inner, typer.Context(inner, parent=context, info_name=name))
        return
    yield f"## {context.command_path}"
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {pieces}\n```"
    yield _plain(command.help or "")
    yield _options(command.params)
    examples = _plain(command.epilog or "").removeprefix("Examples:\n").splitlines()
    if examples:
        yield "\n".join(
            [
                "<!-- not run: examples of a syntax -->",
                "```console",
                *map(_example, examples),
                "```",
            ]
        )


def _example(line: str) -> str:
    told = line.strip()
    return told if told.startswith("$ ") else f"> {told}"


def _plain(text: str) -> str:
    return text.replace("\\[", "[")


def _options(parameters: Iterable[Any]) -> str:
    rows = [_option(each) for each in parameters if not each.hidden]
    if not rows:
        return ""
    return "\n".join(["| option | meaning | default |", "| --- | --- | --- |", *rows])


def _option(parameter: Any) -> str:  # noqa: ANN401 -- Typer's own
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar or parameter.name.upper()}`"
    else:
        names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    shown = parameter.show_default
    default = shown if isinstance(shown, str) else parameter.default
    told = f"`{default}`" if default not in (None, False, (), []) and not callable(default) else ""
    help_ = _plain(parameter.help or "").replace("|", "\\|")
    return f"| {names} | {help_} | {told} |"


# Errors.

ADVICE: Mapping[str, str] = {
    "InvalidRequest": "Correct the parameter that the description names.",
    "InvalidClient": (
        "Check client_id, key or secret. An assertion's `aud` is the issuer alone, its "
        "`jti` new each time."
    ),
    "InvalidGrant": "Exchange a fresh subject token.",
    "UnauthorizedClient": (
        "Declare the grant type in the client's `grant_types`; spend, introspect and report "
        "as the resource's own client."
    ),
    "NotAnEnforcementPoint": ("Ask as the client that a resource names in its `client_id`."),
    "UnsupportedGrantType": "Use one of `grant_types_supported` of the metadata.",
    "InvalidScope": "Ask for scopes that the resource declares.",
    "InvalidTarget": "Name one declared resource, or leave `resource` out where only one fits.",
    "InvalidAuthorizationDetails": (
        "Make the object fit its type: [operation kinds](operation-kinds.md)."
    ),
    "AccessDenied": (
        "Read the description: it is the policy's `@reason`. `fleeting explain` has the rest."
    ),
    "AuthorizationPending": (
        "Repeat the same request with its `access_request_id`, after `interval` seconds."
    ),
    "SlowDown": "As above, and leave five seconds more between two polls.",
    "ExpiredToken": "Ask again, without the id: nobody decided or collected it in time.",
    "NotAllowed": "Read the description: it says what is missing, or who may.",
    "NoSuchRequest": "Check the id: `fleeting requests` lists what you may see.",
    "RequestChanged": "Look at the request again, then decide on what it is now.",
    "NotRequestable": "Evaluate again, and do what that decision says.",
    "ExpiredDenial": "Evaluate again, and submit the new denial.",
    "InvalidDenialBinding": "Submit what was evaluated, unchanged, with its own denial.",
    "DuplicateRequest": "Use a new `Idempotency-Key` for a new submission.",
    "UnknownTask": "Use the task's `status_endpoint`, as the client that submitted it.",
    "TaskExpired": "Evaluate again: what was approved is over.",
    "InvalidTaskState": "Look at the task: it is decided already.",
    "InvalidDpopProof": (
        "Make one new proof per request, with this method, this URI and the current time."
    ),
    "UseDpopNonce": "Repeat with the nonce of the `DPoP-Nonce` header.",
    "UnsupportedTokenType": "Only access tokens can be revoked.",
    "InvalidTransactionChallenge": (
        "Call the API again for a new challenge; each is good once, for two minutes."
    ),
    "RequestTooLarge": "Send less, or raise `max_body_bytes` (server) or `body_limits` (guard).",
    "SignInRefused": "Sign in again; the description says what was wrong with this login.",
    "TemporarilyUnavailable": "Repeat after `Retry-After`: it may not have been done.",
    "ServerError": "Report it with the request id; the log has the traceback.",
    "MissingToken": "Obtain a token: send `Accept-Txn-Challenge: ?1` to be told for what.",
    "InvalidToken": "Obtain a new token for this call.",
    "InsufficientScope": (
        "Obtain a token for this very call; the description says what is exceeded."
    ),
    "InsufficientUserAuthentication": (
        "Log the user in again, stronger or fresher, and exchange that token."
    ),
    "TransactionAuthorizationRequired": "Trade the challenge for a token; `JustInTime` does.",
}
"""What whoever meets an error should do; one for each class of ``core.errors``."""


def error_classes() -> list[type[OAuthError]]:
    """Return every error class, in the order of its module."""
    return [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, OAuthError) and each is not OAuthError
    ]


def errors_page() -> str:
    """Return the table of all OAuth errors."""
    head = cleandoc(
        """
        # Errors

        An endpoint of the authorization server answers with JSON: `error`, `error_description` and
        `request_id`, which `fleeting explain` takes. A guard answers with `error` and
        `error_description`, in the body and in `WWW-Authenticate`. Branch on `error`; the
        description is for people.

        What a caller is told is only half: the ledger's entry has a `detail`, too.

        | `error` | status | when | what to do |
        | --- | --- | --- | --- |
        """
    )
    rows = [
        f"| {f'`{each.error}`' if each.error else '(none)'} | {_status(each)} | "
        f"{_plain_code((getdoc(each) or '').splitlines()[0])} | {ADVICE[each.__name__]} |"
        for each in error_classes()
    ]
    return "\n".join([_NOTE, "", head, *rows]) + "\n"


def _status(error: type[OAuthError]) -> str:
    at_guard = error in (errors.InvalidDpopProof, errors.UseDpopNonce)
    return f"{error.status}; 401 at a guard" if at_guard else str(error.status)


def _plain_code(text: str) -> str:
    return text.replace("``", "`")


# What a check of the policies finds.


def warnings_page() -> str:
    """Return the table of every warning and of every kind of error of ``policy check``."""
    head = cleandoc(
        """
        # Policy warnings

        What `fleeting policy check` finds beside errors: policies that can be loaded, and are
        probably not meant. `--strict` fails on them. To keep one, say why, at the policy:
        `@accept("unlimited-uses: it only reads")`, several with commas between; or for the whole
        set `--accept NAME`. An `@accept` without a warning is a warning.

        Policies without effect (`never-matches`, `always-overridden`, `redundant-permit`) are found
        in plain cases by themselves, and whole where a solver is installed; `--quick` leaves it
        out. Whatever is found is so: no plain case is a guess.

        | warning | what it means | what to write instead |
        | --- | --- | --- |
        """
    )
    kinds = cleandoc(
        """
        ## Errors

        A set with an error is not loaded. `--json`, SARIF and GitHub's annotations name its kind.

        | kind | what it means | what to write instead |
        | --- | --- | --- |
        """
    )
    warnings, errors_ = ("\n".join(map(_rule_row, each.values())) for each in (WARNINGS, ERRORS))
    return f"{_NOTE}\n\n{head}\n{warnings}\n\n{kinds}\n{errors_}\n"


def _rule_row(rule: Rule) -> str:
    return f"| `{rule.id}` | {rule.meaning} | {rule.instead} |"


# The table of standards.

_MOST_TESTS = 3


def rfc_page() -> str:
    """Return the table of standards: section → who implements it → where it is tested."""
    head = cleandoc(
        """
        # RFC table

        Which part of the code cites which section, and the tests of that part. It is read from
        docstrings and comments of `src/fleeting`: a MUST is cited where it is checked. A test file
        is the one that mirrors the module; where there is none, those that import it.
        """
    )
    parts, exercised = [_NOTE, "", head], citations.Exercised()
    cited = citations.cited()
    standard = ""
    for section in sorted(cited, key=citations.order):
        if section.standard != standard:
            standard = section.standard
            title = citations.TITLES.get(standard)
            parts.append(f"\n## {standard}: {title}\n" if title else f"\n## {standard}\n")
            parts += ["| § | code | tests |", "| --- | --- | --- |"]
        parts += _rfc_rows(section, cited[section], exercised)
    return "\n".join(parts) + "\n"


def _rfc_rows(
    section: citations.Section, citers: list[citations.Citer], exercised: citations.Exercised
) -> Iterator[str]:
    precise = {citer.path for citer in citers if citer.name}
    number = section.number or "—"
    for citer in citers:
        if citer.name or citer.path not in precise:  # a module's head says no more than its parts
            names = [str(t.relative_to(citations.ROOT)) for t in exercised.tests_of(citer)]
            links = [f"[{n.removeprefix('tests/')}](../../{n})" for n in names[:_MOST_TESTS]]
            more = f" and {len(names) - _MOST_TESTS} more" if len(names) > _MOST_TESTS else ""
            yield f"| {number} | `{_short(citer)}` | {', '.join(links) or '—'}{more} |"
            number = ""


def _short(citer: citations.Citer) -> str:
    module = citer.module.removeprefix("fleeting.")
    return f"{module}.{citer.name}" if citer.name else module


# The life of a request that people decide.

EVENTS: Mapping[Event, str] = {
    Event.WAIT: "policy asks for people",
    Event.BREAK_GLASS: "policy lets it through at once, for a review afterwards",
    Event.APPROVE: "the last vote that was needed, and policy, asked again, still permits it",
    Event.DENY: "a person said no, or policy no longer permits it",
    Event.EXPIRE: "nobody decided, or nobody collected, in time",
    Event.CANCEL: "whoever asked, or an operator, took it back",
    Event.COLLECT: "the first token was issued",
    Event.RETURN: "whoever asked is done before the end",
    Event.REVOKE: "it was taken away",
    Event.END: "its time is over, or all that it allowed was used",
}
"""What can happen to a request, in words."""


def lifecycle_page() -> str:
    """Return the life cycle of access requests that people decide: diagram and table."""
    head = cleandoc(
        """
        # Life cycle of an access request

        Where policy asks for people (`@approval`), or lets somebody break glass, an access request
        lives longer than one call. This is all that can happen to it. Whoever comes second in a
        race finds what it became by then: one transition, one outcome, one entry in the ledger.
        """
    )
    rows = [
        f"| `{status.value}` | {event.value} | `{target.value}` | {EVENTS[event]} |"
        for (status, event), target in TRANSITIONS.items()
    ]
    table = "\n".join(["| from | event | to | when |", "| --- | --- | --- | --- |", *rows])
    return "\n\n".join([_NOTE, head, f"```mermaid\n{diagram()}```", table]) + "\n"


# All of it.

PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "errors.md": errors_page,
    "lifecycle.md": lifecycle_page,
    "policy-warnings.md": warnings_page,
    "python.md": lambda: f"{_NOTE}\n\n{python_page()}",
    "rfc-table.md": rfc_page,
}


def stale() -> list[str]:
    """Return the pages that say something else than what would be generated now."""
    return [
        name
        for name, page in PAGES.items()
        if not (REFERENCE / name).exists() or (REFERENCE / name).read_text("utf-8") != page()
    ]


def main() -> None:
    """Write the pages, or say with ``--check`` which are stale."""
    if sys.argv[1:] == ["--check"]:
        sys.exit("".join(f"stale: docs/reference/{name}\n" for name in stale()) or 0)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
