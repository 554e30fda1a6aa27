"""Put the parts of one worker together."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from fleeting.core.authzen import (
    EVALUATION_PATH,
    EVALUATIONS_PATH,
    read_evaluation,
    read_evaluations,
)
from fleeting.policy import OnDisagreement, PolicyProblems, load_policies
from fleeting.ports import Clock, Store
from fleeting.server.asking import Asking, build_asking
from fleeting.server.console.assembling import Ground, build_console
from fleeting.server.console.serving import Console
from fleeting.server.disagreements import alarm, tell_fault
from fleeting.server.in_force import PolicyInForce
from fleeting.server.installing import (
    http_client,
    installation,
    load_policy_set,
    policy_world,
    provider_keys,
    resource_keys,
)
from fleeting.server.metrics import Metrics
from fleeting.server.people.devices import TokenByGrant
from fleeting.server.people.services import PeopleServices, people_services
from fleeting.server.pulse import Pulse
from fleeting.server.reloading import Reloading
from fleeting.server.settings import Settings, SettingsError
from fleeting.server.signing_keys import SigningKeys
from fleeting.server.world import StrangersBudget, SystemClock, SystemIds
from fleeting.stores import open_store
from fleeting.usecases.announcing import AnnouncingLedger
from fleeting.usecases.asking_people import AskPeople
from fleeting.usecases.authorize_transaction import AuthorizeTransaction
from fleeting.usecases.calling import Call, Desk
from fleeting.usecases.collect_token import CollectToken
from fleeting.usecases.evaluate_access import EvaluateAccess, Question
from fleeting.usecases.follow_revocations import FollowRevocations
from fleeting.usecases.following_tasks import CancelTask, ShowTask, Tasks
from fleeting.usecases.guarding import GuardDesk
from fleeting.usecases.hinting import Hints
from fleeting.usecases.introspect_token import IntrospectToken
from fleeting.usecases.issue_token import IssueToken
from fleeting.usecases.manage_request import ManageRequest
from fleeting.usecases.minting import Mint
from fleeting.usecases.presented_approvals import Approvals
from fleeting.usecases.report_call import ReportCall
from fleeting.usecases.revocation_feed import RevocationFeed
from fleeting.usecases.revoke_token import RevokeToken
from fleeting.usecases.rules import Rules
from fleeting.usecases.spend_token import SpendToken
from fleeting.usecases.subjects import Subjects
from fleeting.usecases.submit_request import SubmitRequest
from fleeting.usecases.turns import Turns


@dataclass(frozen=True, slots=True)
class UseCases:
    """One worker's use cases."""

    issue_token: IssueToken
    authorize_transaction: AuthorizeTransaction
    spend_token: SpendToken
    introspect_token: IntrospectToken
    revoke_token: RevokeToken
    report_call: ReportCall
    evaluate_access: EvaluateAccess
    evaluate_accesses: EvaluateAccess
    follow_revocations: FollowRevocations
    manage_request: ManageRequest
    submit_request: SubmitRequest
    show_task: ShowTask
    cancel_task: CancelTask


@dataclass(frozen=True, slots=True)
class Worker:
    """All that one worker process holds."""

    settings: Settings
    store: Store
    signing_keys: SigningKeys
    policy: PolicyInForce
    clock: Clock
    http: httpx.AsyncClient
    metrics: Metrics
    reloading: Reloading
    use_cases: UseCases
    pulse: Pulse
    asking: Asking
    console: Console
    people: PeopleServices


def build_worker(
    settings: Settings,
    *,
    clock: Clock | None = None,
    http: httpx.AsyncClient | None = None,
    replaces: bool = False,
) -> Worker:
    """Return a worker for *settings*, its store still to be opened.

    clock, http: the world as a simulator has it; the machine's own by default.
    replaces: it may have to serve while the policy directory is wrong, as its siblings do.

    Raises:
        SettingsError, SigningKeysError, PolicyProblems: the installation cannot be served.
    """
    clock, ids = clock or SystemClock(), SystemIds()
    http = http or http_client()
    store = open_store(settings.database, clock=clock, base_dir=settings.directory)
    signing_keys = SigningKeys(settings.signing_keys, settings.max_lifetime, clock.now())
    metrics = Metrics()
    on_disagreement = alarm(metrics)
    policy, broken = _policy(settings, on_disagreement, replaces=replaces)
    reloading = Reloading(settings, store, clock, policy, metrics, on_disagreement, broken)
    pulse = Pulse(RevocationFeed(store, store, clock), settings.revocation_beat)
    ledger = AnnouncingLedger(store, pulse.wake)
    desk = Desk(policy, ledger, clock, signing_keys.nonces, StrangersBudget())
    subjects = Subjects(provider_keys(settings, http))
    asking = build_asking(settings, store, clock, policy, http, metrics, signing_keys)
    hints = Hints(tell_fault, wanted=settings.refusal_hints)
    ask_people = AskPeople(desk, asking.counter)
    mint = Mint(desk, signing_keys, ids, hints, ask_people, asking.broken_glass)
    collect = CollectToken(desk, mint, asking.counter, Turns(), asking.collected)
    guards = GuardDesk(desk, signing_keys)
    approvals = Approvals(guards, asking.counter, ids, Turns())
    tasks = Tasks(guards, asking.counter)
    use_cases = UseCases(
        IssueToken(desk, subjects, mint, collect, ids),
        AuthorizeTransaction(desk, subjects, mint, collect, resource_keys(settings, http)),
        SpendToken(guards),
        IntrospectToken(guards, store),
        RevokeToken(guards),
        ReportCall(guards),
        EvaluateAccess(guards, read_evaluation, approvals),
        EvaluateAccess(guards, read_evaluations, approvals),
        FollowRevocations(guards),
        ManageRequest(desk, asking.counter, ids),
        SubmitRequest(guards, tasks, ids),
        ShowTask(tasks),
        CancelTask(tasks),
    )
    people = people_services(settings, store, clock, http, desk)
    ground = Ground(settings, store, clock, ids, policy, signing_keys.nonces, metrics)
    console = build_console(ground, people, asking.counter.waiting.wake)
    served = (signing_keys, policy, clock, http, metrics, reloading, use_cases)
    return Worker(settings, store, *served, pulse, asking, console, people)


def _policy(
    settings: Settings, on_disagreement: OnDisagreement, *, replaces: bool
) -> tuple[PolicyInForce, Exception | None]:
    """Return the rules to begin with: none at all where the directory is wrong and may be."""
    declared = installation(settings)
    try:
        return PolicyInForce(Rules(declared, load_policy_set(settings, on_disagreement))), None
    except (PolicyProblems, SettingsError) as error:
        if not replaces:
            raise
        nothing = load_policies((), policy_world(settings))
        return PolicyInForce(Rules(declared, nothing)), error


def endpoints(worker: Worker) -> Mapping[str, Callable[[Call], Awaitable[Any]]]:
    """Return the form endpoints' use cases by path (DESIGN §6)."""
    use_cases, devices = worker.use_cases, worker.people.devices
    return {
        "/token": TokenByGrant(use_cases.issue_token, devices),
        "/device_authorization": devices.authorize,
        "/transaction-authorization": use_cases.authorize_transaction,
        "/spend": use_cases.spend_token,
        "/introspect": use_cases.introspect_token,
        "/revoke": use_cases.revoke_token,
        "/report": use_cases.report_call,
        "/access-request": use_cases.manage_request,
    }


def json_endpoints(
    use_cases: UseCases,
) -> Mapping[str, Callable[[Question], Awaitable[dict[str, Any]]]]:
    """Return the JSON endpoints' use cases by path (AuthZEN §10.1)."""
    return {
        EVALUATION_PATH: use_cases.evaluate_access,
        EVALUATIONS_PATH: use_cases.evaluate_accesses,
    }
