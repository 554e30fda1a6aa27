"""The commands, as ``fleeting --help`` lists them."""

from typing import Annotated

import typer

from fleeting import __version__
from fleeting.cli import audit, db, keys, policy, policy_explain, policy_sets, policy_test
from fleeting.cli.demo import demo
from fleeting.cli.explain import explain
from fleeting.cli.groups import TakesIds, add, group
from fleeting.cli.init import init
from fleeting.cli.policy_diff import diff
from fleeting.cli.policy_format import format_
from fleeting.cli.policy_prove import prove
from fleeting.cli.policy_replay import replay
from fleeting.cli.policy_rightsize import rightsize
from fleeting.cli.policy_schema import schema
from fleeting.cli.request import request
from fleeting.cli.serve import serve

app = group(
    "fleeting",
    "Just-in-time access for OAuth 2.0: narrow, bound, short-lived tokens that are spent.",
    "fleeting demo",
    "fleeting init my-installation",
    "fleeting serve -c my-installation/fleeting.toml",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fleeting {__version__}")
        raise typer.Exit


@app.callback()
def fleeting(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Just-in-time access for OAuth 2.0: narrow, bound, short-lived tokens that are spent."""


add(
    app,
    init,
    "fleeting init my-installation",
    "fleeting init . --issuer https://auth.example.com",
)
add(
    app,
    serve,
    "fleeting serve -c my-installation/fleeting.toml",
    "fleeting serve --workers 4 --bind 0.0.0.0:8400",
)
add(app, demo, "fleeting demo", "fleeting demo --keep --port 8400")
add(
    app,
    request,
    "fleeting request --type payment_refund --field payment_id=42 \\",
    "    --field amount=5000 --field currency=EUR --context ticket=INC-7",
    "fleeting request POST http://127.0.0.1:8401/payments/42/refunds \\",
    '    --json-body \'{"amount":5000,"currency":"EUR"}\'',
    "fleeting request --scope payments:read --issuer https://auth.example.com \\",
    "    --client support-bot --key support-bot.jwk.json",
)
add(
    app,
    explain,
    "fleeting explain 5vAq0cVJ3T1Gm1r0w1o8Yg",
    "fleeting explain 5vAq0cVJ3T1Gm1r0w1o8Yg --json | jq .answers",
    cls=TakesIds,
)
add(
    policy.app,
    replay,
    "fleeting policy replay --candidate new-policies --since 30d",
    "fleeting policy replay --candidate HEAD~1",
    "fleeting policy replay --type payment_refund --client support-bot",
    "fleeting policy replay --candidate new-policies --fail-on newly-permitted --fail-on faults",
)
add(
    policy.app,
    rightsize,
    "fleeting policy rightsize",
    "fleeting policy rightsize --since 90d --headroom 50% --diff > tighter.patch",
)
add(
    policy.app,
    schema,
    "fleeting policy schema",
    "fleeting policy schema --check",
    "fleeting policy schema -o -",
)
add(
    policy.app,
    format_,
    "fleeting policy format",
    "fleeting policy format --check",
    "fleeting policy format --diff policies/refunds.cedar",
    name="format",
)
add(
    policy.app,
    policy_test.run_tests,
    "fleeting policy test -c my-installation/fleeting.toml",
    "fleeting policy test --update policies/tests/refunds.toml",
    name="test",
)
add(
    policy.app,
    policy_explain.explain_policy,
    "fleeting policy explain --type payment_refund --field payment_id=42 \\",
    "    --field amount=9000 --field currency=EUR --group support",
    "fleeting policy explain --test 'who is not in support refunds nothing'",
    "fleeting policy explain 5vAq0cVJ3T1Gm1r0w1o8Yg",
    name="explain",
    cls=TakesIds,
)
add(
    policy.app,
    policy_sets.load,
    "fleeting policy load",
    "fleeting policy load /srv/releases/42/policies -c fleeting.toml",
)
add(
    policy.app,
    policy_sets.shadow,
    "fleeting policy shadow candidate/",
    "fleeting policy shadow 3f8a21c0",
    "fleeting policy shadow --stop",
)
add(policy.app, policy_sets.promote, "fleeting policy promote")
add(policy.app, policy_sets.rollback, "fleeting policy rollback 3f8a21c0")
add(policy.app, policy_sets.sets, "fleeting policy sets", "fleeting policy sets --json | jq .[0]")
add(
    policy.app,
    prove,
    "fleeting policy prove -c my-installation/fleeting.toml",
    "fleeting policy prove policies/properties/refunds.toml --timeout 1m --json",
)
add(
    policy.app,
    diff,
    "fleeting policy diff HEAD",
    "fleeting policy diff policies candidate/policies --json",
    "fleeting policy diff v1.4:policies HEAD:policies",
)
app.add_typer(audit.app)
app.add_typer(policy.app)
app.add_typer(keys.app)
app.add_typer(db.app)
