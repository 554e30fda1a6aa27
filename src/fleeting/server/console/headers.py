"""The headers of every page: no scripts but our own files, in no frame, kept by nobody."""

from collections.abc import Mapping, Sequence

PLAIN_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""The content security policy of a page without scripts."""


def page_headers(*, scripts: bool = False, forms_to: Sequence[str] = ()) -> Mapping[str, str]:
    """Return the headers of a page (ATTACKS 37, 38).

    scripts: the page has script files of ours, which talk to us alone.
    forms_to: further origins that a form's answer may redirect to, such as an identity provider's.
    """
    policy = PLAIN_POLICY
    if scripts:
        policy += "; script-src 'self'; connect-src 'self'"
    if forms_to:
        policy = policy.replace("form-action 'self'", f"form-action 'self' {' '.join(forms_to)}")
    return {
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",
        # Not "no-referrer": that would make the Origin of our own forms "null".
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
