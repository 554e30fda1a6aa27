import pytest

from tests.policy.reviewing.conftest import BOT, REFUND


def group(name):
    return f'principal in Group::"{name}", {REFUND}, resource'


def test_a_group_that_no_client_is_in_is_told(warnings, permit):
    assert warnings(permit(scope=group("suport")), "unknown-group") == [
        "2:29: nobody is in the group `suport` (did you mean 'support'?)"
    ]
    assert warnings(permit(scope=group("finance")), "unknown-group") == []


def test_where_users_bring_their_groups_any_may_come(warnings, permit):
    assert warnings(permit(scope=group("x")), "unknown-group", user_groups=True) == []


def test_a_near_miss_is_told_where_any_group_may_come(warnings, permit):
    assert warnings(permit(scope=group("suport")), user_groups=True, whole=False) == [
        (
            "2:29: Group `suport` can be taken for `support` "
            "(which is declared; write one of them, or names that differ clearly)"
        )
    ]


def test_of_an_unknown_group_it_is_not_told_too_what_it_looks_like(warnings, permit):
    text = permit(scope=group("suport")) + permit(id_="b", scope=group("supprt"))
    assert len(warnings(text, whole=False)) == 2


def test_a_forbid_of_nobody_is_told_too(warnings, forbid):
    assert warnings(forbid(scope=group("suport")), "unknown-group")


def test_a_client_that_is_not_declared_is_told(warnings, permit):
    scope = f'principal == Client::"bott", {REFUND}, resource'
    assert warnings(permit(scope=scope), "unknown-client") == [
        "2:30: no client is declared as `bott` (did you mean 'bot'?)"
    ]
    assert warnings(permit('context.client == Client::"but"'), "unknown-client") == [
        "3:26: no client is declared as `but` (did you mean 'bot'?)".replace("3:26", "3:34")
    ]
    assert warnings(permit('context.client == Client::"bot"'), "unknown-client") == []


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("principal is User", "2:22: no identity provider is declared"),
        ('principal == User::"ada"', "2:28: no identity provider is declared"),
    ],
)
def test_without_identity_providers_there_are_no_users(warnings, permit, scope, told):
    text = permit(scope=f"{scope}, {REFUND}, resource")
    (found,) = warnings(text, "unknown-user")
    assert found.startswith(told)
    assert warnings(text, "unknown-user", users=("",)) == []


def test_a_user_that_no_provider_can_have_is_told(warnings, permit):
    text = permit(scope=f'principal == User::"ada", {REFUND}, resource')
    assert warnings(text, "unknown-user", users=("https://a#", "https://b#")) == [
        (
            "2:28: no identity provider has a user `ada` "
            "(ids of users begin with 'https://a#' or 'https://b#')"
        )
    ]
    assert (
        warnings(text.replace("ada", "https://b#ada"), "unknown-user", users=("https://b#",)) == []
    )


def test_two_groups_that_look_alike_are_told(warnings, permit):
    leads = '@uses("1") @approval("2 of payments-leads")'
    text = permit(says=leads) + permit(id_="b", says=leads.replace("payments", "payment"))
    assert warnings(text, "look-alike") == [
        (
            "3:21: Group `payment-leads` can be taken for `payments-leads` "
            "(which is in `a` (test.cedar:1); write one of them, or names that differ clearly)"
        )
    ]


def test_names_that_are_both_declared_may_be_near_but_not_the_same_to_the_eye(warnings, permit):
    def groups(*names):
        return [type(BOT)("bot", frozenset(), groups=frozenset(names))]

    text = permit(scope=group("support"))
    assert warnings(text, "look-alike", clients=groups("support", "supporr")) == []
    assert warnings(text, "look-alike", clients=groups("support", "sup-port"))
    assert warnings(permit(scope=group("x")), "look-alike", clients=groups("x", "ab", "a-b")) == []


def test_a_name_of_foreign_letters_that_reads_as_another_is_told(warnings, permit):
    (told,) = warnings(permit(scope=group("сор")), "look-alike", user_groups=True)  # noqa: RUF001
    assert "can be taken for `cop` (each of its letters looks like one of `cop`" in told


def test_two_ids_of_policies_that_look_alike_are_told_at_the_later(warnings, permit):
    text = permit(id_="small-refunds") + permit(id_="smal1-refunds") + permit(id_="other")
    assert warnings(text, "look-alike") == [
        (
            "3:5: the id `smal1-refunds` can be taken for `small-refunds` "
            "(which is at `small-refunds` (test.cedar:1); "
            "write one of them, or names that differ clearly)"
        )
    ]
