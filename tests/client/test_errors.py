from hypothesis import given
from hypothesis import strategies as st

from fleeting.client import FleetingError, IssuerMismatchError, TokenRefusedError
from fleeting.client.errors import readable


def test_what_a_server_says_cannot_move_the_cursor_or_forge_a_line():
    assert readable("a\x1b[2J\r\nb\u202ec") == "a [2J b c"


def test_what_was_sent_is_taken_out_longest_first():
    said = readable("abcd-secret and abcd", ("abcd", "abcd-secret"))
    assert said == "[removed] and [removed]"


def test_what_looks_like_a_jwt_is_taken_out_even_cut_short():
    assert readable("bad eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln!") == "bad [removed]!"
    assert readable("bad eyJhbGciOiJFUz") == "bad [removed]"


def test_short_values_do_not_eat_the_words():
    assert readable("a b c", ("a", "")) == "a b c"


@given(st.text(), st.lists(st.text(min_size=4)))
def test_nothing_private_comes_through(text, private):
    said = readable(" ".join([text, *private]), private)
    assert len(said) <= 500
    for value in private:
        assert value not in said or value in "[removed]"


def test_an_error_says_what_why_and_where_to_look():
    error = TokenRefusedError("spent", request_id="r", txn="t")
    assert str(error) == "token refused: spent (request r, txn t)"
    assert str(FleetingError("why")) == "just-in-time access failed: why"
    assert isinstance(IssuerMismatchError("x"), FleetingError)
