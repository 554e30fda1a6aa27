"""For resource servers: the guard, and its face for any ASGI application.

``fleeting.resource.starlette`` and ``fleeting.resource.fastapi`` are the faces for routes.
"""

from fleeting.resource.admission import Granted
from fleeting.resource.bodies import BodyLimits
from fleeting.resource.call_operations import CallOperation, operation, scope
from fleeting.resource.calls import Call
from fleeting.resource.following import Following, WhenLost
from fleeting.resource.guard import Guard
from fleeting.resource.issuer_keys import Freshness
from fleeting.resource.middleware import GuardMiddleware, granted_of
from fleeting.resource.proofs import MemoryProofs, ProofMemory, SqliteProofMemory
from fleeting.resource.responses import Answer, Refused
from fleeting.resource.rules import Rule, protect, public
from fleeting.resource.sources import body, const, header, path, query

__all__ = [
    "Answer",
    "BodyLimits",
    "Call",
    "CallOperation",
    "Following",
    "Freshness",
    "Granted",
    "Guard",
    "GuardMiddleware",
    "MemoryProofs",
    "ProofMemory",
    "Refused",
    "Rule",
    "SqliteProofMemory",
    "WhenLost",
    "body",
    "const",
    "granted_of",
    "header",
    "operation",
    "path",
    "protect",
    "public",
    "query",
    "scope",
]
