"""What people see where compiled policies and the Cedar engine differ."""

from structlog.testing import capture_logs

from fleeting.core.evidence import EntryKind
from fleeting.policy import Disagreement
from fleeting.policy.engine import Answer
from fleeting.policy.tree import Effect
from fleeting.server.disagreements import alarm
from fleeting.server.metrics import Metrics
from tests.simulator import REFUND, granted, refused


class Credulous:
    """An engine of compiled policies gone wrong: it permits whatever is asked."""

    def permits(self, action, facts):
        return Answer(("large-refunds",))

    def forbids(self, action, facts):
        return Answer()


def test_a_disagreement_is_counted_and_logged_without_the_request():
    metrics = Metrics()
    with capture_logs() as lines:
        alarm(metrics)(Disagreement("payment_refund:refund", Effect.PERMIT, ("a", "b")))
    assert lines == [
        {
            "event": "policy engines disagree",
            "log_level": "error",
            "action": "payment_refund:refund",
            "effect": "permit",
            "policies": ("a", "b"),
        }
    ]
    assert b"fleeting_policy_disagreements_total 1.0" in metrics.render()


async def test_a_wrong_permit_is_refused_recorded_and_counted(sim):
    granted(await sim.caller().ask(REFUND))
    assert "fleeting_policy_disagreements_total 0.0" in (await sim.get("/metrics")).text
    sim.worker.policy.bundle.deciding._engine._checked = Credulous()
    refused(await sim.caller().ask({**REFUND, "amount": 999_999_999}), "access_denied")
    assert "fleeting_policy_disagreements_total 1.0" in (await sim.get("/metrics")).text
    (entry,) = await sim.recorded(EntryKind.REQUEST_REFUSED)
    (decision,) = entry.body["answers"]
    assert decision["verdict"] == "policy_error"
    assert "disagree with the Cedar engine about `large-refunds`" in decision["errors"][0]
