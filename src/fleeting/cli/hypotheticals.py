"""Make a request out of command-line options, with the types that the installation declares."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import typer

from fleeting.cli.caller import operation_of
from fleeting.cli.options import moment, pairs
from fleeting.cli.policy_world import World
from fleeting.core.context import ValueType
from fleeting.core.declaring import Table
from fleeting.core.model import Json
from fleeting.policy.hypothetical import Hypothetical, hypothetical_request

_AS_THEY_ARE = (
    *("client", "subject", "groups", "actors", "acr", "login_age", "resource", "scope"),
    "break_glass",
)


def stated_request(world: World, stated: Mapping[str, Any]) -> Hypothetical:
    """Return the request that the options *stated* describe.

    Raises:
        typer.BadParameter, DeclarationError: one of them is wrong; says what to write instead.
    """
    values = {name: stated[name] for name in _AS_THEY_ARE if name in stated}
    now = datetime.now(UTC)
    values["time"] = moment(stated["time"], now) if "time" in stated else now
    if "type" in stated:
        values["operation"] = operation_of(
            stated["type"],
            stated.get("actions", ()),
            stated.get("fields", ()),
            world.settings.types,
        )
    elif "fields" in stated or "actions" in stated:
        raise typer.BadParameter("--field and --action go with --type")
    keys = {name: key.type for name, key in world.declared.context_keys.items()}
    values["context"] = _typed("--context", stated.get("context", ()), keys)
    if "attributes" in stated:
        values["attributes"] = _typed(
            "--attribute", stated["attributes"], world.declared.attributes
        )
    return hypothetical_request(Table("", values), world.declared)


def _typed(option: str, given: list[str], declared: Mapping[str, ValueType]) -> dict[str, Json]:
    """Read ``NAME=VALUE`` options with the JSON types declared; others stay strings."""
    return {
        name: _value(text, declared.get(name, ValueType.STRING), f"{option} {name}")
        for name, text in pairs(option, given).items()
    }


def _value(text: str, type_: ValueType, where: str) -> Json:
    if type_ is ValueType.STRINGS:
        return [*text.split(",")]
    if type_ is ValueType.BOOLEAN and text in ("true", "false"):
        return text == "true"
    if type_ is ValueType.INTEGER:
        try:
            return int(text)
        except ValueError:
            raise typer.BadParameter(f"{where} is a whole number, not {text!r}") from None
    return text
