"""Hold the reference to the code: what is generated is fresh, what is written is complete."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from docs import generate
from fleeting.core.authzen import AUTHZEN_METADATA, pdp_metadata
from fleeting.core.evidence import EntryKind
from fleeting.core.metadata import AS_METADATA, server_metadata
from fleeting.core.model import Verdict
from fleeting.core.operation_types import (
    _FIELD_KEYS,
    _NUMBER_KEYS,
    _STRING_KEYS,
    _TYPE_KEYS,
    _TYPES_OF,
    FieldKind,
    FieldType,
)
from fleeting.policy.annotations import _ON_BOTH, _PARSERS
from fleeting.policy.schema import CONTEXT_ATTRIBUTES, LIMITS
from fleeting.server import declared_parties, settings
from tests.docs.markdown import DOCS
from tests.simulator import REFUND

REFERENCE = DOCS / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text()


def section(text: str, heading: str) -> str:
    """Return what stands between the heading that has *heading* in it and the next one."""
    pattern = rf"^#+ [^\n]*{re.escape(heading)}[^\n]*\n(.*?)(?=^#+ |\Z)"
    found = re.search(pattern, text, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of the tables in *text*, heads and rules aside."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if not set(row[0]) <= {"-", " "}]


def named(text: str) -> set[str]:
    """Return what the first column of the tables in *text* names."""
    return {name for row in rows(text) for name in re.findall(r"`([^`]+)`", row[0])}


def test_the_generated_pages_are_fresh():
    assert generate.stale() == [], "run: python -m docs.generate"


def test_every_error_says_what_to_do():
    assert {each.__name__ for each in generate.error_classes()} == generate.ADVICE.keys()


def test_settings_names_every_key_and_no_other():
    text = page("settings.md")
    assert named(section(text, "Top level")) == set(settings.KEYS)
    parties: dict[str, Iterable[str]] = {
        "[types.NAME]": _TYPE_KEYS,
        "[[resources]]": declared_parties._RESOURCE_KEYS,
        "[[clients]]": declared_parties._CLIENT_KEYS,
        "[[identity_providers]]": declared_parties._PROVIDER_KEYS,
    }
    for heading, keys in parties.items():
        assert named(section(text, f"`{heading}`")) == set(keys), heading


def test_operation_kinds_names_every_kind_type_and_key():
    kinds, types, keys = (section_ for section_ in page("operation-kinds.md").split("\n\n| ")[1:4])
    shown = {row[0].strip("`"): row[1] for row in rows(f"| {kinds}")[1:]}
    for kind, fitting in _TYPES_OF.items():
        assert re.findall(r"`(\w+)`", shown[kind]) == [type_.value for type_ in fitting]
    assert shown.keys() == {kind.value for kind in FieldKind}
    assert named(f"| {types}") == {type_.value for type_ in FieldType}
    assert named(f"| {keys}") == {*_FIELD_KEYS, *_STRING_KEYS, *_NUMBER_KEYS, "values"}


def test_annotations_names_every_annotation_and_where_it_stands():
    text = page("annotations.md").partition("## Annotations")[2].partition("## Entities")[0]
    shown = {re.match(r"`@(\w+)", row[0])[1]: row[1] for row in rows(text)[1:]}
    assert shown.keys() == _PARSERS.keys()
    assert {name for name, on in shown.items() if on.startswith("both")} == set(_ON_BOTH)


def test_annotations_names_every_attribute_of_the_context():
    text = section(page("annotations.md"), "Context")
    attributes, limits = text.split("| of `context.limits`")
    assert named(attributes) == {f"context.{n.removesuffix('?')}" for n in CONTEXT_ATTRIBUTES}
    optional = {f"context.{n.removesuffix('?')}" for n in CONTEXT_ATTRIBUTES if n.endswith("?")}
    assert {r[0].strip("`") for r in rows(attributes) if "optional" in r[1]} == optional
    assert named(f"| of `limits`{limits}") - {"limits"} == LIMITS.keys()


def test_endpoints_names_what_the_metadata_names():
    issuer = "https://as.example.com"
    documents = (server_metadata(issuer, types=(), scopes=()), pdp_metadata(issuer))
    announced = {
        urlsplit(value).path
        for document in documents
        for key, value in document.items()
        if key.endswith(("_endpoint", "_uri"))
    }
    text = page("endpoints.md")
    shown = re.findall(r"`(?:GET|POST) (/\S+)`", rows_text(text))
    ours = {AS_METADATA, AUTHZEN_METADATA, "/healthz", "/readyz", "/metrics"}
    assert set(shown) == announced | ours
    for path in announced - {"/jwks"}:
        method = "GET" if f"## GET {path}\n" in text else "POST"
        assert section(text, f"{method} {path}")


def rows_text(text: str) -> str:
    return "\n".join(row[0] for row in rows(text))


def test_ledger_names_every_kind_and_verdict():
    text = page("ledger.md")
    kinds = text.partition("| kind | when")[2].partition("\n\n")[0]
    assert named(kinds) == {kind.value for kind in EntryKind}
    verdicts = text.partition("| `verdict` |")[2].partition("\n\n")[0]
    assert named(verdicts) == {verdict.value for verdict in Verdict}


async def test_ledger_names_every_member_of_a_body(sim):
    """Play what makes entries, and look for each member of each body on the page."""
    bot, guard = sim.caller("support-bot"), sim.caller("payments-api")
    token = (await bot.ask(REFUND)).json()["access_token"]
    await bot.ask({**REFUND, "amount": 10**9})
    await guard.spend(token)
    await guard.spend(token)
    await bot.post("/revoke", {"token": token})
    text = page("ledger.md")
    recorded = await sim.ledger()
    assert {entry.entry.kind.value for entry in recorded} >= {"token.issued", "token.spent"}
    for chained in recorded:
        for member in chained.entry.body:
            assert f"`{member}`" in text, (chained.entry.kind, member)
