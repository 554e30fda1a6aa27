"""People at their command lines: a real server, and sessions as ``fleeting login`` keeps them."""

import asyncio
import re
from pathlib import Path

import httpx

from fleeting.cli.logins import Login, keep
from fleeting.client.keys import generate_key
from fleeting.core.people_deeds import SignInMethod
from fleeting.ports import Write
from fleeting.server.people.sessions import Sessions
from fleeting.server.settings import load_settings
from fleeting.server.world import SystemClock
from fleeting.stores import open_store
from fleeting.usecases.people import KnownPeople


def sign_in(config: Path, name: str) -> None:
    """Keep a session of *name*, who was added, where the commands look for it."""
    asyncio.run(_sign_in(config, name))


async def _sign_in(config: Path, name: str) -> None:
    settings, clock = load_settings(config, {}), SystemClock()
    store = open_store(settings.database, clock=clock, base_dir=settings.directory)
    await store.open()
    try:
        person = await KnownPeople(store).person(name)
        assert person is not None
        key = generate_key()
        sessions = Sessions(store, settings.sign_in.terms, lambda: None)
        jkt = key.signing.public().thumbprint()
        new = sessions.begin(person, clock.now(), jkt=jkt)
        entry = new.entry(person, SignInMethod.DEVICE)
        await store.commit(Write(changes=(new.change,), record=lambda _: (entry,)))
        keep(Login(settings.issuer, new.token, key, person.id))
    finally:
        await store.close()


def answer_device(link: str, code: str, answer: str) -> str:
    """Sign in by a one-time link in a browser, and answer the command line that shows *code*."""
    issuer = link.partition("/enrol")[0]
    with httpx.Client(trust_env=False, headers={"origin": issuer}) as browser:
        signed_in = browser.post(link, data={"": ""})
        assert signed_in.status_code == 303, signed_in.text
        page = browser.get(f"{issuer}/device", params={"user_code": code}).text
        found = re.search(r'name="csrf" value="([^"]+)"', page.partition("<main")[2])
        assert found is not None, page
        form = {"csrf": found[1], "user_code": code, "answer": answer}
        return browser.post(f"{issuer}/device", data=form).text
