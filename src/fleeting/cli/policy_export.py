"""``fleeting policy export``: write a policy set that the store keeps back to files."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleeting.cli.options import AsJson, Config
from fleeting.cli.stored_sets import Desk, at_desk, kept_digest, short_digest
from fleeting.cli.terminal import CommandError, counted, note, say, say_json

if TYPE_CHECKING:
    from fleeting.core.operations import OperationType
    from fleeting.policy import PolicySet, PolicySource

TYPES_NAME = "types.toml"


def export(
    digest: Annotated[str, typer.Argument(help="The beginning of the digest of a set.")],
    directory: Annotated[Path, typer.Argument(help="Where to; new, or empty.")],
    config: Config = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Write a set that was loaded before to files, whether or not it fits today's fleeting.toml.

    The policies become the files they were. types.toml has the operation types that they were
    loaded with, as fleeting.toml would declare them; the policy directory needs no such file.
    """

    async def deed(desk: Desk) -> "tuple[PolicySet, Mapping[str, OperationType]]":
        found = await kept_digest(desk, digest)
        return await _kept(desk, found), desk.settings.types

    set_, types = at_desk(config, deed)
    texts = {_file_name(source): source.text for source in set_.sources}
    texts[TYPES_NAME] = "\n".join(_types_toml(set_.types))
    _write(directory, texts)
    others = sorted(
        name for name in {*set_.types, *types} if set_.types.get(name) != types.get(name)
    )
    if as_json:
        files = [str(directory / name) for name in texts]
        say_json({"digest": set_.digest, "files": files, "types_that_differ": others})
        return
    say(f"{short_digest(set_.digest)} is written to {directory}: {counted(len(texts), 'file')}")
    if others:
        note(f"fleeting.toml declares {', '.join(others)} otherwise now: see {TYPES_NAME}")


async def _kept(desk: Desk, digest: str) -> "PolicySet":
    from fleeting.policy import StoredSetError, read_set

    try:
        return read_set(await desk.store.policy_text(digest) or "", digest)
    except StoredSetError as error:
        raise CommandError(str(error)) from None


def _file_name(source: "PolicySource") -> str:
    """Return the name of a stored file: of a file in the directory, whatever was stored.

    Raises:
        CommandError: it is none that a policy directory can have.
    """
    from fleeting.server.installing import POLICY_SUFFIX

    name = source.name
    if PurePath(name).name != name or not name.endswith(POLICY_SUFFIX) or "\0" in name:
        raise CommandError(f"{name!r} is no name of a policy file: the stored set is not written")
    return name


def _write(directory: Path, texts: Mapping[str, str]) -> None:
    """Write *texts*, overwriting nothing.

    Raises:
        CommandError: the directory holds something.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise CommandError(f"{directory} is not empty: name a directory that is, or a new one")
    for name, text in texts.items():
        with (directory / name).open("x", encoding="utf-8", newline="") as file:
            file.write(text)


def _types_toml(types: Mapping[str, "OperationType"]) -> Iterator[str]:
    """Yield the lines that declare *types* in fleeting.toml."""
    from fleeting.core.operation_tables import type_table

    for name, type_ in types.items():
        table: dict[str, Any] = dict(type_table(type_))
        fields = table.pop("fields", {})
        yield f"[types.{_key(name)}]"
        yield from (f"{key} = {_toml(value)}" for key, value in table.items())
        if fields:
            yield f"\n[types.{_key(name)}.fields]"
        for field, members in fields.items():
            told = ", ".join(f"{key} = {_toml(value)}" for key, value in members.items())
            yield f"{_key(field)} = {{ {told} }}"
        yield ""


def _key(name: str) -> str:
    return _toml(name) if "." in name else name


def _toml(value: object) -> str:
    """Return a string, an integer, a truth or a list of them: TOML writes those as JSON does."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
