from datetime import timedelta

import pytest

from fleeting.core.declaring import (
    UNSAFE,
    DeclarationError,
    Table,
    check_name,
    is_integer,
    nearest,
    shown,
)


def refused(read, *args):
    with pytest.raises(DeclarationError) as caught:
        read(*args)
    return str(caught.value)


def test_an_unknown_key_is_refused_with_the_likely_one():
    said = refused(Table("context.ticket", {"patern": "x"}).allow_only, ("pattern", "type"))
    assert said == "context.ticket: unknown key 'patern'; did you mean 'pattern'?"


def test_an_unknown_key_of_no_table_is_refused_without_a_place():
    said = refused(Table("", {"isuer": "x"}).allow_only, ("issuer",))
    assert said == "unknown key 'isuer'; did you mean 'issuer'?"


def test_an_unknown_key_like_none_is_refused_with_all_that_are_known():
    said = refused(Table("t", {"zzz": 1}).allow_only, ("pattern", "type"))
    assert said == "t: unknown key 'zzz'; known are pattern, type"


@pytest.mark.parametrize(
    ("read", "wrong"),
    [
        ("text", 5),
        ("flag", "yes"),
        ("count", 0),
        ("count", -1),
        ("count", True),
        ("count", 1.0),
        ("strings", "EUR"),
        ("strings", ["EUR", 1]),
        ("strings", ["EUR", "EUR"]),
        ("pattern", "("),
        ("duration", "5 minutes"),
        ("tables", "x"),
        ("tables", {"a": "string"}),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_its_place(read, wrong):
    assert refused(getattr(Table("here", {"key": wrong}), read), "key").startswith("here.key")


def test_what_is_absent_has_its_default():
    table = Table("", {})
    assert table.text("a") is None
    assert table.flag("a") is False
    assert table.count("a") is None
    assert table.count("a", 7) == 7
    assert table.strings("a") == ()
    assert table.pattern("a") is None
    assert table.duration("a") is None
    assert table.tables("a") == {}


def test_what_is_there_is_read():
    table = Table("", {"a": "5m", "n": 3, "f": True, "s": ["x"], "t": {"in": {"k": 1}}})
    assert table.duration("a") == timedelta(minutes=5)
    assert table.count("n") == 3
    assert table.flag("f") is True
    assert table.strings("s") == ("x",)
    assert table.tables("t") == {"in": Table("t.in", {"k": 1})}


@pytest.mark.parametrize("name", ["", "_x", "1x", "a b", "a:b", "naïve", "x" * 65, "__entity"])
def test_a_name_that_policy_cannot_carry_is_refused(name):
    assert "is not a name" in refused(check_name, "types", name)


def test_the_nearest_name_is_offered_only_where_one_is_near():
    assert nearest("amont", ["amount", "currency"]) == "; did you mean 'amount'?"
    assert nearest("qqq", ["amount"]) == ""


def test_what_is_shown_is_short_and_fit_for_an_error_description():
    assert shown('a"b\\c\n€') == "'a?b?c??'"
    assert shown("x" * 100) == "'" + "x" * 60 + "...'"


@pytest.mark.parametrize("value", [True, 1.0, "1", None, 2**63, -(2**63) - 1])
def test_only_integers_that_policy_can_compare_are_integers(value):
    assert not is_integer(value)
    assert is_integer(2**63 - 1)


@pytest.mark.parametrize(
    "text",
    ["\x00", "\n", "\x9b", "\u2028", "\u202e", "\u2069", "\ud800", "\u061c", "\ufeff"]
    + [chr(code) for code in range(0x200B, 0x2010)],
)
def test_what_acts_on_the_text_around_it_or_cannot_be_seen_is_unsafe(text):
    assert UNSAFE.search(f"a{text}b")


@pytest.mark.parametrize("text", ["Zoë", "\u2010", "\u200a", "Ω", "金", "\U0001f600"])
def test_what_people_read_is_safe(text):
    assert UNSAFE.search(text) is None
