import pytest

from fleeting.policy import PolicyProblems, PolicySource, load_policies
from fleeting.policy.reviewing import sound_part

GOOD = '@id("{}") permit (principal, action, resource);\n'


def sound(world, *texts):
    sources = [PolicySource(f"{place}.cedar", text) for place, text in enumerate(texts)]
    with pytest.raises(PolicyProblems) as caught:
        load_policies(sources, world)
    return sound_part(sources, world, caught.value.problems)


def test_what_is_right_stays_where_it_stands(world):
    wrong = '@id("x")\npermit (principal, action, resorce);'
    bundle = sound(world, f"{wrong} {GOOD.format('a')}", GOOD.format("b"))
    assert {id_: (each.line, each.column) for id_, each in bundle.policies.items()} == {
        "a": (2, 38),
        "b": (1, 1),
    }


def test_what_needs_a_semicolon_is_left_out(world):
    assert [*sound(world, GOOD.format("a") + GOOD.format("b")[:-2]).policies] == ["a"]


def test_of_two_with_one_id_the_first_is_read(world):
    bundle = sound(world, GOOD.format("a") + GOOD.format("a"))
    assert bundle.policies["a"].line == 1


def test_where_nothing_is_right_nothing_is_left(world):
    assert sound(world, "permit (principal);").policies == {}


def test_a_set_that_is_still_wrong_is_no_set(world):
    source = PolicySource("x.cedar", "permit (principal);")
    assert sound_part([source], world, []) is None
