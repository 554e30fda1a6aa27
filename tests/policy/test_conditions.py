import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.policy.conditions import DEEPEST, Link, Part, alone, take_apart

REFUND = 'action == Action::"payment_refund:refund"'


def apart(load, text):
    (policy,) = load(text).policies.values()
    return take_apart(policy)


def shape(condition):
    if condition.link is None:
        return condition.text
    return [condition.link.value, *map(shape, condition.parts)]


def test_scope_and_clauses_are_told_apart_each_with_its_place(load):
    taken = apart(
        load,
        '@id("x")\n@description\n'
        'permit (principal is User in Group::"a", action in [Action::"transfer:make"],\n'
        '  resource == Resource::"https://api")\n'
        "when { context.request has ticket && // why\n"
        '       context.request.ticket   like "INC-*" }\n'
        "unless { principal has level || context.delegation_depth > 2 };",
    )
    told = [(each.part, each.text, each.line, each.column) for each in taken.conditions]
    assert told == [
        (Part.PRINCIPAL, 'principal is User in Group::"a"', 3, 9),
        (Part.ACTION, 'action in [Action::"transfer:make"]', 3, 42),
        (Part.RESOURCE, 'resource == Resource::"https://api"', 4, 3),
        (Part.WHEN, "context.request has ticket", 5, 8),
        (Part.WHEN, 'context.request.ticket like "INC-*"', 6, 8),
        (Part.UNLESS, "principal has level", 7, 10),
        (Part.UNLESS, "context.delegation_depth > 2", 7, 33),
    ]
    assert [each.wanted for each in taken.conditions] == [True] * 5 + [False] * 2


def test_a_scope_that_says_nothing_is_no_condition(load):
    taken = apart(load, f'@id("x") permit (principal, {REFUND}, resource);')
    assert [each.part for each in taken.conditions] == [Part.ACTION]


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("when { true && (false || true) }", ["true", ["||", "false", "true"]]),
        ("when { (true && false) && true }", [["&&", "true", "false"], "true"]),
        ("when { ((true && false)) }", ["true", "false"]),
        ("when { true || false && true }", [["||", "true", ["&&", "false", "true"]]]),
        ("when { !(true && false) }", [["!", ["&&", "true", "false"]]]),
        ("when { !true && false }", ["!true", "false"]),
        (
            "when { if true then false else true && false }",
            ["if true then false else true && false"],
        ),
        ("when { (true) == (false) }", ["(true) == (false)"]),
        ("unless { true && false }", [["&&", "true", "false"]]),
        ("unless { true || (false && true) }", ["true", ["&&", "false", "true"]]),
        ("when { true } unless { false } when { true }", ["true", "false", "true"]),
        (
            'when { [1, 2].contains(1) && {a: "&&"}.a == "}" }',
            ["[1, 2].contains(1)", '{a: "&&"}.a == "}"'],
        ),
        ("", []),
    ],
)
def test_conditions_are_read_as_cedar_binds_them(load, clause, expected):
    taken = apart(load, f'@id("x") permit (principal, {REFUND}, resource) {clause};')
    assert [shape(each) for each in taken.conditions[1:]] == expected
    assert [atom.number for atom in taken.atoms()] == [*range(len(taken.atoms()))]


def test_what_an_atom_looks_at_and_compares_with_is_known(load):
    taken = apart(
        load,
        '@id("x") permit (principal is User, action == Action::"transfer:make", resource) when {'
        ' context.operation.value.lessThan(decimal("50.00")) &&'
        ' context.now.toTime() > duration("8h") && context.now < datetime("2026-01-01") &&'
        ' context.request has ticket && context.request.ticket like "A*" &&'
        ' context has acr && ["gold"].contains(context.acr) };',
    )
    literals = {atom.text: atom.literals for atom in taken.atoms()}
    assert literals['context.operation.value.lessThan(decimal("50.00"))'] == ({"decimal": "50.00"},)
    assert literals['context.now.toTime() > duration("8h")'] == ({"duration": "8h"},)
    assert literals['context.now < datetime("2026-01-01")'] == ({"datetime": "2026-01-01"},)
    assert literals['context.request.ticket like "A*"'] == (
        {"like": [{"Literal": "A"}, "Wildcard"]},
    )
    assert literals['["gold"].contains(context.acr)'] == ("gold",)
    reads = {atom.text: atom.reads.context for atom in taken.atoms()}
    assert reads["context.request has ticket"] == {("request", "ticket")}


def test_what_is_nested_too_deeply_counts_as_one(load):
    inner = "true && false"
    for _ in range(DEEPEST):
        inner = f"(true || ({inner}))"
    taken = apart(load, f'@id("x") permit (principal, {REFUND}, resource) when {{ {inner} }};')
    assert any("||" in atom.text for atom in taken.atoms())


def test_a_condition_of_the_scope_stands_alone_in_a_scope(load):
    taken = apart(load, f'@id("x") permit (principal is User, {REFUND}, resource) when {{ true }};')
    assert [alone(atom) for atom in taken.atoms()] == [
        "permit (principal is User, action, resource);",
        f"permit (principal, {REFUND}, resource);",
        "permit (principal, action, resource) when { true };",
    ]


def expressions():
    atoms = st.sampled_from(["true", "false", "context.delegation_depth == 0"])
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            inner.map(lambda one: f"!({one})"),
            st.tuples(inner, inner).map(lambda two: f"({two[0]}) && ({two[1]})"),
            st.tuples(inner, inner).map(lambda two: f"({two[0]} || {two[1]})"),
        ),
        max_leaves=8,
    )


@given(expressions())
def test_no_expression_loses_or_gains_an_atom(load, expression):
    (condition,) = [
        each
        for each in apart(
            load,
            f'@id("x") permit (principal, {REFUND}, resource) unless {{ true && ({expression}) }};',
        ).conditions
        if each.part is Part.UNLESS
    ]
    assert condition.link is Link.ALL
    found = sum(1 for _ in condition.atoms())
    assert found == 1 + sum(expression.count(each) for each in ("true", "false", "== 0"))
