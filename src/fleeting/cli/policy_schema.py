"""``fleeting policy schema``: write the Cedar schema that policies are checked against."""

from pathlib import Path
from typing import Annotated

import typer

from fleeting.cli.options import AsJson, Config
from fleeting.cli.terminal import fail, note, say, say_file, say_json

SCHEMA_NAME = "fleeting.cedarschema"
"""The editor extension takes the only ``*.cedarschema`` beside a policy as its schema."""

_HEAD = (
    "// Written by `fleeting policy schema` from fleeting.toml: change that, and write it anew.\n"
)


def schema(
    config: Config = None,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write it; - is standard output.",
            show_default=f"{SCHEMA_NAME} beside the policies",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if the file is stale.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the Cedar schema of the installation, for editors and other tools.

    It is generated from the operation types, scopes, context and attributes of fleeting.toml. The
    Cedar extension for VS Code finds it beside the policies, and then completes and checks what is
    typed. The server never reads it.
    """
    from fleeting.policy import build_schema
    from fleeting.server.installing import policy_world
    from fleeting.server.settings import config_path, load_settings

    settings = load_settings(config_path(config))
    text = _HEAD + build_schema(policy_world(settings))
    if output is not None and str(output) == "-":
        say_file(text)
        return
    path = output or settings.policies / SCHEMA_NAME
    stale = not path.exists() or path.read_text(encoding="utf-8") != text
    if stale and not check:
        path.write_text(text, encoding="utf-8")
    _tell(path, stale=stale, check=check, as_json=as_json)
    if stale and check:
        fail()


def _tell(path: Path, *, stale: bool, check: bool, as_json: bool) -> None:
    from fleeting.cli.problem_text import nearby

    state = ("stale" if check else "written") if stale else "current"
    if as_json:
        say_json({"file": str(path), "state": state})
        return
    told = {
        "stale": "is stale: run 'fleeting policy schema'",
        "written": "is written: the Cedar extension of your editor finds it there",
        "current": "is up to date",
    }
    say(f"{nearby(str(path))} {told[state]}")
    others = sorted(each.name for each in _schemas_beside(path) if each.name != path.name)
    if others:
        note(
            f"the extension takes a schema by itself only where it is the only one: beside it are "
            f"{', '.join(others)}; remove them, or set cedar.schemaFile in the editor"
        )


def _schemas_beside(path: Path) -> list[Path]:
    """Return every file there that the extension takes for a schema."""
    patterns = ("*.cedarschema", "cedarschema", "*.cedarschema.json", "cedarschema.json")
    return [found for pattern in patterns for found in path.parent.glob(pattern)]
