import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.client.authenticate_header import AuthChallenge, auth_challenges


def read(*fields: str) -> list[AuthChallenge]:
    headers = [("www-authenticate", field.encode("latin-1")) for field in fields]
    return auth_challenges(httpx.Response(401, headers=headers))


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("Bearer", [("bearer", {})]),
        ('Bearer error="x"', [("bearer", {"error": "x"})]),
        ("Bearer error=x", [("bearer", {"error": "x"})]),
        ('DPoP algs="ES256 PS256",ERROR = "x"', [("dpop", {"algs": "ES256 PS256", "error": "x"})]),
        ('Bearer a="1, b=2", c="\\"q\\""', [("bearer", {"a": "1, b=2", "c": '"q"'})]),
        ('Bearer a="1", DPoP b="2"', [("bearer", {"a": "1"}), ("dpop", {"b": "2"})]),
        ("Negotiate abc==, Bearer a=1", [("negotiate", {}), ("bearer", {"a": "1"})]),
        ("Basic, Bearer", [("basic", {}), ("bearer", {})]),
        (", , Bearer a=1,,", [("bearer", {"a": "1"})]),
        ('Bearer\ta="1"', [("bearer", {"a": "1"})]),
        ("", []),
        ('a="1"', []),
        ('"', []),
    ],
)
def test_a_field_is_read_as_the_rfc_writes_it(field, expected):
    assert [(c.scheme, dict(c.parameters)) for c in read(field)] == expected


def test_what_follows_a_mistake_counts_no_more():
    assert read('Bearer a="1", b="unterminated, c="3"') == [AuthChallenge("bearer", {"a": "1"})]


def test_a_challenge_with_a_repeated_parameter_is_not_believed():
    assert read('Bearer error="a", error="b"') == []


def test_several_fields_are_read_one_after_another():
    assert [challenge.scheme for challenge in read("Basic", "DPoP", "Bearer a=1")] == [
        "basic",
        "dpop",
        "bearer",
    ]


def test_an_enormous_field_is_not_read():
    assert read("Bearer a=" + "1" * 70_000) == []


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0")))
def test_any_field_is_read_without_a_complaint(field):
    for challenge in read(field):
        assert challenge.scheme


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text(st.characters(codec="ascii"))
    )
)
def test_what_is_quoted_by_the_rules_comes_back_as_it_was(parameters):
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    clean = {name: text.replace("\n", "").replace("\r", "") for name, text in parameters.items()}
    field = "DPoP " + ", ".join(f"{name}={quoted(text)}" for name, text in clean.items())
    assert read(field) == [AuthChallenge("dpop", clean)]
