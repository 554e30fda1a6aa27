"""Run every example of the README and the documentation, as a reader would."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from fleeting.cli.app import app
from fleeting.core.declaring import Table
from fleeting.policy import PolicyProblems, PolicySource, load_policies
from fleeting.policy.roles import CedarRoles
from fleeting.server.installing import policy_world
from fleeting.server.settings import Settings, _settings
from tests.docs.markdown import PAGES, ROOT, Block, blocks_of, name_of, setup_of
from tests.docs.playground import Playground, commands_of, shows

TEMPLATE = ROOT / "src" / "fleeting" / "cli" / "template"
NOT_OURS = ("git clone", "make ", "pip install")
API = next(block for block in blocks_of(ROOT / "README.md") if block.remarked("file") == "api.py")
SERVE = "fleeting serve -c my-installation/fleeting.toml"
CALL = "uvicorn api:app --port 8401"
COMMANDS = typer.main.get_command(app)

pytestmark = pytest.mark.filterwarnings("default")


def runnable(page: Path) -> list[Block]:
    return [
        block
        for block in blocks_of(page)
        if block.language in ("python", "console") and block.remarked("not run") is None
    ]


def every(language: str) -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page) if block.language == language]


def prepare(playground: Playground, wanted: tuple[str, ...]) -> None:
    """Bring about what a page takes for granted."""
    servers = []
    if wanted:
        playground.run("fleeting init my-installation")
        playground.run("export FLEETING_CONFIG=$PWD/my-installation/fleeting.toml")
    if "people" in wanted:
        playground.add_people("ada", "ben")
    if "server" in wanted:
        servers.append(SERVE)
    if "api" in wanted:
        playground.write("api.py", API.text)
        servers.append(CALL)
    playground.start(*servers)


@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)], ids=name_of)
def test_a_page_does_what_it_says(page, tmp_path):
    with Playground(tmp_path) as playground:
        prepare(playground, setup_of(page))
        for block in blocks_of(page):
            if block.remarked("start") is not None:
                playground.start(SERVE)
            if (name := block.remarked("file")) is not None:
                playground.write(name, block.text)
            elif block not in runnable(page):
                continue
            elif block.language == "python":
                playground.python(block)
            elif not any(c.startswith(NOT_OURS) for c, _ in commands_of(block.text)):
                playground.console(block)


@pytest.mark.parametrize("block", every("console"), ids=lambda block: block.place)
def test_commands_and_their_options_exist(block):
    for command, _ in commands_of(block.text):
        for simple in command.replace("\\\n", " ").split("|"):
            words = shlex.split(simple.partition(" >")[0], comments=True)
            while words and ("=" in words[0] or words[0] in ("exec", "sudo")):
                words.pop(0)
            if words and words[0].rpartition("/")[2] == "fleeting":
                _parse(words[1:])


def _parse(words: list[str]) -> None:
    command: Any = COMMANDS
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        assert words[0] in command.commands, words[0]
        command = command.commands[words.pop(0)]
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert given <= known | {"--help", "-h"}


def template() -> dict:
    return tomllib.loads((TEMPLATE / "fleeting.toml").read_text())


def merged(base: dict, more: dict) -> dict:
    """Return *base* with *more* in it: tables one by one, parties by their names."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merged(base[key], value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            names = {_name(each) for each in value}
            base[key] = [each for each in base.get(key, []) if _name(each) not in names] + value
        else:
            base[key] = value
    return base


def _name(party: dict) -> str:
    return next(
        party[key] for key in ("client_id", "identifier", "issuer", "group") if key in party
    )


def settings_with(text: str) -> Settings:
    return _settings(Table("", merged(template(), tomllib.loads(text))), TEMPLATE)


@pytest.mark.parametrize(
    "block",
    [b for b in every("toml") if b.remarked("not run") is None],
    ids=lambda block: block.place,
)
def test_settings_can_be_loaded(block):
    settings_with(block.text)


def world_of(page: Path):
    """What policies of *page* may speak of: what it declares itself, beside init's example."""
    return policy_world(
        settings_with(
            "\n".join(
                b.text for b in blocks_of(page) if b.language == "toml" and b.remark != "not run"
            )
        )
    )


def load(block: Block) -> None:
    source = PolicySource("example.cedar", block.text)
    if block.remarked("roles") is not None:
        CedarRoles([source])
    else:
        load_policies([source], world_of(block.page))


@pytest.mark.parametrize(
    "block",
    [b for b in every("cedar") if b.remarked("wrong") is None],
    ids=lambda block: block.place,
)
def test_policies_can_be_loaded(block):
    load(block)


@pytest.mark.parametrize(
    "block",
    [b for b in every("cedar") if b.remarked("wrong") is not None],
    ids=lambda block: block.place,
)
def test_wrong_policies_are_refused_in_the_words_of_the_page(block):
    blocks = blocks_of(block.page)
    said = blocks[blocks.index(block) + 1]
    assert said.language == "text", f"{block.place}: show what 'policy check' says of it"
    with pytest.raises(PolicyProblems) as caught:
        load(block)
    told = [line for problem in caught.value.problems for line in (problem.message, problem.hint)]
    told = [line for line in told if line]
    shown = said.text.splitlines()
    assert len(shown) == len(told), told
    for pattern, line in zip(shown, told, strict=True):
        assert shows(pattern, line), line
