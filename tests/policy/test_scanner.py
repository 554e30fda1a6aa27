from fleeting.policy.problems import PolicySource
from fleeting.policy.scanner import split_policies


def split(text):
    return [policy.text for policy in split_policies(PolicySource("f", text))]


def test_a_semicolon_ends_a_policy():
    assert split("permit(a);\n forbid(b) ; ") == ["permit(a);", "forbid(b) ;"]


def test_comments_are_left_out_before_a_policy_and_kept_inside():
    assert split("// one; two\npermit( // three; four\n);") == ["permit( // three; four\n);"]


def test_a_comment_ends_where_it_does_for_the_cedar_engine():
    assert split("permit( // three; four\r);forbid();") == [
        "permit( // three; four\r);",
        "forbid();",
    ]


def test_brackets_beside_each_other_are_not_deep():
    (policy,) = split_policies(PolicySource("f", "permit(" + "(a)" * 150 + ");"))
    assert policy.find_too_deep() is None


def test_a_semicolon_in_a_string_ends_nothing():
    assert split(r'@reason("a; \"b;") permit();') == [r'@reason("a; \"b;") permit();']


def test_a_string_may_go_on_over_lines():
    assert split('@description("a;\n b; // c") permit();') == [
        '@description("a;\n b; // c") permit();'
    ]


def test_an_open_quote_does_not_swallow_the_next_policy():
    assert split('permit("abc);\n@id("x") permit();') == ['permit("abc);', '@id("x") permit();']


def test_an_open_bracket_does_not_swallow_the_next_policy():
    assert split("permit((a);permit(b);") == ["permit((a);", "permit(b);"]


def test_what_is_left_over_is_a_policy_too():
    assert split("permit(a);\npermit(b)") == ["permit(a);", "permit(b)"]
    assert split("// nothing\n") == []


def test_places_are_counted_in_characters_from_one():
    _, policy = split_policies(PolicySource("f", '@reason("ä€")\n;\n\n  permit(\n   "x", x);'))
    start, second = policy.problem("m"), policy.problem("m", at=policy.find("x", nth=1))
    assert (start.line, start.column) == (4, 3)
    assert (second.line, second.column) == (5, 9)
    assert policy.find("y") is None
