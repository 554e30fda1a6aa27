"""Hold the pages together: links lead somewhere, the index knows all, JSON is JSON."""

import json
from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, PAGES, ROOT, anchors_of, blocks_of, links_of, name_of


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for link in links_of(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        file, _, anchor = link.partition("#")
        target = page if not file else (page.parent / file).resolve()
        assert target.exists(), f"{name_of(page)}: {link}"
        if anchor:
            assert anchor in anchors_of(target), f"{name_of(page)}: {link}"


def test_the_index_knows_every_page():
    index = DOCS / "README.md"
    linked = {(DOCS / link).resolve() for link in links_of(index) if "://" not in link}
    ours = {page for page in PAGES if page not in (ROOT / "README.md", index)}
    assert ours - linked == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_json_examples_are_json(page):
    for block in blocks_of(page):
        if block.language == "json":
            json.loads(block.text)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_its_language(page: Path):
    known = {"python", "console", "toml", "cedar", "json", "text", "ini", "mermaid"}
    plain = {""} if page == ROOT / "README.md" else set()
    assert {block.language for block in blocks_of(page)} <= known | plain


def test_the_threat_model_knows_every_test_of_an_attack():
    model = DOCS / "threat-model.md"
    linked = {(DOCS / link).resolve() for link in links_of(model)}
    assert {*(ROOT / "tests" / "attacks").glob("test_*.py")} - linked == set()
