"""What ``fleeting narrow`` makes of its options: the operations that are left, and the plan."""

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from fleeting.cli.options import duration, pairs
from fleeting.core.declaring import nearest
from fleeting.core.model import SCOPE_TYPE

Operations = list[dict[str, Any]]


def narrower_operations(
    request: Mapping[str, Any],
    values: Mapping[str, str],
    only: Sequence[int] | None,
    actions: Sequence[str] | None,
) -> Operations:
    """Return the operations of *request* with narrower *values*; the server checks that they are.

    only: the places of those that stay, from 1. actions: those that stay.
    """
    offer = request["offer"]
    operations: Operations = [dict(each) for each in offer["authorization_details"]]
    scopes = (offer["scope"] or "").split()
    operations += [{"type": SCOPE_TYPE, "actions": [scope]} for scope in scopes]
    if only:
        wrong = [place for place in only if not 1 <= place <= len(operations)]
        if wrong:
            raise typer.BadParameter(f"--only {wrong[0]}: there are {len(operations)} operations")
        operations = [operations[place - 1] for place in sorted(set(only))]
    known = {name for each in operations for name in each} - {"type", "actions"}
    for name in values:
        if name not in known:
            hint = nearest(name, known) or f"; it has {', '.join(sorted(known))}"
            raise typer.BadParameter(f"the request has no field {name!r}{hint}")
    return [_narrower(each, values, actions) for each in operations]


def _narrower(
    operation: dict[str, Any], values: Mapping[str, str], actions: Sequence[str] | None
) -> dict[str, Any]:
    less = {
        name: _typed(name, values[name], value) if name in values else value
        for name, value in operation.items()
    }
    if actions:
        less["actions"] = [each for each in operation["actions"] if each in actions]
    return less


def _typed(name: str, text: str, now: object) -> object:
    """Return *text* as the JSON type that the field has *now*."""
    if isinstance(now, bool):
        if text not in ("true", "false"):
            raise typer.BadParameter(f"{name} is true or false, not {text!r}")
        return text == "true"
    if isinstance(now, int):
        return _whole(name, text)
    return text.split(",") if isinstance(now, list) else text


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{name} is a whole number, not {text!r}") from None


def limit_members(
    lifetime: str | None, uses: int | None, plan: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is to be less beside the operations."""
    body: dict[str, Any] = {}
    if lifetime is not None:
        duration(lifetime)
        body["lifetime"] = lifetime
    if uses is not None:
        body["uses"] = uses
    return body | ({"plan": dict(plan)} if plan else {})


def plan_members(calls: int | None, plan_for: str | None, totals: Sequence[str]) -> dict[str, Any]:
    """Return what is to be less of a plan."""
    plan: dict[str, Any] = {} if calls is None else {"calls": calls}
    if plan_for is not None:
        duration(plan_for)
        plan["duration"] = plan_for
    if totals:
        given = pairs("--total", totals)
        plan["totals"] = {
            name: text if "." in text else _whole(f"--total {name}", text)
            for name, text in given.items()
        }
    return plan
