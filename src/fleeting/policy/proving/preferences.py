"""What makes a request easy to read: today, few people, and nothing said that does not matter."""

from datetime import datetime

from fleeting.policy.proving.instants import milliseconds
from fleeting.policy.proving.strings import Spelled, printable
from fleeting.policy.proving.terms import Kind, Truth, negated
from fleeting.policy.proving.variables import Variables

_FEW = 3


def preferences(request: Variables, now: datetime) -> list[Truth]:
    """Return what is welcome of a request, the most welcome first."""
    optional = [
        *request.attributes.values(),
        *request.operation.values(),
        *request.request.values(),
        *(each for each in (request.acr, request.actor) if each is not None),
    ]
    wishes = [request.now == milliseconds(now), request.depth <= 1, request.depth <= _FEW]
    if isinstance(request.strings, Spelled):
        texts = [each.term for each in optional if each.term.kind is Kind.STRING]
        wishes += [printable(each.value) for each in texts]
    wishes += [negated(each.present) for each in optional]
    wishes += [negated(member) for member in request.groups().values()]
    return [wish for wish in wishes if not isinstance(wish, bool)]
