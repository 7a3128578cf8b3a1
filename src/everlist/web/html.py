"""HTML pages from templates, with the headers that all of them have."""

from __future__ import annotations

import base64
import hashlib

import jinja2
from starlette.responses import Response


class Pages:
    """The templates of one edge: a folder `templates`, with a style sheet `style.css` that each page carries."""

    def __init__(self, package: str) -> None:
        """`package` is the edge's, such as `everlist.pages`."""
        loader = jinja2.PackageLoader(package)
        self._environment = jinja2.Environment(
            loader=loader,
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._style, _, _ = loader.get_source(self._environment, "style.css")
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self._headers = {
            "Content-Security-Policy": (
                f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none';"
                " frame-ancestors 'none'"
            ),
            "X-Robots-Tag": "noindex, nofollow",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        }

    def page(
        self, template: str, status: int = 200, headers: dict[str, str] | None = None, **values: object
    ) -> Response:
        """Return a page from a template."""
        html = self._environment.get_template(template).render(values, style=self._style)
        return Response(html, status, {**self._headers, **(headers or {})}, "text/html; charset=utf-8")
