"""The routes, read like the metadata document (RFC 8414), and the application around them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fleeting.core.authzen import AUTHZEN_METADATA, REQUESTS_PATH, pdp_metadata
from fleeting.core.errors import InvalidRequest
from fleeting.core.metadata import AS_METADATA, server_metadata, well_known
from fleeting.server.console.assembling import console_routes
from fleeting.server.console.headers import page_headers
from fleeting.server.endpoints import FormEndpoint
from fleeting.server.health import Readiness
from fleeting.server.housekeeping import life
from fleeting.server.json_endpoints import JsonEndpoint
from fleeting.server.metrics import CONTENT_TYPE
from fleeting.server.people.answering import Front
from fleeting.server.people.routes import people_routes
from fleeting.server.rendering import render_error
from fleeting.server.revocation_endpoint import RevocationEndpoint
from fleeting.server.settings import Settings
from fleeting.server.task_endpoints import (
    Read,
    TaskEndpoint,
    cancelling,
    showing,
    submitting,
)
from fleeting.server.wiring import Worker, build_worker, endpoints, json_endpoints
from fleeting.server.world import new_id

_PROVING = frozenset(
    {"/token", "/transaction-authorization", "/access-request", "/device_authorization"}
)
"""The endpoints that take DPoP proofs; only they hand out nonces."""
_METADATA_AGE = timedelta(minutes=5)
_KEYS_AGE = timedelta(seconds=5)
"""Shorter than `keys rotate` waits by default: no cache hides a key that signs already."""
_UNSERVED = {
    404: "there is no such endpoint: see the metadata at /.well-known/oauth-authorization-server",
    405: "this endpoint is not asked with that method",
}


def create_app(settings: Settings) -> Starlette:
    """Return the authorization server of one worker.

    Raises:
        SettingsError, SigningKeysError, PolicyProblems: the installation cannot be served.
    """
    return app_of(build_worker(settings))


def app_of(worker: Worker) -> Starlette:
    """Return the application that serves *worker*'s use cases."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with life(worker):
            yield

    posts: dict[str, ASGIApp] = {**_forms(worker), **_questions(worker)}
    app = Entrance(
        routes=[
            *(Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items()),
            *_tasks(worker),
            *_documents(worker),
            *_people(worker),
            *console_routes(worker.console),
        ],
        exception_handlers={HTTPException: _no_such_endpoint},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # a 307 would send credentials on (RFC 9700 §4.12)
    app.posts = posts
    return app


class Entrance(Starlette):
    """Shows what is posted straight to its endpoint, which renders its own errors.

    Middleware and routing of the rest, which is asked seldom, would cost a tenth of a token.
    """

    posts: Mapping[str, ASGIApp] = MappingProxyType({})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and scope["method"] == "POST":
            endpoint = self.posts.get(scope["path"])
            if endpoint is not None:
                await endpoint(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


async def _no_such_endpoint(_request: Request, error: Exception) -> Response:
    """Answer what no route serves in the one language that callers read (RFC 6749 §5.2)."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    told = InvalidRequest(_UNSERVED.get(status, "this server does not serve that"))
    _, body, _ = render_error(told, new_id())
    more = error.headers if isinstance(error, HTTPException) else None
    return Response(body, status, {**page_headers(), **(more or {})}, "application/json")


def _forms(worker: Worker) -> dict[str, FormEndpoint]:
    issuer, settings = worker.settings.issuer, worker.settings
    prefix = urlsplit(issuer).path

    def nonce() -> str:
        return worker.signing_keys.nonces().make(worker.clock.now())

    return {
        prefix + path: FormEndpoint(
            name=path,
            uri=issuer + path,
            use_case=use_case,
            metrics=worker.metrics,
            max_body_bytes=settings.max_body_bytes,
            nonce=nonce if path in _PROVING else None,
            on_shutdown=worker.asking.counter.waiting.stop,
        )
        for path, use_case in endpoints(worker).items()
    }


def _questions(worker: Worker) -> dict[str, JsonEndpoint]:
    issuer, settings = worker.settings.issuer, worker.settings
    return {
        urlsplit(issuer).path + path: JsonEndpoint(
            name=path,
            uri=issuer + path,
            use_case=use_case,
            metrics=worker.metrics,
            max_body_bytes=settings.max_body_bytes,
        )
        for path, use_case in json_endpoints(worker.use_cases).items()
    }


def _tasks(worker: Worker) -> list[BaseRoute]:
    """Return the routes of submitted access requests (AuthZEN Access Request and Approval)."""
    use_cases, settings = worker.use_cases, worker.settings
    limit, issuer = settings.max_body_bytes, settings.issuer
    one, cancel = f"{REQUESTS_PATH}/{{id}}", f"{REQUESTS_PATH}/{{id}}/cancel"
    served: list[tuple[str, list[str], Read]] = [
        (REQUESTS_PATH, ["POST"], submitting(use_cases.submit_request, limit)),
        (one, ["GET"], showing(use_cases.show_task)),
        (cancel, ["POST", "DELETE"], cancelling(use_cases.cancel_task, limit)),
    ]
    return [
        Route(
            urlsplit(issuer).path + path,
            TaskEndpoint(path, issuer + path, read, worker.metrics),
            methods=methods,
        )
        for path, methods, read in served
    ]


def _people(worker: Worker) -> Sequence[BaseRoute]:
    return people_routes(
        Front(worker.people, worker.console.pages, worker.metrics, worker.settings.max_body_bytes)
    )


def _documents(worker: Worker) -> list[BaseRoute]:
    settings = worker.settings
    prefix = urlsplit(settings.issuer).path
    scopes = (scope for declared in settings.resources for scope in declared.resource.scopes)
    metadata = partial(server_metadata, settings.issuer, scopes=set(scopes))

    async def show_metadata(_request: Request) -> Response:
        """Introduce the server (RFC 8414 §3)."""
        types = worker.policy.rules().installation.catalogue.types
        return JSONResponse(metadata(types=types), headers=_cached(_METADATA_AGE))

    introduction = pdp_metadata(settings.issuer)

    async def show_pdp_metadata(_request: Request) -> Response:
        """Introduce the policy decision point (AuthZEN §9.2)."""
        return JSONResponse(introduction, headers=_cached(_METADATA_AGE))

    async def jwks(_request: Request) -> Response:
        """Publish the signing keys (RFC 7517 §5)."""
        document = worker.signing_keys.keys().to_jwks()
        return JSONResponse(document, headers=_cached(_KEYS_AGE))

    async def healthz(_request: Request) -> Response:
        """Say that the process lives."""
        return JSONResponse({"status": "ok"})

    revocations = RevocationEndpoint(
        name="/revocations",
        uri=f"{settings.issuer}/revocations",
        use_case=worker.use_cases.follow_revocations,
        pulse=worker.pulse,
        metrics=worker.metrics,
    )
    readiness = Readiness(worker)

    async def readyz(_request: Request) -> Response:
        """Say whether database, keys and policies would let it work."""
        found = await readiness.troubles()
        policy = worker.reloading.report()
        status = {"ready": not found, "troubles": found, "policy": policy}
        return JSONResponse(status, status_code=503 if found else 200)

    async def metrics(_request: Request) -> Response:
        """Tell Prometheus."""
        return Response(worker.metrics.render(), media_type=CONTENT_TYPE)

    return [
        Route(urlsplit(well_known(settings.issuer, AS_METADATA)).path, show_metadata),
        Route(urlsplit(well_known(settings.issuer, AUTHZEN_METADATA)).path, show_pdp_metadata),
        Route(f"{prefix}/jwks", jwks),
        Route(f"{prefix}/revocations", revocations, methods=["GET"]),
        Route(f"{prefix}/healthz", healthz),
        Route(f"{prefix}/readyz", readyz),
        Route(f"{prefix}/metrics", metrics),
    ]


def _cached(age: timedelta) -> dict[str, str]:
    return {"Cache-Control": f"public, max-age={int(age.total_seconds())}"}
