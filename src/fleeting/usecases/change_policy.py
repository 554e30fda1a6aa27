"""Change which policy set is in force: load, shadow, promote, roll back; each one recorded deed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from fleeting.core.evidence import Entry, EntryKind
from fleeting.core.policy_deeds import Origin, PoliciesChanged, deed_entry, refused_set_entry
from fleeting.policy import PolicySet
from fleeting.ports import (
    Clock,
    KeptPolicySet,
    Ledger,
    PolicyMove,
    PolicySetRecord,
    PolicySets,
    PolicyState,
    SeenDirectory,
    StoreUnavailableError,
    Write,
)

_ATTEMPTS = 8
_REFUSED = " refused "
"""Stands between the set that was taken last from a directory and what was refused since."""


class PolicyChangeError(Exception):
    """The policies in force stay as they are; the message says why and what to do."""


class PolicyStore(Ledger, PolicySets, Protocol):
    """What these deeds need of a store."""


@dataclass(frozen=True, slots=True)
class Change:
    """The state before and after a deed; the same where there was nothing to do."""

    before: PolicyState
    after: PolicyState

    @property
    def happened(self) -> bool:
        """Say whether other sets are in force now."""
        return (self.before.live, self.before.candidate) != (self.after.live, self.after.candidate)


@dataclass(frozen=True, slots=True)
class ChangePolicy:
    """The deeds. State, set and ledger entry are one transaction, which happens or does not.

    None of them checks a policy: whoever calls has built the set in the world of today.
    """

    store: PolicyStore
    clock: Clock

    async def load(self, set_: PolicySet, origin: Origin, *, place: str | None = None) -> Change:
        """Make *set_* live; place: of the directory that holds it, if a worker watches that.

        Raises:
            PolicyChangeError: another change came between.
        """
        state = await self.store.policy_state()
        digest = set_.digest
        move = _live(state, digest, keep=self._kept(set_, origin))
        if place is not None:
            move = replace(move, directory=self._seen(place, digest))
        known = place is None or await self._last_seen(place) == (place, digest, "")
        if state.live == digest and known:
            return Change(state, state)
        return await self._do(EntryKind.POLICY_LOADED, digest, state, move, origin)

    async def take_directory(self, set_: PolicySet, origin: Origin, place: str) -> PolicyState:
        """Make *set_* live unless it was taken from *place* before, and return the state then.

        So of several workers that see one change, one loads it; what a rollback took out of force
        comes back only when its directory changes again; and a machine whose directory is old
        undoes nothing when it starts. At a new place, what was taken last anywhere counts. What was
        refused was not taken: it is loaded once it is right (other settings came with a restart),
        and going back from it to what was taken changes nothing.

        Raises:
            StoreUnavailableError: the state does not stand still, or cannot be had.
        """
        digest = set_.digest
        for _ in range(_ATTEMPTS):
            state = await self.store.policy_state()
            where, taken, refused = await self._last_seen(place)
            if state.live and taken == digest and where == place and not refused:
                return state
            if state.live and taken == digest:
                move = PolicyMove(state.revision, state.live, state.candidate)
            else:
                move = _live(state, digest, keep=self._kept(set_, origin))
            move = replace(move, directory=self._seen(place, digest))
            try:
                change = await self._do(EntryKind.POLICY_LOADED, digest, state, move, origin)
            except PolicyChangeError:
                continue
            return change.after
        raise StoreUnavailableError("the policies in force are being changed all the time")

    async def refuse_directory(
        self, key: str, digest: str | None, problem: str, origin: Origin, place: str
    ) -> None:
        """Record, once for all workers, that the directory at *place* holds a set that is wrong.

        key: what names its content, whether or not it is a set.
        """
        state = await self.store.policy_state()
        where, taken, refused = await self._last_seen(place)
        if (where, refused) == (place, key):
            return
        now = self.clock.now()
        entry = refused_set_entry(now, digest, state.live, problem, origin)
        seen = self._seen(place, f"{taken}{_REFUSED}{key}")
        move = PolicyMove(state.revision, state.live, state.candidate, directory=seen)
        await self.store.commit(
            Write(move=move, record=lambda outcome: (entry,) if outcome.moved else ())
        )

    async def shadow(self, digest: str, origin: Origin, set_: PolicySet | None = None) -> Change:
        """Make *digest* the candidate, which decides beside the live set; set_: if it is new.

        Raises:
            PolicyChangeError: it is live, or another change came between.
        """
        state = await self.store.policy_state()
        if state.live == digest:
            raise PolicyChangeError(f"{digest} is live: there is nothing to compare it with")
        if state.candidate == digest:
            return Change(state, state)
        keep = None if set_ is None else self._kept(set_, origin)
        move = PolicyMove(state.revision, state.live, digest, keep)
        return await self._do(EntryKind.POLICY_SHADOWED, digest, state, move, origin)

    async def stop_shadowing(self, origin: Origin) -> Change:
        """Let go of the candidate.

        Raises:
            PolicyChangeError: there is none, or another change came between.
        """
        state, candidate = await self._candidate()
        move = PolicyMove(state.revision, state.live)
        return await self._do(EntryKind.POLICY_UNSHADOWED, candidate, state, move, origin)

    async def promote(self, origin: Origin) -> Change:
        """Make the candidate live.

        Raises:
            PolicyChangeError: there is none, or another change came between.
        """
        state, candidate = await self._candidate()
        move = _live(state, candidate)
        return await self._do(EntryKind.POLICY_PROMOTED, candidate, state, move, origin)

    async def roll_back(self, digest: str, origin: Origin) -> Change:
        """Make *digest*, a set that is kept, live again.

        Raises:
            PolicyChangeError: another change came between.
        """
        state = await self.store.policy_state()
        if state.live == digest:
            return Change(state, state)
        move = _live(state, digest)
        return await self._do(EntryKind.POLICY_ROLLED_BACK, digest, state, move, origin)

    async def _last_seen(self, place: str) -> tuple[str, str, str]:
        """Return where it was, which set was taken then, and what was refused since, if it was."""
        seen = await self.store.last_seen(place)
        if seen is None:
            return "", "", ""
        taken, _, refused = seen.digest.partition(_REFUSED)
        return seen.place, taken, refused

    async def _candidate(self) -> tuple[PolicyState, str]:
        state = await self.store.policy_state()
        if state.candidate is None:
            raise PolicyChangeError(
                "there is no candidate: make one with 'fleeting policy shadow DIR'"
            )
        return state, state.candidate

    async def _do(
        self, kind: EntryKind, digest: str, state: PolicyState, move: PolicyMove, origin: Origin
    ) -> Change:
        after = PolicyState(state.revision + 1, move.live, move.candidate)
        change = Change(state, after)
        record = self._recorder(kind, digest, change, origin)
        outcome = await self.store.commit(
            Write(move=move, record=lambda outcome: record() if outcome.moved else ())
        )
        if not outcome.moved:
            raise PolicyChangeError(
                "another change of the policies came between: look at 'fleeting policy sets' and "
                "try again"
            )
        return change

    def _recorder(
        self, kind: EntryKind, digest: str, change: Change, origin: Origin
    ) -> Callable[[], tuple[Entry, ...]]:
        before, after = change.before, change.after
        sets = PoliciesChanged(digest, before.live, after.live, before.candidate, after.candidate)
        entry = deed_entry(kind, self.clock.now(), sets, origin)
        return lambda: (entry,) if change.happened else ()

    def _kept(self, set_: PolicySet, origin: Origin) -> KeptPolicySet:
        record = PolicySetRecord(set_.digest, self.clock.now(), origin.by, origin.source)
        return KeptPolicySet(record, set_.text)

    def _seen(self, place: str, digest: str) -> SeenDirectory:
        return SeenDirectory(place, digest, self.clock.now())


def _live(state: PolicyState, digest: str, *, keep: KeptPolicySet | None = None) -> PolicyMove:
    """Return the move that makes *digest* live; what is live is no candidate."""
    candidate = None if state.candidate == digest else state.candidate
    return PolicyMove(state.revision, digest, candidate, keep)
