"""Rules, paths and operations of calls: what is refused at start, and what matches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import compile_path

from fleeting.core.declaring import DeclarationError
from fleeting.core.errors import InvalidRequest
from fleeting.resource import (
    Call,
    body,
    const,
    header,
    operation,
    path,
    protect,
    public,
    query,
    scope,
)
from fleeting.resource.paths import PathTemplate, below_root, route_path
from fleeting.resource.rules import RuleSet
from tests.resource.stand_in import DECLARED

SCOPES = ("payments:read",)
READ = scope("payments:read")
REFUNDING = operation(
    "payment_refund",
    payment_id=path("payment_id"),
    amount=body("order", "amount"),
    currency=const("EUR"),
    note=lambda call: call.header_value(b"x-note"),
)


def rule_set(*rules):
    return RuleSet.of(rules, DECLARED, SCOPES)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (operation("payment_refunds"), "did you mean 'payment_refund'"),
        (operation("payment_refund", action="pay"), "no action 'pay'"),
        (operation("payment_refund", amount=body("amount")), "needs a source for 'payment_id'"),
        (
            operation(
                "payment_refund", payment_id=path("id"), amount=body("a"), currency=const("EUR")
            ),
            "has no '{id}'",
        ),
        (
            operation(
                "payment_refund",
                payment_id=path("payment_id"),
                amount=body("a"),
                currency=const("EUR"),
                note_=const("x"),
            ),
            "no field 'note_'",
        ),
        (scope("payments:write"), "not among the guard's scopes"),
    ],
)
def test_an_operation_that_could_never_be_read_stops_the_start(wanted, said):
    with pytest.raises(DeclarationError, match=said):
        rule_set(protect("POST", "/payments/{payment_id}/refunds", wanted))


@pytest.mark.parametrize(
    ("method", "text", "said"),
    [
        ("post", "/x", "capitals"),
        ("WEBSOCKET", "/x", "WebSockets"),
        ("POST", "x", "must start with"),
        ("POST", "/{a}/{a}", "twice"),
        ("POST", "/{a:uuid}", "not str, int or path"),
        ("POST", "/{a", "write a parameter as"),
        ("POST", "/{a-b}", "write a parameter as"),
    ],
)
def test_a_rule_that_is_not_one_stops_the_start(method, text, said):
    with pytest.raises(ValueError, match=said):
        protect(method, text, READ)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (public("GET", "/payments/{id}"), protect("GET", "/payments/export", READ)),
        (public("GET", "/{rest:path}"), protect("GET", "/payments/{id}", READ)),
        (public("GET", "/payments/{id}"), protect("HEAD", "/payments/{id}", READ)),
        (protect("GET", "/a", READ), public("GET", "/a")),
        (public("GET", "/{id}"), protect("GET", "/{id:int}", READ)),
    ],
)
def test_a_rule_behind_one_that_takes_all_its_calls_stops_the_start(first, second):
    with pytest.raises(ValueError, match="never reached"):
        rule_set(first, second)


def test_rules_that_overlap_in_part_are_taken_in_order():
    rules = rule_set(public("GET", "/a/{id:int}"), protect("GET", "/a/{id}", READ))
    assert rules.find("GET", "/a/1")[0].operation is None
    assert rules.find("GET", "/a/x")[0].operation is READ


@given(
    text=st.sampled_from(["/a/{x}", "/a/{x:int}/b", "/f/{x:path}", "/", "/a/{x}/", "/a.b/{x}-{y}"]),
    suffix=st.text(alphabet="a/fb.1x\n-٣", max_size=8),
)
def test_what_a_template_matches_starlette_routes_alike(text, suffix):
    pattern, _, _ = compile_path(text)
    path_ = "/" + suffix
    try:
        route_path({"path": path_})
    except InvalidRequest:
        return  # refused before anything is matched
    found = PathTemplate.parse(text).match(path_)
    theirs = pattern.match(path_)
    assert (found is None) == (theirs is None)
    assert theirs is None or found == theirs.groupdict()


@given(path_=st.text(alphabet="/ab", max_size=6), root=st.text(alphabet="/ab", max_size=4))
def test_a_root_path_is_taken_off_as_starlette_does(path_, root):
    from starlette._utils import get_route_path

    assert below_root(path_, root) == get_route_path({"path": path_, "root_path": root})


# ------------------------------------------------------------------------------- operations


def call(**changes):
    json_body = changes.pop("body", b'{"order": {"amount": 5}}')
    headers = [(b"content-type", b"application/json"), *changes.pop("headers", [])]
    return Call(
        "POST", "/", headers=headers, body=json_body, path_params={"payment_id": 42}, **changes
    )


def test_fields_come_from_where_the_rule_says():
    read = REFUNDING.read(call(headers=[(b"x-note", b"late")]), DECLARED)
    assert read.to_json() == {
        "type": "payment_refund",
        "actions": ["refund"],
        "payment_id": "42",
        "amount": 5,
        "currency": "EUR",
        "note": "late",
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"body": b'{"order": [5]}'}, "order must be a JSON object"),
        ({"body": b'{"order": null}'}, "needs the field amount"),
        ({"body": b'{"order": {}}'}, "needs the field amount"),
        ({"headers": [(b"x-note", b"a"), (b"x-note", b"b")]}, "once"),
    ],
)
def test_what_a_call_leaves_open_is_a_bad_request(changes, said):
    with pytest.raises(InvalidRequest, match=said):
        REFUNDING.read(call(**changes), DECLARED)


def test_only_what_needs_a_body_reads_one():
    assert REFUNDING.needs_body
    assert not READ.needs_body
    assert not operation("x", a=query("a"), b=header("b"), c=const(1), d=path("d")).needs_body


def test_a_body_source_names_a_member():
    with pytest.raises(ValueError, match="name a member"):
        body()


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), (None, None)])
def test_booleans_in_text_are_read_in_one_way(text, value):
    from fleeting.core.operations import declare_type

    type_ = declare_type(
        "t", {"actions": ["a"], "fields": {"b": {"kind": "exact", "type": "boolean"}}}
    )
    query_string = b"" if text is None else f"b={text}".encode()
    assert query("b").read(Call("GET", "/", query_string), type_.fields["b"]) is value
    with pytest.raises(InvalidRequest):
        query("b").read(Call("GET", "/", b"b=True"), type_.fields["b"])


def test_a_scope_without_a_raw_path_is_read_from_its_path():
    asgi = {"method": "GET", "path": "/a b", "headers": []}
    assert Call.from_scope(asgi, {}).raw_path == "/a%20b"
