"""Plans are read strictly, and what they add up is bounded in every operation."""

from decimal import Decimal

import pytest

from fleeting.core.access_requests import Plan, Total
from fleeting.core.durations import parse_duration
from fleeting.core.errors import InvalidRequest
from fleeting.core.model import Operation
from fleeting.core.operations import declare_type
from fleeting.core.plans import parse_plan, plan_json

PAYOUT = declare_type(
    "payout",
    {
        "actions": ["send"],
        "fields": {
            "amount": {"kind": "at_most", "type": "decimal", "optional": True},
            "count": {"kind": "at_most", "type": "integer"},
        },
    },
)
TYPES = {"payout": PAYOUT}
BOUNDS = Operation("payout", ("send",), {"amount": Decimal("5.00"), "count": 3})


def plan(totals, *operations):
    text = f'{{"calls": 3, "duration": "2h", "totals": {{{totals}}}}}'
    return parse_plan(text, operations or (BOUNDS,), TYPES)


def test_a_plan_is_written_as_it_is_read():
    made = plan('"payout.amount": "9.50", "payout.count": 7')
    totals = (Total("payout", "amount", Decimal("9.50")), Total("payout", "count", 7))
    assert made == Plan(3, parse_duration("2h"), totals)
    written = {"payout.amount": "9.50", "payout.count": 7}
    assert plan_json(made) == {"calls": 3, "duration": "2h", "totals": written}


@pytest.mark.parametrize("most", ["3", '"x"', '"-1.00"', "true", "null", '"1e3"'])
def test_a_decimal_total_is_a_decimal_not_below_zero(most):
    with pytest.raises(InvalidRequest, match="decimal"):
        plan(f'"payout.amount": {most}')


def test_what_is_added_up_is_there_in_every_operation():
    without = Operation("payout", ("send",), {"count": 3})
    with pytest.raises(InvalidRequest, match="needs a amount"):
        plan('"payout.amount": "9.50"', BOUNDS, without)
