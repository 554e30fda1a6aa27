import pytest

from fleeting.core.people import Person
from fleeting.core.signing_in import LinkKind
from fleeting.usecases.change_people import ChangePeople
from tests.signing_in import people_scene


@pytest.fixture
async def below(tmp_path):
    """A server whose issuer has a path."""
    async with people_scene(tmp_path, issuer="http://127.0.0.1:8400/tenant") as running:
        yield running


async def test_below_a_path_every_address_keeps_it(below):
    browser = below.browser()
    first = await browser.get("/people/me")
    assert first.headers["location"] == "/tenant/login?next=%2Ftenant%2Fpeople%2Fme"
    second = await browser.http.get(f"http://127.0.0.1:8400{first.headers['location']}")
    assert second.headers["location"] == "/tenant/login/provider?next=%2Ftenant%2Fpeople%2Fme"
    url = await browser.to_provider("?next=%2Ftenant%2Fpeople%2Fme")
    assert "redirect_uri=http%3A%2F%2F127.0.0.1%3A8400%2Ftenant%2Flogin%2Fcallback" in url
    back = await browser.http.get(below.provider.logs_in(url))
    assert back.headers["location"] == "/tenant/people/me"
    assert "Path=/;" in back.headers["set-cookie"]


async def test_a_link_below_a_path_leads_to_its_first_page(below):
    await below.add(Person("dora", "Dora"))
    deeds = ChangePeople(below.sim.worker.store, below.sim.clock, "tests")
    await deeds.link("dora", LinkKind.SIGN_IN, "the-link")
    browser = below.browser()
    page = await browser.get("/enrol/the-link")
    assert 'action="/tenant/enrol/the-link"' in page.text
    answer = await browser.post("/enrol/the-link", {})
    assert answer.headers["location"] == "/tenant/"


async def test_a_store_that_is_gone_is_said_to_be(scene):
    browser = await scene.signed_in()
    scene.sim.worker.store.available = False
    for path in ("/login", "/login/provider", "/device", "/enrol/x"):
        answer = await browser.get(path)
        assert answer.status_code == 503, path
        assert "try again" in answer.text
    scene.sim.worker.store.available = True


async def test_a_body_that_is_too_large_is_refused(scene):
    browser = await scene.signed_in()
    answer = await browser.post("/logout", {"csrf": "x" * 70_000})
    assert answer.status_code == 413
    answer = await browser.script("/login/passkey", {"x": "x" * 70_000})
    assert answer.status_code == 413


async def test_who_is_signed_out_already_is_shown_so(scene):
    answer = await scene.browser().post("/logout", {})
    assert (answer.status_code, answer.headers["location"]) == (303, "/signed-out")
    page = await scene.browser().get("/signed-out")
    assert "You are signed out" in page.text


async def test_a_form_of_another_kind_is_refused(scene):
    browser = await scene.signed_in()
    answer = await browser.http.post(
        "/logout",
        content=b"csrf=x",
        headers={"Origin": browser.origin, "Content-Type": "text/plain"},
    )
    assert answer.status_code == 400
