from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.signing_in import (
    Session,
    SessionTerms,
    csrf_token,
    digest,
    is_csrf_token,
    local_path,
    same_secret,
    whose,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("path", ["/", "/requests", "/requests/a-_b?view=all&x=%2F", "/a#b"])
def test_a_local_path_is_kept(path):
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "requests",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/" + "a" * 2000,
        "/\u202eevil",
        " /requests",
        "//[",
    ],
)
def test_what_may_lead_elsewhere_leads_home(path):
    assert local_path(path) == "/"


@given(st.text(alphabet="/\\:@?#.ahtps\t\n %[]"))
def test_a_local_path_never_leaves_the_server(text):
    joined = urljoin("https://as.example/login", local_path(text))
    assert urlsplit(joined).netloc == "as.example"


def test_the_csrf_token_is_the_sessions_own():
    assert is_csrf_token(csrf_token("one"), "one")
    assert not is_csrf_token(csrf_token("one"), "two")
    assert not is_csrf_token("", "one")
    assert not is_csrf_token("\ud800", "one")


def test_a_secret_is_known_by_its_digest():
    assert same_secret("s", digest("s"))
    assert not same_secret("t", digest("s"))


def test_a_session_ends_when_it_idles_and_at_the_latest_at_its_longest():
    terms = SessionTerms(timedelta(hours=2), timedelta(hours=1))
    assert Session("a", NOW, NOW, NOW).ends_at(terms) == NOW + timedelta(hours=1)
    used = Session("a", NOW, NOW, NOW + timedelta(minutes=90))
    assert used.ends_at(terms) == NOW + timedelta(hours=2)


def test_a_short_idle_time_is_kept_more_exactly():
    assert SessionTerms().touched_every == timedelta(minutes=1)
    assert SessionTerms(idle=timedelta(seconds=8)).touched_every == timedelta(seconds=2)


def test_what_is_a_persons_is_listed_by_a_short_word():
    assert len(whose("a" * 1000)) == 32
    assert whose("alice") != whose("bob")
