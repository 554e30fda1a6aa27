"""Who asks, and for what: from options, and from the installation where there is one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from fleeting.cli.terminal import CommandError
from fleeting.client import JustInTime, TokenClient
from fleeting.core.declaring import nearest
from fleeting.core.model import Json
from fleeting.core.operation_types import Field, FieldKind, FieldType, OperationType
from fleeting.server.declared_parties import ClientDeclaration
from fleeting.server.settings import Settings, config_path, load_settings

_PUBLIC, _PRIVATE = ".jwks.json", ".jwk.json"


@dataclass(frozen=True, slots=True)
class Caller:
    """One client at one issuer. types: the operation types, where an installation declares them."""

    issuer: str
    client: str
    key: Path
    types: Mapping[str, OperationType] | None

    def tokens(self) -> TokenClient:
        """Return what obtains tokens.

        Raises:
            CommandError: the key or the issuer cannot be used.
        """
        try:
            return TokenClient(self.issuer, self.client, self.key)
        except ValueError as error:
            raise CommandError(f"{self.key}: {error}") from None

    def auth(self, about: Mapping[str, Any]) -> JustInTime:
        """Return what authenticates a call; *about*: context, resource, subject_token.

        Raises:
            CommandError: the key or the issuer cannot be used.
        """
        try:
            return JustInTime(self.issuer, self.client, self.key, **about)
        except ValueError as error:
            raise CommandError(f"{self.key}: {error}") from None


def caller_of(
    config: Path | None, *, issuer: str | None, client: str | None, key: Path | None
) -> Caller:
    """Return who asks: as the options say, and for the rest as the installation does.

    Raises:
        CommandError: neither says it.
        SettingsError: the installation that was named cannot be read.
    """
    path = config_path(config)
    settings = load_settings(path) if config is not None or path.exists() else None
    if settings is None:
        if issuer is None or client is None or key is None:
            raise CommandError(
                "who asks whom? Name the installation with -c, or give --issuer, --client and --key"
            )
        return Caller(issuer, client, key, None)
    declared = _client(settings, client)
    name = client if declared is None else declared.client.client_id
    return Caller(
        issuer=issuer or settings.issuer,
        client=name or "",
        key=key or _key_of(settings, declared, name or ""),
        types=settings.types,
    )


def _client(settings: Settings, name: str | None) -> ClientDeclaration | None:
    """Return the client that is named, or the first that may ask for anything."""
    if name is None:
        asking = (each for each in settings.clients if each.client.grant_types)
        found = next(asking, None)
        if found is None:
            raise CommandError("the installation declares no client that may ask for tokens")
        return found
    known = {each.client.client_id: each for each in settings.clients}
    return known.get(name)


def _key_of(settings: Settings, declared: ClientDeclaration | None, name: str) -> Path:
    if declared is None:
        known = nearest(name, [each.client.client_id for each in settings.clients])
        raise CommandError(f"the installation declares no client {name!r}{known}; or give --key")
    if declared.jwks_file is None:
        raise CommandError(
            f"client {name} has a secret instead of a key: secrets are not taken on command lines"
        )
    public = settings.directory / declared.jwks_file
    private = public.with_name(public.name.removesuffix(_PUBLIC) + _PRIVATE)
    if not private.exists():
        raise CommandError(f"{private} is not here: give the private key of {name} with --key FILE")
    return private


def operation_of(
    type_: str,
    actions: Sequence[str],
    fields: Sequence[str],
    types: Mapping[str, OperationType] | None,
) -> dict[str, Json]:
    """Return the operation that ``--type``, ``--action`` and ``--field`` name.

    This does NOT check it, beyond what it takes to give each field its JSON type: the server does.
    """
    declared = None if types is None else types.get(type_)
    if types is not None and declared is None:
        hint = nearest(type_, types) or f"; declared are {', '.join(types) or 'none'}"
        raise typer.BadParameter(f"no type {type_!r} is declared{hint}")
    names = list(actions)
    if not names and declared is not None and len(declared.actions) == 1:
        names = [*declared.actions]
    operation: dict[str, Json] = {"type": type_, "actions": [*names]}
    given: dict[str, list[str]] = {}
    for text in fields:
        name, equals, value = text.partition("=")
        if not equals or not name or name in operation:
            raise typer.BadParameter(f"{text!r}: write --field NAME=VALUE")
        given.setdefault(name, []).append(value)
    for name, values in given.items():
        operation[name] = _value(name, values, declared)
    return operation


def _value(name: str, values: list[str], declared: OperationType | None) -> Json:
    if declared is None:
        return _guess(values[0]) if len(values) == 1 else [_guess(text) for text in values]
    field = declared.fields.get(name)
    if field is None:
        known = nearest(name, declared.fields) or f"; it has {', '.join(declared.fields)}"
        raise typer.BadParameter(f"{declared.name} has no field {name!r}{known}")
    if field.kind is FieldKind.ONE_OF and len(values) > 1:
        return [*values]
    if len(values) > 1:
        raise typer.BadParameter(f"--field {name}=… is given twice, and has one value")
    return _typed(values[0], field)


def _typed(text: str, field: Field) -> Json:
    if field.type is FieldType.INTEGER:
        try:
            return int(text)
        except ValueError:
            raise typer.BadParameter(f"{field.name} is a whole number, not {text!r}") from None
    if field.type is FieldType.BOOLEAN:
        if text not in ("true", "false"):
            raise typer.BadParameter(f"{field.name} is true or false, not {text!r}")
        return text == "true"
    return text


def _guess(text: str) -> Json:
    try:
        value: Json = json.loads(text)
    except ValueError:
        return text
    return value
