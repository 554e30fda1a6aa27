from datetime import timedelta

import pytest

from fleeting.core.model import ApprovalStage, Limits, SenderConstraint
from fleeting.core.operations import declare_type
from fleeting.policy import PolicySource, PolicyWorld
from fleeting.policy.proving.properties import Never, load_properties

HEAD = '[[properties]]\nname = "p"\n'
FIVE = Limits(timedelta(minutes=5), 1)


def test_a_property_is_about_all_actions_unless_it_says_which(property_):
    assert property_("permitted = true").actions == {"pay:make", "pay:undo"}
    assert property_("permitted = true", 'types = ["pay"]').actions == {"pay:make", "pay:undo"}
    assert property_("permitted = true", 'actions = ["pay:make"]').actions == {"pay:make"}


def test_sensitive_selects_the_types_that_are(property_):
    secret = declare_type("secret", {"actions": ["read"], "sensitive": True})
    plain = declare_type("plain", {"actions": ["read"]})
    world = PolicyWorld({"secret": secret, "plain": plain}, frozenset({"mail:read"}))
    never = "unbound = true"
    assert property_(never, "sensitive = true", world).actions == {"secret:read"}
    both = 'sensitive = true\nactions = ["scope:mail:read"]'
    assert property_(never, both, world).actions == {"secret:read", "scope:mail:read"}


@pytest.mark.parametrize(
    ("never", "broken", "kept"),
    [
        (Never(permitted=True), FIVE, None),
        (Never(lifetime_over=timedelta(seconds=299)), FIVE, Limits(timedelta(seconds=299))),
        (Never(uses_over=1), Limits(timedelta(1), 2), FIVE),
        (Never(uses_over=1), Limits(timedelta(1)), FIVE),
        (
            Never(approvals=(ApprovalStage(2, ""),)),
            Limits(timedelta(1), approvals=(ApprovalStage(1, "a"),)),
            Limits(timedelta(1), approvals=(ApprovalStage(1, "a"), ApprovalStage(1, "b"))),
        ),
        (
            Never(approvals=(ApprovalStage(1, "b"),)),
            Limits(timedelta(1), approvals=(ApprovalStage(1, "a"),)),
            Limits(timedelta(1), approvals=(ApprovalStage(1, "b"),)),
        ),
        (
            Never(bound=SenderConstraint.MTLS),
            FIVE,
            Limits(timedelta(1), bound=SenderConstraint.MTLS),
        ),
    ],
)
def test_what_must_not_be_is_held_against_limits(never, broken, kept):
    assert never.broken_by(broken)
    assert kept is None or not never.broken_by(kept)


def test_all_that_must_not_be_is_read(property_):
    read = property_(
        'lifetime_over = "5m", uses_over = 1, approvals_under = "2 of a", bound_under = "mtls"'
    ).never
    assert read == Never(
        lifetime_over=timedelta(minutes=5),
        uses_over=1,
        approvals=(ApprovalStage(2, "a"),),
        bound=SenderConstraint.MTLS,
    )
    assert property_("unbound = true, approvals_under = 2").never == Never(
        approvals=(ApprovalStage(2, ""),), bound=SenderConstraint.DPOP
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = 1\n[[properties]]]", "2:15: this is not TOML"),
        ("[[properties", "1:1: this is not TOML"),
        ("propertys = 1", "1:1: unknown key 'propertys'; did you mean 'properties'? (write [[pr"),
        ("properties = 3", "1:1: properties must be an array of tables (write [[properties]]"),
        ("[[properties]]\nnever = { permitted = true }", "1:1: this property has no name (write"),
        (HEAD, "1:1: a property says what must never be (write such as never = "),
        (HEAD + "never = { permitted = false }", "3:1: this never says nothing (write permitted"),
        (HEAD + "never = { lifetime = '5m' }", "3:11: never: unknown key 'lifetime'; did you mean"),
        (
            HEAD + "never = { lifetime_over = '5 m' }",
            "3:11: never.lifetime_over: '5 m' is not a dura",
        ),
        (HEAD + "never = { uses_over = 0 }", "3:11: never.uses_over: must be a whole number"),
        (
            HEAD + "never = { approvals_under = 'two' }",
            "3:11: approvals_under cannot be read (write a",
        ),
        (HEAD + "never = { approvals_under = true }", "3:11: approvals_under cannot be read"),
        (HEAD + "never = { bound_under = 'tls' }", "3:11: bound_under is not 'tls' (write bound_u"),
        (HEAD + "nver = { permitted = true }", "3:1: unknown key 'nver'; did you mean 'never'?"),
        (
            HEAD + "never = { permitted = true }\ntypes = ['pai']",
            "4:11: no operation type is called 'pai' (did you mean 'pay'?)",
        ),
        (
            HEAD + "never = { permitted = true }\ntypes = ['zzz']",
            "4:11: no operation type is called 'zzz' (known are pay)",
        ),
        (
            HEAD + "never = { permitted = true }\nactions = ['pay:mke']",
            "4:13: there is no action 'pay:mke' (did you mean 'pay:make'?)",
        ),
        (
            HEAD + "never = { permitted = true }\nactions = ['pay']",
            "4:13: there is no action 'pay' (known are pay:make",
        ),
        (HEAD + "never = { permitted = true }\nwhen = 5", "4:1: when: must be a string in quotes"),
        (
            HEAD + "never = { permitted = true }\nwhen = 'context.operation.amuont > 5'",
            "4:27: when: attribute `operation.amuont` in context",
        ),
        (
            HEAD
            + 'never = { permitted = true }\nwhen = \'true }; @id("b") permit(principal, action, '
            "resource) when { true'",
            "4:9: when: this is more than one condition",
        ),
        (HEAD + "never = { permitted = true }\nwhen = ''", "4:1: when: "),
        (
            HEAD + "never = { permitted = true }\n" + HEAD + "never = { permitted = true }",
            "4:1: the name 'p' is taken by p.toml:1",
        ),
        ('properties = [{name = "p"}]', "1:1: a property says what must never be"),
    ],
)
def test_an_error_is_told_with_its_place_and_what_was_meant(property_problems, text, told):
    problems = property_problems(text)
    assert problems[0].startswith(told), problems


def test_every_error_of_every_property_is_told_at_once(property_problems):
    assert len(property_problems((HEAD + "never = { }\n") * 3)) == 3


def test_a_property_knows_where_it_stands():
    text = "# what must hold\n\n" + HEAD + "never = { permitted = true }\n"
    (found,) = load_properties([PolicySource("p.toml", text)], PolicyWorld({}))
    assert (found.name, found.file, found.line, found.when) == ("p", "p.toml", 3, None)
