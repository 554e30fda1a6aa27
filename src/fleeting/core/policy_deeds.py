"""What changes of the policies in force leave in the ledger, and what a candidate would change."""

from dataclasses import dataclass
from datetime import datetime

from fleeting.core.evidence import Entry, EntryKind
from fleeting.core.model import AccessRequest, Decision, Json
from fleeting.core.recording import decision_json

LONGEST_PROBLEM = 4_000
"""How much of what is wrong with a refused set is kept, in characters."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who changes the policies, and how.

    by: the user and the machine. how: the command, or what a worker noticed. process: its id.
    source: where the set comes from: a directory, or the store.
    """

    by: str
    how: str
    process: int
    source: str


@dataclass(frozen=True, slots=True)
class PoliciesChanged:
    """Which sets were in force before, and are now, by their digests."""

    digest: str
    live_before: str
    live: str
    candidate_before: str | None
    candidate: str | None


def deed_entry(kind: EntryKind, at: datetime, change: PoliciesChanged, origin: Origin) -> Entry:
    """Record a change of the policies in force: which set, by whom, how and from where."""
    body: dict[str, Json] = {
        "digest": change.digest,
        "live_before": change.live_before or None,
        "live": change.live,
        "candidate_before": change.candidate_before,
        "candidate": change.candidate,
    }
    return Entry(kind, at, "", {**body, **_origin_json(origin)})


def refused_set_entry(
    at: datetime, digest: str | None, live: str, problem: str, origin: Origin
) -> Entry:
    """Record that a set was wrong, so that *live* stays in force; digest: where it has one."""
    body: dict[str, Json] = {"digest": digest, "live": live, "problem": problem[:LONGEST_PROBLEM]}
    return Entry(EntryKind.POLICY_REFUSED, at, "", {**body, **_origin_json(origin)})


def _origin_json(origin: Origin) -> dict[str, Json]:
    return {
        "by": origin.by,
        "how": origin.how,
        "process": origin.process,
        "from": origin.source,
    }


def differed_entry(
    request: AccessRequest, live: Decision, candidate: Decision, difference: str, at: datetime
) -> Entry:
    """Record what a candidate set would have decided of a request that the live set decided."""
    body: dict[str, Json] = {
        "difference": difference,
        "client": request.client.client_id,
        "live": decision_json(live),
        "candidate": decision_json(candidate),
    }
    return Entry(EntryKind.POLICY_DIFFERED, at, request.id, body, request.txn)
