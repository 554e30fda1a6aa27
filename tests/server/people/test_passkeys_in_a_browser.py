import json
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browsers import chromium, complaints, needs_chromium, with_authenticator
from tests.simulator import serve

pytestmark = [pytest.mark.browser, needs_chromium]
FLEETING = str(Path(sys.executable).with_name("fleeting"))


@pytest.fixture
def server(tmp_path):
    with serve(tmp_path, host="localhost") as running:
        yield running


def people(server, *arguments):
    command = [FLEETING, "people", *arguments, "--json", "-c", str(server.installation.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


async def test_a_passkey_is_made_through_the_link_and_signs_in_from_then_on(server):
    link = people(server, "add", "alice", "--name", "Alice A.", "--group", "leads")["link"]
    async with chromium() as browser:
        page = await browser.new_page()
        said = complaints(page)
        session, authenticator = await with_authenticator(page)

        await page.goto(link)
        await expect(page.get_by_role("heading")).to_have_text("Welcome, Alice A.")
        await page.get_by_role("button", name="Make a passkey").click()
        await expect(page.get_by_role("link", name="Alice A.")).to_be_visible()
        asked = {"authenticatorId": authenticator}
        (made,) = (await session.send("WebAuthn.getCredentials", asked))["credentials"]
        assert made["isResidentCredential"]
        assert made["rpId"] == "localhost"

        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading")).to_have_text("You are signed out")
        await page.goto(f"{server.url}/people/me")
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await page.wait_for_url(f"{server.url}/people/me")
        await expect(page.get_by_text("leads")).to_be_visible()
        assert said == []

        (cookie,) = await browser.cookies()
        assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("fleeting", True, "Lax")
        assert cookie["path"] == "/"
    assert people(server, "show", "alice")["signed_in_at"] is not None


async def test_a_link_is_good_once_and_looking_does_not_use_it_up(server):
    link = people(server, "add", "bob", "--sign-in")["link"]
    async with chromium() as browser:
        page = await browser.new_page()
        for _ in range(3):  # a mail scanner, a preview, a change of mind
            await page.goto(link)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("link", name="bob")).to_be_visible()
        await page.goto(link)
        await expect(page.get_by_text("this link was used")).to_be_visible()


async def test_an_authenticator_that_does_not_know_its_user_makes_no_passkey(server):
    link = people(server, "add", "carol")["link"]
    async with chromium() as browser:
        page = await browser.new_page()
        await with_authenticator(page, isUserVerified=False)
        await page.goto(link)
        await page.get_by_role("button", name="Make a passkey").click()
        await expect(page.get_by_role("alert")).to_be_visible()
    assert people(server, "show", "carol")["signed_in_at"] is None
