"""Run the tests of an installation's policies, and say what no test ever exercised."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fleeting.core.model import Json
from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.cases import Case
from fleeting.policy.conditions import Condition, Part, TakenApart
from fleeting.policy.facts import Facts
from fleeting.policy.judging import Judge, Told
from fleeting.policy.outcomes import Outcome, forbidding, outcome
from fleeting.policy.policies import Policy
from fleeting.policy.schema import action_id
from fleeting.policy.tree import Effect


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that came out otherwise than expected."""

    name: str
    expected: Json
    actual: Json


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one test; it passed if there are no differences."""

    case: Case
    outcome: Outcome
    differences: tuple[Difference, ...]

    @property
    def passed(self) -> bool:
        """Say whether all that was expected came true."""
        return not self.differences


def run_case(bundle: PolicyBundle, case: Case) -> Result:
    """Decide the request of *case* and hold the outcome against what it expects."""
    if case.granting is None:
        found = outcome(bundle, case.asked)
    else:
        found = forbidding(bundle, case.asked, case.granting)
    return Result(case, found, tuple(_differences(case, found)))


def _differences(case: Case, found: Outcome) -> Iterator[Difference]:
    for name, expected in case.expected.items():
        actual = found.told.get(name)
        several = str(actual).split("; ") if name == "reason" else ()
        if expected != actual and expected not in several:
            yield Difference(name, expected, actual)


@dataclass(frozen=True, slots=True)
class Why:
    """One policy that a failed test is about, and its conditions that failed; none: satisfied."""

    policy: Policy
    failed: tuple[Told, ...]


def why(judge: Judge, result: Result) -> Iterator[Why]:
    """Yield what became of each policy that a test expected, and of each that decided."""
    names = {
        name: None
        for told in (result.case.expected, result.outcome.told)
        for name in _listed(told.get("policies"))
    }
    for facts, action in _facts(result):
        for judged in judge.judge(action, facts):
            if judged.policy.id in names or (not names and judged.policy.effect is Effect.PERMIT):
                yield Why(judged.policy, judged.told(judged.failed()))


def _listed(value: Json) -> list[str]:
    return [*map(str, value)] if isinstance(value, list) else []


def _facts(result: Result) -> Iterator[tuple[Facts, str]]:
    """Yield what each action asked for was decided on, and its Cedar id."""
    asked, limits = result.case.asked, result.case.granting
    for answer in result.outcome.decision.answers:
        operation = asked.request.operations[answer.operation]
        granted = answer.paths[0].limits if answer.paths else limits
        yield (
            Facts(asked.request, operation, asked.now, granted),
            action_id(operation.type, answer.action),
        )


@dataclass(frozen=True, slots=True)
class Gap:
    """What no test exercised: *condition* was never so; None: the policy itself was never so."""

    policy: Policy
    never: str
    condition: Condition | None = None

    @property
    def line(self) -> int:
        """Return where it stands in the policy's file."""
        return self.policy.line if self.condition is None else self.condition.line


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a set of policies its tests exercise.

    policies: satisfied at least once; conditions: seen both true and false; each of how many.
    """

    policies: tuple[int, int]
    conditions: tuple[int, int]
    gaps: tuple[Gap, ...]


class Coverer:
    """Notes what each request exercises."""

    __slots__ = ("_judge", "_reached", "_satisfied", "_seen", "_taken")

    def __init__(self, judge: Judge) -> None:
        """Start with nothing exercised."""
        self._judge = judge
        self._taken = sorted(judge.all(), key=lambda each: (each.policy.file, each.policy.line))
        self._reached: set[str] = set()
        self._satisfied: set[str] = set()
        self._seen: set[tuple[str, int, bool]] = set()

    def note(self, result: Result) -> None:
        """Note which conditions of which policies the request of a test brought to what."""
        for facts, action in _facts(result):
            self._note(action, facts)

    def _note(self, action: str, facts: Facts) -> None:
        for judged in self._judge.judge(action, facts):
            name = judged.policy.id
            self._reached.add(name)
            if not judged.failed():
                self._satisfied.add(name)
            self._seen.update((name, atom.number, was) for atom, was in judged.reached())

    def coverage(self) -> Coverage:
        """Return what was exercised, and every gap in the order of the files."""
        atoms = [(taken, atom) for taken in self._taken for atom in _counting(taken)]
        seen = [all(self._was(taken, atom, so) for so in (True, False)) for taken, atom in atoms]
        return Coverage(
            (len(self._satisfied), len(self._taken)),
            (sum(seen), len(seen)),
            tuple(gap for taken in self._taken for gap in self._gaps(taken)),
        )

    def _was(self, taken: TakenApart, atom: Condition, so: bool) -> bool:  # noqa: FBT001 -- seen so
        return (taken.policy.id, atom.number, so) in self._seen

    def _gaps(self, taken: TakenApart) -> Iterator[Gap]:
        policy = taken.policy
        if policy.id not in self._reached:
            yield Gap(policy, "asked about")
            return
        if policy.id not in self._satisfied:
            yield Gap(policy, "satisfied")
        for atom in _counting(taken):
            for so in (True, False):
                if not self._was(taken, atom, so):
                    yield Gap(policy, "true" if so else "false", atom)


def _counting(taken: TakenApart) -> Iterable[Condition]:
    """Return the atoms that tests should see both ways.

    Not those on the action and the resource: another action or resource is another policy's matter.
    """
    return (each for each in taken.atoms() if each.part not in (Part.ACTION, Part.RESOURCE))
