"""A trial blames the proposals that refuse what was used, or that give anybody more."""

from fleeting.policy.rightsizing import Tightening
from tests.policy.usages import Sized, Used

ALL = set(Tightening)
SCOPE = 'principal, action == Action::"payment_refund:refund", resource'
POLICIES = f"""
@id("small") @lifetime("2m") @uses("3") permit ({SCOPE})
when {{ context.operation.amount <= 5000 }};
@id("large") @lifetime("5m") @uses("9") permit ({SCOPE})
when {{ context.operation.amount <= 50000 }};
@id("no-short-ones") forbid (principal, action, resource)
unless {{ context.limits.lifetime >= 60 }};
"""


def try_(used, *replacements):
    text = POLICIES
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return Sized(POLICIES, used).trial(text)


def test_what_is_permitted_as_before_blames_nobody(ask, refund):
    trial = try_([Used(ask(refund(1)))], ('@uses("3")', '@uses("1")'))
    assert trial.blamed == {}
    assert (trial.requests, trial.tokens, trial.uses, trial.unused) == (1, 1, 1, 0)


def test_a_use_that_is_refused_blames_the_permit_that_permitted_it(ask, refund):
    assert try_([Used(ask(refund(20000)))], ("<= 50000", "<= 10000")).blamed == {"large": ALL}
    assert try_([Used(ask(refund(1)))], ('"2m"', '"30s"')).blamed == {"small": ALL}


def test_a_token_that_was_never_used_may_go_but_is_counted(ask, refund):
    trial = try_([Used(ask(refund(20000)), ())], ("<= 50000", "<= 10000"))
    assert (trial.blamed, trial.unused, trial.tokens) == ({}, 1, 0)
    kept = try_([Used(ask(refund(1)), ())], ("<= 50000", "<= 10000"))
    assert kept.unused == 0


def test_a_life_or_a_number_of_uses_that_was_needed_blames_who_cut_it(ask, refund):
    used = [Used(ask(refund(1)), (1.0, 70.0))]
    assert try_(used, ('"2m"', '"60s"')).blamed == {"small": {Tightening.LIFETIME}}
    assert try_(used, ('@uses("3")', '@uses("1")')).blamed == {"small": {Tightening.USES}}


def test_what_the_policies_refuse_now_already_blames_nobody(ask, refund):
    long_ago = [Used(ask(refund(1)), (1.0, 130.0, 2.0, 3.0)), Used(ask(refund(90000)))]
    assert try_(long_ago).blamed == {}


def test_another_path_that_gives_more_blames_both(ask, refund):
    trial = try_([Used(ask(refund(4000)), ())], ("<= 5000 ", "<= 1000 "))
    assert trial.blamed == {"small": ALL, "large": ALL}


def test_a_forbid_that_does_not_hold_any_more_blames_the_permit(ask, refund):
    short = POLICIES.replace('"2m"', '"30s"')
    trial = Sized(short, [Used(ask(refund(1)))]).trial(POLICIES)
    assert trial.blamed == {"small": ALL}


def test_narrower_limits_of_another_path_are_no_fault(ask, refund):
    used = [Used(ask(refund(1)))]
    assert try_(used, ('"5m"', '"90s"'), ('@uses("9")', '@uses("2")')).blamed == {}
    assert try_(used, ('"5m"', '"90s"')).blamed == {"small": ALL, "large": ALL}
