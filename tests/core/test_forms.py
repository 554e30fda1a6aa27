from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleeting.core.errors import InvalidRequest, OAuthError
from fleeting.core.forms import MAX_PARAMETERS, parse_form
from fleeting.core.requests import parse_token_request

REPEATABLE = ("resource", "audience")


def test_a_form_has_each_parameter_once():
    with pytest.raises(InvalidRequest, match="'scope' was sent more than once"):
        parse_form(b"scope=a&scope=b")
    with pytest.raises(InvalidRequest, match="more than once"):
        parse_form(b"scope=a&%73cope=a")


def test_what_an_rfc_lets_repeat_may_repeat():
    read = parse_form(b"resource=a&audience=c&resource=b")
    assert read.repeated == {"resource": ("a", "b"), "audience": ("c",)}


def test_a_parameter_without_a_value_was_not_sent():
    assert parse_form(b"scope=&grant_type=x").get("scope") is None
    with pytest.raises(InvalidRequest, match="'scope' is missing"):
        parse_form(b"scope=").require("scope")


def test_the_number_of_parameters_is_bounded():
    body = "&".join(f"p{n}=1" for n in range(MAX_PARAMETERS))
    assert len(parse_form(body.encode()).fields) == MAX_PARAMETERS
    with pytest.raises(InvalidRequest, match="at most 32"):
        parse_form(f"{body}&one=more".encode())


@pytest.mark.parametrize("body", [b"a=%ff", b"a=%ed%a0%80", "a=ü".encode(), b"a=\xff", b"%c3=1"])
def test_what_is_not_utf_8_in_percent_encoding_is_refused(body):
    with pytest.raises(InvalidRequest, match="form-encoded UTF-8"):
        parse_form(body)


def test_plus_and_percent_are_decoded_once():
    assert parse_form(b"a=1+%2B+%2525").fields == {"a": "1 + %25"}


@given(st.binary(max_size=200))
@example(b"a&b;c=d&=e&&&")
def test_any_body_is_a_form_or_refused(body):
    try:
        read = parse_form(body)
    except InvalidRequest:
        return
    assert all(isinstance(value, str) and value for value in read.fields.values())
    try:
        parse_token_request(read)
    except OAuthError:
        return


@given(st.dictionaries(st.text(), st.text(), max_size=8))
@example({"a": "=\r\n=\n", "b": "==3D =\t", "c=": "_%25_"})
def test_what_was_encoded_is_read_back(fields):
    sent = {name: value for name, value in fields.items() if value and name not in REPEATABLE}
    assert parse_form(urlencode(sent).encode()).fields == sent


@given(st.text(st.sampled_from("ab=&+%2C3d\n "), max_size=40))
def test_a_form_that_is_read_says_what_the_standard_library_reads(body):
    try:
        read = parse_form(body.encode())
    except InvalidRequest:
        return
    assert list(read.fields.items()) == parse_qsl(body, errors="strict")


@pytest.mark.parametrize("body", [b"a=%", b"a=1%2", b"a=%zz", b"%=1", b"a= b", b"a=1\n"])
def test_what_is_not_wholly_encoded_is_refused(body):
    with pytest.raises(InvalidRequest, match="form-encoded"):
        parse_form(body)
