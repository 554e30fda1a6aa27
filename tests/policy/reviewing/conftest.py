"""A small installation under review."""

from dataclasses import replace

import pytest

from fleeting.core.model import Client, Resource
from fleeting.policy import PolicySource, load_policies
from fleeting.policy.reviewing import Declared, review

SETTINGS = """\
issuer = "http://127.0.0.1:8400"

[types.payment_refund]
actions = ["refund"]
[types.payment_refund.fields]
amount = { kind = "at_most", type = "integer" }

[types.transfer.fields]
value = { kind = "at_most", type = "decimal" }

[[resources]]
scopes = ["payments:read", "payments:write"]
"""
REFUND = 'action == Action::"payment_refund:refund"'
BOT = Client("bot", frozenset({"client_credentials"}), groups=frozenset({"support", "finance"}))
API = Resource(
    "https://api",
    frozenset({"payment_refund", "transfer"}),
    frozenset({"payments:read", "payments:write"}),
)


@pytest.fixture(scope="session")
def declared():
    settings = PolicySource("fleeting.toml", SETTINGS)
    return Declared(clients=(BOT,), resources=(API,), settings=settings)


@pytest.fixture(scope="session")
def permit():
    """Write a permit of the group support for refunds, unless told otherwise."""

    def permit(condition="", *, id_="a", says='@uses("1")', scope=None, effect="permit"):
        scope = scope or f'principal in Group::"support", {REFUND}, resource'
        when = f"\nwhen {{ {condition} }}" if condition else ""
        return f'@id("{id_}") {says}\n{effect} ({scope}){when};\n'

    return permit


@pytest.fixture(scope="session")
def forbid(permit):
    def forbid(condition="", *, id_="f", says="", scope=f"principal, {REFUND}, resource"):
        return permit(condition, id_=id_, says=says, scope=scope, effect="forbid")

    return forbid


@pytest.fixture(scope="session")
def warnings(world, declared):
    """Return the warnings of one rule, or of all, each as ``line:column: message (hint)``."""

    def warnings(text, rule=None, *, more=None, budget=20, whole=True, at=world, **changes):
        bundle = load_policies([PolicySource("test.cedar", text)], at)
        found = review(bundle, replace(declared, **changes), more=more, budget=budget, whole=whole)
        return [
            str(each).removeprefix("test.cedar:") for each in found if rule in (None, each.rule)
        ]

    return warnings
