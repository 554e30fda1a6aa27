"""A payments application behind the middleware, and raw ASGI calls that no client would make."""

import json
from urllib.parse import unquote

from fleeting.resource import body, granted_of, operation, path, protect, public, scope


async def payments(scope_, receive, send):
    """Echo what an application gets to see."""
    data, more = b"", True
    while more:
        message = await receive()
        data, more = data + message.get("body", b""), message.get("more_body", False)
    seen = {"path": scope_["path"], "body": data.decode("latin-1")}
    if "fleeting.granted" in scope_:
        granted = granted_of(scope_)
        seen |= {"use": granted.use, "subject": granted.subject, "jti": granted.jti}
        seen |= {"call": granted.call.to_json(), "granted": granted.operation.to_json()}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})


REFUNDING = operation(
    "payment_refund",
    action="refund",
    payment_id=path("payment_id"),
    amount=body("amount"),
    currency=body("currency"),
    note=body("note"),
)
RULES = [
    protect("POST", "/payments/{payment_id}/refunds", REFUNDING),
    protect("GET", "/payments/{payment_id}", scope("payments:read")),
    public("GET", "/health"),
]


def asgi_scope(method, raw_path, headers=(), root_path=""):
    return {
        "type": "http",
        "method": method,
        "path": unquote(raw_path),
        "raw_path": raw_path.encode(),
        "query_string": b"",
        "root_path": root_path,
        "headers": [
            (name.lower().encode(), value.encode()) for name, value in dict(headers).items()
        ],
    }


async def raw(app, method, raw_path, headers=(), root_path="", content=b""):
    """Call *app* with a path that no honest client would send."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": content}

    async def send(message):
        sent.append(message)

    await app(asgi_scope(method, raw_path, headers, root_path), receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"] or b"{}")
