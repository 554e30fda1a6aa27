"""Load a set of policies: whole, or not at all and with every error there is."""

import hashlib
import json
from collections.abc import Iterable, Sequence

from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.deciding import Deciding
from fleeting.policy.parsing import ParsedPolicy, parse_policy, validate
from fleeting.policy.policies import Policy
from fleeting.policy.problems import PolicyProblems, PolicySource, Problem
from fleeting.policy.rules import REPEATED_ID
from fleeting.policy.scanner import split_policies
from fleeting.policy.schema import PolicyWorld, build_schema
from fleeting.policy.tree import read_actions, read_scope
from fleeting.policy.verifying import OnDisagreement, Verify, build_engine, ignore


def load_policies(
    sources: Iterable[PolicySource],
    world: PolicyWorld,
    *,
    verify: Verify = Verify.PERMITS,
    on_disagreement: OnDisagreement = ignore,
) -> PolicyBundle:
    """Return the bundle of all policies in *sources*; their order does not matter (DESIGN D1, D2).

    verify: which decisions the Cedar engine must confirm. on_disagreement: told where it does not.

    Raises:
        PolicyProblems: every error of every file, each with its place.
    """
    files = sorted(sources, key=lambda source: source.name)
    schema = build_schema(world)
    parsed, problems = _parse(files, world)
    problems += validate(parsed, schema, world)
    problems += _repeated_ids(parsed)
    if problems:
        raise PolicyProblems(problems)
    named = world.actions()
    policies = {each.annotations.id: _policy(each, named) for each in parsed}
    engine = build_engine(policies.values(), world, verify, on_disagreement)
    return PolicyBundle(
        policies=policies,
        schema=schema,
        digest=_digest(files, schema),
        world=world,
        deciding=Deciding(policies, world, engine),
    )


def _parse(
    files: Sequence[PolicySource], world: PolicyWorld
) -> tuple[list[ParsedPolicy], list[Problem]]:
    parsed: list[ParsedPolicy] = []
    problems: list[Problem] = []
    for source in files:
        for text in split_policies(source):
            policy = parse_policy(text, world)
            if isinstance(policy, Problem):
                problems.append(policy)
            else:
                parsed.append(policy)
                problems += policy.problems
    return parsed, problems


def _repeated_ids(parsed: Iterable[ParsedPolicy]) -> Iterable[Problem]:
    first: dict[str, ParsedPolicy] = {}
    for policy in parsed:
        id_ = policy.annotations.id
        earlier = first.setdefault(id_, policy) if id_ else policy
        if earlier is not policy:
            place = earlier.text.problem("")
            message = f'@id("{id_}") is taken by {place.file}:{place.line}'
            at = policy.text.find(id_)
            yield policy.text.problem(message, at=at, policy=id_, rule=REPEATED_ID)


def _policy(parsed: ParsedPolicy, named: dict[str, frozenset[str]]) -> Policy:
    place = parsed.text.problem("")
    return Policy(
        id=parsed.annotations.id,
        effect=parsed.effect,
        file=place.file,
        line=place.line,
        text=parsed.text.text,
        reason=parsed.annotations.reason,
        terms=parsed.annotations.terms,
        actions=read_actions(parsed.node["action"], named),
        principal=read_scope(parsed.node["principal"]),
        resource=read_scope(parsed.node["resource"]),
        reads=parsed.reads,
        node=parsed.node,
        column=place.column,
        accepts=parsed.annotations.accepts,
    )


def _digest(files: Iterable[PolicySource], schema: str) -> str:
    """Return the SHA-256 over sources and schema; no text can pass for two of another split."""
    canonical = [schema, [[each.name, each.text] for each in files]]
    return hashlib.sha256(json.dumps(canonical).encode()).hexdigest()
