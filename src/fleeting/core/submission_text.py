"""What an enforcement point submitted, as a part of the text that its request is stored as."""

from datetime import datetime

from fleeting.core.access_requests import Callback, Submitted
from fleeting.core.model import Json
from fleeting.core.recorded import Members, text_of


def submitted_json(submitted: Submitted) -> dict[str, Json]:
    """Return *submitted* as JSON."""
    return {
        "task": submitted.task,
        "items": submitted.items,
        "evaluation_id": submitted.evaluation_id,
        "digest": submitted.digest,
        "resource": dict(submitted.resource),
        "action": dict(submitted.action),
        "says": dict(submitted.says),
        "until": None if submitted.until is None else submitted.until.isoformat(),
        "callback": None if submitted.callback is None else _callback_json(submitted.callback),
    }


def _callback_json(callback: Callback) -> Json:
    return {
        "uri": callback.uri,
        "events": [*callback.events],
        "state": callback.state,
        "told": callback.told,
    }


def read_submitted(written: Members) -> Submitted:
    """Return what ``submitted_json`` wrote.

    Raises:
        TypeError, ValueError, LookupError: no version up to this one writes such.
    """
    until, callback = written["until"], written["callback"]
    return Submitted(
        task=text_of(written["task"]),
        evaluation_id=text_of(written["evaluation_id"]),
        digest=text_of(written["digest"]),
        resource=dict(written["resource"]),
        action=dict(written["action"]),
        items=int(written["items"]),
        says=dict(written["says"]),
        until=None if until is None else datetime.fromisoformat(until),
        callback=None if callback is None else _callback(callback),
    )


def _callback(written: Members) -> Callback:
    events = tuple(text_of(each) for each in written["events"])
    return Callback(text_of(written["uri"]), events, written["state"], bool(written["told"]))
