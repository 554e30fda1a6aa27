"""The headers of every page."""

from fleeting.server.console.headers import page_headers


def test_a_page_runs_no_script_stands_in_no_frame_and_is_kept_by_nobody():
    headers = page_headers()
    policy = headers["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "form-action 'self'" in policy
    assert not any(each.startswith("script-src") for each in policy)
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_page_with_scripts_runs_files_of_ours_alone():
    policy = page_headers(scripts=True)["Content-Security-Policy"].split("; ")
    assert "script-src 'self'" in policy
    assert "connect-src 'self'" in policy


def test_a_form_may_lead_to_an_identity_provider_that_is_named():
    policy = page_headers(forms_to=["https://idp.example.com"])["Content-Security-Policy"]
    assert "form-action 'self' https://idp.example.com;" in policy
