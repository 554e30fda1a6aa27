from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.context import (
    declare_attributes,
    declare_context,
    parse_context,
    subject_attributes,
)
from fleeting.core.declaring import DeclarationError
from fleeting.core.errors import InvalidRequest

KEYS = declare_context(
    {
        "purpose": {"type": "string", "max_length": 20, "description": "why"},
        "ticket": {"type": "string", "pattern": "[A-Z]+-[0-9]+"},
        "urgency": {"type": "integer"},
        "test": {"type": "boolean"},
    }
)


def refused(value, keys=KEYS):
    with pytest.raises(InvalidRequest) as caught:
        parse_context(value, keys)
    return caught.value.description


def test_declared_keys_are_taken_as_declared():
    given_ = {"purpose": "a refund", "ticket": "INC-7", "urgency": 3, "test": True}
    assert parse_context(given_, KEYS) == given_


def test_a_request_without_a_context_has_an_empty_one():
    assert parse_context(None, KEYS) == {}
    assert parse_context({}, KEYS) == {}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "request_context must be a JSON object"),
        ({"tiket": "INC-7"}, "request_context has no key 'tiket'; did you mean 'ticket'?"),
        ({"q": 1}, "has no key 'q'; declared are purpose, ticket, urgency, test"),
        ({"purpose": 5}, "request_context.purpose must be a JSON string"),
        ({"purpose": None}, "request_context.purpose must be a JSON string"),
        ({"purpose": "x" * 21}, "at most 20 characters"),
        ({"purpose": "a\nb"}, "control or text direction"),
        ({"ticket": "inc-7"}, "must match [A-Z]+-[0-9]+"),
        ({"ticket": "INC-7x"}, "must match"),
        ({"urgency": True}, "whole number"),
        ({"urgency": 1.0}, "whole number"),
        ({"urgency": 2**63}, "whole number"),
        ({"test": 1}, "true or false"),
    ],
)
def test_anything_else_is_refused_by_name(value, said):
    assert said in refused(value)


def test_a_required_key_must_be_there():
    keys = declare_context({"ticket": {"type": "string", "required": True}})
    assert refused(None, keys) == "request_context needs the key ticket"


def test_without_declared_keys_there_are_none():
    assert "declared are none" in refused({"a": 1}, declare_context({}))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"a": {"type": "strings"}}, "context.a.type: is not 'strings'; write string, integer"),
        ({"a": {"typ": "string"}}, "context.a: unknown key 'typ'; did you mean 'type'?"),
        ({"a": {"type": "integer", "pattern": "x"}}, "unknown key 'pattern'"),
        ({"a": {"pattern": "("}}, "is not a regular expression"),
        ({"a b": {}}, "is not a name"),
        ({"a": "string"}, "context.a: must be a table"),
    ],
)
def test_a_wrong_declaration_says_where_and_what_to_write(table, said):
    with pytest.raises(DeclarationError) as caught:
        declare_context(table)
    assert said in str(caught.value)


@given(
    st.dictionaries(
        st.sampled_from([*KEYS, "x"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["INC-7", "\0"]),
    )
)
def test_any_object_is_a_context_or_refused(value):
    with suppress(InvalidRequest):
        assert parse_context(value, KEYS) == value


MAPPING = {"grp": "groups", "dept": "department", "lvl": "level", "tags": "tags", "vip": "vip"}
DECLARED = declare_attributes(
    {"level": {"type": "integer"}, "tags": {"type": "strings"}, "vip": {"type": "boolean"}},
    [MAPPING],
)


def test_a_claim_without_a_declared_attribute_is_a_string():
    assert DECLARED["department"] == "string"
    assert "groups" not in DECLARED


def test_claims_become_groups_and_attributes():
    claims = {"grp": ["b", "a"], "dept": "it", "lvl": 3, "tags": ["y", "x"], "vip": True, "o": []}
    groups, attributes = subject_attributes(claims, MAPPING, DECLARED)
    assert groups == {"a", "b"}
    assert attributes == {"department": "it", "level": 3, "tags": ("x", "y"), "vip": True}


def test_an_absent_claim_leaves_its_attribute_absent():
    assert subject_attributes({}, MAPPING, DECLARED) == (frozenset(), {})


@pytest.mark.parametrize(
    "claims",
    [
        {"grp": "admins"},
        {"grp": [1]},
        {"grp": None},
        {"grp": [str(n) for n in range(1001)]},
        {"dept": 5},
        {"dept": None},
        {"dept": "x" * 2001},
        {"lvl": "3"},
        {"vip": "true"},
        {"tags": "x"},
    ],
)
def test_a_claim_of_the_wrong_type_is_never_dropped_in_silence(claims):
    with pytest.raises(InvalidRequest, match="claim"):
        subject_attributes(claims, MAPPING, DECLARED)


@pytest.mark.parametrize("name", ["groups", "issuer", "a b"])
def test_attributes_have_names_of_their_own(name):
    with pytest.raises(DeclarationError):
        declare_attributes({name: {"type": "string"}})


def test_an_attribute_says_its_type_and_nothing_that_does_nothing():
    with pytest.raises(DeclarationError, match="unknown key 'pattern'"):
        declare_attributes({"a": {"pattern": "x"}})
    with pytest.raises(DeclarationError, match="write string, integer, boolean, strings"):
        declare_attributes({"a": {"type": "list"}})
