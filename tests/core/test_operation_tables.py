import dataclasses
import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.declaring import DeclarationError
from fleeting.core.operation_tables import type_table
from fleeting.core.operation_types import OperationType
from fleeting.core.operations import FieldKind, declare_type

TABLE = {
    "actions": ["refund", "cancel"],
    "fields": {
        "payment_id": {"kind": "exact", "pattern": "[0-9]+", "max_length": 20},
        "amount": {"kind": "at_most", "type": "integer", "unit": "cent", "maximum": 100},
        "floor": {"kind": "at_least", "type": "decimal", "minimum": "-1.50", "maximum": 7},
        "currency": {"kind": "one_of", "values": ["EUR", "USD"]},
        "force": {"kind": "exact", "type": "boolean", "optional": True},
        "note": {"kind": "text", "optional": True, "description": "said by whom"},
    },
    "description": "Refund one payment",
    "sensitive": True,
    "max_lifetime": "90s",
    "max_uses": 3,
    "id_field": "payment_id",
    "approval_in": "2m",
}


def test_a_type_is_written_as_a_table_that_declares_it_again():
    declared = declare_type("refund", TABLE)
    written = json.loads(json.dumps(type_table(declared)))
    again = declare_type("refund", written)
    assert again == declared
    assert list(again.fields) == list(TABLE["fields"])
    assert again.fields["floor"].minimum == Decimal("-1.50")


def test_the_table_above_says_all_that_a_type_can_say():
    assert {each.name for each in dataclasses.fields(OperationType)} - {"name"} == TABLE.keys()


def test_what_says_nothing_is_not_written():
    assert type_table(declare_type("plain", {"actions": ["do"]})) == {"actions": ["do"]}


texts = st.text(max_size=5)
fields = st.fixed_dictionaries(
    {"kind": st.sampled_from([each.value for each in FieldKind])},
    optional={
        "type": st.sampled_from(["string", "integer", "decimal", "boolean"]),
        "optional": st.booleans(),
        "unit": texts,
        "description": texts,
        "max_length": st.integers(1, 9),
        "pattern": st.sampled_from(["[a-z]+", ""]),
        "values": st.lists(st.sampled_from("abc"), unique=True),
        "minimum": st.sampled_from([-3, 0, "-0.5000", "12.50"]),
        "maximum": st.sampled_from([20, "99.9"]),
    },
)


@given(
    st.fixed_dictionaries(
        {
            "actions": st.lists(st.sampled_from(["a", "b"]), min_size=1, unique=True),
            "fields": st.dictionaries(st.sampled_from(["x", "id"]), fields),
        },
        optional={
            "sensitive": st.booleans(),
            "max_uses": st.integers(1, 9),
            "max_lifetime": st.sampled_from(["1s", "60s", "24h", "1d"]),
            "description": texts,
            "id_field": st.sampled_from(["x", "id"]),
            "approval_in": st.sampled_from(["90s", "2m"]),
        },
    )
)
def test_whatever_can_be_declared_can_be_written_and_declared_again(table):
    try:
        declared = declare_type("some", table)
    except DeclarationError:
        return
    assert declare_type("some", json.loads(json.dumps(type_table(declared)))) == declared
