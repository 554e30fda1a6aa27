"""Keep a worker on the policy set that is in force: follow the store, and the directory."""

import asyncio
from dataclasses import dataclass, replace

import structlog

from fleeting.core.declaring import DeclarationError
from fleeting.core.model import Json
from fleeting.policy import (
    OnDisagreement,
    PolicyBundle,
    PolicyProblems,
    PolicySet,
    StoredSetError,
    load_steps,
    read_set,
)
from fleeting.policy.recent import Recent
from fleeting.ports import NOTHING_LOADED, Clock, PolicyState, Store
from fleeting.server.in_force import PolicyInForce
from fleeting.server.installing import policy_world
from fleeting.server.metrics import Metrics
from fleeting.server.pacing import paced
from fleeting.server.policy_directory import STILL_SECONDS, Reading, Watch, origin, place_of
from fleeting.server.settings import Settings, SettingsError, check_types
from fleeting.server.shadowing import ShadowSet
from fleeting.usecases.change_policy import ChangePolicy
from fleeting.usecases.rules import Rules

LOADED, REFUSED, FAILED = "loaded", "refused", "failed"
_BUILT = 2
"""How many sets are kept built at least, so that going back costs nothing."""

log = structlog.get_logger("fleeting.server")


class UnusableSetError(Exception):
    """A set that is kept cannot be put in force here; the message says why."""


@dataclass(slots=True)
class Troubles:
    """What is wrong, in words for the log: of the directory, the state, the candidate."""

    directory: str = ""
    state: str = ""
    candidate: str = ""

    def told(self) -> list[Json]:
        """Return that something is wrong, for strangers; what it is, the log says."""
        told = (
            (self.directory, "the directory holds a set that is wrong; the live one stays"),
            (self.state, "the store names a set that cannot be used; the one in use stays"),
            (self.candidate, "the candidate cannot be used"),
        )
        return [words for trouble, words in told if trouble]


class Reloading:
    """What one worker does about policy sets.

    The store says which set is in force; every worker builds that one from the store's text, so
    no two ever differ. What changes in the directory is stored first, then followed.

    broken: why the directory could not be loaded when the worker was built.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        policy: PolicyInForce,
        metrics: Metrics,
        on_disagreement: OnDisagreement,
        broken: Exception | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._policy = policy
        self._metrics = metrics
        self._on_disagreement = on_disagreement
        self._broken = broken
        self._deeds = ChangePolicy(store, clock)
        self._place = place_of(settings.policies)
        self._watch = Watch(settings)
        self._built: Recent[str, PolicyBundle] = Recent(_BUILT)
        self._built.put(policy.bundle.digest, policy.bundle)
        self._state: PolicyState = NOTHING_LOADED
        self._candidate: ShadowSet | None = None
        self._wish = ""
        self._troubles = Troubles()

    # ---------------------------------------------------------------------- what others ask

    def wish(self) -> None:
        """Have the directory read at the next poll, changed or not (SIGHUP)."""
        self._wish = "SIGHUP"

    def report(self) -> dict[str, Json]:
        """Return what readiness tells strangers: digests, and that something is wrong, not what."""
        candidate = None if self._candidate is None else self._candidate.bundle.digest
        return {
            "live": self._policy.bundle.digest,
            "candidate": candidate,
            "troubles": self._troubles.told(),
        }

    # ---------------------------------------------------------------------- what the worker does

    async def begin(self) -> None:
        """Before anything is served: load the directory if it is new, else what is in force.

        Raises:
            UnusableSetError: the set in force cannot be used here, and so nothing can be served.
            PolicyProblems, SettingsError: the directory is wrong, and nothing else is in force.
        """
        while (reading := await asyncio.to_thread(self._watch.read)) is None:  # noqa: ASYNC110
            await asyncio.sleep(STILL_SECONDS)
        problem = await self._problem(reading)
        if reading.set_ is not None and not problem:
            who = origin("start of the server", str(self._settings.policies))
            await self._deeds.take_directory(reading.set_, who, self._place)
        state = await self._store.policy_state()
        if not state.live:
            raise self._broken or SettingsError(problem)
        try:
            await self._put_in_force(state)
        except UnusableSetError as error:
            told = (
                f"nothing can be served: {error}\n"
                "'fleeting policy load' puts the policy directory in force instead"
            )
            raise UnusableSetError(told) from error
        self._tell_directory(problem)
        if not problem:
            self._tell_other_set(reading, state)

    async def poll(self) -> None:
        """Follow the store, and take up what changed in the directory."""
        await self._follow()
        if not self._wish and await asyncio.to_thread(self._watch.changed):
            self._wish = "change of the directory"
        if self._wish:
            reading = await asyncio.to_thread(self._watch.read)
            if reading is not None:
                await self._take(reading, self._wish)
                self._wish = ""  # not before: what failed is tried again

    async def _follow(self) -> None:
        state = await self._store.policy_state()
        if state == self._state:
            return
        try:
            await self._put_in_force(state)
        except UnusableSetError as error:
            self._state = state
            self._metrics.reloaded(FAILED)
            self._troubles.state = str(error)
            self._show()
            live = self._policy.bundle.digest
            log.error("the policies in force cannot be used here", cause=str(error), policy=live)  # noqa: TRY400

    async def _put_in_force(self, state: PolicyState) -> None:
        before = self._policy.bundle.digest
        live = await self._bundle(state.live)
        self._candidate = await self._shadow(state.candidate)
        installation = self._policy.rules().installation.with_types(live.world.types)
        self._policy.swap(Rules(installation, live, self._candidate))
        self._state, self._troubles.state = state, ""
        self._show()
        if live.digest != before:
            self._metrics.reloaded(LOADED)
            log.info("policies loaded", policy=live.digest, before=before)

    async def _shadow(self, digest: str | None) -> ShadowSet | None:
        """Return the candidate; one that cannot be used changes nothing about what is live."""
        self._troubles.candidate = ""
        if digest is None:
            return None
        if self._candidate is not None and self._candidate.bundle.digest == digest:
            return self._candidate
        try:
            candidate = ShadowSet(await self._bundle(digest), self._metrics)
        except UnusableSetError as error:
            self._troubles.candidate = str(error)
            self._metrics.reloaded(FAILED)
            log.error("the candidate cannot be used here", cause=str(error))  # noqa: TRY400
            return None
        log.info("policies shadowed", policy=digest)
        return candidate

    async def _bundle(self, digest: str) -> PolicyBundle:
        """Return the set that the store keeps for *digest*, built in the world of today.

        Raises:
            UnusableSetError: there is none, or it does not fit.
        """
        found = self._built.get(digest)
        if found is not None:
            return found
        text = await self._store.policy_text(digest)
        if text is None:
            raise UnusableSetError(f"the store keeps no policy set {digest}")
        try:
            return await self._build(await asyncio.to_thread(read_set, text, digest))
        except (StoredSetError, PolicyProblems, DeclarationError) as error:
            raise UnusableSetError(f"the policy set {digest} cannot be used: {error}") from error

    async def _build(self, set_: PolicySet) -> PolicyBundle:
        settings = replace(self._settings, types=set_.types)
        check_types(settings)
        steps = load_steps(
            set_.sources,
            policy_world(settings),
            known=self._policy.bundle,
            verify=settings.verify,
            on_disagreement=self._on_disagreement,
        )
        bundle = await paced(steps, lambda: self._metrics.in_flight > 0)
        return self._built.put(bundle.digest, bundle)

    # ---------------------------------------------------------------------- the directory

    async def _take(self, reading: Reading, how: str) -> None:
        if reading.ignored:
            log.warning("settings that changed need a restart", settings=reading.ignored)
        problem = await self._problem(reading)
        self._tell_directory(problem)
        who = origin(how, str(self._settings.policies))
        if reading.set_ is None or problem:
            digest = None if reading.set_ is None else reading.key
            await self._deeds.refuse_directory(reading.key, digest, problem, who, self._place)
            return
        state = await self._deeds.take_directory(reading.set_, who, self._place)
        self._tell_other_set(reading, state)
        await self._follow()

    async def _problem(self, reading: Reading) -> str:
        """Return what is wrong with what was read; what is right is built then."""
        if reading.set_ is None:
            return reading.problem
        if self._built.get(reading.key) is None:
            try:
                await self._build(reading.set_)
            except (PolicyProblems, DeclarationError) as error:
                return str(error)
        return ""

    # ---------------------------------------------------------------------- what is told of it

    def _tell_directory(self, problem: str) -> None:
        self._troubles.directory = problem
        self._show()
        if problem:
            self._metrics.reloaded(REFUSED)
            live = self._policy.bundle.digest
            log.error("the policies are wrong and were not loaded", cause=problem, policy=live)

    def _tell_other_set(self, reading: Reading, state: PolicyState) -> None:
        if state.live != reading.key:
            told = "the directory holds another set; 'fleeting policy load' puts it in force"
            log.warning(told, directory=reading.key, policy=state.live)

    def _show(self) -> None:
        candidate = None if self._candidate is None else self._candidate.bundle.digest
        self._metrics.in_force(self._policy.bundle.digest, candidate)
        self._metrics.policy_trouble(exists=bool(self._troubles.told()))
