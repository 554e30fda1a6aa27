"""Texts as people see them: nothing in them is unseen."""

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from fleeting.server.console.plain_text import distance, instant, visible

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
UNSEEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("refund 42", "refund 42"),
        ("Zoë paid 50 €", "Zoë paid 50 €"),
        ("safe\u202egnp.exe", "safe⟦U+202E⟧gnp.exe"),
        ("a\u200bb", "a⟦U+200B⟧b"),
        ("\x1b[31mred", "⟦U+001B⟧[31mred"),
        ("half \ud800", "half ⟦U+D800⟧"),
        ("blank\u3164blank", "blank⟦U+3164⟧blank"),
        ("tag\U000e0041", "tag⟦U+E0041⟧"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_what_could_steer_or_hide_is_spelt_out(text, shown):
    assert visible(text) == shown


@given(st.text())
def test_nothing_unseen_is_left_of_any_text(text):
    shown = visible(text)
    assert isinstance(shown, str)
    assert not {unicodedata.category(each) for each in shown if each != "\n"} & UNSEEN


@pytest.mark.parametrize("value", [None, 7, Markup("<b>\u200b</b>"), ["a"]])
def test_what_is_no_text_of_others_stays_as_it_is(value):
    assert visible(value) is value


def test_an_instant_is_told_in_utc():
    assert instant("2026-01-01T13:00:05+01:00") == "2026-01-01 12:00:05 UTC"
    assert instant(NOW) == "2026-01-01 12:00:00 UTC"


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(seconds=59), "in 59 s"),
        (timedelta(minutes=14, seconds=30), "in 14 min"),
        (timedelta(hours=2, minutes=5), "in 2 h 5 min"),
        (timedelta(days=1, hours=3), "in 1 d 3 h"),
        (timedelta(minutes=-12), "12 min ago"),
        (timedelta(0), "0 s ago"),
    ],
)
def test_a_distance_is_told_in_the_largest_units(ahead, words):
    assert distance((NOW + ahead).isoformat(), NOW) == words
