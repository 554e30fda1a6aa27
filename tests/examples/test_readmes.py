"""Run each example as its README says, by a real server, and check the example itself."""

import shutil

import pytest

from fleeting.server.installing import load_policy_set
from fleeting.server.settings import load_settings
from tests.docs.markdown import ROOT, blocks_of, links_of
from tests.docs.playground import Playground

EXAMPLES = ROOT / "examples"
INSTALLATIONS = sorted(path.parent.name for path in EXAMPLES.glob("*/fleeting.toml"))


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_an_example_does_what_its_readme_says(name, tmp_path):
    with Playground(tmp_path) as playground:
        here = shutil.copytree(EXAMPLES / name, tmp_path / "examples" / name)
        config = here / "fleeting.toml"
        config.write_text(playground.here(config.read_text()))
        for block in blocks_of(EXAMPLES / name / "README.md"):
            playground.console(block)


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_an_example_has_nothing_to_be_warned_of(name):
    settings = load_settings(EXAMPLES / name / "fleeting.toml", {})
    assert settings.warnings == ()
    assert load_policy_set(settings).policies


@pytest.mark.parametrize("page", sorted(EXAMPLES.rglob("*.md")), ids=str)
def test_links_lead_somewhere(page):
    for link in links_of(page):
        assert (page.parent / link).exists(), link


def test_the_index_knows_every_example():
    linked = {link.partition("/")[0] for link in links_of(EXAMPLES / "README.md")}
    assert linked == set(INSTALLATIONS)
