import pytest

from fleeting.policy.reviewing.look_alikes import disguised, look_alikes, skeleton, slips


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("support", "Support"),
        ("payments-leads", "payments_leads"),
        ("payments-leads", "paymentsleads"),
        ("admin", "adm1n"),
        ("all", "aIl"),
        ("ops", "0ps"),
        ("modern", "modem"),
        ("wall", "vvall"),
        ("admin", "аdmin"),  # noqa: RUF001 -- Cyrillic
        ("cafe", "café"),
        ("admin", "ａｄｍｉｎ"),  # noqa: RUF001 -- full width
    ],
)
def test_what_the_eye_takes_for_one_has_one_skeleton(one, other):
    assert skeleton(one) == skeleton(other)
    assert [*look_alikes({one, other})] == [tuple(sorted((one, other)))]
    assert [*slips({one, other})] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("payment-leads", "payments-leads"),
        ("support", "suport"),
        ("support", "supprot"),
        ("support", "suppart"),
        ("team.finance", "team.finence"),
        ("finance", "xfinance"),
    ],
)
def test_one_slip_is_found(one, other):
    assert [*slips([one, other, "something-else"])] == [tuple(sorted((one, other)))]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("team-a", "team-b"),
        ("team-10", "team-11"),
        ("finance1", "finance2"),
        ("finance", "finance7"),
        ("refunds-eu", "refunds-us"),
        ("dev", "dew"),
        ("a", "b"),
        ("read-leads", "reap-leadz"),
        ("support", "suppotr-x"),
        ("support", "supqrot"),
        ("support", "support"),
        ("payments", "pay-ents"),
    ],
)
def test_names_that_differ_on_purpose_are_no_slips(one, other):
    assert [*slips([one, other])] == []


def test_three_that_look_alike_are_two_pairs():
    assert [*look_alikes(["a-b", "ab", "A_B", "c"])] == [("A_B", "a-b"), ("a-b", "ab")]


def test_a_disguise_is_wholly_foreign_and_reads_as_ascii():
    assert disguised("сор-1") == "cop-1"  # noqa: RUF001 -- Cyrillic
    assert disguised("дом") == ""  # an honest word
    assert disguised("cop") == ""
    assert disguised("42") == ""
