from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.errors import InvalidClient, InvalidRequest, TemporarilyUnavailable
from fleeting.server.rendering import headers, printable, render_error


@given(st.text())
def test_any_description_comes_out_in_the_characters_of_the_rfc(text):
    shown = printable(text)
    assert len(shown) == len(text)
    assert all(c in " !" or "#" <= c <= "[" or "]" <= c <= "~" for c in shown)


def test_quotes_stay_quotes_of_a_kind():
    assert printable('say "yes" to a\\b, ü\n') == "say 'yes' to a'b, ??"


def test_an_error_says_its_code_its_description_and_where_to_look_further():
    status, body, extra = render_error(InvalidRequest("what", detail="why"), "id-1")
    assert (status, extra) == (400, ())
    assert body == b'{"error":"invalid_request","error_description":"what","request_id":"id-1"}'


def test_some_errors_bring_headers():
    assert dict(render_error(InvalidClient("x"), "i")[2])[b"www-authenticate"].startswith(b"Basic")
    assert dict(render_error(TemporarilyUnavailable("x"), "i")[2]) == {b"retry-after": b"1"}


def test_nobody_stores_an_answer():
    fields = dict(headers("id", b"{}", nonce="n"))
    assert fields[b"cache-control"] == b"no-store"
    assert fields[b"dpop-nonce"] == b"n"
    assert b"dpop-nonce" not in dict(headers("id", b"{}"))
