"""Enforce: a sample API bare, guarded, and guarded with spending; and the guard's own cost."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench import fleeting_side, load, processes, wire
from bench.fleeting_side import FleetingSide
from bench.keys import Key, Proofs
from bench.load import Round, Summary
from bench.report import Section, Table, say
from fleeting.resource import Call, Guard

TARGET = 1.5
_BODY = b'{"amount":1000,"currency":["EUR"]}'
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Api:
    """The running sample API, and the issuer that its guard asks."""

    url: str
    issuer: FleetingSide

    def target(self, kind: str, payment: int) -> str:
        """Return the URL of one call."""
        return f"{self.url}/{kind}/{payment}/refunds"

    def bare(self, count: int) -> list[bytes]:
        """Make calls of the route without a guard."""
        one = wire.request_bytes("POST", self.target("bare", 0), {"Content-Type": _JSON}, _BODY)
        return [one] * count

    def guarded(self, calls: Sequence[tuple[int, str]], nonce: str) -> list[bytes]:
        """Make one call with a proof of its own for each payment and its token."""
        made = []
        for payment, token in calls:
            url = self.target("payments", payment)
            proofs = Proofs(self.issuer.callers.proof_key, "POST", url)
            [proof] = proofs.make(1, nonce=nonce, tokens=[token])
            made.append(wire.request_bytes("POST", url, _headers(token, proof), _BODY))
        return made

    async def nonce(self, token: str) -> str:
        """Learn the guard's nonce from its refusal (RFC 9449 section 9)."""
        url = self.target("payments", 0)
        [proof] = Proofs(self.issuer.callers.proof_key, "POST", url).make(1, tokens=[token])
        answer = await wire.once(
            wire.request_bytes("POST", url, _headers(token, proof), _BODY), self.url
        )
        nonce = answer.headers.get("dpop-nonce")
        if nonce is None:
            raise load.BadAnswerError(f"no DPoP-Nonce in {answer.status} {answer.body[:300]!r}")
        return nonce


def _headers(token: str, proof: str) -> dict[str, str]:
    return {"Content-Type": _JSON, "Authorization": f"DPoP {token}", "DPoP": proof}


def measure(*, quick: bool = False) -> Section:
    """Measure the three routes, rounds interleaved, then the guard alone in this process."""
    count, rounds = (300, 2) if quick else (2000, 5)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "fleeting"
        api = stack.enter_context(_running(directory))
        routes = load.run(_routes(api, count, rounds))
        alone = load.run(_alone(api.issuer, count, rounds))
    return Section("Enforce", [_WHAT.format(count=count, rounds=rounds), _table(routes), *alone])


@contextmanager
def _running(directory: Path) -> Iterator[Api]:
    """Run the API on the server's core; the issuer shares the generator's."""
    url = f"http://127.0.0.1:{processes.free_port()}"
    core = processes.GENERATOR_CORE
    with fleeting_side.running(directory, core=core, resource=url) as issuer:
        os.environ.update(_environment(issuer))
        command = [sys.executable, "-m", "uvicorn", "--factory", "bench.sample_api:make_app"]
        port = url.rpartition(":")[2]
        options = ["--port", port, "--no-access-log", "--log-level", "warning"]
        with processes.server([*command, *options], f"{url}/openapi.json"):
            yield Api(url, issuer)


def _environment(issuer: FleetingSide) -> dict[str, str]:
    return {
        "BENCH_ISSUER": issuer.callers.issuer,
        "BENCH_RESOURCE": issuer.callers.resource,
        "BENCH_TYPES": str(issuer.directory / "fleeting.toml"),
        "BENCH_SECRET": issuer.resource_secret,
    }


async def _routes(api: Api, count: int, rounds: int) -> dict[str, Summary]:
    measured: dict[str, list[Round]] = {}
    for number in range(rounds + 1):
        async for name, requests in _loads(api, count):
            one = await load.measure(api.url, requests)
            if number:  # the first round warms up
                measured.setdefault(name, []).append(one)
                say(f"enforce: {name}: {one.rate:,.0f}/s")
    return {name: Summary.of(each) for name, each in measured.items()}


async def _loads(api: Api, count: int) -> AsyncIterator[tuple[str, list[bytes]]]:
    yield "bare", api.bare(count)
    [token] = await api.issuer.callers.tokens(1)
    nonce = await api.nonce(token)
    yield "guard, multi-use DPoP token", api.guarded([(0, token)] * count, nonce)
    tokens = await api.issuer.callers.tokens(count, fleeting_side.SINGLE_USE_CLIENT)
    yield "guard, single-use DPoP tokens", api.guarded(list(enumerate(tokens)), nonce)


def _table(routes: dict[str, Summary]) -> Table:
    table = Table(("sample API", "requests/s", "p50 ms", "p99 ms", "slowest to fastest"))
    for name, each in routes.items():
        figures = (f"{each.rate:,.0f}", f"{each.p50_ms:.2f}", f"{each.p99_ms:.2f}", each.spread)
        table.rows.append((name, *figures))
    return table


async def _alone(issuer: FleetingSide, count: int, rounds: int) -> list[Table | str]:
    """Time the guard in this process, without HTTP, beside the verifications it must do."""
    from bench.sample_api import make_guard  # noqa: PLC0415 - it reads the environment

    first, again, verifying = [], [], []
    async with make_guard() as guard:
        for _ in range(rounds):
            tokens = await issuer.callers.tokens(count)
            calls = _calls(guard, issuer, list(enumerate(tokens)))
            repeated = _calls(guard, issuer, [(0, tokens[0])] * count)
            verifying.append(_verify_twice(tokens, calls))
            first.append(await _admit(guard, calls))
            again.append(await _admit(guard, repeated))
    floor = statistics.median(verifying)
    table = Table(("the guard alone", "µs/call", "to two verifications", f"at most {TARGET}"))
    table.rows.append(("two ES256 verifications, `cryptography`", f"{floor:.0f}", "1.00", ""))
    for name, measured in (("a token not seen before", first), ("a token seen before", again)):
        own = statistics.median(measured)
        verdict = "yes" if own <= TARGET * floor else "**no**"
        table.rows.append((name, f"{own:.0f}", f"{own / floor:.2f}", verdict))
    return [_ALONE, table]


def _calls(guard: Guard, issuer: FleetingSide, calls: Sequence[tuple[int, str]]) -> list[Call]:
    made = []
    for payment, token in calls:
        path = f"/payments/{payment}/refunds"
        proofs = Proofs(issuer.callers.proof_key, "POST", f"{issuer.callers.resource}{path}")
        [proof] = proofs.make(1, nonce=guard.nonce(), tokens=[token])
        headers = [
            (name.lower().encode(), value.encode())
            for name, value in _headers(token, proof).items()
        ]
        made.append(Call("POST", path, headers=headers, path_params={"payment_id": str(payment)}))
    return made


async def _admit(guard: Guard, calls: Sequence[Call]) -> float:
    """Return the guard's processor time per call in µs."""
    from bench.sample_api import WANTED  # noqa: PLC0415 - as above

    async def read_body() -> bytes:
        return _BODY

    started = time.process_time()
    for call in calls:
        await guard.admit(call, WANTED, read_body)
    return (time.process_time() - started) / len(calls) * 1e6


def _verify_twice(tokens: Sequence[str], calls: Sequence[Call]) -> float:
    """Return the µs of verifying two ES256 signatures, of a token's and a proof's size."""
    key = Key.generate().private
    proof = calls[0].header_values(b"dpop")[0]
    algorithm = ec.ECDSA(hashes.SHA256())
    signed = [text.rpartition(".")[0].encode() for text in (tokens[0], proof)]
    signatures = [key.sign(text, algorithm) for text in signed]
    public = key.public_key()
    started = time.process_time()
    for _ in calls:
        for text, signature in zip(signed, signatures, strict=True):
            public.verify(signature, text, algorithm)
    return (time.process_time() - started) / len(calls) * 1e6


_WHAT = """A FastAPI route with a JSON body on uvicorn, pinned to core 0; 16 connections; \
{rounds} rounds of {count:,} calls. Each call has a DPoP proof of its own with the guard's nonce. \
Single-use tokens are issued before each round; the guard spends each at the issuer, which shares \
core 1 with the generator."""
_ALONE = """The guard in this process, without HTTP and without spending (tokens without `uses`): \
all of `Guard.admit`, beside two verifications with `cryptography` in the same run, in \
processor time."""
