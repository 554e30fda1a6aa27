"""Load a set of policies: whole, or not at all and with every error there is."""

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import replace

import cedarpy

from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.deciding import Deciding
from fleeting.policy.forms import Forms
from fleeting.policy.parsing import ParsedPolicy, parse_policy, parse_text, validate
from fleeting.policy.policies import Policy
from fleeting.policy.problems import PolicyProblems, PolicySource, Problem
from fleeting.policy.rules import REPEATED_ID
from fleeting.policy.scanner import PolicyText, split_policies
from fleeting.policy.schema import PolicyWorld, build_schema
from fleeting.policy.sets import set_digest
from fleeting.policy.tree import read_actions, read_scope
from fleeting.policy.verifying import OnDisagreement, Verify, build_engine, ignore

_VALIDATED_AT_ONCE = 16


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
    steps = load_steps(sources, world, verify=verify, on_disagreement=on_disagreement)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            bundle: PolicyBundle = done.value
            return bundle


def load_steps(
    sources: Iterable[PolicySource],
    world: PolicyWorld,
    *,
    known: PolicyBundle | None = None,
    verify: Verify = Verify.PERMITS,
    on_disagreement: OnDisagreement = ignore,
) -> Generator[None, None, PolicyBundle]:
    """Load as ``load_policies`` does, a policy at a time: whoever drives it may rest in between.

    known: a bundle whose policies need not be checked again where neither their text nor the
    world is another.

    Raises:
        PolicyProblems: see ``load_policies``.
    """
    files = sorted(sources, key=lambda source: source.name)
    loading = _Loading(world, _checked(known, world))
    for source in files:
        for text in split_policies(source):
            loading.take(text)
            yield
    yield from loading.validate()
    repeated = [*_repeated_ids(loading.loaded)]
    yield
    if loading.problems or repeated:
        raise PolicyProblems([*loading.problems, *repeated])
    digest = set_digest(files, world.types)
    yield
    policies: dict[str, Policy] = {}
    for policy in loading.released():
        policies[policy.id] = policy
        yield
    engine = build_engine(policies.values(), world, verify, on_disagreement)
    return PolicyBundle(
        policies=policies,
        schema=loading.schema,
        digest=digest,
        world=world,
        deciding=Deciding(policies, world, engine),
    )


def _checked(known: PolicyBundle | None, world: PolicyWorld) -> Mapping[str, Policy]:
    """Return the policies of *known* by their text, if they were checked in this very world."""
    if known is None or known.world != world:
        return {}
    return {policy.text: policy for policy in known.policies.values()}


class _Loading:
    """A set on its way in: what was loaded of it, and all that is wrong with it.

    checked: policies by their text that need no check.
    """

    def __init__(self, world: PolicyWorld, checked: Mapping[str, Policy]) -> None:
        self.world = world
        self.schema = build_schema(world)
        self.loaded: list[tuple[PolicyText, Policy]] = []
        self.problems: list[Problem] = []
        self._forms = Forms(parse_text)
        self._named = world.actions()
        self._checked = checked
        self._unchecked: list[ParsedPolicy] = []

    def take(self, text: PolicyText) -> None:
        """Load one policy, or note its errors."""
        checked = self._checked.get(text.text)
        if checked is not None:
            place = text.problem("")
            moved = replace(checked, file=place.file, line=place.line, column=place.column)
            self.loaded.append((text, moved))
            return
        parsed = parse_policy(text, self.world, self._forms.parse)
        if isinstance(parsed, Problem):
            self.problems.append(parsed)
            return
        self.problems += parsed.problems
        self._unchecked.append(parsed)
        self.loaded.append((text, _policy(parsed, self._named)))

    def validate(self) -> Iterator[None]:
        """Have the Cedar validator check what was parsed; it looks at each policy by itself."""
        schema = cedarpy.Schema.from_str(self.schema) if self._unchecked else None
        yield
        while schema is not None and self._unchecked:
            some = self._unchecked[-_VALIDATED_AT_ONCE:]
            del self._unchecked[-_VALIDATED_AT_ONCE:]
            self.problems += validate(some, schema, self.world)
            yield

    def released(self) -> Iterator[Policy]:
        """Yield the policies in order, letting go of texts one by one: all at once takes long."""
        self.loaded.reverse()
        while self.loaded:
            yield self.loaded.pop()[1]


def _repeated_ids(loaded: Iterable[tuple[PolicyText, Policy]]) -> Iterable[Problem]:
    first: dict[str, Policy] = {}
    for text, policy in loaded:
        earlier = first.setdefault(policy.id, policy) if policy.id else policy
        if earlier is not policy:
            message = f'@id("{policy.id}") is taken by {earlier.file}:{earlier.line}'
            at = text.find(policy.id)
            yield text.problem(message, at=at, policy=policy.id, rule=REPEATED_ID)


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
