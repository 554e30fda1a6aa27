"""Decide: one policy decision with 10, 100 and 1,000 policies, beside Cedar on the whole set."""

from __future__ import annotations

import itertools
import json
import statistics
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import cedarpy

from bench import fleeting_side
from bench.callers import KEY_CLIENT, refund
from bench.report import Section, Table, say
from fleeting.core.model import (
    AccessRequest,
    AskedBy,
    Client,
    Operation,
    Resource,
    SenderConstraint,
    SenderKey,
    Subject,
    SubjectKind,
    Verdict,
)
from fleeting.core.operations import declare_type
from fleeting.policy import PolicyBundle, PolicySource, PolicyWorld, load_policies

SIZES = (10, 100, 1000)
TARGET = 1.5
_DISTINCT = 20_000  # more than the engine remembers
_RESOURCE = "http://127.0.0.1:8401"
_NOW = datetime(2026, 11, 23, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Subjects:
    """The three ways to decide that are compared, for one number of policies."""

    fresh: Callable[[], None]
    repeated: Callable[[], None]
    cedar: Callable[[], None]


def measure(*, quick: bool = False) -> Section:
    """Time each way over each number of policies, rounds interleaved."""
    count, rounds = (200, 3) if quick else (2000, 9)
    subjects = {size: _subjects(size) for size in SIZES}
    table = Table(
        ("policies", "every value new µs", "values seen before µs", "cedarpy, whole set µs")
    )
    fresh = []
    for size, each in subjects.items():
        say(f"decide: {size} policies")
        cedar_count = max(50, count * 10 // size)
        figures = (
            _time(each.fresh, count, rounds),
            _time(each.repeated, count, rounds),
            _time(each.cedar, min(count, cedar_count), rounds),
        )
        fresh.append(figures[0])
        table.rows.append((f"{size:,}", *[f"{figure:.1f}" for figure in figures]))
    ratio = fresh[-1] / fresh[0]
    verdict = (
        f"1,000 policies to 10, every value new: {ratio:.2f} times "
        f"({'within' if ratio <= TARGET else '**above**'} {TARGET})."
    )
    return Section("Decide", [_WHAT.format(count=count, rounds=rounds), table, verdict])


def _time(function: Callable[[], None], count: int, rounds: int) -> float:
    """Return the median over rounds of the processor time per call in µs."""
    for _ in range(count // 4):
        function()
    measured = []
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(count):
            function()
        measured.append((time.process_time() - started) / count * 1e6)
    return statistics.median(measured)


def _subjects(size: int) -> Subjects:
    text = fleeting_side.policy_text(size)
    bundle = _bundle(text)
    asked = itertools.cycle([make_request(amount) for amount in range(_DISTINCT)])
    same = make_request(42)

    def fresh() -> None:
        _decide(bundle, next(asked))

    def repeated() -> None:
        _decide(bundle, same)

    return Subjects(fresh, repeated, _raw_cedar(bundle, text))


def _bundle(text: str) -> PolicyBundle:
    settings: dict[str, Any] = tomllib.loads(fleeting_side.TYPES)
    types = {name: declare_type(name, values) for name, values in settings["types"].items()}
    return load_policies([PolicySource("bench.cedar", text)], PolicyWorld(types))


def _decide(bundle: PolicyBundle, request: AccessRequest) -> None:
    decision = bundle.decide(request, now=_NOW)
    if decision.answers[0].verdict is not Verdict.PERMITTED:
        raise AssertionError(f"not permitted: {decision}")


def make_request(amount: int) -> AccessRequest:
    """Return the access request of a support client for a refund of *amount*."""
    asked = refund("42", amount)
    type_, actions = asked.pop("type"), asked.pop("actions")
    fields = {**asked, "currency": tuple(asked["currency"])}
    return AccessRequest(
        id="request",
        txn="transaction",
        asked_by=AskedBy.CLIENT_CREDENTIALS,
        subject=Subject(SubjectKind.CLIENT, KEY_CLIENT, frozenset({"support"})),
        actors=(),
        client=Client(KEY_CLIENT, frozenset({"client_credentials"}), groups=frozenset({"support"})),
        resource=Resource(_RESOURCE, frozenset({type_})),
        operations=(Operation(type_, tuple(actions), fields),),
        context={},
        key=SenderKey(SenderConstraint.DPOP, "t" * 43),
    )


def _raw_cedar(bundle: PolicyBundle, text: str) -> Callable[[], None]:
    """Return one decision as cedarpy gives it: parsed handles, no index, everything in context."""
    policies = cedarpy.PolicySet.from_str(text)
    schema = cedarpy.Schema.from_str(bundle.schema)
    principal = {"type": "Client", "id": KEY_CLIENT}
    known = {"uid": principal, "attrs": {}, "parents": [{"type": "Group", "id": "support"}]}
    entities = cedarpy.Entities.from_json_str(json.dumps([known]), schema)
    amounts = itertools.count(1000)

    def decide() -> None:
        operation = refund("42", next(amounts))
        del operation["type"], operation["actions"]
        limits = {"lifetime": 300, "uses": 1, "approvals": 0, "bound": "dpop"}
        request = {
            "principal": principal,
            "action": {"type": "Action", "id": "payment_refund:refund"},
            "resource": {"type": "Resource", "id": _RESOURCE},
            "context": {"operation": operation, "request": {}, "limits": limits},
        }
        answer = cedarpy.is_authorized(request, policies, entities)
        if answer.decision is not cedarpy.Decision.Allow:
            raise AssertionError(f"not allowed: {answer.diagnostics.errors}")

    return decide


_WHAT = """In this process, one decision of one operation: permits, limits, then the forbids over \
those limits, and the answer with its paths and reasons. Every value new: each request has an \
amount that was never seen. cedarpy: one `is_authorized` over all policies, pre-parsed, without \
schema and without limits or reasons. Processor time, medians of {rounds} rounds \
of {count:,} decisions."""
