from dataclasses import replace

import pytest

from fleeting.core.limits import Terms
from fleeting.core.model import ApprovalStage, SenderConstraint, StepUp
from fleeting.core.operations import declare_type
from fleeting.policy import (
    PolicyProblems,
    PolicySource,
    PolicyWorld,
    Problem,
    load_policies,
    load_steps,
)

REFUND = 'action == Action::"payment_refund:refund"'


def permit(condition="true", annotations='@id("a")', scope=f"principal, {REFUND}, resource"):
    return f"{annotations}\npermit({scope})\nwhen {{ {condition} }};\n"


def forbid(condition="true"):
    return permit(condition).replace("permit", "forbid")


def test_annotations_become_terms(load):
    text = permit(
        annotations='@id("a.b:c-1") @reason("be kind") @lifetime("60s") @uses("2")'
        '@description("x")'
        '@approval("2 of leads, then 1 of finance") @step_up("gold silver") @max_age("10m")'
        '@bound("mtls") @accept("unlimited-uses, redundant-permit: it is meant")'
    )
    policy = load(text).policies["a.b:c-1"]
    assert policy.reason == "be kind"
    assert policy.terms.lifetime.total_seconds() == 60
    assert policy.terms.uses == 2
    assert policy.terms.bound is SenderConstraint.MTLS
    assert policy.terms.approvals == (ApprovalStage(2, "leads"), ApprovalStage(1, "finance"))
    assert policy.terms.step_up.acr == ("gold", "silver")
    assert policy.terms.step_up.max_age.total_seconds() == 600
    assert (policy.file, policy.line, policy.column) == ("test.cedar", 1, 1)
    assert policy.accepts == ("unlimited-uses", "redundant-permit")


def test_a_permit_may_say_nothing_of_limits(load):
    assert load(permit()).policies["a"].terms == Terms()
    assert load(permit(annotations='@id("a") @step_up("gold")')).policies["a"].terms == Terms(
        step_up=StepUp(("gold",))
    )


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        ('@reason("x")', '1:1: this policy has no @id (write such as @id("small-refunds"))'),
        ('@id("")', "1:1: @id cannot be read: an id has 1 to 100 ASCII letters"),
        ("@id", "1:1: @id cannot be read"),
        ('@id("a b")', "1:1: @id cannot be read"),
        ('@id("а")', "or '-', and no CYRILLIC SMALL LETTER A"),  # noqa: RUF001 -- Cyrillic, that is the point
        ('@id("a") @lifetme("5m")', "unknown annotation @lifetme (did you mean 'lifetime'?)"),
        ('@id("a") @zzzzz("5m")', "unknown annotation @zzzzz (known are @id, @description"),
        ('@id("a") @lifetime("5 m")', "1:10: @lifetime cannot be read: '5 m' is not a duration"),
        ('@id("a") @lifetime("2d")', "@lifetime cannot be read: '2d' is longer than a day"),
        ('@id("a") @uses("0")', "@uses cannot be read: write a whole number"),
        ('@id("a") @uses("9999999999")', "@uses cannot be read"),
        ('@id("a") @approval("leads")', "@approval cannot be read"),
        ('@id("a") @step_up("a  b")', "@step_up cannot be read"),
        ('@id("a") @max_age("x")', "@max_age cannot be read"),
        ('@id("a") @bound("tls")', '@bound cannot be read: write @bound("dpop")'),
        ('@id("a") @reason(" ")', "@reason cannot be read: write one line"),
        ('@id("a") @accept("unlimited-uses")', "@accept cannot be read: write warning and why"),
        (
            '@id("a") @accept("unlimited-uses: ")',
            'such as @accept("unlimited-uses: it only reads")',
        ),
        (
            '@id("a") @accept("unlimited-use: x")',
            "no warning here is called 'unlimited-use'; did you mean 'unlimited-uses'?",
        ),
        ('@id("a") @accept("unpermitted-operation: x")', "no warning here is called"),
        ('@id("a") @id("b")', "1:11: duplicate annotation: @id (write it once)"),
    ],
)
def test_a_wrong_annotation_is_an_error(problems, annotations, said):
    (problem,) = problems(permit(annotations=annotations))
    assert said in problem


def test_a_forbid_states_no_limits(problems, load):
    text = '@id("a") @uses("1") forbid(principal, action, resource);'
    (problem,) = problems(text)
    assert problem.startswith("1:10: @uses stands on a forbid (a forbid grants nothing; limit with")
    assert load(text.replace("@uses", "@reason")).policies["a"].reason == "1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (permit("context.operation.amuont < 5"), "3:26: attribute `operation.amuont`"),
        (permit("context.operation.amuont < 5"), "(did you mean 'amount'?)"),
        (permit('context.request.tiket == ""'), "did you mean 'ticket'?"),
        (permit("context.opration.amount < 5"), "did you mean 'operation'?"),
        (forbid("context.limits.uss == 1"), "did you mean 'uses'?"),
        (permit("context.operation.zzzzz < 5"), "known are amount, currency, note, payment_id"),
        (permit("context.client.name == 1"), "3:23: attribute `name` on entity type `Client`"),
        (permit('principal.departmnt == "x"'), "did you mean 'department'?"),
        (permit('principal.issuer == "x"'), "write `principal is User` in the scope"),
        (permit('context.operation.note == "x"'), "write `context.operation has note && ...`"),
        (
            permit('principal.department == "x"', scope=f"principal is User, {REFUND}, resource"),
            "3:18: unable to guarantee",
        ),
        (
            permit('principal.department == "x"', scope=f"principal is User, {REFUND}, resource"),
            "write `principal has department && ...`",
        ),
        (
            permit("context.operation.amount < 5", scope="principal, action, resource"),
            "name its action in the scope, or ask `context.operation has amount &&` first",
        ),
        (permit('context.operation.amount < "5"'), "expected Long but saw String"),
        (
            permit('context.operation.currency == "EUR" && 1 < context.operation.currency'),
            "saw Set<String> (a set of strings",
        ),
        (permit('decimal("1.00000").lessThan(decimal("2.0"))'), "3:16: error during extension"),
        (permit("context.operation == {amount: 5}"), "context.operation as a whole"),
        (permit("context == context"), "3:8: context as a whole cannot be compared"),
        (permit('unknown("x")'), "3:8: unknown(...) has no value here"),
        (permit("context.limits.uses == 1"), "3:16: a permit cannot read context.limits"),
        (permit("context.request has tiket"), "3:28: nothing has an attribute `tiket` here"),
        (permit("context has actr"), "did you mean 'actor'?"),
        (permit("principal has levl"), "did you mean 'level'?"),
        (permit("context.client has name"), "attribute `name` here (there are none)"),
        (permit(scope=f'principal in Grup::"a", {REFUND}, resource'), "did you mean 'Group'?"),
        (
            permit(scope='principal, action == Action::"payment_refund:refnd", resource'),
            "2:37: unrecognized action",
        ),
        (
            permit(scope='principal, action in [Action::"payment_refnd"], resource'),
            "did you mean 'payment_refund'?",
        ),
        (permit(scope=f'principal == Group::"a", {REFUND}, resource'), "a principal is a User"),
        (
            permit(scope='principal, action == Action::"payment_refund", resource'),
            "unable to find an applicable action",
        ),
        (
            permit(scope=f"principal == ?principal, {REFUND}, resource"),
            "2:21: templates are not supported",
        ),
        (permit('principal == User::"\u0430dmin"'), "User id mixes CYRILLIC and LATIN"),
        (permit('principal == User::"\u0430dmin"'), "U+0430 CYRILLIC SMALL LETTER A"),
        (permit('principal == User::"a\u202eb"'), "cannot be seen"),
        ("permt(principal, action, resource);", "1:1: invalid policy effect: permt"),
        ("permt(principal, action, resource);", "did you mean 'permit'?"),
        ("permit(principal, action, resorce);", "1:27: found an invalid variable"),
        ("permit(principal, action, resource) wen {true};", "did you mean 'when'?"),
        (permit("contxt.operation.amount < 5"), "did you mean 'context'?"),
        (permit('context.operation.currency.contans("EUR")'), "did you mean 'contains'?"),
        (permit('decmal("1.0").lessThan(decimal("2.0"))'), "did you mean 'decimal'?"),
        (permit("context.operation.amount = 5"), "write '==' to compare"),
        (permit("context.operation.amount <= 5 )"), "3:38: unexpected token `)`"),
        (permit("(context.operation.amount <= 5"), "3:40: unexpected token `}`"),
        (permit('context.operation.payment_id == "abc'), "3:40: invalid token"),
        (permit('context.operation.payment_id == "\\q"'), "is not a valid escape"),
        (permit()[:-2], "a policy ends with a semicolon"),
    ],
)
def test_an_error_is_told_with_its_place_and_what_was_meant(problems, text, said):
    assert any(said in problem for problem in problems(text)), problems(text)


def test_a_decimal_is_compared_by_its_methods(problems):
    scope = 'principal, action in Action::"transfer", resource'
    (problem,) = problems(permit('context.operation.value < decimal("5.0")', scope=scope))
    assert ".lessThan()" in problem


def test_every_error_of_every_file_is_told_once_and_in_order(world):
    first = permit("context.operation.amuont < 5") + permit("context.request has tiket")
    second = "permit(principal, action, resorce);" + permit(annotations='@uses("x")')
    with pytest.raises(PolicyProblems) as caught:
        load_policies([PolicySource("b.cedar", second), PolicySource("a.cedar", first)], world)
    places = [(each.file, each.line, each.column) for each in caught.value.problems]
    assert places == [
        ("a.cedar", 3, 26),  # amuont
        ("a.cedar", 4, 5),  # the id is taken
        ("a.cedar", 6, 28),  # tiket
        ("b.cedar", 1, 27),  # resorce
        ("b.cedar", 1, 36),  # no id
        ("b.cedar", 1, 36),  # @uses
    ]
    assert "a.cedar:3:26: attribute" in str(caught.value)


def test_a_word_misspelt_twice_is_told_twice(problems):
    found = problems(permit("context.operation.amuont < 5 || context.operation.amuont > 9"))
    assert [each.split(":")[1] for each in found] == ["26", "58"]


def test_an_id_belongs_to_one_policy(problems):
    assert problems(permit() + permit()) == ['4:5: @id("a") is taken by test.cedar:1']


def test_an_unknown_group_is_an_error_only_where_the_groups_are_known(world, load, problems):
    closed = PolicyWorld(types=world.types, groups=frozenset({"support"}))
    text = permit(scope=f'principal in Group::"suport", {REFUND}, resource')
    assert load(text).policies
    assert problems(text, world=closed) == [
        "2:28: nobody is in the group `suport` (did you mean 'support'?)"
    ]
    assert load(text.replace("suport", "support"), world=closed).policies


def test_policies_that_share_an_action_may_ask_for_its_fields(load):
    scope = "principal, action, resource"
    text = permit("context.operation has amount && context.operation.amount < 5", scope=scope)
    assert load(text).policies["a"].actions == {
        "payment_refund:refund",
        "transfer:make",
        "transfer:cancel",
        "scope:payments:read",
        "scope:payments:write",
    }


def test_names_mean_actions(load):
    def actions(scope):
        return load(permit(scope=f"principal, {scope}, resource")).policies["a"].actions

    assert actions('action in Action::"transfer"') == {"transfer:make", "transfer:cancel"}
    assert actions('action in [Action::"transfer:make", Action::"scope"]') == {
        *("transfer:make", "scope:payments:read", "scope:payments:write"),
    }
    assert actions('action == Action::"transfer:make"') == {"transfer:make"}


def test_the_digest_names_the_set_whatever_the_order_of_its_files(world):
    a, b = PolicySource("a", permit()), PolicySource("b", permit(annotations='@id("b")'))
    digest = load_policies([a, b], world).digest
    assert len(digest) == 64
    assert load_policies([b, a], world).digest == digest
    assert load_policies([a], world).digest != digest
    assert load_policies([replace(a, name="/elsewhere/a"), b], world).digest == digest
    assert load_policies([a, replace(b, name="c")], world).digest != digest


def test_no_policies_are_a_set_too(world):
    assert load_policies([], world).policies == {}


def test_a_problem_reads_like_a_compilers():
    problem = Problem("a.cedar", 3, 7, "wrong", "right", "id")
    assert str(problem) == "a.cedar:3:7: wrong (right)"
    assert str(Problem("a.cedar", 3, 7, "wrong")) == "a.cedar:3:7: wrong"


def test_a_condition_beyond_all_measure_is_an_error(problems):
    text = permit(" || ".join(["context.operation.amount < 5"] * 1000))
    assert "nested too deeply" in problems(text)[0]


CURRENCY = "context.operation.currency"


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (f'{CURRENCY}.contains("EURO")', "3:44: `currency` is never `EURO` (did you mean 'EUR'?)"),
        (f'{CURRENCY}.containsAll(["EUR", "USDD"])', "3:55: `currency` is never `USDD`"),
        (
            f'{CURRENCY}.containsAny(["zzz"])',
            "3:48: `currency` is never `zzz` (known are",
        ),
        (f'["EUR", "eur"].containsAll({CURRENCY})', "3:16: `currency` is never `eur`"),
        (f'{CURRENCY} == ["EURO"]', "3:39: `currency` is never `EURO`"),
        ('context.operation["currency"].contains("EURO")', "3:47: `currency` is never `EURO`"),
        (f'"EURO" == "x" || {CURRENCY}.contains("EURO")', "3:61: `currency` is never `EURO`"),
    ],
)
def test_a_value_outside_of_a_closed_set_is_an_error(problems, condition, said):
    (problem,) = problems(forbid(condition))
    assert problem.startswith(said)


def test_a_value_of_a_closed_set_and_any_value_of_an_open_one_are_fine(load):
    text = f'{CURRENCY}.containsAny(["EUR", "USD"]) && context.operation.payment_id != "EURO"'
    assert load(forbid(f'{text} && context.request has ticket && context.request.ticket == "x"'))
    assert load(forbid(f"{CURRENCY}.contains(context.operation.payment_id)"))


@pytest.fixture(scope="module")
def shops():
    """Make a world of three types with a field `tier`: two with closed sets, one with an open."""
    fields = [{"values": ["gold", "tin"]}, {"values": ["iron"]}, {}]
    types = {
        f"t{number}": declare_type(
            f"t{number}", {"actions": ["go"], "fields": {"tier": {"kind": "exact", **more}}}
        )
        for number, more in enumerate(fields)
    }
    return PolicyWorld(types={**types, "bare": declare_type("bare", {"actions": ["go"]})})


@pytest.mark.parametrize("operator", ["==", "!="])
def test_a_policy_about_several_types_may_name_the_values_of_each(load, problems, shops, operator):
    def text(value, action):
        condition = f'context.operation has tier && context.operation.tier {operator} "{value}"'
        return permit(condition, scope=f"principal, action{action}, resource")

    both = ' in [Action::"t0", Action::"t1:go", Action::"bare"]'
    assert load(text("iron", both), world=shops)
    assert load(text("gold", both), world=shops)
    (problem,) = problems(text("irn", both), world=shops)
    assert "`tier` is never `irn` (did you mean 'iron'?)" in problem
    (problem,) = problems(text("iron", ' == Action::"t0:go"'), world=shops)
    assert "`tier` is never `iron` (known are gold, tin)" in problem
    assert load(text("irn", ""), world=shops)  # t2 takes any


def test_of_a_misspelt_action_no_values_are_guessed(problems):
    scope = 'principal, action in [Action::"payment_refnd"], resource'
    told = problems(permit(f'{CURRENCY}.contains("EURO")', scope=scope))
    assert not any("EURO" in each for each in told), told


def test_an_undeclared_resource_is_an_error_where_the_resources_are_known(world, load, problems):
    closed = replace(world, resources=frozenset({"https://api.example"}))
    wrong = permit(
        annotations='@id("a") @reason("https://api.exmple")',
        scope=f'principal, {REFUND}, resource == Resource::"https://api.exmple"',
    )
    assert load(wrong)
    assert problems(wrong, world=closed) == [
        "2:84: no resource is declared as `https://api.exmple` (did you mean 'https://api.example'?)"
    ]
    assert load(wrong.replace("exmple", "example"), world=closed)
    (problem,) = problems(forbid('resource == Resource::"https://b"'), world=closed)
    assert problem.startswith("3:30: no resource is declared as `https://b`")


# ----------------------------------------------------------------------------- step by step


def driven(steps):
    """Run *steps* to the end; return how many there were and what they came to."""
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return count, done.value
        count += 1


def many(count, condition="true"):
    return "\n".join(permit(condition, f'@id("p{place}")') for place in range(count))


def test_a_set_can_be_loaded_a_policy_at_a_time(world):
    sources = [PolicySource("a", many(30))]
    steps, bundle = driven(load_steps(sources, world))
    assert steps > 30
    assert bundle.policies == load_policies(sources, world).policies
    assert bundle.digest == load_policies(sources, world).digest


def test_every_error_of_a_set_is_found_however_it_is_cut(world, problems):
    bad = "\n".join(
        permit(f"context.operation.{field} == 1", f'@id("p{place}")')
        for place, field in enumerate(["amount", "amuont"] * 20)
    )
    assert len([each for each in problems(bad) if "amuont" in each]) == 20


def test_what_was_checked_in_the_same_world_is_not_checked_again(world):
    old = load_policies([PolicySource("old", many(30))], world)
    text = "\n\n" + many(30) + permit(annotations='@id("new")')
    steps, bundle = driven(load_steps([PolicySource("new", text)], world, known=old))
    fresh = load_policies([PolicySource("new", text)], world)
    assert bundle.policies == fresh.policies
    assert bundle.digest == fresh.digest
    assert bundle.policies["p7"].reads is old.policies["p7"].reads
    assert bundle.policies["p7"].line == old.policies["p7"].line + 2
    assert steps < driven(load_steps([PolicySource("new", text)], world))[0]


def test_in_another_world_all_is_checked_again(world):
    old = load_policies([PolicySource("a", many(2))], world)
    fewer = replace(world, types={"transfer": world.types["transfer"]})
    with pytest.raises(PolicyProblems, match="payment_refund"):
        driven(load_steps([PolicySource("a", many(2))], fewer, known=old))


def test_an_id_that_was_checked_is_not_taken_twice_either(world):
    old = load_policies([PolicySource("a", many(1))], world)
    with pytest.raises(PolicyProblems, match="is taken by b:1"):
        driven(load_steps([PolicySource("b", many(1) * 2)], world, known=old))


@pytest.mark.parametrize(
    ("open_", "close"),
    [("(", ")"), ("[", "].contains(true)"), ("{a: ", "}.a"), ("if true then ", " else false")],
)
def test_nesting_that_would_end_the_cedar_engine_is_an_error(problems, open_, close):
    text = permit(open_ * 5000 + "true" + close * 5000)
    [said] = problems(text)
    assert "nested too deeply" in said
