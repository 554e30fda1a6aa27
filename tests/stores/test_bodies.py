import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.evidence import canonical_body
from fleeting.stores.bodies import body_text

LEAVES = st.none() | st.booleans() | st.integers() | st.text()
BODIES = st.dictionaries(
    st.text(),
    st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
)


@given(BODIES)
def test_any_body_is_written_in_characters_that_every_database_stores(body):
    text = body_text(body)
    assert text.isascii()
    assert "\0" not in text
    assert json.loads(text) == body


@given(st.dictionaries(st.text(st.characters(max_codepoint=126)), st.integers(-(2**63), 2**63 - 1)))
def test_plain_bodies_are_written_as_ever(body):
    assert body_text(body) == canonical_body(body)


def test_halves_of_characters_and_huge_numbers_are_written_too():
    assert json.loads(body_text({"a": "\ud800", "b": 2**70})) == {"a": "\ud800", "b": 2**70}


def test_what_is_no_json_is_refused():
    with pytest.raises(TypeError):
        body_text({"a": object()})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_body({"a": math.nan})
