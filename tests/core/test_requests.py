import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.errors import (
    InvalidAuthorizationDetails,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    OAuthError,
    UnsupportedGrantType,
)
from fleeting.core.forms import parse_form
from fleeting.core.model import Operation, Resource, scope_operation
from fleeting.core.operations import declare_type
from fleeting.core.requests import (
    CLIENT_CREDENTIALS,
    TOKEN_EXCHANGE,
    TOKEN_TYPE_ACCESS_TOKEN,
    Ask,
    Catalogue,
    parse_ask,
    parse_challenge_request,
    parse_scope,
    parse_token_request,
    refuse_control_characters,
    resolve_target,
)

JWT = "urn:ietf:params:oauth:token-type:jwt"
PAY, SHIP, BOTH = "https://pay.example", "https://ship.example", "https://both.example"
TYPES = {
    name: declare_type(name, {"actions": ["do"], "fields": {"n": {"kind": "exact"}}})
    for name in ("refund", "parcel", "shared")
}
CATALOGUE = Catalogue(
    {
        PAY: Resource(PAY, frozenset({"refund", "shared"}), frozenset({"read", "pay"})),
        SHIP: Resource(SHIP, frozenset({"parcel", "shared"}), frozenset({"read", "ship"})),
    },
    TYPES,
)
REFUND = {"type": "refund", "actions": ["do"], "n": "1"}


def form(*pairs, **fields):
    return parse_form(urlencode([*pairs, *fields.items()]).encode())


# Forms.

EXCHANGE = {"subject_token": "a", "subject_token_type": JWT}


@pytest.mark.parametrize(
    "fields",
    [
        {"grant_type": TOKEN_EXCHANGE, **EXCHANGE, "actor_token": "b"},
        {"grant_type": CLIENT_CREDENTIALS, "scope": "read", "resource": "https://a.example#b"},
    ],
)
def test_descriptions_are_in_the_characters_that_an_answer_may_have(fields):
    """RFC 6749 §5.2: whatever else is in them is told as a question mark."""
    with pytest.raises(OAuthError) as refused:
        resolve_target(parse_token_request(form(**fields)).ask, CATALOGUE)
    assert refused.value.description.isascii()


# Token requests.


def test_client_credentials_ask_for_operations():
    request = parse_token_request(
        form(
            ("resource", PAY),
            grant_type=CLIENT_CREDENTIALS,
            authorization_details=json.dumps([REFUND]),
            scope="read pay",
            request_context='{"ticket": "A-1"}',
        )
    )
    assert request.grant_type == CLIENT_CREDENTIALS
    assert request.ask == Ask([REFUND], ("read", "pay"), (PAY,), {"ticket": "A-1"})
    assert request.subject_token is None


def test_asking_for_nothing_is_not_asking_for_everything():
    with pytest.raises(InvalidRequest, match="ask for something"):
        parse_token_request(form(grant_type=CLIENT_CREDENTIALS))


@pytest.mark.parametrize(
    "grant_type", ["password", "authorization_code", "CLIENT_CREDENTIALS", "implicit", "\0"]
)
def test_other_grants_are_unsupported(grant_type):
    with pytest.raises(UnsupportedGrantType):
        parse_token_request(form(grant_type=grant_type, scope="read"))
    with pytest.raises(InvalidRequest, match="'grant_type' is missing"):
        parse_token_request(form(scope="read"))


@pytest.mark.parametrize(
    "name",
    [
        "subject_token",
        "subject_token_type",
        "actor_token",
        "actor_token_type",
        "requested_token_type",
        "audience",
    ],
)
def test_a_parameter_of_an_exchange_is_never_dropped_in_silence(name):
    with pytest.raises(InvalidRequest, match=name):
        parse_token_request(form((name, "x"), grant_type=CLIENT_CREDENTIALS, scope="read"))


def exchange(**fields):
    honest = {
        "grant_type": TOKEN_EXCHANGE,
        "scope": "read",
        "subject_token": "s",
        "subject_token_type": JWT,
    }
    kept = {name: value for name, value in {**honest, **fields}.items() if value is not None}
    return parse_token_request(form(**kept))


def test_an_exchange_brings_tokens():
    request = exchange(
        actor_token="a",
        actor_token_type=TOKEN_TYPE_ACCESS_TOKEN,
        requested_token_type=TOKEN_TYPE_ACCESS_TOKEN,
        audience=PAY,
    )
    assert (request.subject_token, request.subject_token_type) == ("s", JWT)
    assert request.actor_token == "a"
    assert request.ask.resources == (PAY,)


@pytest.mark.parametrize(
    "fields",
    [
        {"subject_token": None},
        {"subject_token_type": None},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"actor_token": "a"},
        {"actor_token_type": JWT},
        {"actor_token": "a", "actor_token_type": "urn:other"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:id_token"},
    ],
)
def test_an_exchange_that_lacks_or_mixes_parameters_is_refused(fields):
    with pytest.raises(InvalidRequest):
        exchange(**fields)


@pytest.mark.parametrize(
    "text",
    ["", "{", "{}", "[]", '"a"', "null", '[{"a":1,"a":2}]', "[" * 20 + "]" * 20, '["\\ud800"]'],
)
def test_details_are_a_json_array_with_something_in_it(text):
    with pytest.raises((InvalidAuthorizationDetails, InvalidRequest)):
        parse_ask(form(authorization_details=text))


@pytest.mark.parametrize("text", ["{", '{"a":1,"a":1}', "NaN"])
def test_a_context_is_json(text):
    with pytest.raises(InvalidRequest, match="request_context"):
        parse_ask(form(scope="read", request_context=text))


def test_no_context_is_an_empty_one():
    assert parse_ask(form(scope="read")).context == {}


# Challenges.


def challenged(*pairs, **fields):
    return parse_challenge_request(
        form(*pairs, **fields), details=[REFUND], scopes=("read",), resource=PAY
    )


def test_a_challenge_says_what_is_asked_for():
    request = challenged(request_context='{"ticket": "A-1"}', transaction_challenge="x")
    assert request.grant_type == CLIENT_CREDENTIALS
    assert request.ask == Ask([REFUND], ("read",), (PAY,), {"ticket": "A-1"})


def test_a_challenge_can_be_answered_for_a_user():
    request = challenged(subject_token="s", subject_token_type=JWT)
    assert (request.grant_type, request.subject_token) == (TOKEN_EXCHANGE, "s")


@pytest.mark.parametrize(
    "name", ["authorization_details", "scope", "grant_type", "resource", "audience", "actor_token"]
)
def test_a_clients_own_words_beside_a_challenge_are_refused(name):
    with pytest.raises(InvalidRequest):
        challenged((name, "x"))


# Scopes.


def test_each_scope_counts_once_in_the_order_given():
    assert parse_scope("b a b") == ("b", "a")
    assert parse_scope("payments:read https://a/b?c=d") == ("payments:read", "https://a/b?c=d")


@pytest.mark.parametrize(
    "text", ["", " ", "a  b", " a", "a ", 'a"b', "a\\b", "a\tb", "a\nb", "ü", "a\0", "\x7f"]
)
def test_what_is_no_scope_is_refused(text):
    with pytest.raises(InvalidScope):
        parse_scope(text)


def test_the_number_of_scopes_is_bounded():
    assert len(parse_scope(" ".join(f"s{n}" for n in range(32)))) == 32
    with pytest.raises(InvalidScope):
        parse_scope(" ".join(f"s{n}" for n in range(33)))


# Targets.


def resolve(details=None, scopes=(), resources=()):
    return resolve_target(Ask(details, tuple(scopes), tuple(resources), {}), CATALOGUE)


def test_the_only_resource_that_offers_all_is_the_target():
    target = resolve([REFUND], ["pay"])
    assert target.resource.identifier == PAY
    assert target.operations == (
        Operation("refund", ("do",), {"n": "1"}),
        scope_operation("pay"),
    )
    assert resolve(scopes=["ship"]).resource.identifier == SHIP


def test_naming_the_resource_several_times_names_one():
    assert resolve([REFUND], resources=[PAY, PAY]).resource.identifier == PAY


@pytest.mark.parametrize(
    ("ask", "error", "why"),
    [
        ({"resources": [PAY, SHIP], "scopes": ["read"]}, InvalidTarget, "one audience"),
        ({"resources": [BOTH], "scopes": ["read"]}, InvalidTarget, "no tokens for"),
        ({"resources": ["pay"], "scopes": ["read"]}, InvalidTarget, "absolute URI"),
        ({"resources": [f"{PAY}#a"], "scopes": ["read"]}, InvalidTarget, "fragment"),
        ({"resources": ["http://["], "scopes": ["read"]}, InvalidTarget, "not a URI"),
        ({"scopes": ["read"]}, InvalidTarget, "several resources"),
        ({"details": [{**REFUND, "type": "shared"}]}, InvalidTarget, "several resources"),
        ({"scopes": ["pay", "ship"]}, InvalidScope, "no resource"),
        ({"scopes": ["nothing"]}, InvalidScope, "no resource"),
        ({"details": [REFUND], "scopes": ["ship"]}, InvalidTarget, "no one resource"),
        ({"scopes": ["ship"], "resources": [PAY]}, InvalidScope, "'ship' is not one of"),
        (
            {"details": [REFUND], "resources": [SHIP]},
            InvalidAuthorizationDetails,
            "'refund' is not one of",
        ),
        ({"details": [{**REFUND, "type": "x"}]}, InvalidAuthorizationDetails, "unknown type"),
        ({"details": ["x"]}, InvalidAuthorizationDetails, "JSON object"),
        ({"details": "x"}, InvalidAuthorizationDetails, "array"),
    ],
)
def test_what_no_one_resource_offers_is_refused(ask, error, why):
    with pytest.raises(error, match=why):
        resolve(**ask)


def test_locations_say_the_audience_again():
    target = resolve([{**REFUND, "locations": [PAY]}])
    assert "locations" not in target.operations[0].fields


@pytest.mark.parametrize("locations", [[], "x", [7], [PAY, 7], [SHIP], [PAY, SHIP], None, {}])
def test_locations_that_say_another_audience_are_refused(locations):
    with pytest.raises(InvalidAuthorizationDetails, match="'locations'"):
        resolve([{**REFUND, "locations": locations}])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "actions", "n", "locations"]), inner)
    ),
    max_leaves=8,
)


@given(json_values, st.lists(st.sampled_from(["read", "pay", "x"]), max_size=2), st.booleans())
def test_any_json_is_a_target_or_refused(details, scopes, named):
    try:
        target = resolve(details, scopes, [PAY] if named else [])
    except OAuthError:
        return
    assert all(
        operation.type in target.resource.types or operation.actions[0] in target.resource.scopes
        for operation in target.operations
    )


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\x1b[2J", "a\0", "\x9b", "\u202e", "\u2028"])
def test_text_that_could_forge_a_line_is_refused(text):
    with pytest.raises(InvalidRequest, match="'reason'"):
        refuse_control_characters("reason", text)
    refuse_control_characters("reason", "an honest reason, für alle")
