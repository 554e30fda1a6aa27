"""The demo's people, against its real server."""

import httpx
import pytest

from fleeting.demo.commands import CommandFailedError
from fleeting.demo.expecting import StepFailedError
from fleeting.demo.people import ROLES, _signed_in, new_links


def whoami(colleague):
    return colleague.http.get("/api/whoami").json()


def test_each_is_signed_in_as_themselves(people):
    assert [whoami(each)["id"] for each in (people.ada, people.ben, people.owner)] == [
        role.id for role in ROLES
    ]
    assert all("payments-leads" in whoami(each)["groups"] for each in (people.ada, people.owner))


def test_what_they_may_not_see_is_no_request(people):
    with pytest.raises(StepFailedError, match="for Ada\nexpected: 200\ncame:     404"):
        people.ada.shown("no-such-request")


def test_a_new_link_signs_its_reader_in_once(stage, people):
    links = dict(new_links(stage.directory))
    assert [role.id for role in links] == ["ada", "ben", "olga"]
    origin = {"Origin": stage.addresses.issuer}
    for role, link in links.items():
        with httpx.Client(base_url=stage.addresses.issuer, headers=origin) as browser:
            assert whoami(_signed_in(role, link, browser))["id"] == role.id
            browser.cookies.clear()
            with pytest.raises(CommandFailedError, match=f"{role.name} could not sign in"):
                _signed_in(role, link, browser)
