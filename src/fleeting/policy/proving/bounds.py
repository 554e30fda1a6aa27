"""What declarations bind each variable of a request to."""

from collections.abc import Callable
from decimal import Decimal

from fleeting.policy.proving.fitting import Fitting
from fleeting.policy.proving.sets import Universe, Variable
from fleeting.policy.proving.strings import Strings
from fleeting.policy.proving.terms import Number, Term, Truth, every, negated, some


class Bounds:
    """Rules that every request keeps to; some speak of all that will ever have been named."""

    def __init__(self, strings: Strings, universe: Universe) -> None:
        """Start without any."""
        self._strings = strings
        self._universe = universe
        self._rules: list[Callable[[], Truth]] = []
        self._fitting: list[tuple[Term, Fitting]] = []

    def add(self, rule: Callable[[], Truth]) -> None:
        """Keep to *rule*, which is asked for once all policies are encoded."""
        self._rules.append(rule)

    def range(
        self,
        number: Number,
        least: int | Decimal | None,
        most: int | Decimal | None,
        scale: int = 1,
    ) -> None:
        """Keep *number* within bounds, which are given in units of *scale*."""
        low = True if least is None else number >= int(least * scale)
        high = True if most is None else number <= int(most * scale)
        self.add(lambda: every((low, high)))

    def string(self, term: Term, fitting: Fitting) -> None:
        """Keep a string to what fits; of a pattern, at least to what it is sure to exclude."""
        self._fitting.append((term, fitting))
        if fitting.values:
            values = [self._strings.literal(each) for each in fitting.values]
            self.add(lambda: some(term.value == each for each in values))
        elif fitting.pattern is not None:
            pattern = fitting.pattern
            self.add(lambda: self._strings.matches(term.value, pattern))

    def choices(self, term: Term, fitting: Fitting) -> None:
        """Keep a set of strings to one or more of what fits."""
        chosen: Variable = term.value
        example = self._universe.witness(chosen.like)
        self.add(lambda: chosen.has(example))
        if fitting.values:
            values = [self._strings.literal(each) for each in fitting.values]
            self.add(
                lambda: every(
                    some((negated(chosen.has(each)), some(each.value == v for v in values)))
                    for each in self._universe.members
                )
            )

    def size(self) -> tuple[int, ...]:
        """Return what the rules depend on, as far as it grows."""
        universe = self._universe
        named = len(self._strings.literals())
        return len(self._rules), len(universe.rules), len(universe.members), named

    def constraints(self) -> list[Truth]:
        """Return all rules, as formulas."""
        rules = [*(rule() for rule in self._rules), *self._universe.constraints()]
        for term, fitting in self._fitting:
            misfits = [each for each in self._strings.literals() if not fitting.fits(each)]
            rules += [negated(term.value == self._strings.literal(each)) for each in misfits]
        return [rule for rule in rules if rule is not True]
