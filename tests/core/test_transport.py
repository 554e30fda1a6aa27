import pytest

from fleeting.core.transport import is_protected


@pytest.mark.parametrize(
    ("scheme", "host", "protected"),
    [
        ("https", "as.example.com", True),
        ("http", "as.example.com", False),
        ("http", "localhost", True),
        ("http", "LOCALHOST", True),
        ("http", "localhost.example.com", False),
        ("http", "127.0.0.1", True),
        ("http", "127.9.9.9", True),
        ("http", "::1", True),
        ("http", "10.0.0.1", False),
        ("http", "0.0.0.0", False),
        ("ftp", "127.0.0.1", False),
        ("https", "", False),
        ("http", "", False),
    ],
)
def test_a_url_is_protected_by_tls_or_by_never_leaving_the_machine(scheme, host, protected):
    assert is_protected(scheme, host) is protected
