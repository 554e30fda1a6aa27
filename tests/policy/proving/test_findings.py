import pytest

from fleeting.core.model import Client, Resource
from fleeting.policy.proving.findings import findings
from fleeting.policy.proving.parties import Parties
from tests.policy.proving.conditions import WORLD
from tests.policy.proving.rules import forbid, permit

CURRENCY = "context.operation.currency"
CAP = forbid("cap", "context.limits.uses > 2")


@pytest.fixture
def found(pay, parties, effort):
    def found(text, parties=parties):
        return {each.policy: str(each) for each in findings(pay(text), parties, effort)}

    return found


def test_a_sound_set_has_no_findings(found):
    small = permit("small", '@lifetime("60s") @uses("1")', "context.operation.amount <= 100")
    large = permit("large", '@uses("1") @approval("2 of leads")', "context.operation.amount <= 900")
    assert found(small + large + CAP) == {}


def test_a_permit_that_narrows_a_wider_one_is_not_redundant(found):
    assert found(permit("a", '@uses("1")') + permit("b", '@uses("2")', "context has acr")) == {
        "b": "pay.cedar:2:1: this permit is redundant: every request has the same answer without it"
        " ('a' (pay.cedar:1) permits all that it permits)"
    }
    assert found(permit("a", '@uses("2")') + permit("b", '@uses("1")', "context has acr")) == {}


def test_of_two_that_are_alike_the_later_is_redundant(found):
    twice = permit("a", '@uses("1")') + permit("b", '@uses("1")')
    assert list(found(twice)) == ["b"]


def test_several_permits_may_make_one_redundant_together(found):
    halves = [
        permit(f"p{n}", '@uses("1")', f"context.operation.amount {op} 5")
        for n, op in enumerate(["<", ">="])
    ]
    text = found("".join(halves) + permit("z", '@uses("1")', "context.operation.amount != 3"))["z"]
    assert text.endswith("(other permits together permit all that it permits)")


def test_a_permit_that_can_never_match_is_told_with_why(found):
    told = found(
        permit("a", when="context.operation.amount > 5 && context.operation.amount < 4")
        + permit("b", who='principal == Client::"nobody"')
        + permit(
            "c",
            when=f'{CURRENCY}.contains("EUR") && {CURRENCY}.isEmpty()',
        )
        + permit("d")
        + forbid("e", "principal is User && principal is Client")
    )
    assert {id_: text.rpartition("(")[2] for id_, text in told.items()} == {
        "a": "its conditions contradict each other, or what is declared of the values)",
        "b": "no declared party is one that its scope takes)",
        "c": "its conditions contradict each other, or what is declared of the values)",
        "e": "its conditions contradict each other, or what is declared of the values)",
    }
    assert "this permit can never match" in told["a"]
    assert "this forbid can never match" in told["e"]


def test_a_permit_that_nobody_can_ask_for_never_matches(found, parties):
    nobody = Parties((), parties.resources)
    assert "no declared client may ask any declared resource" in found(permit("a"), nobody)["a"]


def test_a_permit_that_a_forbid_always_overrides_is_told_with_the_forbid(found):
    text = found(CAP + permit("a", '@uses("9")') + permit("b", '@uses("1")', "context has acr"))[
        "a"
    ]
    assert text.startswith("pay.cedar:2:1: this permit is always overridden by a forbid ('cap'")


def test_forbids_may_override_a_permit_together(found):
    halves = forbid("f", "context.operation.amount < 5") + forbid(
        "g", "context.operation.amount > 4"
    )
    text = found(halves + permit("a", '@uses("1")'))["a"]
    assert "several forbids together" in text


def test_a_permit_that_keeps_another_from_being_granted_is_not_called_redundant(found):
    masking = permit("a", '@uses("9")', "context.operation.amount < 9")
    other = permit("b", '@uses("1") @approval("1 of leads")')
    sometimes = forbid("f", "context.limits.uses > 3 && context.operation.amount > 5")
    assert found(masking + other + sometimes) == {}


GLASS = '@uses("1") @break_glass("alarm leads, review in 24h")'


def test_a_path_for_emergencies_replaces_none_that_needs_no_reason(found):
    assert found(permit("a", GLASS) + permit("z", '@uses("1")', "context has acr")) == {}


def test_a_path_for_emergencies_is_redundant_where_all_of_it_is_permitted_anyway(found):
    assert list(found(permit("a", GLASS) + permit("z", '@uses("1")'))) == ["a"]


def test_a_permit_that_may_err_is_not_called_redundant(found):
    risky = permit("b", '@uses("1")', "context.operation.amount + 1 > 0")
    told = found(permit("a", '@uses("1")') + risky)
    assert list(told) == ["a"]  # where the other one errs, all is denied anyhow


def test_where_something_is_not_modelled_there_is_silence(found):
    assert found(permit("a", when='ip("10.0.0.1").isLoopback()')) == {}


def test_what_only_an_enforcement_point_asks_about_is_not_odd(pay, effort):
    """AuthZEN: it vouches for users whom no identity provider knows, and for whom nobody acts."""
    guard = Client("guard", frozenset(), types=frozenset())
    resource = Resource("https://api.example", frozenset({"pay"}), client_id="guard")
    parties = Parties((guard,), (resource,))
    bundle = pay(
        '@id("vouched") permit (principal is User, action == Action::"pay:make", resource)\n'
        "when { principal has department && context.delegation_depth == 0 };"
    )
    alone = findings(bundle, parties, effort)
    assert [each.rule for each in alone] == ["never-matches"]
    assert findings(bundle, parties.with_enforcement_points(WORLD.attributes), effort) == []


def test_without_an_enforcement_point_nobody_vouches():
    assert Parties((), ()).with_enforcement_points(()) == Parties((), ())


def test_a_permit_for_whom_nobody_can_wait_makes_no_other_redundant(found):
    waits, hurries = '@approval("1 of leads")', '@break_glass("alarm leads, review in 1h")'
    assert found(permit("waits", waits) + permit("hurries", hurries)) == {}
    needless = found(permit("plain") + permit("hurries", hurries))
    assert [*needless] == ["hurries"]
    twice = permit("hurries", hurries) + permit("waits", waits) + permit("waits-too", waits)
    assert found(twice)["waits-too"].endswith("('waits' (pay.cedar:2) permits all that it permits)")
