from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.errors import InsufficientScope
from fleeting.core.model import Operation, scope_operation
from fleeting.core.operations import (
    SCOPES,
    contains,
    declare_type,
    describe,
    excess,
    find_permitting,
    narrow,
    type_of,
)

JOB = declare_type(
    "job",
    {
        "description": "Run one job",
        "actions": ["run", "stop", "look"],
        "fields": {
            "id": {"kind": "exact", "optional": True},
            "dry": {"kind": "exact", "type": "boolean", "optional": True},
            "amount": {"kind": "at_most", "type": "integer", "unit": "cent", "optional": True},
            "price": {"kind": "at_least", "type": "decimal", "optional": True},
            "currency": {"kind": "one_of", "optional": True},
            "path": {"kind": "path", "optional": True},
            "note": {"kind": "text", "optional": True},
        },
    },
)
TYPES = {"job": JOB}


def job(*actions, **fields):
    return Operation("job", actions or ("run",), fields)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (job(), job()),
        (job("run", "stop"), job("stop")),
        (job(id="a"), job(id="a")),
        (job(amount=5), job(amount=5)),
        (job(amount=5), job(amount=0)),
        (job(price=Decimal("5.00")), job(price=Decimal("5.0"))),
        (job(price=Decimal(5)), job(price=Decimal("5.01"))),
        (job(currency=("EUR", "USD")), job(currency=("USD",))),
        (job(currency=("EUR", "USD")), job(currency=("USD", "EUR"))),
        (job(currency=("EUR",)), job(currency="EUR")),
        (job(currency="EUR"), job(currency=("EUR",))),
        (job(path="/a"), job(path="/a/b")),
        (job(path="/"), job(path="/a")),
        (job(note="a"), job(note="b")),
        (job(note="a"), job()),
        (job(), job(note="b")),
    ],
)
def test_what_asks_for_no_more_is_within(outer, inner):
    assert contains(outer, inner, JOB)


@pytest.mark.parametrize(
    ("outer", "inner", "reason"),
    [
        (job("run"), job("run", "stop"), "action stop is not among run"),
        (job(id="a"), job(id="b"), "id is 'b', not 'a'"),
        (job(id="a"), job(id="A"), "id is 'A', not 'a'"),
        (job(dry=True), job(dry=False), "dry is false, not true"),
        (job(amount=5000), job(amount=6000), "amount 6000 is more than 5000"),
        (job(price=Decimal(5)), job(price=Decimal("4.9999")), "price 4.9999 is less than 5"),
        (job(currency="EUR"), job(currency=("EUR", "USD")), "currency 'USD' is not among 'EUR'"),
        (job(path="/a"), job(path="/ab"), "path '/ab' is not '/a' or below it"),
        (job(path="/a/b"), job(path="/a"), "path '/a' is not '/a/b' or below it"),
        (job(amount=5), job(), "amount is missing"),
        (job(), job(amount=5), "amount is 5, but was not granted"),
        (job(), job(currency=("EUR",)), "currency is 'EUR', but was not granted"),
        (job(), job(dry=True), "dry is true, but was not granted"),
        (job(), Operation("other", ("run",), {}), "type other is not job"),
        (job(), job(undeclared="x"), "job does not have all of these fields"),
        (job(undeclared="x"), job(undeclared="x"), "job does not have all of these fields"),
    ],
)
def test_what_asks_for_more_is_told_what_is_too_much(outer, inner, reason):
    assert excess(outer, inner, JOB) == reason


def test_the_type_must_be_that_of_both():
    assert not contains(scope_operation("a"), scope_operation("a"), JOB)
    assert narrow(scope_operation("a"), scope_operation("a"), JOB) is None


def test_scopes_are_operations_like_any_other():
    read, write = scope_operation("pay:read"), scope_operation("pay:write")
    assert type_of(read, TYPES) is SCOPES
    assert type_of(job(), TYPES) is JOB
    assert contains(read, read, SCOPES)
    assert not contains(read, write, SCOPES)
    assert narrow(read, read, SCOPES) == read
    assert narrow(read, write, SCOPES) is None
    assert describe(read, SCOPES) == "OAuth scopes (pay:read)"


@pytest.mark.parametrize(
    ("asked", "ceiling", "met"),
    [
        (job("stop", "run"), job("run", "stop", "look"), job("stop", "run")),
        (job("run", "stop"), job("look", "stop"), job("stop")),
        (job("run"), job("stop"), None),
        (job(amount=6000), job(amount=5000), job(amount=5000)),
        (job(amount=100), job(amount=5000), job(amount=100)),
        (job(price=Decimal(1)), job(price=Decimal(2)), job(price=Decimal(2))),
        (job(id="a"), job(id="b"), None),
        (job(currency=("EUR", "USD")), job(currency=("USD", "GBP")), job(currency=("USD",))),
        (job(currency="EUR"), job(currency=("USD", "EUR")), job(currency="EUR")),
        (job(currency=("EUR",)), job(currency="USD"), None),
        (job(currency="EUR"), job(currency=("USD",)), None),
        (job(path="/a"), job(path="/a/b"), job(path="/a/b")),
        (job(path="/a"), job(path="/b"), None),
        (job(amount=5), job(), None),
        (job(), job(amount=5), None),
        (job(note="mine"), job(note="theirs"), job(note="mine")),
        (job(), job(note="theirs"), job()),
        (job(undeclared=1), job(undeclared=1), None),
    ],
)
def test_narrowing_keeps_what_both_have(asked, ceiling, met):
    assert narrow(asked, ceiling, JOB) == met


def test_the_first_granted_operation_that_contains_the_call_permits_it():
    small, large = job(amount=50), job(amount=5000)
    assert find_permitting([small, large], job(amount=100), TYPES) is large


def test_two_granted_operations_do_not_add_up():
    granted = [job("run", amount=5), job("stop", amount=50)]
    with pytest.raises(InsufficientScope) as caught:
        find_permitting(granted, job("run", amount=50), TYPES)
    assert caught.value.description == (
        "job was not granted for this call: amount 50 is more than 5; action run is not among stop"
    )


def test_a_token_that_does_not_speak_of_the_call_permits_nothing():
    with pytest.raises(InsufficientScope, match="does not speak of it"):
        find_permitting([scope_operation("a")], job(), TYPES)


def test_people_read_an_operation_in_the_words_of_its_type():
    operation = job(
        "run",
        "stop",
        id='x", amount at most 1',
        dry=True,
        amount=5000,
        price=Decimal("9.50"),
        currency=("EUR", "USD"),
        path="/a",
        note="für Ada",
    )
    assert describe(operation, JOB) == (
        'Run one job (run, stop): id "x\\", amount at most 1", dry true, amount at most 5000 cent, '
        'price at least 9.50, currency "EUR" or "USD", path at or below "/a", note "für Ada"'
    )
    assert describe(job(), replace(JOB, description="")) == "job (run)"


def subsets(values):
    return st.lists(st.sampled_from(values), min_size=1, unique=True).map(tuple)


operations = st.builds(
    Operation,
    st.just("job"),
    subsets(JOB.actions),
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.sampled_from(["a", "b"]),
            "dry": st.booleans(),
            "amount": st.integers(0, 3),
            "price": st.sampled_from([Decimal("1.0"), Decimal("1.00"), Decimal("1.5")]),
            "currency": st.sampled_from(["EUR", "USD"]) | subsets(["EUR", "USD", "GBP"]),
            "path": st.sampled_from(["/", "/a", "/a/b", "/ab", "/a/b/c"]),
            "note": st.sampled_from(["", "x"]),
        },
    ),
)
# Independent operations are rarely comparable: most of these share their fields.
alike = operations.flatmap(
    lambda base: st.tuples(*[operations.map(lambda other: replace(other, fields={
        name: other.fields.get(name, value) for name, value in base.fields.items()
    }))] * 3)
)  # fmt: skip


@given(operations)
def test_everything_contains_itself(a):
    assert contains(a, a, JOB)


@given(alike)
def test_containment_is_transitive(three):
    a, b, c = three
    if contains(a, b, JOB) and contains(b, c, JOB):
        assert contains(a, c, JOB)


def meaning(operation):
    fields = {name: value for name, value in operation.fields.items() if name != "note"}
    currency = fields.pop("currency", ())
    chosen = {currency} if isinstance(currency, str) else set(currency)
    return set(operation.actions), fields, chosen


@given(alike)
def test_what_contain_each_other_mean_the_same(three):
    a, b, _ = three
    if contains(a, b, JOB) and contains(b, a, JOB):
        assert meaning(a) == meaning(b)


@given(alike)
def test_the_narrowed_is_within_both(three):
    a, b, _ = three
    met = narrow(a, b, JOB)
    if met is not None:
        assert contains(a, met, JOB)
        assert contains(b, met, JOB)


@given(alike)
def test_whatever_is_within_both_is_within_the_narrowed(three):
    a, b, c = three
    if contains(a, c, JOB) and contains(b, c, JOB):
        met = narrow(a, b, JOB)
        assert met is not None
        assert contains(met, c, JOB)
