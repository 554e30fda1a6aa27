import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.strict_json import MAX_DEPTH, JsonError, loads

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc\\u"), inner),
    max_leaves=12,
)


@given(values, st.booleans())
def test_what_json_can_say_comes_back_as_it_was(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert loads(text, max_depth=64) == value
    assert loads(text.encode(), max_depth=64) == value


@given(st.binary())
def test_any_bytes_are_json_or_refused(data):
    try:
        value = loads(data)
    except JsonError:
        return
    json.dumps(value, ensure_ascii=False).encode()


@given(st.text(st.characters(), max_size=40))
def test_any_string_is_json_or_refused(text):
    for attempt in (text, json.dumps(text), f"[{text}]"):
        try:
            value = loads(attempt)
        except JsonError:
            continue
        json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "a": 2}', "repeated"),
        ('{"a": {"b": 1, "b": 1}}', "repeated"),
        ('{"a": 1, "\\u0061": 2}', "repeated"),
        ("NaN", "NaN is not JSON"),
        ("[Infinity]", "Infinity is not JSON"),
        ("-Infinity", "-Infinity is not JSON"),
        ("", "not valid"),
        ("{", "not valid"),
        ("[1,]", "not valid"),
        ("'a'", "not valid"),
        ('"a\nb"', "not valid"),
        ("1 2", "not valid"),
        ("9" * 5000, "not valid"),
        ("1e999", "too large"),
        ("[-1e999]", "too large"),
        ('"\\ud800"', "surrogate"),
        ('{"\\udfff": 1}', "surrogate"),
        ('"a\\u0000b"', "U\\+0000"),
        ("\ufeff{}", "not valid"),
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(text, why):
    with pytest.raises(JsonError, match=why):
        loads(text)


@pytest.mark.parametrize(
    "data",
    [b'"\xed\xa0\x80"', b'"\xff"', b"\xef\xbb\xbf{}", '{"a": 1}'.encode("utf-16"), b'{"a":\xc0}'],
)
def test_bytes_are_utf_8_and_nothing_else(data):
    with pytest.raises(JsonError, match="not valid"):
        loads(data)


def test_an_escaped_pair_of_surrogates_is_the_character_it_stands_for():
    assert loads(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


@pytest.mark.parametrize("pair", ["[]", ["{", "}"]], ids=["array", "object"])
def test_depth_is_bounded_at_the_last_level_allowed(pair):
    opening = '{"a":' if pair[0] == "{" else "["
    deepest = opening * (MAX_DEPTH - 1) + pair[0] + pair[1] + pair[1] * (MAX_DEPTH - 1)
    loads(deepest)
    with pytest.raises(JsonError, match="deeper than 16"):
        loads(opening + deepest + pair[1])


@pytest.mark.parametrize("levels", [900, 990, 1_000, 100_000])
def test_a_text_of_brackets_alone_is_refused_and_breaks_nothing(levels):
    with pytest.raises(JsonError, match="nested"):
        loads("[" * levels + '"\\u0041"' + "]" * levels)
