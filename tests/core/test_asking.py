"""What is put before people is what policy would give, and what repeats it is the same request."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleeting.core.access_requests import Plan, Total
from fleeting.core.asking import (
    asked_record,
    behind,
    break_glass_terms,
    fingerprint,
    needs_people,
    offered,
)
from fleeting.core.ceremony import BreakGlassTerms, Escalation, PlanTerms
from fleeting.core.collecting import collectable, collected, pending_entries, review_entries
from fleeting.core.errors import AccessDenied
from fleeting.core.limits import Terms, parse_approval
from fleeting.core.model import (
    AccessRequest,
    AccessToken,
    ActionDecision,
    Actor,
    AskedBy,
    Client,
    Decision,
    Limits,
    Operation,
    Path,
    Resource,
    Subject,
    SubjectKind,
    Verdict,
)
from fleeting.core.operations import contains, declare_type
from fleeting.core.plans import beyond_plan, spent_with

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PAY = declare_type(
    "pay",
    {
        "actions": ["send", "stop"],
        "fields": {"amount": {"kind": "at_most", "type": "integer"}},
        "approval_in": "9m",
    },
)
TYPES = {"pay": PAY}
BOT = Client("bot", frozenset(), owner=frozenset({"olga"}), sponsor=frozenset({"sam"}))


NOTHING_SAID = Terms()


@dataclass(frozen=True)
class Permit:
    terms: Terms = NOTHING_SAID
    reason: str = ""


def request(amount=10, *actions, **changes):
    made = AccessRequest(
        "r-1",
        "t-1",
        AskedBy.CLIENT_CREDENTIALS,
        Subject(SubjectKind.CLIENT, "bot"),
        (),
        BOT,
        Resource("https://pay.example", frozenset({"pay"})),
        (Operation("pay", actions or ("send",), {"amount": amount}),),
        {},
        None,
    )
    return replace(made, **changes)


def answer(action="send", policy="a", verdict=Verdict.NEEDS_APPROVAL, **limits):
    given_ = {"lifetime": 5 * MINUTE, "uses": 1, "approvals": parse_approval("1 of leads")}
    paths = (Path(policy, Limits(**given_ | limits)),)
    return ActionDecision(0, action, verdict, paths)


def decision(*answers):
    return Decision("d", answers or (answer(),))


def record(permits, *answers, plan=None, **changes):
    return asked_record(
        request(**changes),
        decision(*answers),
        permits,
        plan=plan,
        types=TYPES,
        clients={"bot": BOT},
        now=NOW,
    )


def test_all_waits_if_anything_does():
    assert needs_people(decision(answer(), answer("stop", verdict=Verdict.PERMITTED)))
    assert not needs_people(decision(answer(verdict=Verdict.PERMITTED)))


@pytest.mark.parametrize(
    ("a", "b", "wait"),
    [
        (Terms(), Terms(), 9 * MINUTE),
        (Terms(approval_in=3 * MINUTE), Terms(), 3 * MINUTE),
        (Terms(approval_in=30 * MINUTE), Terms(approval_in=20 * MINUTE), 20 * MINUTE),
    ],
)
def test_people_have_the_least_time_that_policies_or_types_give(a, b, wait):
    both = (answer(), answer("stop", "b"))
    made = record({"a": Permit(a), "b": Permit(b)}, *both)
    assert made.expires_at == NOW + wait


def test_where_neither_says_people_have_a_quarter_of_an_hour():
    scope = Operation("scope", ("send",), {})
    made = record({"a": Permit()}, operations=(scope,))
    assert made.expires_at == NOW + 15 * MINUTE


SOON, LATE = Escalation(MINUTE, "heads"), Escalation(5 * MINUTE, "heads")


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        (SOON, LATE, LATE),
        (SOON, None, None),
        (SOON, Escalation(MINUTE, "others"), None),
        (None, None, None),
    ],
)
def test_others_may_vote_only_where_every_policy_that_asks_says_so(a, b, wanted):
    permits = {"a": Permit(Terms(escalation=a), "why a"), "b": Permit(Terms(escalation=b), "why b")}
    made = record(permits, answer(), answer("stop", "b"))
    assert made.terms.escalation == wanted
    assert made.terms.reasons == ("why a", "why b")
    (entry,) = pending_entries(made, decision())
    assert ("escalation" in entry.body) == (wanted is not None)


def test_of_two_ages_of_a_login_the_younger_counts():
    permits = {
        "a": Permit(Terms(approver_max_age=5 * MINUTE)),
        "b": Permit(Terms(approver_max_age=MINUTE)),
    }
    assert record(permits, answer(), answer("stop", "b")).terms.max_age == MINUTE


def test_what_adds_up_is_limited_in_uses():
    plan = Plan(2, 5 * MINUTE, (Total("pay", "amount", 20),))
    free = decision(answer(uses=None))
    assert offered(request(), free, plan).limits.uses == 1
    assert offered(request(), free, replace(plan, totals=())).limits.uses is None


def test_a_plan_without_approval_is_approved_by_policy():
    permits = {"a": Permit(Terms(plan=PlanTerms(5, 9 * MINUTE)))}
    permitted = answer(verdict=Verdict.PERMITTED, approvals=())
    made = record(permits, permitted, plan=Plan(2, MINUTE))
    assert made.status == "approved"
    assert [entry.kind for entry in pending_entries(made, decision())] == [
        "request.pending",
        "request.approved",
    ]
    assert review_entries(made) == ()


@pytest.mark.parametrize(
    "changed",
    [
        request(11),
        request(client=Client("other", frozenset())),
        request(context={"ticket": "INC-7"}),
        request(break_glass="because it burns"),
        request(actors=(Actor("eve"),)),
        request(subject=Subject(SubjectKind.USER, "bot", issuer="https://idp")),
        request(asked_by=AskedBy.TOKEN_EXCHANGE),
        request(resource=Resource("https://other.example", frozenset())),
    ],
)
def test_whatever_changes_it_is_another_request(changed):
    assert fingerprint(changed, None) != fingerprint(request(), None)


def test_what_the_issuer_knows_anew_is_no_change():
    again = request(id="r-2", txn="t-2", client=Client("bot", frozenset(), groups=frozenset("g")))
    assert fingerprint(again, None) == fingerprint(request(), None)
    assert fingerprint(again, Plan(1, MINUTE)) != fingerprint(request(), None)
    challenge = request(asked_by=AskedBy.CHALLENGE)
    assert fingerprint(replace(challenge, txn="t-2"), None) != fingerprint(challenge, None)


def test_who_answers_for_a_client_stands_behind_it_wherever_it_is_in_the_chain():
    known = {"bot": BOT, "agent": Client("agent", frozenset(), manager=frozenset({"mia"}))}
    assert behind(request(), known) == {"olga", "sam"}
    user = Subject(SubjectKind.USER, "alice")
    chain = (Actor("agent"), Actor("x", client_id="bot"))
    assert behind(request(subject=user, actors=chain), known) == {
        *("alice", "agent", "x", "olga", "sam", "mia")
    }


def test_who_acted_before_is_known_by_the_name_that_their_provider_s_people_have_here():
    prefixes = {"https://a": "a:", "https://b": "b:", "https://plain": ""}
    user = Subject(SubjectKind.USER, "a:alice")
    told = behind(request(subject=user, actors=(Actor("bob", "https://b"),)), {}, prefixes)
    assert {"bob", "b:bob"} <= told
    assert "a:bob" not in told
    anybody_s = behind(request(subject=user, actors=(Actor("bob"),)), {}, prefixes)
    assert {"bob", "a:bob", "b:bob"} <= anybody_s


def test_of_two_reviews_the_first_due_is_opened():
    day = Permit(Terms(break_glass=BreakGlassTerms("leads", timedelta(hours=24))))
    hour = Permit(Terms(break_glass=BreakGlassTerms("heads", timedelta(hours=1))))
    both = decision(
        answer(verdict=Verdict.PERMITTED), answer("stop", "b", verdict=Verdict.PERMITTED)
    )
    assert break_glass_terms(both, {"a": day, "b": hour}).group == "heads"
    assert break_glass_terms(both, {"a": Permit(), "b": Permit()}) is None


# A token never exceeds what was asked, offered, approved and permitted now.

amounts = st.integers(0, 20)
lives = st.integers(1, 600).map(lambda seconds: timedelta(seconds=seconds))
uses = st.none() | st.integers(1, 5)


@settings(max_examples=60)
@given(amounts, amounts, lives, lives, lives, uses, uses, uses, st.booleans())
def test_a_token_never_exceeds_what_was_agreed_and_is_permitted(  # noqa: PLR0917
    asked, narrowed, life, less_life, life_now, use, less_use, use_now, more_people
):
    permits = {"a": Permit()}
    made = record(permits, answer(lifetime=life, uses=use), amount=asked)
    offer = replace(
        made.offer,
        operations=(Operation("pay", ("send",), {"amount": min(asked, narrowed)}),),
        lifetime=min(life, less_life),
        uses=min((each for each in (use, less_use) if each is not None), default=None),
    )
    stages = parse_approval("2 of leads" if more_people else "1 of leads")
    now_ = decision(answer(lifetime=life_now, uses=use_now, approvals=stages))
    asks = request(operations=offer.operations)
    approved = replace(made, offer=offer, votes=(vote(made.offer),))
    if more_people:
        with pytest.raises(AccessDenied):
            collectable(approved, asks, now_, permits, TYPES, NOW)
        return
    granted = collectable(approved, asks, now_, permits, TYPES, NOW)
    (operation,) = granted.operations
    assert contains(made.request.operations[0], operation, PAY)
    assert contains(offer.operations[0], operation, PAY)
    assert granted.limits.lifetime <= min(life, less_life, life_now)
    for bound in (use, less_use, use_now):
        assert bound is None or granted.limits.uses <= bound


def vote(offer):
    from tests.approving import vote as given_vote

    return given_vote("lena", offer=offer)


def test_a_vote_for_less_than_is_offered_now_is_none():
    made = record({"a": Permit()})
    less = replace(made.offer, operations=(Operation("pay", ("send",), {"amount": 9}),))
    with pytest.raises(AccessDenied, match="other approvals"):
        collectable(
            replace(made, votes=(vote(less),)), request(), decision(), {"a": Permit()}, TYPES, NOW
        )


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(-5, 12), st.integers(1, 3)), max_size=12))
def test_a_plan_never_gives_more_than_its_calls_and_totals(wishes):
    permits = {"a": Permit(Terms(plan=PlanTerms(9, 9 * MINUTE)))}
    plan = Plan(4, 5 * MINUTE, (Total("pay", "amount", 30),))
    made = replace(record(permits, plan=plan), status="approved")
    given_out = []
    for amount, use in wishes:
        operations = (Operation("pay", ("send",), {"amount": amount}),)
        if beyond_plan(made, operations, use, NOW) is None:
            token = AccessToken(
                f"j-{len(given_out)}",
                "t",
                "i",
                "a",
                "bot",
                "bot",
                operations,
                NOW,
                NOW + MINUTE,
                None,
                use,
            )
            made = collected(made, token, NOW)
            given_out.append(max(amount, 0) * use)
    assert len(given_out) <= 4
    assert sum(given_out) <= 30
    assert made.calls == len(given_out)


def test_what_is_no_plan_has_no_budget():
    made = record({"a": Permit()})
    assert beyond_plan(made, made.offer.operations, 1, NOW) == "it is no plan"
    assert spent_with(made, made.offer.operations, 1) == {}
    plan = Plan(4, MINUTE, (Total("pay", "amount", 30),))
    permits = {"a": Permit(Terms(plan=PlanTerms(9, 9 * MINUTE)))}
    planned = record(permits, plan=plan)
    other = (Operation("other", ("x",), {}), Operation("pay", ("send",), {"amount": True}))
    assert spent_with(planned, other, None) == {"pay.amount": 0}


def test_a_grant_that_was_made_longer_twice_lasts_until_the_last_token_was_collected():
    permits = {"a": Permit()}
    end = NOW + 10 * MINUTE
    made = replace(record(permits), status="granted", calls=1, extensions=2, not_after=end)
    token = AccessToken("j", "t", "i", "a", "bot", "bot", (), NOW, NOW + MINUTE, None, 1)
    once = collected(made, token, NOW)
    assert once.not_after == end
    assert collected(once, token, NOW).not_after == NOW + MINUTE
