"""Prove: load and check, prove and compare a set of 200 policies over 20 actions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from bench.report import Section, Table, say
from fleeting.core.context import declare_attributes, declare_context
from fleeting.core.exchange import IdentityProvider
from fleeting.core.model import Client, Resource
from fleeting.core.operations import declare_type
from fleeting.core.requests import GRANT_TYPES
from fleeting.policy import PolicyBundle, PolicySource, PolicyWorld, load_policies
from fleeting.policy.proving.comparing import compare
from fleeting.policy.proving.findings import findings
from fleeting.policy.proving.parties import Parties
from fleeting.policy.proving.proofs import Prover, Status
from fleeting.policy.proving.properties import Property, load_properties
from fleeting.policy.proving.solving import Effort

POLICIES, TYPES, TEAMS = 200, 20, 25
_EFFORT = Effort(timedelta(seconds=10), datetime(2026, 11, 23, tzinfo=UTC))
_WORLD = PolicyWorld(
    types={
        f"work{number}": declare_type(
            f"work{number}",
            {
                "actions": ["make"],
                "sensitive": number % 4 == 0,
                "fields": {
                    "account": {"kind": "exact"},
                    "amount": {"kind": "at_most", "type": "integer"},
                    "currency": {"kind": "one_of", "values": ["EUR", "USD", "GBP"]},
                    "fee": {"kind": "at_most", "type": "decimal", "optional": True},
                },
            },
        )
        for number in range(TYPES)
    },
    context_keys=declare_context({"ticket": {"type": "string", "pattern": "[A-Z]+-[0-9]+"}}),
    attributes=declare_attributes({}, [{"department": "department"}]),
)
_PARTIES = Parties(
    clients=tuple(
        Client(f"client{number}", frozenset(GRANT_TYPES), groups=frozenset({f"team{number}"}))
        for number in range(TEAMS)
    ),
    resources=(
        Resource("https://api", frozenset(_WORLD.types), max_lifetime=timedelta(minutes=5)),
    ),
    providers=(
        IdentityProvider("https://idp", "us", {"groups": "groups", "department": "department"}, ""),
    ),
)
_PERMIT = """
@id("permit{number}") @lifetime("{lifetime}s") @uses("{uses}") {approval}
permit (principal in Group::"team{team}", action == Action::"work{type}:make", resource)
when {{ context.operation.amount <= {amount} && context.operation.currency.contains("{currency}") }}
unless {{ principal is User && principal has department && principal.department == "sales" }};
"""
_FORBID = """
@id("cap{number}")
forbid (principal, action == Action::"work{type}:make", resource)
unless {{
  context.limits.lifetime <= 300 && context.limits.uses <= 3 && context.operation.amount <= 900000
}};
"""
_PROPERTIES = """
[[properties]]
name = "no token lives longer than five minutes"
never = { lifetime_over = "5m", uses_over = 3 }

[[properties]]
name = "sales never get anything"
when = 'principal is User && principal has department && principal.department == "sales"'
never = { permitted = true }

[[properties]]
name = "what is sensitive is bound"
sensitive = true
never = { unbound = true }
"""


def measure(*, quick: bool = False) -> Section:
    """Time each question once, or thrice and take the median."""
    rounds = 1 if quick else 3
    text = policy_text(POLICIES)
    bundle = _bundle(text)
    wider = _bundle(text.replace("<= 1070 ", "<= 1071 "))
    other = _bundle(text.replace('@lifetime("', '@lifetime("1'))
    properties = load_properties([PolicySource("bench.toml", _PROPERTIES)], _WORLD)
    alike = _bundle("\n".join(reversed(text.split("\n\n"))).replace("&&", "&& true &&"))
    questions: dict[str, Callable[[], object]] = {
        "check: load, validate, lint": lambda: _bundle(text),
        "check: permits that do nothing": lambda: findings(bundle, _PARTIES, _EFFORT),
        "prove: three properties": lambda: _proved(bundle, properties),
        "diff: one policy changed": lambda: compare(bundle, wider, _PARTIES, _EFFORT),
        "diff: every policy changed": lambda: compare(bundle, other, _PARTIES, _EFFORT),
        "diff: every policy rewritten, equivalent": lambda: _equivalent(bundle, alike),
    }
    table = Table(("question", "seconds"))
    for name, ask in questions.items():
        say(f"prove: {name}")
        table.rows.append((name, f"{_time(ask, rounds):.2f}"))
    return Section("Prove", [_WHAT.format(rounds=rounds), table])


def policy_text(count: int) -> str:
    """Return a set of *count* policies: one cap for each type, the rest permits."""
    caps = [_FORBID.format(number=number, type=number) for number in range(TYPES)]
    permits = [
        _PERMIT.format(
            number=number,
            type=number % TYPES,
            team=number % TEAMS,
            lifetime=60 + number % 7 * 30,
            uses=1 + number % 3,
            approval='@approval("2 of leads")' if number % 5 == 0 else "",
            amount=1000 + number * 10,
            currency=("EUR", "USD", "GBP")[number % 3],
        )
        for number in range(count - TYPES)
    ]
    return "\n".join([*caps, *permits])


def _bundle(text: str) -> PolicyBundle:
    return load_policies([PolicySource("bench.cedar", text)], _WORLD)


def _proved(bundle: PolicyBundle, properties: Sequence[Property]) -> None:
    prover = Prover(bundle, _PARTIES, _EFFORT)
    for each in properties:
        verdict = prover.prove(each)
        if verdict.status is not Status.PROVED:
            raise AssertionError(f"not proved: {verdict}")


def _equivalent(bundle: PolicyBundle, other: PolicyBundle) -> None:
    found = compare(bundle, other, _PARTIES, _EFFORT)
    if not found.equivalent:
        raise AssertionError(f"not equivalent: {found}")


def _time(function: Callable[[], object], rounds: int) -> float:
    """Return the median of the seconds that *function* takes."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        function()
        taken.append(time.perf_counter() - started)
    return sorted(taken)[len(taken) // 2]


_WHAT = f"""{POLICIES} policies over {TYPES} types, for users of one identity provider and \
{TEAMS} clients, with either kind of key: every question is about all requests that these can \
send, and every difference comes with a request that the engine confirmed. One process, one core; \
medians of {{rounds}}."""
