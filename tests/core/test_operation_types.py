from datetime import timedelta
from decimal import Decimal

import pytest

from fleeting.core.operations import DeclarationError, FieldKind, FieldType, declare_type


def declare(**fields):
    return declare_type("refund", {"actions": ["refund"], "fields": fields})


def refused(declaration, name="refund"):
    with pytest.raises(DeclarationError) as caught:
        declare_type(name, declaration)
    return str(caught.value)


def refused_field(**field):
    return refused({"actions": ["refund"], "fields": {"amount": field}})


def test_a_type_is_declared_with_its_fields_and_ceilings():
    type_ = declare_type(
        "payment_refund",
        {
            "description": "Refund one payment",
            "actions": ["refund"],
            "sensitive": True,
            "max_lifetime": "5m",
            "max_uses": 1,
            "fields": {
                "payment_id": {"kind": "exact", "type": "string"},
                "amount": {"kind": "at_most", "type": "integer", "unit": "cent"},
                "currency": {"kind": "one_of", "type": "string", "values": ["EUR", "USD"]},
                "note": {"kind": "text", "optional": True},
            },
        },
    )
    assert type_.sensitive
    assert (type_.max_lifetime, type_.max_uses) == (timedelta(minutes=5), 1)
    assert type_.fields["amount"].unit == "cent"
    assert type_.fields["currency"].values == ("EUR", "USD")
    assert type_.fields["note"].optional


def test_the_field_that_says_which_resource_it_is_is_named_or_called_id():
    fields = {"id": {"kind": "exact"}, "number": {"kind": "exact"}}
    assert declare(**fields).id_field == "id"
    named = declare_type("x", {"actions": ["do"], "fields": fields, "id_field": "number"})
    assert named.id_field == "number"
    assert declare(id={"kind": "exact", "type": "integer"}).id_field is None
    assert declare().id_field is None


def test_an_id_field_that_cannot_hold_an_id_is_refused():
    fields = {"amount": {"kind": "at_most", "type": "integer"}, "payment": {"kind": "exact"}}
    declared = {"actions": ["refund"], "fields": fields}
    told = refused({**declared, "id_field": "paymnt"})
    assert told == (
        "types.refund.id_field: 'paymnt' is no field of type string; did you mean 'payment'?"
    )
    assert "is no field of type string" in refused({**declared, "id_field": "amount"})


def test_defaults_are_those_of_the_kind():
    fields = declare(
        id={"kind": "exact"},
        note={"kind": "text"},
        amount={"kind": "at_most", "type": "integer"},
        floor={"kind": "at_least", "type": "decimal", "minimum": "-1.50", "maximum": 7},
        count={"kind": "exact", "type": "integer"},
    ).fields
    assert fields["id"].type is FieldType.STRING
    assert (fields["id"].max_length, fields["note"].max_length) == (256, 2000)
    assert fields["note"].kind is FieldKind.TEXT
    assert fields["amount"].minimum == 0, "a negative amount is not below the maximum"
    assert (fields["floor"].minimum, fields["floor"].maximum) == (Decimal("-1.50"), 7)
    assert fields["count"].minimum is None


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({}, "kind: is missing; write one of exact, at_most"),
        ({"kind": "atmost"}, "kind: is not 'atmost'; write one of"),
        ({"kind": "atmost"}, "did you mean 'at_most'?"),
        ({"kind": "at_most"}, "type: is missing; write integer or decimal"),
        ({"kind": "at_most", "type": "string"}, "is not 'string' for kind at_most"),
        ({"kind": "text", "type": "integer"}, "write string"),
        ({"kind": "at_most", "type": "integer", "mininum": 3}, "did you mean 'minimum'?"),
        ({"kind": "at_most", "type": "integer", "pattern": "x"}, "unknown key 'pattern'"),
        ({"kind": "text", "values": ["a"]}, "unknown key 'values'"),
        ({"kind": "exact", "type": "boolean", "max_length": 3}, "unknown key 'max_length'"),
        ({"kind": "at_most", "type": "integer", "maximum": "5"}, "such as 5000"),
        ({"kind": "at_most", "type": "integer", "maximum": 5.0}, "such as 5000"),
        ({"kind": "at_most", "type": "decimal", "maximum": "5,0"}, 'such as "50.00"'),
        ({"kind": "at_most", "type": "integer", "maximum": -1}, "-1 is less than the minimum 0"),
        ({"kind": "exact", "max_length": 0}, "1 or more"),
    ],
)
def test_a_wrong_field_is_refused_with_what_to_write(field, said):
    message = refused_field(**field)
    assert message.startswith("types.refund.fields.amount")
    assert said in message


@pytest.mark.parametrize("name", ["type", "actions", "locations"])
def test_the_members_of_rfc_9396_are_no_fields(name):
    said = refused({"actions": ["a"], "fields": {name: {"kind": "exact"}}})
    assert "choose another name" in said


def test_a_type_needs_actions_and_a_name_of_its_own():
    assert "must name an action" in refused({})
    assert "is not a name" in refused({"actions": ["a b"]})
    assert "is not a name" in refused({"actions": ["a"]}, name="a:b")
    assert "is reserved" in refused({"actions": ["a"]}, name="scope")
    assert "did you mean 'fields'" in refused({"actions": ["a"], "feilds": {}})
