"""Real Chromium, driven by Playwright: what people see and press."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import BrowserContext, CDPSession, ConsoleMessage, Page, async_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is missing (Debian: apt-get install chromium)"
)

_AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@asynccontextmanager
async def chromium() -> AsyncIterator[BrowserContext]:
    """Run a browser with a profile of its own, which knows nobody."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            context = await browser.new_context()
            context.set_default_timeout(15_000)
            yield context
        finally:
            await browser.close()


async def with_authenticator(page: Page, **options: object) -> tuple[CDPSession, str]:
    """Give *page* a virtual authenticator that touches itself; return how to look into it."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    added = await session.send(
        "WebAuthn.addVirtualAuthenticator", {"options": _AUTHENTICATOR | options}
    )
    return session, added["authenticatorId"]


def complaints(page: Page) -> list[str]:
    """Return what the page's console says from now on that is wrong, a broken CSP among it."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if _is_bad(message) else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def _is_bad(message: ConsoleMessage) -> bool:
    """Tell what is wrong with the page itself from an address that answers with a refusal."""
    return message.type in ("error", "warning") and "Failed to load" not in message.text
