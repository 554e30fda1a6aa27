"""Warn of ids that nobody declares, and of ids that can be taken for others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fleeting.policy import rules
from fleeting.policy.hints import likely
from fleeting.policy.problems import Problem
from fleeting.policy.reviewing.declared import Declared
from fleeting.policy.reviewing.look_alikes import disguised, look_alikes, slips
from fleeting.policy.reviewing.reviewed import Reviewed
from fleeting.policy.tree import Uid

_NO_USERS = "no identity provider is declared, so there are no users"
_VOUCHED = 'declare it, or @accept("unknown-user: …") where an enforcement point vouches for them'
_KINDS = ("Group", "Client", "User")


@dataclass(frozen=True, slots=True)
class Naming:
    """One place where a policy names an id."""

    policy: Reviewed
    at: int | None

    def warn(self, rule: str, message: str, hint: str) -> Problem:
        """Return a warning at this place."""
        return self.policy.warn(rule, message, hint, at=self.at)


def _naming(policy: Reviewed, uid: Uid) -> Naming:
    return Naming(policy, policy.text.find_near(uid.id, uid.type))


def warn_of_names(policies: Sequence[Reviewed], declared: Declared) -> Iterator[Problem]:
    """Warn of every id in *policies* that is nobody's, or that looks like another."""
    nobodies = set[Uid]()
    for policy in policies:
        if policy.policy.principal.type == "User" and not declared.users:
            at = policy.text.find_near("User", "is")
            yield policy.warn(rules.UNKNOWN_USER, _NO_USERS, _VOUCHED, at=at)
        for uid in sorted(policy.policy.reads.entities):
            found = _nobody(uid.type, uid.id, declared)
            if found is not None:
                nobodies.add(uid)
                yield _naming(policy, uid).warn(*found)
    for kind in _KINDS:
        unsaid = frozenset(uid.id for uid in nobodies if uid.type == kind)
        yield from _confusable(kind, _namings(policies, kind), _declared(kind, declared), unsaid)
    yield from _confusable_policies(policies)


def _nobody(kind: str, id_: str, declared: Declared) -> tuple[str, str, str] | None:
    """Return rule, message and hint, if nobody is *id_* or in it."""
    if kind == "Group" and not declared.user_groups and id_ not in declared.groups:
        return rules.UNKNOWN_GROUP, f"nobody is in the group `{id_}`", likely(id_, declared.groups)
    if kind == "Client" and id_ not in _declared(kind, declared):
        hint = likely(id_, _declared(kind, declared))
        return rules.UNKNOWN_CLIENT, f"no client is declared as `{id_}`", hint
    if kind == "User" and not declared.users:
        return rules.UNKNOWN_USER, _NO_USERS, _VOUCHED
    if kind == "User" and not id_.startswith(declared.users):
        hint = f"ids of users begin with {' or '.join(map(repr, declared.users))}"
        return rules.UNKNOWN_USER, f"no identity provider has a user `{id_}`", hint
    return None


def _declared(kind: str, declared: Declared) -> frozenset[str]:
    if kind == "Group":
        return declared.groups
    clients = frozenset(client.client_id for client in declared.clients)
    return clients if kind == "Client" else frozenset()


def _namings(policies: Iterable[Reviewed], kind: str) -> dict[str, Naming]:
    """Return where each id of *kind* is named first, approvals included."""
    found: dict[str, Naming] = {}
    for policy in policies:
        for uid in sorted(policy.policy.reads.entities):
            if uid.type == kind:
                found.setdefault(uid.id, _naming(policy, uid))
        for stage in policy.policy.terms.approvals if kind == "Group" else ():
            at = policy.text.find_annotation("approval")
            found.setdefault(stage.group, Naming(policy, at))
    return found


def _confusable(
    kind: str, named: Mapping[str, Naming], declared: frozenset[str], nobodies: frozenset[str]
) -> Iterator[Problem]:
    known = {*named, *declared}
    same = [*look_alikes(known)]
    # Of two that are declared, one slip apart, both are somebody's: that is how they are called.
    near = [pair for pair in slips(known) if not declared.issuperset(pair)]
    for pair in (*same, *near):
        one, other = sorted(pair, key=lambda each: (each not in named, each in declared, each))
        if one not in named or one in nobodies:  # of a nobody, it is said already
            continue
        message = f"{kind} `{one}` can be taken for `{other}`"
        yield named[one].warn(rules.LOOK_ALIKE, message, _where(named.get(other)))
    for name in sorted(named):
        if disguised(name):
            hint = f"each of its letters looks like one of `{disguised(name)}`, and is not"
            message = f"{kind} `{name}` can be taken for `{disguised(name)}`"
            yield named[name].warn(rules.LOOK_ALIKE, message, hint)


def _where(other: Naming | None) -> str:
    return _apart("is declared" if other is None else f"is in {other.policy.place}")


def _apart(stands: str) -> str:
    return f"which {stands}; write one of them, or names that differ clearly"


def _confusable_policies(policies: Iterable[Reviewed]) -> Iterator[Problem]:
    by_id = {each.policy.id: each for each in policies}
    order = [*by_id]
    for pair in look_alikes(by_id):
        one, other = (by_id[id_] for id_ in sorted(pair, key=order.index))
        yield other.warn(
            rules.LOOK_ALIKE,
            f"the id `{other.policy.id}` can be taken for `{one.policy.id}`",
            _apart(f"is at {one.place}"),
            at=other.text.find(other.policy.id),
        )
