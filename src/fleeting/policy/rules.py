"""What ``fleeting policy check`` looks for: every rule by its id, which never changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

UNLIMITED_USES: Final = "unlimited-uses"
UNSTATED_USES: Final = "unstated-uses"
LONG_LIFETIME: Final = "long-lifetime"
BEYOND_CEILING: Final = "beyond-ceiling"
NEVER_MATCHES: Final = "never-matches"
ALWAYS_OVERRIDDEN: Final = "always-overridden"
REDUNDANT_PERMIT: Final = "redundant-permit"
GLOBAL_BUDGET: Final = "global-budget"
PERMITS_EVERYTHING: Final = "permits-everything"
OPEN_TO_ALL: Final = "open-to-all"
UNPERMITTED_OPERATION: Final = "unpermitted-operation"
UNOFFERED_TYPE: Final = "unoffered-type"
UNKNOWN_GROUP: Final = "unknown-group"
UNKNOWN_CLIENT: Final = "unknown-client"
UNKNOWN_USER: Final = "unknown-user"
LOOK_ALIKE: Final = "look-alike"
NEEDLESS_ACCEPT: Final = "needless-accept"

SYNTAX: Final = "syntax"
SCHEMA: Final = "schema"
ANNOTATION: Final = "annotation"
PITFALL: Final = "pitfall"
REPEATED_ID: Final = "repeated-id"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of finding. meaning: what is wrong, and why it matters; instead: what to write."""

    id: str
    meaning: str
    instead: str


_WARNINGS = (
    Rule(
        UNLIMITED_USES,
        "A permit says nothing of uses, and no ceiling does: whoever holds its token may use it "
        "again and again while it lives. For a sensitive type, more than 1000 uses count as such.",
        '`@uses("1")`, or `max_uses` at the operation type, the resource or the client. An API '
        "that is only read is better served by a scope.",
    ),
    Rule(
        UNSTATED_USES,
        "A permit for a sensitive type says nothing of uses. One use is granted, which cannot be "
        "read in the policy.",
        '`@uses("1")`, or as many as one piece of work needs.',
    ),
    Rule(
        LONG_LIFETIME,
        "A permit for a sensitive type can give a token that lives longer than an hour.",
        '`@lifetime("5m")`: a caller can always ask again.',
    ),
    Rule(
        BEYOND_CEILING,
        "A permit states a lifetime or a number of uses that no ceiling lets through: who reads "
        "the policy is misled.",
        "What is really granted, or a higher `max_lifetime` or `max_uses` where it is set.",
    ),
    Rule(
        NEVER_MATCHES,
        "No request can satisfy the policy: its conditions contradict each other, what is "
        "declared, or its scope. Of a forbid, it is a hole in the fence.",
        "The condition that was meant; or delete the policy.",
    ),
    Rule(
        ALWAYS_OVERRIDDEN,
        "Whenever the permit is satisfied, so is a forbid: nothing is ever granted by it.",
        "Narrower conditions of the forbid, or limits of the permit that the forbid lets pass; or "
        "delete the permit.",
    ),
    Rule(
        REDUNDANT_PERMIT,
        "Whenever the permit is satisfied, another one is, and is chosen, for it asks no more and "
        "gives no more: without this one every decision is the same.",
        "Delete it, or make its conditions wider or its limits narrower than the other's.",
    ),
    Rule(
        GLOBAL_BUDGET,
        "Many policies have no condition in their scope: each of them is looked at for every "
        "request, and by whoever reads what decides about one.",
        'Name the action in the scope, such as `action in Action::"payment_refund"`; or raise '
        "`--global-budget`.",
    ),
    Rule(
        PERMITS_EVERYTHING,
        "A permit without any condition lets anyone do anything, today's operation types and "
        "tomorrow's.",
        "Name who may do what in the scope.",
    ),
    Rule(
        OPEN_TO_ALL,
        "A permit for a sensitive type asks neither who the subject is, nor which client it is, "
        "nor for an approval or a stronger login.",
        '`principal in Group::"..."` in the scope, or `@approval("...")`.',
    ),
    Rule(
        UNPERMITTED_OPERATION,
        "An operation is declared, and no policy permits it: whoever asks for it is refused.",
        "A permit for it; or take it out of fleeting.toml.",
    ),
    Rule(
        UNOFFERED_TYPE,
        "An operation type is declared, and no resource offers it: nobody can ask for it.",
        "Its name in the `types` of a resource.",
    ),
    Rule(
        UNKNOWN_GROUP,
        "A policy names a group that no client is in, and no identity provider tells groups of "
        "users: nobody is ever in it.",
        "The group that was meant; or put it in the `groups` of a client, or map a claim to "
        "`groups` at the identity provider.",
    ),
    Rule(
        UNKNOWN_CLIENT,
        "A policy names a client that is not declared.",
        "The client that was meant; or declare it under `[[clients]]`.",
    ),
    Rule(
        UNKNOWN_USER,
        "A policy speaks of users, or of one user, that no declared identity provider has.",
        "The `subject_prefix` of the provider before the name; or declare the provider under "
        "`[[identity_providers]]`.",
    ),
    Rule(
        LOOK_ALIKE,
        "Two ids can be taken for each other: they differ by one letter, by case, by a hyphen, or "
        "by characters that look the same. One of them may be a mistake, or an attack.",
        "One spelling of one name; clearly different names for different things.",
    ),
    Rule(
        NEEDLESS_ACCEPT,
        "An `@accept` names a warning that the policy does not give.",
        "Delete the annotation, so that it does not hide a warning to come.",
    ),
)

_ERRORS = (
    Rule(SYNTAX, "A policy is not Cedar.", "What the message says."),
    Rule(
        SCHEMA,
        "A policy speaks of an action, a field or an attribute that is not declared, or compares "
        "values of different types.",
        "What was probably meant stands below the message.",
    ),
    Rule(
        ANNOTATION,
        "An annotation is missing, unknown, misplaced or cannot be read.",
        "One of [the annotations](annotations.md).",
    ),
    Rule(
        PITFALL,
        "Cedar would let it pass, and it would silently mean nothing, or something else.",
        "What the message says.",
    ),
    Rule(REPEATED_ID, "Two policies have one `@id`.", "An id of its own for each."),
)

WARNINGS: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in _WARNINGS})
ERRORS: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in _ERRORS})

ACCEPTABLE = tuple(
    id_ for id_ in WARNINGS if id_ not in (NEEDLESS_ACCEPT, UNPERMITTED_OPERATION, UNOFFERED_TYPE)
)
"""What one policy can accept: of an operation without a policy, no policy can say anything."""

SOLVED = frozenset({NEVER_MATCHES, ALWAYS_OVERRIDDEN, REDUNDANT_PERMIT})
"""What a solver finds whole, and a review without one only in plain cases."""
