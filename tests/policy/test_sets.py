import json

import pytest

from fleeting.policy import PolicySet, PolicySource, StoredSetError, load_policies, read_set
from fleeting.policy.sets import text_digest

PERMIT = '@id("{id}")\npermit (principal, action, resource);\n'


@pytest.fixture
def policy_set(world):
    sources = (PolicySource("/here/b.cedar", PERMIT.format(id="é\0\ud800")),)
    return PolicySet((*sources, PolicySource("/here/a.cedar", "// nothing")), world.types)


def test_a_set_comes_back_from_its_text_with_types_and_all(policy_set):
    again = read_set(policy_set.text, policy_set.digest)
    assert again.types == policy_set.types
    assert [each.name for each in again.sources] == ["a.cedar", "b.cedar"]
    assert again.digest == policy_set.digest
    assert policy_set.text.isascii()


def test_the_digest_of_a_set_is_that_of_its_bundle(world):
    source = PolicySource("/here/a.cedar", PERMIT.format(id="a"))
    set_ = PolicySet((source,), world.types)
    assert load_policies([source], world).digest == set_.digest == text_digest(set_.text)


def test_another_type_is_another_set_even_where_cedar_would_not_see_it(policy_set):
    types = dict(policy_set.types)
    del types["transfer"]
    assert PolicySet(policy_set.sources, types).digest != policy_set.digest


def test_a_text_under_a_name_that_is_not_its_own_is_refused(policy_set):
    with pytest.raises(StoredSetError, match="altered"):
        read_set(policy_set.text + " ", policy_set.digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"policies": [1], "types": {}}',
        '{"policies": [], "types": {"a": 1}}',
        '{"policies": [], "types": {"a": {"actions": []}}}',
        '{"policies": 3, "types": {}}',
        '{"policies": ' + "[" * 100_000 + "]" * 100_000 + ', "types": {}}',
    ],
)
def test_what_is_no_set_is_refused_in_one_way(text):
    with pytest.raises(StoredSetError, match="cannot be read"):
        read_set(text, text_digest(text))


def test_no_file_passes_for_two(world):
    one = PolicySet((PolicySource("a", "x"), PolicySource("b", "y")), world.types)
    names = [name for name, _ in json.loads(one.text)["policies"]]
    assert names == ["a", "b"]
    for other in ([("a", "x\ny")], [("a", "y"), ("b", "x")], [("ab", "xy")]):
        sources = tuple(PolicySource(*each) for each in other)
        assert PolicySet(sources, world.types).digest != one.digest
