"""What is odd about single policies: never matching, always overridden, redundant.

Each finding is proved for all requests that the declared parties can send; where the solver gives
up, or a construct is not modelled, there is silence. A permit is **redundant** if every request
has the same answer without it, limits included: whenever it is the path that is taken, another
permit would be taken in its place and grants the very same limits. A permit that narrows what a
wider one gives (a shorter life, fewer uses, one approval less) is therefore never redundant.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from fleeting.policy import rules
from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.policies import Policy
from fleeting.policy.problems import Problem, Severity
from fleeting.policy.proving.outcomes import Outcomes, Scene, Way, applying, first_open
from fleeting.policy.proving.parties import Door, Parties, places
from fleeting.policy.proving.solving import Effort, Possible, Question
from fleeting.policy.proving.terms import Truth, every, negated, some
from fleeting.policy.tree import Effect


def findings(bundle: PolicyBundle, parties: Parties, effort: Effort) -> Sequence[Problem]:
    """Return what is odd about single policies, in reading order."""
    scenes = [*_scenes(bundle, parties, effort)]
    never = [*_never(bundle, scenes)]
    dead = {each.policy for each in never}
    idle = [p for p in _permits(bundle) if p.id not in dead and not _matters(p, scenes)]
    return sorted([*never, *_idle(idle, bundle, scenes)])


def _scenes(bundle: PolicyBundle, parties: Parties, effort: Effort) -> Iterator[Scene]:
    for place in places(bundle.world, {a for p in bundle.policies.values() for a in p.actions}):
        question = Question(place, bundle.world, parties, applying(bundle, place.id), effort)
        if question.doors:
            yield Scene(question, Outcomes(bundle, question.encoder))


def _of(policy: Policy, scenes: Iterable[Scene]) -> Iterator[Scene]:
    return (scene for scene in scenes if scene.question.place.id in policy.actions)


def _permits(bundle: PolicyBundle) -> list[Policy]:
    own = (each for each in bundle.policies.values() if each.effect is Effect.PERMIT)
    return sorted(own, key=lambda each: (each.file, each.line))


def _problem(policy: Policy, rule: str, message: str, hint: str) -> Problem:
    place = policy.file, policy.line, policy.column
    return Problem(*place, message, hint, policy.id, rule, Severity.WARNING)


# Never matching.


def _never(bundle: PolicyBundle, scenes: list[Scene]) -> Iterator[Problem]:
    for policy in bundle.policies.values():
        # A forbid over limits that no permit gives is as it should be.
        own = [*_of(policy, scenes)]
        if not policy.reads_limits and _never_matches(policy, own):
            message = f"this {policy.effect.value} can never match"
            yield _problem(policy, rules.NEVER_MATCHES, message, _why_never(policy, own))


def _never_matches(policy: Policy, scenes: list[Scene]) -> bool:
    return _none(scenes, lambda scene: scene.question.encoder.encode(policy).satisfied)


def _why_never(policy: Policy, scenes: list[Scene]) -> str:
    if not scenes:
        return "no declared client may ask any declared resource for what it is about"
    if _none(scenes, lambda scene: scene.question.encoder.scope(policy)):
        return "no declared party is one that its scope takes"
    return "its conditions contradict each other, or what is declared of the values"


def _none(scenes: Iterable[Scene], truth: Callable[[Scene], Truth]) -> bool:
    """Say whether it is proved that no request makes *truth* true."""
    return all(scene.question.ask(truth(scene)) is Possible.NO for scene in scenes)


def _nowhere(scenes: Iterable[Scene], truth: Callable[[Scene, Door], Truth]) -> bool:
    """Say the same of what depends on the ceilings."""
    return all(
        scene.question.ask(truth(scene, door), door) is Possible.NO
        for scene in scenes
        for door in scene.question.doors
    )


# Matching in vain.


def _matters(policy: Policy, scenes: list[Scene]) -> bool:
    """Say whether it may decide some request that would be decided otherwise without it."""
    return not _nowhere(
        _of(policy, scenes),
        lambda scene, door: some(_granted_alone(policy, scene, door, frozenset())),
    )


def _granted_alone(
    policy: Policy, scene: Scene, door: Door, without: frozenset[str]
) -> Iterator[Truth]:
    """Yield when *policy* is taken and granted, and nothing else would grant the same."""
    for way, taken, later in _taken(policy, scene, door, without):
        granted = every((taken, negated(scene.outcomes.stopped(way.limits))))
        yield every((granted, negated(some(t for w, t in later if w.limits == way.limits))))


def _freed(policy: Policy, scene: Scene, door: Door, without: frozenset[str]) -> Iterator[Truth]:
    """Yield when *policy* is taken and forbidden, and something else would be granted."""
    yield scene.question.encoder.encode(policy).errs
    for way, taken, later in _taken(policy, scene, door, without):
        stopped = every((taken, scene.outcomes.stopped(way.limits)))
        yield every(
            (stopped, some(every((t, negated(scene.outcomes.stopped(w.limits)))) for w, t in later))
        )


def _taken(
    policy: Policy, scene: Scene, door: Door, without: frozenset[str]
) -> Iterator[tuple[Way, Truth, list[tuple[Way, Truth]]]]:
    """Yield each way of *policy*, when it is taken, and what would be taken in its place."""
    ways = [way for way in scene.outcomes.ways(door) if way.policy not in without]
    for place, (way, taken) in enumerate(first_open(ways, scene.outcomes.broken)):
        if way.policy == policy.id:
            others = [each for each in ways[place:] if each.policy != policy.id]
            yield way, taken, first_open(others, broken=False)


def _idle(policies: list[Policy], bundle: PolicyBundle, scenes: list[Scene]) -> Iterator[Problem]:
    """Yield why each of *policies* decides nothing: forbidden always, or not needed."""
    removed: frozenset[str] = frozenset()
    for policy in reversed(policies):  # of two that are alike, the later one is too many
        own = [*_of(policy, scenes)]
        if _nowhere(own, lambda scene, door: _unstopped(policy, scene, door)):  # noqa: B023
            message = "this permit is always overridden by a forbid"
            hint = _overriding(policy, bundle, own)
            yield _problem(policy, rules.ALWAYS_OVERRIDDEN, message, hint)
        elif _nowhere(own, lambda scene, door: _changes(policy, scene, door, removed)):  # noqa: B023
            removed |= {policy.id}
            message = "this permit is redundant: every request has the same answer without it"
            yield _problem(policy, rules.REDUNDANT_PERMIT, message, _covering(policy, bundle, own))


def _changes(policy: Policy, scene: Scene, door: Door, without: frozenset[str]) -> Truth:
    granted = _granted_alone(policy, scene, door, without)
    return some([*granted, *_freed(policy, scene, door, without)])


def _unstopped(policy: Policy, scene: Scene, door: Door) -> Truth:
    stopped = scene.outcomes.stopped(door.above.over(policy.terms))
    return every((scene.outcomes.permits[policy.id], negated(stopped)))


def _overriding(policy: Policy, bundle: PolicyBundle, scenes: list[Scene]) -> str:
    forbids = {each.id: each for each in bundle.policies.values() if each.effect is Effect.FORBID}

    def escapes(scene: Scene, door: Door, forbid: str) -> Truth:
        stopped = scene.outcomes.stopped_by(door.above.over(policy.terms)).get(forbid, False)
        return every((scene.outcomes.permits[policy.id], negated(stopped)))

    for id_, forbid in forbids.items():
        if _nowhere(scenes, lambda scene, door: escapes(scene, door, id_)):  # noqa: B023
            return f"'{id_}' ({forbid.file}:{forbid.line}) forbids all that it permits"
    return "several forbids together cover all that it permits"


def _covering(policy: Policy, bundle: PolicyBundle, scenes: list[Scene]) -> str:
    def alone(scene: Scene, other: Policy) -> Truth:
        permits = scene.outcomes.permits
        return every((permits[policy.id], negated(permits.get(other.id, False))))

    for other in _permits(bundle):
        if other is not policy and _none(scenes, lambda scene: alone(scene, other)):  # noqa: B023
            return f"'{other.id}' ({other.file}:{other.line}) permits all that it permits"
    return "other permits together permit all that it permits"
