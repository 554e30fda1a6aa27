"""Read ``fleeting.toml`` and the environment, once, and stop at what is wrong (house rule 12)."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from fleeting.core.context import ContextKey, ValueType, declare_attributes, declare_context
from fleeting.core.declaring import DeclarationError, Table, nearest
from fleeting.core.limits import HARD_CAP
from fleeting.core.operations import OperationType, declare_type
from fleeting.core.signing_in import COMMAND_LINE
from fleeting.policy import Verify
from fleeting.server.declared_asking import (
    ALARMS,
    ASKING_COUNTS,
    AskingDeclaration,
    declare_alarm,
    declare_asking,
)
from fleeting.server.declared_parties import (
    ClientDeclaration,
    ProviderDeclaration,
    ResourceDeclaration,
    check_url,
    declare_client,
    declare_provider,
    declare_resource,
)
from fleeting.server.declared_sign_in import SignInDeclaration, declare_sign_in
from fleeting.server.plain_files import read_plain_text

ENVIRONMENT_PREFIX = "FLEETING_"
CONFIG_VARIABLE = "FLEETING_CONFIG"
DEFAULT_CONFIG = "fleeting.toml"
_OWN_VARIABLES = frozenset({CONFIG_VARIABLE})
_CONSOLE_POLICIES = "console"
_LEVELS = ("debug", "info", "warning", "error")
_FORMATS = ("json", "console")
_TEXTS = (
    *("issuer", "database", "policies", "console_policies", "verify", "signing_keys"),
    *("bind", "log_level", "log_format"),
)
_DURATIONS = ("max_lifetime", "shutdown_timeout", "checkpoint_every", "revocation_beat")
_COUNTS = ("max_body_bytes", "ledger_keep_days", "workers", *ASKING_COUNTS)
_FLAGS = ("refusal_hints",)
_TABLES = ("types", "context", "attributes", "sign_in")
_ARRAYS = ("resources", "clients", "identity_providers", ALARMS)
KEYS = (*_TEXTS, *_DURATIONS, *_COUNTS, *_FLAGS, *_TABLES, *_ARRAYS)


class SettingsError(Exception):
    """The installation cannot be served as it is written; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Settings:
    """An installation as its file and the environment declare it; paths are absolute.

    file: where it was read from, to be read again. bind: host and port to listen on.
    revocation_beat: how often guards that follow revocations hear that all is well.
    refusal_hints: a refused caller reads what would be allowed.
    console_policies: who may do what with requests; None: as it is built in.
    ledger_keep_days: None keeps the ledger for ever.
    warnings: what weakens security, or will not work, said at every start.
    """

    directory: Path
    issuer: str
    database: str
    policies: Path
    verify: Verify
    signing_keys: Path
    bind: tuple[str, int]
    workers: int
    log_level: str
    log_format: str
    max_lifetime: timedelta
    shutdown_timeout: timedelta
    checkpoint_every: timedelta
    revocation_beat: timedelta
    max_body_bytes: int
    ledger_keep_days: int | None
    refusal_hints: bool
    types: Mapping[str, OperationType]
    context_keys: Mapping[str, ContextKey]
    attributes: Mapping[str, ValueType]
    resources: tuple[ResourceDeclaration, ...]
    clients: tuple[ClientDeclaration, ...]
    providers: tuple[ProviderDeclaration, ...]
    asking: AskingDeclaration
    sign_in: SignInDeclaration = SignInDeclaration()  # noqa: RUF009 -- frozen
    console_policies: Path | None = None
    warnings: tuple[str, ...] = field(default=())
    file: Path = Path(DEFAULT_CONFIG)


def config_path(given: Path | None = None) -> Path:
    """Return the file to read: the one *given*, else ``FLEETING_CONFIG``, else ./fleeting.toml."""
    return given or Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the installation at *path* (DESIGN §7).

    Raises:
        SettingsError: it cannot be read or declares something wrong; says where and what to write.
    """
    given = os.environ if environment is None else environment
    values = _read_toml(path)
    values.update(_from_environment(given))
    try:
        settings = _settings(Table("", values), path.resolve().parent)
    except DeclarationError as error:
        raise SettingsError(f"{path}: {error}") from error
    warnings = (*settings.warnings, *_unknown_variables(given))
    return replace(settings, file=path.resolve(), warnings=warnings)


def _unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """Say which variables look like settings and are none; some platforms set such."""
    for name in environment:
        key = name.removeprefix(ENVIRONMENT_PREFIX).lower()
        if name.startswith(ENVIRONMENT_PREFIX) and name not in _OWN_VARIABLES and key not in KEYS:
            yield f"the environment variable {name} is no setting{nearest(key, KEYS)}"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_plain_text(path))
    except FileNotFoundError:
        raise SettingsError(
            f"{path} is not there: make an installation with 'fleeting init DIR', "
            "or name one with -c FILE or FLEETING_CONFIG"
        ) from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Yield the settings that the environment overrides, such as ``FLEETING_DATABASE``."""
    for name, value in environment.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name in _OWN_VARIABLES:
            continue
        key = name.removeprefix(ENVIRONMENT_PREFIX).lower()
        if key in _TEXTS or key in _DURATIONS:
            yield key, value
        elif key in KEYS:
            yield key, _toml_value(name, value)


def _toml_value(name: str, text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name} is not a TOML value: {error}") from None


def _settings(table: Table, directory: Path) -> Settings:
    table.allow_only(KEYS)
    issuer = _issuer(table)
    types = {n: declare_type(n, t.values) for n, t in table.tables("types").items()}
    providers = _declared(table, "identity_providers", declare_provider)
    resources = _declared(table, "resources", declare_resource)
    clients = _declared(table, "clients", declare_client)
    verify = Verify(_choice(table, "verify", tuple(Verify), Verify.PERMITS))
    settings = Settings(
        directory=directory,
        issuer=issuer,
        database=_database(table, directory),
        policies=directory / (table.text("policies") or "policies"),
        verify=verify,
        signing_keys=directory / (table.text("signing_keys") or "keys/signing"),
        bind=_bind(table, issuer),
        workers=table.count("workers", 1) or 1,
        log_level=_choice(table, "log_level", _LEVELS, "info"),
        log_format=_choice(table, "log_format", _FORMATS, "json"),
        max_lifetime=table.duration("max_lifetime") or HARD_CAP,
        shutdown_timeout=table.duration("shutdown_timeout") or timedelta(seconds=10),
        checkpoint_every=table.duration("checkpoint_every") or timedelta(minutes=1),
        revocation_beat=table.duration("revocation_beat") or timedelta(seconds=1),
        max_body_bytes=table.count("max_body_bytes", 65_536) or 65_536,
        ledger_keep_days=table.count("ledger_keep_days"),
        refusal_hints="refusal_hints" not in table.values or table.flag("refusal_hints"),
        types=types,
        context_keys=declare_context(_values(table, "context")),
        attributes=declare_attributes(
            _values(table, "attributes"), [provider.claims for provider in providers]
        ),
        resources=resources,
        clients=clients,
        providers=_with_prefixes(providers),
        sign_in=_sign_in(table, providers),
        console_policies=_console_policies(table, directory),
        asking=declare_asking(table, _declared(table, ALARMS, declare_alarm)),
        warnings=(*_unverified(verify), *_warnings(resources, clients)),
    )
    _check_names(settings)
    return settings


def _sign_in(table: Table, providers: tuple[ProviderDeclaration, ...]) -> SignInDeclaration:
    values = table.values.get("sign_in", {})
    if not isinstance(values, dict):
        raise table.refuse("sign_in", "must be a table: write [sign_in]")
    return declare_sign_in(Table("sign_in", values), [each.issuer for each in providers])


def _console_policies(table: Table, directory: Path) -> Path | None:
    """Return the directory that is named, or the usual one where it is there."""
    named = table.text("console_policies")
    path = directory / (named or _CONSOLE_POLICIES)
    return path if named is not None or path.is_dir() else None


def _values(table: Table, key: str) -> dict[str, object]:
    return {name: dict(inner.values) for name, inner in table.tables(key).items()}


def _declared(table: Table, key: str, declare: Any) -> tuple[Any, ...]:  # noqa: ANN401 -- one each
    value = table.values.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise table.refuse(key, f"must be an array of tables: write [[{key}]]")
    return tuple(declare(Table(f"{key}[{place}]", item)) for place, item in enumerate(value))


def _issuer(table: Table) -> str:
    issuer = table.text("issuer")
    if issuer is None:
        raise table.refuse("issuer", 'is missing: write issuer = "https://as.example.com"')
    check_url(table, "issuer", issuer)
    if issuer.endswith("/") or "?" in issuer or "#" in issuer:
        raise table.refuse("issuer", "must not end in '/' nor have a query or a fragment")
    return issuer


def _database(table: Table, directory: Path) -> str:
    url = table.text("database") or "sqlite:///fleeting.db"
    if not (url.startswith(("sqlite:///", "postgresql://")) or url == "memory://"):
        raise table.refuse(
            "database", "must be sqlite:///FILE or postgresql://user@host/db (or memory://)"
        )
    if url.startswith("sqlite:///"):
        return f"sqlite:///{directory / url.removeprefix('sqlite:///')}"
    return url


def _bind(table: Table, issuer: str) -> tuple[str, int]:
    text = table.text("bind")
    if text is None:
        parts = check_url(table, "issuer", issuer)
        return parts.hostname or "127.0.0.1", parts.port or 8400
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not int(port) < 2**16:
        raise table.refuse("bind", 'must be host and port, such as "127.0.0.1:8400"')
    return host.strip("[]"), int(port)


def _choice(table: Table, key: str, known: tuple[str, ...], default: str) -> str:
    value = table.text(key) or default
    if value not in known:
        raise table.refuse(key, f"must be one of {', '.join(known)}")
    return value


def _with_prefixes(
    providers: tuple[ProviderDeclaration, ...],
) -> tuple[ProviderDeclaration, ...]:
    """Keep people of different providers apart: all but the first get a prefix of their own."""
    return tuple(p if i == 0 else p.with_default_prefix() for i, p in enumerate(providers))


def _unverified(verify: Verify) -> Iterator[str]:
    if verify is Verify.OFF:
        yield (
            'verify = "off": no decision is confirmed by the Cedar engine, so a fault of the '
            'compiled policies would go unnoticed; write verify = "permits"'
        )


def _warnings(
    resources: tuple[ResourceDeclaration, ...], clients: tuple[ClientDeclaration, ...]
) -> Iterator[str]:
    names = {client.client.client_id for client in clients}
    for declared in clients:
        if declared.client.insecure_bearer:
            yield (
                f"insecure_bearer: client {declared.client.client_id} gets tokens that whoever "
                "steals them can use; remove it once the client can send DPoP proofs"
            )
    for resource in resources:
        guard = resource.resource.client_id
        if guard is None or guard not in names:
            yield (
                f"resource {resource.resource.identifier} has no declared client of its own "
                f"({guard or 'client_id is missing'}): its guard cannot spend tokens"
            )


def _check_names(settings: Settings) -> None:
    """Refuse what is declared twice, and types that are named but not declared."""
    _unique("resources", "identifier", [r.resource.identifier for r in settings.resources])
    _unique("clients", "client_id", [c.client.client_id for c in settings.clients])
    if COMMAND_LINE in (client.client.client_id for client in settings.clients):
        raise DeclarationError(
            f"clients: {COMMAND_LINE!r} is the command line's own: choose another"
        )
    _unique("identity_providers", "issuer", [p.issuer for p in settings.providers])
    prefixes = [p.subject_prefix or "" for p in settings.providers]
    _unique("identity_providers", "subject_prefix", prefixes)  # else alice is anybody's
    guards = [r.resource.client_id for r in settings.resources if r.resource.client_id is not None]
    _unique("resources", "client_id", guards)
    check_types(settings)


def check_types(settings: Settings) -> None:
    """Refuse types that resources or clients name and nobody declares.

    Raises:
        DeclarationError: says which, and who names it.
    """
    for resource in settings.resources:
        _known_types(f"resource {resource.resource.identifier}", resource.resource.types, settings)
    for declared in settings.clients:
        types = declared.client.types or frozenset()
        _known_types(f"client {declared.client.client_id}", types, settings)


def _unique(table: str, key: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise DeclarationError(f"{table}: {key} {value!r} is declared twice")


def _known_types(who: str, types: frozenset[str], settings: Settings) -> None:
    for name in sorted(types):
        if name not in settings.types:
            known = ", ".join(sorted(settings.types)) or "none"
            raise DeclarationError(
                f"{who}: type {name!r} is not declared; declare [types.{name}] (declared: {known})"
            )
