"""Which URLs may be trusted with what: origins, https or loopback, and what a resource covers.

URLs are taken apart by ``httpx.URL``, which is also what sends to them: two parsers that disagree
on where a host ends would be a hole.
"""

import re

import httpx

from fleeting.core.transport import is_protected

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_URL = 2000
_MAX_PORT = 65_535
_PLAIN = re.compile(
    r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
)


def parse_plain_url(text: object) -> httpx.URL | None:
    """Return *text* as a URL if it is absolute http(s) with host and path and nothing else.

    User info, query, fragment, white space and backslashes make it None.
    """
    if not isinstance(text, str) or len(text) > _MAX_URL or not _PLAIN.fullmatch(text):
        return None
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return None
    return url if (url.port or 0) <= _MAX_PORT else None


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Return the origin of *url* (RFC 6454 §4)."""
    return url.scheme, url.host.lower(), url.port or _DEFAULT_PORTS.get(url.scheme)


def is_secure(url: httpx.URL) -> bool:
    """Return whether credentials may travel to *url*: https, or http on loopback."""
    return is_protected(url.scheme, url.host)


def covers(resource: httpx.URL, url: httpx.URL) -> bool:
    """Return whether *url* is at *resource* or below it: same origin, path prefix by segments."""
    if origin(resource) != origin(url):
        return False
    prefix, path = _path(resource).rstrip(b"/"), _path(url)
    if not prefix:
        return True
    # What a server might take for "go up" would leave the prefix behind our back.
    climbs = {".", ".."} & {*url.path.replace("\\", "/").split("/")}
    return not climbs and (path == prefix or path.startswith(prefix + b"/"))


def _path(url: httpx.URL) -> bytes:
    return url.raw_path.partition(b"?")[0]
