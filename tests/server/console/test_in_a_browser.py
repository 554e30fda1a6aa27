"""Real people's way through the pages: Chromium, a passkey, two approvals, one token; and a no."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browsers import chromium, complaints, needs_chromium, with_authenticator
from tests.simulator import REFUND, serve

pytestmark = [pytest.mark.browser, needs_chromium]
FLEETING = str(Path(sys.executable).with_name("fleeting"))
LARGE = {**REFUND, "amount": 20_000, "note": "<b>please</b>"}


@pytest.fixture
def server(tmp_path):
    with serve(tmp_path, host="localhost") as running:
        yield running


def link_of(server, name: str) -> str:
    arguments = ["people", "add", name, "--group", "payments-leads", "--json"]
    command = [FLEETING, *arguments, "-c", str(server.installation.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)["link"]


async def sign_in(browser, link: str):
    """Make a passkey through a one-time link, sign out, and come back with it."""
    page = await browser.new_page()
    said = complaints(page)
    await with_authenticator(page)
    await page.goto(link)
    await page.get_by_role("button", name="Make a passkey").click()
    await expect(page.get_by_role("heading", name="My work")).to_be_visible()
    return page, said


async def test_two_people_approve_and_one_token_comes_of_it(server):
    async with server.parties() as parties:
        caller = parties.caller()
        pending = (await caller.ask(LARGE)).json()
        assert pending["error"] == "authorization_pending"
        for name in ("bea", "carl"):
            async with chromium() as browser:
                page, said = await sign_in(browser, link_of(server, name))
                await page.get_by_role("link", name="Refund one payment").click()
                await expect(page).to_have_url(pending["authorization_uri"])
                await expect(page.locator(".operation")).to_have_text("Refund one payment: refund")
                await expect(page.get_by_text("at most 20000 cent", exact=True)).to_be_visible()
                await expect(page.get_by_text("<b>please</b>").first).to_be_visible()
                await page.get_by_label("Comment").fill(f"fine by {name}")
                await page.get_by_role("button", name="Approve exactly this").click()
                await expect(page.get_by_role("status")).to_contain_text("approval is recorded")
                await expect(page.get_by_text(f"fine by {name}", exact=True)).to_be_visible()
                assert said == []
        granted = await caller.ask(LARGE, access_request_id=pending["access_request_id"])
        assert granted.status_code == 200, granted.text
        assert granted.json()["authorization_details"][0]["amount"] == 20_000


async def test_one_person_denies_and_who_asked_reads_why(server):
    async with server.parties() as parties, chromium() as browser:
        caller = parties.caller()
        pending = (await caller.ask(LARGE)).json()
        page, said = await sign_in(browser, link_of(server, "bea"))
        await page.goto(pending["authorization_uri"])
        await page.get_by_text("Deny", exact=True).first.click()
        await page.get_by_label("Why not").fill("refunded yesterday")
        await page.get_by_role("button", name="Deny").click()
        await expect(page.get_by_role("status")).to_contain_text("It is denied")
        await expect(page.locator(".offer .pill").first).to_have_text("denied")
        assert said == []
        refused = await caller.ask(LARGE, access_request_id=pending["access_request_id"])
        assert refused.json()["error"] == "access_denied"
        assert "refunded yesterday" in refused.json()["error_description"]


async def test_a_page_in_a_frame_of_another_site_shows_nothing(server, tmp_path):
    async with server.parties() as parties, chromium() as browser:
        pending = (await parties.caller().ask(LARGE)).json()
        page, _ = await sign_in(browser, link_of(server, "bea"))
        page = await browser.new_page()  # of no site: it has no policy of ours
        frame = f'<iframe src="{pending["authorization_uri"]}" name="framed"></iframe>'
        await page.set_content(frame)
        await page.wait_for_timeout(500)
        framed = page.frame("framed")
        assert framed is not None
        assert "Approve" not in await framed.content()


async def test_everything_can_be_done_with_the_keyboard_alone(server):
    async with server.parties() as parties, chromium() as browser:
        pending = (await parties.caller().ask(LARGE)).json()
        page, _ = await sign_in(browser, link_of(server, "bea"))
        await page.goto(pending["authorization_uri"])
        for _ in range(40):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.textContent") == "Approve exactly this":
                break
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("approval is recorded")
