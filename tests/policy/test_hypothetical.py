from datetime import UTC, datetime, timedelta

import pytest

from fleeting.core.declaring import DeclarationError
from fleeting.core.model import AskedBy, SenderConstraint, SubjectKind
from fleeting.policy.hypothetical import USUAL_TIME


def test_the_client_is_its_own_subject_in_its_declared_groups(suppose):
    asked = suppose()
    request = asked.request
    assert (request.subject.kind, request.subject.id) == (SubjectKind.CLIENT, "bot")
    assert request.subject.groups == request.client.groups == {"support"}
    assert (request.actors, request.asked_by) == ((), AskedBy.CLIENT_CREDENTIALS)
    assert request.key.constraint is SenderConstraint.DPOP
    assert (asked.now, request.resource.identifier) == (USUAL_TIME, "https://api")


def test_a_reason_why_it_cannot_wait_is_held_against_what_a_real_one_is(suppose):
    assert suppose().request.break_glass is None
    assert suppose(break_glass="the shop is down").request.break_glass == "the shop is down"
    with pytest.raises(DeclarationError, match="break_glass: break_glass is the reason why"):
        suppose(break_glass="down")


def test_other_groups_are_those_of_client_and_subject_alike(suppose):
    request = suppose(groups=["sales"], actors=["agent"]).request
    assert request.subject.groups == request.client.groups == {"sales"}
    assert [actor.sub for actor in request.actors] == ["agent"]


def test_a_user_is_acted_for_by_the_client(suppose):
    asked = suppose(
        subject="ada",
        groups=["support"],
        attributes={"level": 3, "department": "finance"},
        acr="gold",
        login_age="5m",
    )
    subject = asked.request.subject
    assert (subject.kind, subject.id, subject.issuer) == (SubjectKind.USER, "ada", "https://idp")
    assert subject.attributes == {"level": 3, "department": "finance"}
    assert (subject.acr, subject.auth_time) == ("gold", asked.now - timedelta(minutes=5))
    assert [actor.sub for actor in asked.request.actors] == ["bot"]
    assert asked.request.asked_by is AskedBy.TOKEN_EXCHANGE
    assert asked.request.client.groups == {"support"}


def test_a_user_may_be_of_another_provider_and_acted_for_by_others(suppose):
    request = suppose(subject="ada", issuer="https://other", actors=["agent", "bot"]).request
    assert (request.subject.issuer, request.subject.groups) == ("https://other", frozenset())
    assert [actor.sub for actor in request.actors] == ["agent", "bot"]


def test_without_providers_users_still_have_one(declared):
    from dataclasses import replace

    from fleeting.core.declaring import Table
    from fleeting.policy.hypothetical import hypothetical_request

    alone = replace(declared, issuers=(), clients={"bot": declared.clients["bot"]})
    table = Table("", {"subject": "ada", "scope": "payments:read"})
    assert hypothetical_request(table, alone).request.subject.issuer.startswith("https://")


def test_several_operations_and_scopes_go_together(suppose):
    transfer = {"type": "transfer", "actions": ["make"], "value": "5.00"}
    request = suppose(operations=[transfer], scope=["payments:read", "payments:write"]).request
    assert [operation.type for operation in request.operations] == ["transfer", "scope", "scope"]
    assert suppose(scope="payments:read").request.operations[0].actions == ("payments:read",)


def test_a_bearer_client_may_have_no_key(suppose):
    assert suppose(client="old", key="none").request.key is None
    assert suppose(client="old").request.key is not None
    assert suppose(key="mtls").request.key.constraint is SenderConstraint.MTLS


@pytest.mark.parametrize("time", ["2026-11-26T12:00:00Z", datetime(2026, 11, 26, 12, tzinfo=UTC)])
def test_the_time_may_be_text_or_a_time(suppose, time):
    assert suppose(time=time).now == datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"gruops": []}, "unknown key 'gruops'; did you mean 'groups'?"),
        ({"client": None}, "client: is missing: say which client asks (bot, old)"),
        ({"client": "bto"}, "client: no client 'bto' is declared; did you mean 'bot'?"),
        ({"client": "x"}, "client: no client 'x' is declared; declared are bot, guard, old"),
        ({"time": "noon"}, "time: must be a time with its zone"),
        ({"time": datetime(2026, 1, 1)}, "time: must be a time with its zone"),  # noqa: DTZ001
        ({"time": 5}, "time: must be a time with its zone"),
        ({"key": "tls"}, "key: is not 'tls'; write none, dpop, mtls"),
        ({"key": "none"}, "key: bot must prove one: it is not insecure_bearer"),
        ({"operation": {"amuont": 1}}, "operation: payment_refund has no field 'amuont'; did you"),
        ({"operation": {"type": "refund"}}, "operation: unknown type 'refund'"),
        ({"operations": [{}], "operation": {}}, "operations: write operation or operations"),
        ({"scope": []}, "operation: is missing: write such as operation = {"),
        ({"scope": "payments:raed"}, "operation: no resource of this server has all these scopes"),
        ({"resource": "https://other"}, "operation: this server issues no tokens"),
        ({"context": {"tiket": "A"}}, "context: request_context has no key 'tiket'; did you mean"),
        ({"acr": "gold"}, "acr: only users have this; name one as subject"),
        ({"subject": "bot"}, "subject: 'bot' is a client; leave subject out to mean it"),
        ({"subject": "ada", "login_age": "x"}, "login_age: 'x' is not a duration"),
        ({"subject": "ada", "attributes": 5}, "attributes: must be a table, such as {"),
        (
            {"subject": "ada", "attributes": {"levle": 1}},
            "attributes: no attribute 'levle' is decl",
        ),
        (
            {"subject": "ada", "attributes": {"x": 1}},
            "attributes: no attribute 'x' is declared; decl",
        ),
        (
            {"subject": "ada", "attributes": {"level": "1"}},
            "attributes: claim level of the subject",
        ),
    ],
)
def test_what_is_wrong_is_told_with_what_to_write(suppose, stated, message):
    with pytest.raises(DeclarationError) as caught:
        suppose(**stated)
    assert str(caught.value).startswith(message)


def test_without_any_client_that_may_ask_it_is_told(declared):
    from dataclasses import replace

    from fleeting.core.declaring import Table
    from fleeting.policy.hypothetical import hypothetical_request

    nobody = replace(declared, clients={"guard": declared.clients["guard"]})
    with pytest.raises(DeclarationError, match="none may ask for anything"):
        hypothetical_request(Table("", {}), nobody)
