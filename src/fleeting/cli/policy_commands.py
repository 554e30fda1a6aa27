"""The commands below ``fleeting policy``, in the order of a policy's life."""

from fleeting.cli import policy_explain, policy_sets, policy_test
from fleeting.cli.groups import TakesIds, add
from fleeting.cli.policy import app as app  # noqa: PLC0414 -- they are its commands
from fleeting.cli.policy_diff import diff
from fleeting.cli.policy_export import export
from fleeting.cli.policy_format import format_
from fleeting.cli.policy_prove import prove
from fleeting.cli.policy_replay import replay
from fleeting.cli.policy_rightsize import rightsize
from fleeting.cli.policy_schema import schema

add(
    app,
    schema,
    "fleeting policy schema",
    "fleeting policy schema --check",
    "fleeting policy schema -o -",
)
add(
    app,
    format_,
    "fleeting policy format",
    "fleeting policy format --check",
    "fleeting policy format --diff policies/refunds.cedar",
    name="format",
)
add(
    app,
    policy_test.run_tests,
    "fleeting policy test -c my-installation/fleeting.toml",
    "fleeting policy test --update policies/tests/refunds.toml",
    name="test",
)
add(
    app,
    policy_explain.explain_policy,
    "fleeting policy explain --type payment_refund --field payment_id=42 \\",
    "    --field amount=9000 --field currency=EUR --group support",
    "fleeting policy explain --test 'who is not in support refunds nothing'",
    "fleeting policy explain 5vAq0cVJ3T1Gm1r0w1o8Yg",
    name="explain",
    cls=TakesIds,
)
add(
    app,
    prove,
    "fleeting policy prove -c my-installation/fleeting.toml",
    "fleeting policy prove policies/properties/refunds.toml --timeout 1m --json",
)
add(
    app,
    diff,
    "fleeting policy diff HEAD",
    "fleeting policy diff policies candidate/policies --json",
    "fleeting policy diff v1.4:policies HEAD:policies",
)
add(
    app,
    replay,
    "fleeting policy replay --candidate new-policies --since 30d",
    "fleeting policy replay --candidate HEAD~1",
    "fleeting policy replay --type payment_refund --client support-bot",
    "fleeting policy replay --candidate new-policies --fail-on newly-permitted --fail-on faults",
)
add(
    app,
    policy_sets.shadow,
    "fleeting policy shadow candidate/",
    "fleeting policy shadow 3f8a21c0",
    "fleeting policy shadow --stop",
)
add(app, policy_sets.promote, "fleeting policy promote")
add(app, policy_sets.rollback, "fleeting policy rollback 3f8a21c0")
add(
    app,
    policy_sets.load,
    "fleeting policy load",
    "fleeting policy load /srv/releases/42/policies -c fleeting.toml",
)
add(app, policy_sets.sets, "fleeting policy sets", "fleeting policy sets --json | jq .[0]")
add(app, export, "fleeting policy export 3f8a21c0 earlier/")
add(
    app,
    rightsize,
    "fleeting policy rightsize",
    "fleeting policy rightsize --since 90d --headroom 50% --diff > tighter.patch",
)
