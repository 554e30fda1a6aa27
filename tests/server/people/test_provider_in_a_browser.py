import re

import pytest
from playwright.async_api import expect

from tests.browsers import chromium, complaints, needs_chromium
from tests.openid_provider import needs_provider, openid_provider
from tests.simulator import free_port, serve

pytestmark = [pytest.mark.browser, needs_chromium, needs_provider]


@pytest.fixture
def server(tmp_path):
    issuer = f"http://localhost:{free_port()}"
    with openid_provider(tmp_path, f"{issuer}/login/callback") as provider:
        tables = provider.tables("passkeys = false")
        with serve(tmp_path, issuer=issuer, tables=tables) as running:
            yield running


async def log_in(page, name):
    await page.get_by_placeholder("Enter any login").fill(name)
    await page.get_by_placeholder("and password").fill("whatever")
    await page.get_by_role("button", name="Sign-in").click()


async def consent(page):
    await page.get_by_role("button", name="Continue").click()


async def test_people_sign_in_with_the_organisations_provider(server):
    async with chromium() as browser:
        page = await browser.new_page()
        said = complaints(page)
        await page.goto(f"{server.url}/people/me?x=1")
        await expect(page.get_by_placeholder("Enter any login")).to_be_visible()
        await log_in(page, "alice")
        await consent(page)
        await page.wait_for_url(f"{server.url}/people/me?x=1")
        await expect(page.get_by_text("p:alice")).to_be_visible()
        await expect(page.get_by_text("payments-leads")).to_be_visible()
        cookies = {cookie["name"]: cookie for cookie in await browser.cookies(server.url)}
        assert {name for name in cookies if name.startswith("fleeting")} == {"fleeting"}
        before = cookies["fleeting"]["value"]

        # The provider knows her still, but this needs a fresh login.
        await page.goto(f"{server.url}/login?fresh=1&next=%2Fpeople%2Fme")
        await expect(page.get_by_placeholder("Enter any login")).to_be_visible()
        await log_in(page, "alice")
        await page.wait_for_url(f"{server.url}/people/me")
        (after,) = [c for c in await browser.cookies(server.url) if c["name"] == "fleeting"]
        assert after["value"] != before
        assert said == []


async def test_who_cancels_at_the_provider_is_told_so_and_is_not_signed_in(server):
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{server.url}/login")
        await page.get_by_role("link", name=re.compile("Cancel")).click()
        await expect(page.get_by_text("cancelled or not allowed")).to_be_visible()
        assert not [c for c in await browser.cookies(server.url) if c["name"] == "fleeting"]
