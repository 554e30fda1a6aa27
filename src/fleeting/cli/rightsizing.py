"""Find what can be tighter, and try it on the ledger until nothing that was used is refused."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from fleeting.cli.reading import ledger_of
from fleeting.cli.sifting import dumps, parsed, progress
from fleeting.cli.usage_reading import UsageReading
from fleeting.core.evidence import RecordedEntry
from fleeting.policy import PolicyBundle, PolicySource, load_policies
from fleeting.policy.edits import apply
from fleeting.policy.needs import Allowance, PoliciesNeeded, allowance
from fleeting.policy.replay_report import LeftOut
from fleeting.policy.replaying import Redecided, Replaying
from fleeting.policy.rightsizing import LeftAlone, Margins, Proposal, propose, without
from fleeting.policy.trial import Both, Trial
from fleeting.server.installing import policy_sources, policy_world
from fleeting.server.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rightsized:
    """Proposals that were tried, and what they were made from.

    trial: how they were tried. dropped: how many others did not stand the trial.
    """

    settings: Settings
    period: tuple[datetime, datetime]
    bundle: PolicyBundle
    sources: Sequence[PolicySource]
    needed: PoliciesNeeded
    proposals: Sequence[Proposal]
    left: Sequence[LeftAlone]
    trial: Trial
    dropped: int
    left_out: LeftOut

    @property
    def changed(self) -> list[PolicySource]:
        """The files that the proposals change, as they would be."""
        after = apply(self.sources, [each.edit for each in self.proposals])
        pairs = zip(self.sources, after, strict=True)
        return [new for old, new in pairs if new != old]


class Sizing:
    """One run: what was needed, what follows from it, and whether that holds."""

    def __init__(
        self, settings: Settings, period: tuple[datetime, datetime], margins: Margins
    ) -> None:
        """Load the policies of *settings*.

        Raises:
            SettingsError, PolicyProblems: they cannot be loaded.
        """
        self._settings = settings
        self._period = period
        self._margins = margins
        self._sources = policy_sources(settings.policies)
        self._world = policy_world(settings)
        self._bundle = load_policies(self._sources, self._world)

    def result(self) -> Rightsized:
        """Return the proposals that hold.

        Raises:
            CommandError, StoreUnavailableError: there is no ledger to read.
        """
        left_out = LeftOut()
        needed = self._needed(left_out)
        first, left = propose(self._bundle, self._sources, needed, self._margins)
        proposals, trial = first, Trial()
        while proposals:
            trial = self._try(proposals)
            if not trial.blamed:
                break
            proposals = without(proposals, trial.blamed)
        return Rightsized(
            self._settings,
            self._period,
            self._bundle,
            self._sources,
            needed,
            proposals,
            left,
            trial,
            len(first) - len(proposals),
            left_out,
        )

    def _needed(self, left_out: LeftOut) -> PoliciesNeeded:
        needed = PoliciesNeeded()

        def note(redecided: Redecided, _row: RecordedEntry) -> Allowance:
            needed.asked(redecided)
            return allowance(redecided)

        reading = UsageReading(Replaying(self._bundle, dumps=dumps), note, needed.settle, left_out)
        self._walk(reading, "reading what was used")
        return needed

    def _try(self, proposals: Sequence[Proposal]) -> Trial:
        sources = apply(self._sources, [each.edit for each in proposals])
        proposed = Replaying(load_policies(sources, self._world), dumps=dumps)
        trial = Trial()

        def note(now: Redecided, row: RecordedEntry) -> Both:
            return trial.decided(now, proposed.redecide(row, parsed(row)))

        reading = UsageReading(Replaying(self._bundle, dumps=dumps), note, trial.settle, LeftOut())
        self._walk(reading, "trying the proposals")
        return trial

    def _walk(self, reading: UsageReading[T], words: str) -> None:
        with ledger_of(self._settings) as evidence, progress(words) as advance:
            asyncio.run(reading.walk(evidence, *self._period, advance))
