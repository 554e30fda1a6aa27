"""What a client does about its own access requests: where they stand, and the end of them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fleeting.client.answers import success
from fleeting.client.calling_issuer import NO_HOLD, Asker, post
from fleeting.client.wire import Flow

ENDPOINT = "access_request_endpoint"


def manage(
    asker: Asker,
    id_: str,
    action: str,
    fields: Mapping[str, str] | None = None,
    *,
    hold: timedelta = NO_HOLD,
) -> Flow[dict[str, Any]]:
    """Do *action* to the access request of that id, and return where it stands then."""
    form = {"access_request_id": id_, "action": action, **(fields or {})}
    answer, private = yield from post(asker, ENDPOINT, form, hold=hold)
    return success(answer, private)
