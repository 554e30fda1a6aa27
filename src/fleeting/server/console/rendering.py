"""Render pages: Jinja with every text escaped, and nothing that is missing taken for empty."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from fleeting.server.console.headers import page_headers
from fleeting.server.console.plain_text import distance, instant, visible

ASSETS = Path(__file__).parent / "assets"
_TEMPLATES = Path(__file__).parent / "templates"
_ASSET_AGE = "public, max-age=31536000, immutable"
"""An asset's address has its digest in it: another content is another address."""
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {"instant": instant, "distance": distance}
    return environment


@cache
def _assets() -> tuple[tuple[str, str], ...]:
    """Return every asset's name and digest."""
    return tuple(
        (path.name, hashlib.sha256(path.read_bytes()).hexdigest()[:16])
        for path in sorted(ASSETS.iterdir())
        if path.suffix in _MEDIA_TYPES
    )


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of one installation.

    prefix: the path of the issuer, which every address of ours begins with.
    """

    prefix: str = ""
    assets: Mapping[str, str] = field(default_factory=lambda: dict(_assets()))

    def render(
        self,
        template: str,
        status: int = 200,
        *,
        scripts: bool = False,
        forms_to: Sequence[str] = (),
        **values: Any,  # noqa: ANN401 -- what the template reads
    ) -> Response:
        """Return *template* as an answer; *values* are escaped wherever they are printed.

        scripts, forms_to: as for ``page_headers``. person, csrf: of who is signed in, if anybody.
        """
        known = {"person": None, "csrf": "", "alarms": (), **values}
        text = (
            _environment()
            .get_template(template)
            .render(known, prefix=self.prefix, asset=self.asset)
        )
        headers = dict(page_headers(scripts=scripts, forms_to=forms_to))
        return HTMLResponse(text, status, headers)

    def asset(self, name: str) -> str:
        """Return the address of an asset."""
        return f"{self.prefix}/assets/{self.assets[name]}/{name}"

    def serve_asset(self, digest: str, name: str) -> Response | None:
        """Return the asset at an address, or None where there is none."""
        if self.assets.get(name) != digest:
            return None
        headers = {"Cache-Control": _ASSET_AGE, "X-Content-Type-Options": "nosniff"}
        path = ASSETS / name
        return Response(path.read_bytes(), 200, headers, _MEDIA_TYPES[path.suffix])
