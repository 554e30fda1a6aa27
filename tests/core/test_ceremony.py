from datetime import timedelta

import pytest

from fleeting.core.ceremony import (
    BreakGlassTerms,
    Escalation,
    PlanTerms,
    parse_break_glass,
    parse_escalation,
    parse_plan,
)

HOURS = timedelta(hours=1)


def test_what_stands_beside_an_approval_is_read_as_it_is_written():
    assert parse_escalation("after 5m to heads") == Escalation(timedelta(minutes=5), "heads")
    assert parse_plan("20 in 4h") == PlanTerms(20, 4 * HOURS)
    read = parse_break_glass("alarm oncall-leads, review in 24h")
    assert read == BreakGlassTerms("oncall-leads", 24 * HOURS)


@pytest.mark.parametrize("text", ["", "5m to heads", "after 5m to", "after 5m to a b"])
def test_an_escalation_says_when_and_to_whom(text):
    with pytest.raises(ValueError, match="write such as 'after 5m to heads'"):
        parse_escalation(text)


@pytest.mark.parametrize("text", ["", "0 in 4h", "20", "10001 in 4h", "20 within 4h"])
def test_a_plan_says_how_many_and_how_long(text):
    with pytest.raises(ValueError, match="write such as '20 in 4h'"):
        parse_plan(text)


@pytest.mark.parametrize("text", ["", "oncall", "alarm , review in 24h", "alarm a, review 24h"])
def test_break_glass_says_whom_it_alarms_and_when_it_is_reviewed(text):
    with pytest.raises(ValueError, match="write such as 'alarm oncall-leads, review in 24h'"):
        parse_break_glass(text)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_escalation, "after soon to heads"),
        (parse_plan, "20 in 25h"),
        (parse_break_glass, "alarm oncall, review in 2d"),
    ],
)
def test_durations_are_durations(parse, text):
    with pytest.raises(ValueError, match=r"duration|longer than a day"):
        parse(text)
