from fleeting.policy.kinds import (
    BOOL,
    DECIMAL,
    ENTITY,
    LONG,
    STRING,
    STRINGS,
    attribute_kinds,
    context_kinds,
)


def test_kinds_are_the_declared_ones(world):
    kinds = context_kinds(world, "transfer")
    assert kinds["operation", "value"] == DECIMAL
    assert kinds["operation", "final"] == BOOL
    assert kinds["request", "urgency"] == LONG
    assert kinds["limits", "bound"] == STRING
    assert kinds[("client",)] == ENTITY
    assert ("operation", "amount") not in kinds
    assert context_kinds(world, "payment_refund")["operation", "currency"] == STRINGS
    assert not any(path[0] == "operation" for path in context_kinds(world, "scope"))
    assert attribute_kinds(world) == {
        "issuer": STRING,
        "level": LONG,
        "tags": STRINGS,
        "department": STRING,
    }
