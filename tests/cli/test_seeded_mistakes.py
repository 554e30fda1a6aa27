"""Mistakes that people make, in ``tests/policy/mistakes``: each is found and named well."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[1] / "policy" / "mistakes"
MISTAKES = tomllib.loads((HERE / "mistakes.toml").read_text())["mistakes"]
CHECKED = [each for each in MISTAKES if each["found_by"] == "check"]
OTHERS = [each for each in MISTAKES if each["found_by"] != "check"]


def name_of(mistake):
    return mistake["name"].replace(" ", "-")


@pytest.fixture
def installation(tmp_path):
    return shutil.copytree(HERE, tmp_path / "acme")


def make(installation, mistake):
    path = installation / "policies" / mistake["file"]
    text = path.read_text()
    assert mistake["old"] in text, "the mistake is none of this set"
    path.write_text(text.replace(mistake["old"], mistake["new"], 1))


def check(fleeting, installation):
    """Return the exit code of a strict check, and each of its findings by its place."""
    done = fleeting("policy", "check", "-c", installation / "fleeting.toml", "--strict", "--json")
    report = json.loads(done.stdout)
    found = [*report["problems"], *report["warnings"]]
    return done.exit_code, [(Path(each["file"]).name, each) for each in found]


def told(mistake, findings):
    """Return the finding about *mistake*: at its place, of its rule, with all of its words."""
    for file, each in findings:
        place = (file, f"{each['line']}:{each['column']}", each["rule"])
        text = f"{each['policy']}: {each['message']} ({each['hint']})"
        if place == (mistake.get("place", mistake["file"]), mistake["at"], mistake["rule"]):
            return [words for words in mistake["says"] if words not in text] == []
    return False


def test_there_are_a_dozen_and_each_says_what_finds_it():
    assert len(MISTAKES) >= 12
    assert {each["found_by"] for each in MISTAKES} == {"check", "test", "prove"}
    assert len({each["name"] for each in MISTAKES}) == len(MISTAKES)


def test_the_set_they_are_made_in_is_right(fleeting, installation):
    assert check(fleeting, installation) == (0, [])
    files = sorted((installation / "policies").glob("*.cedar"))
    assert fleeting("policy", "format", "--check", *files).exit_code == 0


@pytest.mark.parametrize("mistake", CHECKED, ids=name_of)
def test_check_finds_it_at_its_place_and_says_what_to_mend(fleeting, installation, mistake):
    make(installation, mistake)
    code, findings = check(fleeting, installation)
    assert code == 1
    assert told(mistake, findings), findings


@pytest.mark.parametrize("mistake", OTHERS, ids=name_of)
def test_what_is_right_in_itself_is_left_to_tests_and_properties(fleeting, installation, mistake):
    config = installation / "fleeting.toml"
    before = fleeting("policy", mistake["found_by"], "-c", config)
    assert before.exit_code == 0, before.output
    make(installation, mistake)
    assert check(fleeting, installation) == (0, [])
    done = fleeting("policy", mistake["found_by"], "-c", config)
    assert done.exit_code == 1
    text = re.sub(r"  +", "  ", done.stdout)
    for words in mistake["says"]:
        assert re.sub(r"  +", "  ", words) in text, done.stdout


def test_several_mistakes_are_found_in_one_round(fleeting, installation):
    wanted = ("misspelt field", "misspelt group", "value that does not exist, and so no forbid")
    made = [each for each in MISTAKES if each["name"] in wanted]
    for mistake in made:
        make(installation, mistake)
    code, findings = check(fleeting, installation)
    assert code == 1
    assert len(made) == len(wanted)
    for mistake in made:
        assert told(mistake, findings), (mistake["name"], findings)
