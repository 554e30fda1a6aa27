"""Roles: who may do what with requests, people and the ledger, as Cedar policies of their own.

They say what somebody may try at all; whose vote counts is said by the policies that ask for
approval. What has no policy is denied, a forbid wins, and a policy that errs denies.
"""

import json
import re
from collections.abc import Iterable, Mapping

import cedarpy

from fleeting.core.access_requests import RequestRecord
from fleeting.core.model import Json, SubjectKind
from fleeting.core.people import ConsoleAction, Person
from fleeting.policy.hints import likely
from fleeting.policy.problems import PolicyProblems, PolicySource, Problem
from fleeting.policy.rules import SCHEMA
from fleeting.policy.scanner import PolicyText, split_policies

BUILT_IN = PolicySource(
    "the built-in roles",
    """\
// Everyone who is signed in: see requests, and take part in them. Whose vote counts is decided by
// the stages that the access policies name; a stand-in is in no group of them, and votes too.
@id("everyone")
permit (
  principal,
  action in [
    Action::"view", Action::"ask", Action::"answer", Action::"delegate",
    Action::"approve", Action::"deny", Action::"narrow"
  ],
  resource
);

// Whoever a request is for, or stands behind it: go on with it, or be done with it.
@id("their-own-requests")
permit (
  principal,
  action in [Action::"cancel", Action::"return", Action::"extend", Action::"revoke"],
  resource is AccessRequest
) when { context.own };

// Whoever approved it may take that back; whoever was alarmed closes the review.
@id("what-they-approved")
permit (principal, action == Action::"revoke", resource is AccessRequest)
when { context.voted };

@id("reviews")
permit (principal, action == Action::"review", resource is AccessRequest)
when { context.alarmed };

@id("operators")
permit (
  principal in Group::"fleeting-operators",
  action in [
    Action::"cancel", Action::"revoke", Action::"review", Action::"manage_people",
    Action::"view_policies"
  ],
  resource
);

@id("auditors")
permit (
  principal in Group::"fleeting-auditors",
  action in [Action::"read_ledger", Action::"view_policies"],
  resource
);

@id("policy-authors")
permit (
  principal in Group::"fleeting-policy-authors",
  action in [Action::"view_policies", Action::"edit_policies"],
  resource
);
""",
)
"""Who may do what where an installation has no ``console/*.cedar`` of its own."""

_ALL = ", ".join(f'"{action.value}"' for action in ConsoleAction)
_CONTEXT = "{ own: Bool, named: Bool, voted: Bool, alarmed: Bool }"
SCHEMA_TEXT = f"""\
entity Group;
entity User in [Group] {{ name: String, issuer?: String }};
entity AccessRequest {{
  types: Set<String>, client: String, subject: String, status: String, sensitive: Bool,
  break_glass: Bool
}};
entity Console;
action {_ALL} appliesTo {{
  principal: [User], resource: [AccessRequest, Console], context: {_CONTEXT}
}};
"""
"""What roles may speak of. ``Console``: what is done to no request in particular."""

_ATTRIBUTES = (
    *("types", "client", "subject", "status", "sensitive", "break_glass"),
    *("name", "issuer"),
)
_KNOWN: Mapping[str, tuple[str, ...]] = {
    r"^unrecognized action `Action::\"(.*)\"`": tuple(ConsoleAction),
    r"^unrecognized entity type `(.+)`": ("User", "Group", "AccessRequest", "Console", "Action"),
    r"^attribute `(.+)` in context": ("own", "named", "voted", "alarmed"),
    r"^attribute `(.+)` on entity type": _ATTRIBUTES,
}
"""What the Cedar validator complains of, and which words would be right instead."""
_ONLY_REQUESTS = "only requests have attributes: write `resource is AccessRequest` in the scope"
_CONSOLE: dict[str, Json] = {"type": "Console", "id": "console"}


class CedarRoles:
    """The roles of one installation."""

    __slots__ = ("_policies", "_sensitive")

    def __init__(self, sources: Iterable[PolicySource], sensitive: Iterable[str] = ()) -> None:
        """Load *sources*, whole or not at all; sensitive: the operation types that are.

        Raises:
            PolicyProblems: every error of every file, each with its place.
        """
        texts = [text for source in sources for text in split_policies(source)]
        problems = [problem for text in texts for problem in _problems(text)]
        if problems:
            raise PolicyProblems(problems)
        self._policies = cedarpy.PolicySet.from_str("\n".join(text.text for text in texts))
        self._sensitive = frozenset(sensitive)

    def allows(
        self, person: Person, action: ConsoleAction, request: RequestRecord | None = None
    ) -> bool:
        """Return whether *person* may do *action*, to *request* where it is done to one.

        This does NOT say whether a vote of theirs counts.
        """
        asked = {
            "principal": _user(person),
            "action": {"type": "Action", "id": action.value},
            "resource": _CONSOLE if request is None else _of_request(request),
            "context": _context(person, request),
        }
        entities = [*_people(person), *self._resource(request)]
        try:
            result = cedarpy.is_authorized(
                asked, self._policies, cedarpy.Entities.from_json_str(json.dumps(entities))
            )
        except ValueError:  # the engine refuses the question: then nobody may
            return False
        return result.decision is cedarpy.Decision.Allow and not result.diagnostics.errors

    def _resource(self, request: RequestRecord | None) -> Iterable[Json]:
        if request is None:
            return [{"uid": _CONSOLE, "attrs": {}, "parents": []}]
        types = sorted({operation.type for operation in request.offer.operations})
        attributes: dict[str, Json] = {
            "types": [*types],
            "client": request.request.client.client_id,
            "subject": request.request.subject.id,
            "status": request.status.value,
            "sensitive": not self._sensitive.isdisjoint(types),
            "break_glass": request.break_glass is not None,
        }
        return [{"uid": _of_request(request), "attrs": attributes, "parents": []}]


def _user(person: Person) -> dict[str, Json]:
    return {"type": "User", "id": person.id}


def _of_request(request: RequestRecord) -> dict[str, Json]:
    return {"type": "AccessRequest", "id": request.id}


def _people(person: Person) -> Iterable[Json]:
    """Return the entities of *person* and of their groups."""
    groups: list[Json] = [{"type": "Group", "id": group} for group in sorted(person.groups)]
    attributes: dict[str, Json] = {"name": person.name}
    if person.issuer is not None:
        attributes["issuer"] = person.issuer
    yield {"uid": _user(person), "attrs": attributes, "parents": groups}
    for group in groups:
        yield {"uid": group, "attrs": {}, "parents": []}


def _context(person: Person, request: RequestRecord | None) -> dict[str, Json]:
    """Return what *person* has to do with *request*; with none, nothing."""
    if request is None:
        return {"own": False, "named": False, "voted": False, "alarmed": False}
    named = {stage.group for stage in request.terms.stages}
    if request.terms.escalation is not None:
        named.add(request.terms.escalation.group)
    alarmed = set() if request.review is None else {request.review.group}
    subject = request.request.subject
    theirs = {subject.id} if subject.kind is SubjectKind.USER else set()
    return {
        "own": not person.ids.isdisjoint(theirs | request.behind),
        "named": not person.groups.isdisjoint(named),
        "voted": any(vote.person in person.ids for vote in request.votes),
        "alarmed": not person.groups.isdisjoint(alarmed),
    }


def _problems(text: PolicyText) -> Iterable[Problem]:
    """Yield what is wrong with one policy, each at its place."""
    too_deep = text.find_too_deep()
    if too_deep is not None:  # looked at first: parsing it could end the process
        yield text.problem("this policy is nested too deeply", at=too_deep)
        return
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text.text))
    except ValueError as error:
        yield text.problem(str(error))
        return
    if parsed["templates"]:
        yield text.problem("templates are not supported", at=text.find("?"))
        return
    found = cedarpy.validate_policies(text.text, cedarpy.Schema.from_str(SCHEMA_TEXT))
    said = [error.error.partition(", ")[2] for error in found.errors]
    if any(message.startswith("unrecognized") for message in said):
        said = [each for each in said if not each.startswith("unable to find an appl")]
    for message in dict.fromkeys(said):
        word, hint = _meant(message)
        yield text.problem(message, hint, at=text.find(word) if word else None, rule=SCHEMA)


def _meant(message: str) -> tuple[str, str]:
    """Return the word that *message* is about, and what was probably meant."""
    for pattern, known in _KNOWN.items():
        found = re.search(pattern, message)
        if found is not None:
            word = found[1]
            return word, _ONLY_REQUESTS if word in known else likely(word, known)
    return "", ""
