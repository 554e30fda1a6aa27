from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from fleeting.core.model import Limits, SenderConstraint
from fleeting.policy.facts import Facts, context_json, reader
from fleeting.policy.tree import Uid


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("x", "x"),
        (5, 5),
        (True, True),
        (("a", "b"), ["a", "b"]),
        (Decimal("-3.5"), {"__extn": {"fn": "decimal", "arg": "-3.5000"}}),
        (
            datetime(2026, 1, 2, 3, 4, 5, 678999, tzinfo=timezone(timedelta(hours=1))),
            {"__extn": {"fn": "datetime", "arg": "2026-01-02T02:04:05.678Z"}},
        ),
        (Uid("Client", "bot"), {"__entity": {"type": "Client", "id": "bot"}}),
        ('{"__entity": {}}', '{"__entity": {}}'),
    ],
)
def test_values_are_written_as_cedar_types_them(value, written):
    assert context_json({("now",): value}) == {"now": written}


def test_what_is_absent_is_absent_but_its_record_is_not():
    values = {("acr",): None, ("operation", "note"): None, ("operation", "amount"): 5}
    assert context_json(values) == {"operation": {"amount": 5}}
    assert context_json({("operation", "note"): None}) == {"operation": {}}


def test_every_promised_attribute_can_be_read(ask, refund, user, actor, now, world):
    request = ask(
        refund(7, currency="EUR"),
        subject=user(acr="gold", auth_time=now - timedelta(seconds=90)),
        actors=(actor,),
        context={"ticket": "INC-7"},
    )
    limits = Limits(timedelta(seconds=60), None, SenderConstraint.MTLS)
    facts = Facts(request, request.operations[0], now, limits)
    type_ = world.types["payment_refund"]
    read = {
        "client": Uid("Client", "bot"),
        "actor": "agent",
        "delegation_depth": 1,
        "acr": "gold",
        "auth_age": 90,
        "now": now,
        "request.ticket": "INC-7",
        "request.urgency": None,
        "operation.amount": 7,
        "operation.currency": ("EUR",),
        "operation.note": None,
        "limits.lifetime": 60,
        "limits.uses": 2**63 - 1,
        "limits.approvals": 0,
        "limits.bound": "mtls",
    }
    assert {path: reader(tuple(path.split(".")), type_)(facts) for path in read} == read


def test_a_login_of_the_future_is_a_login_of_now(ask, refund, user):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    request = ask(refund(), subject=user(auth_time=now + timedelta(seconds=5)))
    assert reader(("auth_age",), None)(Facts(request, request.operations[0], now)) == 0


def test_a_client_has_no_login(ask, refund, now):
    request = ask(refund())
    facts = Facts(request, request.operations[0], now)
    names = ("actor", "acr", "auth_age")
    assert [reader((name,), None)(facts) for name in names] == [None, None, None]
    assert reader(("limits", "uses"), None)(facts) is None
    assert reader(("operation", "amount"), None)(facts) == 5000
