import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.client.origins import covers, is_secure, origin, parse_plain_url


@pytest.mark.parametrize(
    ("url", "secure"),
    [
        ("https://api.example.com/x", True),
        ("http://127.0.0.1:8401/x", True),
        ("http://127.8.9.1/", True),
        ("http://[::1]:8401/", True),
        ("http://localhost:8401/", True),
        ("http://api.example.com/", False),
        ("http://localhost.example.com/", False),
        ("http://127.0.0.1.example.com/", False),
        ("http://10.0.0.1/", False),
        ("http://0.0.0.0/", False),
        ("ftp://127.0.0.1/", False),
        ("/relative", False),
    ],
)
def test_https_is_secure_and_http_on_loopback(url, secure):
    assert is_secure(httpx.URL(url)) is secure


@pytest.mark.parametrize(
    ("resource", "url", "expected"),
    [
        ("https://a.example", "https://a.example/x", True),
        ("https://a.example", "https://A.example:443/x?q=1", True),
        ("https://a.example/", "https://a.example", True),
        ("https://a.example/pay", "https://a.example/pay", True),
        ("https://a.example/pay", "https://a.example/pay?x", True),
        ("https://a.example/pay/", "https://a.example/pay/1", True),
        ("https://a.example/pay", "https://a.example/payments", False),
        ("https://a.example/pay", "https://a.example/", False),
        ("https://a.example/pay", "https://a.example/pay/../admin", False),
        ("https://a.example/pay", "https://a.example/pay/%2e%2e/admin", False),
        ("https://a.example/pay", "https://a.example/pay%2f..%2fadmin", False),
        ("https://a.example/pay", "https://a.example/pay/..%5cadmin", False),
        ("https://a.example", "http://a.example/", False),
        ("https://a.example", "https://a.example:8443/", False),
        ("https://a.example", "https://b.example/", False),
        ("https://a.example", "https://a.example.evil.example/", False),
    ],
)
def test_a_resource_covers_what_is_at_it_or_below(resource, url, expected):
    assert covers(httpx.URL(resource), httpx.URL(url)) is expected


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "https://",
        "//a.example",
        "a.example",
        "javascript:alert(1)",
        "https://user@a.example/",
        "https://a.example@b.example/",
        "https://a.example\\@b.example/",
        "https://a.example/?x",
        "https://a.example/#x",
        "https://a.example/a b",
        "https://a.example/\r\n",
        "https://a.example/%zz",
        "https://a.example:99999999/",
        "https://a.example:99999/",
        "https://999.0.0.1/",
        "https://[:::]/",
        "https://ä.example/",
        "https://[::1/",
        "https://a.example/" + "a" * 3000,
    ],
)
def test_a_url_with_anything_but_host_and_path_is_not_taken(text):
    assert parse_plain_url(text) is None


@given(st.text() | st.from_regex(r"https?://[a-z@:/\\.\[\]#?%0-9]{0,20}"))
def test_a_url_that_is_taken_has_the_origin_that_it_seems_to_have(text):
    url = parse_plain_url(text)
    if url is not None:
        scheme, host, _ = origin(url)
        assert text.lower().startswith((f"{scheme}://{host}", f"{scheme}://[{host}]"))
        assert url.userinfo == b""
