"""Decide: both engines with 10, 100 and 1,000 policies, beside Cedar on the whole set."""

from __future__ import annotations

import itertools
import json
import statistics
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import cedarpy

from bench import fleeting_side
from bench.callers import KEY_CLIENT, refund
from bench.report import Section, Table, say
from fleeting.core.model import (
    AccessRequest,
    AskedBy,
    Client,
    Limits,
    Operation,
    Resource,
    SenderConstraint,
    SenderKey,
    Subject,
    SubjectKind,
    Verdict,
)
from fleeting.core.operations import declare_type
from fleeting.policy import (
    DecisionEngine,
    PolicyBundle,
    PolicySource,
    PolicyWorld,
    Verify,
    load_policies,
)
from fleeting.policy.compiled import CompiledEngine
from fleeting.policy.engine import SlicedEngine
from fleeting.policy.facts import Facts

SIZES = (10, 100, 1000)
TARGET = 1.5
FASTER = 10
_DISTINCT = 20_000  # more than the engine remembers
_RESOURCE = "http://127.0.0.1:8401"
_ACTION = "payment_refund:refund"
_NOW = datetime(2026, 11, 23, tzinfo=UTC)
_ENGINES = ("compiled", "sliced", "cedarpy")


@dataclass(frozen=True, slots=True)
class Subjects:
    """What is compared, for one number of policies. decisions: by what of them is confirmed."""

    engines: Mapping[str, Callable[[], None]]
    decisions: Mapping[Verify, Callable[[], None]]
    repeated: Callable[[], None]
    loading: float


def measure(*, quick: bool = False) -> Section:
    """Time each way over each number of policies, rounds interleaved."""
    count, rounds = (200, 3) if quick else (2000, 9)
    engines = Table(
        ("policies", *[f"{name} {figure} µs" for name in _ENGINES for figure in ("p50", "p99")])
    )
    decisions = Table(
        (
            "policies",
            *[f'verify = "{verify}" µs' for verify in Verify],
            "seen before µs",
            "loading ms",
        )
    )
    faster, whole = [], []
    for size in SIZES:
        say(f"decide: {size} policies")
        subjects = _subjects(size)
        latencies = _latencies(subjects.engines, size, count, rounds)
        faster.append(latencies["sliced"][0] / latencies["compiled"][0])
        engines.rows.append(
            (f"{size:,}", *[f"{t:.1f}" for name in _ENGINES for t in latencies[name]])
        )
        times = [_time(each, count, rounds) for each in subjects.decisions.values()]
        times.append(_time(subjects.repeated, count, rounds))
        whole.append(times[0])
        row = [f"{time:.1f}" for time in times]
        decisions.rows.append((f"{size:,}", *row, f"{subjects.loading * 1000:.0f}"))
    what = (_ENGINES_ARE, _DECISIONS_ARE)
    texts = [text.format(count=count, rounds=rounds) for text in what]
    return Section("Decide", [texts[0], engines, _speed(faster), texts[1], decisions, _size(whole)])


def _speed(faster: list[float]) -> str:
    told = ", ".join(f"{ratio:.0f}" for ratio in faster)
    verdict = "all at least" if min(faster) >= FASTER else "**not all at least**"
    return f"Compiled is {told} times faster than sliced at p50: {verdict} {FASTER}."


def _size(whole: list[float]) -> str:
    ratio = whole[-1] / whole[0]
    within = "within" if ratio <= TARGET else "**above**"
    return f"1,000 policies to 10, nothing confirmed: {ratio:.2f} times ({within} {TARGET})."


def _latencies(
    engines: Mapping[str, Callable[[], None]], size: int, count: int, rounds: int
) -> dict[str, tuple[float, float]]:
    """Return p50 and p99 of each engine in µs, medians over rounds, engines alternating."""
    counts = dict.fromkeys(engines, count)
    counts["cedarpy"] = min(count, max(50, count * 10 // size))
    for name, ask in engines.items():
        _round(ask, counts[name] // 4)
    measured = [{n: _round(ask, counts[n]) for n, ask in engines.items()} for _ in range(rounds)]
    return {
        name: (
            statistics.median(each[name][0] for each in measured),
            statistics.median(each[name][1] for each in measured),
        )
        for name in engines
    }


def _round(ask: Callable[[], None], count: int) -> tuple[float, float]:
    times = []
    for _ in range(max(count, 10)):
        started = time.perf_counter()
        ask()
        times.append((time.perf_counter() - started) * 1e6)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


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
    text = fleeting_side.policy_text(size - 1) + fleeting_side.BLOCKED
    started = time.process_time()
    bundle = _bundle(text, Verify.OFF)
    loading = time.process_time() - started
    same = make_request(42)
    reference = SlicedEngine(bundle.policies.values(), bundle.world.types)
    compiled = CompiledEngine(reference, bundle.world)
    return Subjects(
        {
            "compiled": _engine(compiled),
            "sliced": _engine(reference),
            "cedarpy": _raw_cedar(bundle, text),
        },
        {
            verify: _fresh(bundle if verify is Verify.OFF else _bundle(text, verify))
            for verify in Verify
        },
        lambda: _decide(bundle, same),
        loading,
    )


def _engine(engine: DecisionEngine) -> Callable[[], None]:
    """Return what asks *engine* for permits, then for forbids over limits; it remembers neither."""
    limits = Limits(timedelta(minutes=5), None, SenderConstraint.DPOP)
    requests = [make_request(amount) for amount in range(_DISTINCT)]
    asked = itertools.cycle([Facts(r, r.operations[0], _NOW, limits) for r in requests])

    def ask() -> None:
        facts = next(asked)
        permits, forbids = engine.permits(_ACTION, facts), engine.forbids(_ACTION, facts)
        if not permits.satisfied or forbids.satisfied or permits.errors or forbids.errors:
            raise AssertionError(f"not permitted: {permits} {forbids}")

    return ask


def _fresh(bundle: PolicyBundle) -> Callable[[], None]:
    """Return what decides on a request of another amount each time."""
    asked = itertools.cycle([make_request(amount) for amount in range(_DISTINCT)])
    return lambda: _decide(bundle, next(asked))


def _bundle(text: str, verify: Verify) -> PolicyBundle:
    settings: dict[str, Any] = tomllib.loads(fleeting_side.TYPES)
    types = {name: declare_type(name, values) for name, values in settings["types"].items()}
    return load_policies([PolicySource("bench.cedar", text)], PolicyWorld(types), verify=verify)


def _decide(bundle: PolicyBundle, request: AccessRequest) -> None:
    decision = bundle.decide(request, now=_NOW)
    if decision.answers[0].verdict is not Verdict.PERMITTED:
        raise AssertionError(f"not permitted: {decision}")


def make_request(amount: int) -> AccessRequest:
    """Return the access request of a support client for a refund of *amount*."""
    asked = refund(str(amount), amount)
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
        amount = next(amounts)
        operation = refund(str(amount), amount)
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


_ENGINES_ARE = """In this process, the engines alone, which remember no answer: which permits \
are satisfied, then which forbids over the limits; every request has a payment and an amount of \
its own. cedarpy: one `is_authorized` over all policies, pre-parsed, without index, schema or \
limits. Wall-clock time per call, medians of {rounds} rounds of {count:,} calls, engines \
alternating (cedarpy: fewer of them)."""

_DECISIONS_ARE = """Whole decisions of one operation: permits, limits, forbids, and the answer \
with its paths and reasons. Every request has a payment of its own, which a policy reads, so that \
none is answered from memory but those of the column "seen before". Processor time per decision, \
medians of {rounds} rounds of {count:,}. Loading: reading, checking and indexing the whole set."""
