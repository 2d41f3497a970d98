"""The console's files: built by the package's build hook, served as they lie."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from flyball.serving.asgi import Receive, Response, Scope, Send, json_response

__all__ = ["CONSOLE_FOLDER", "Console"]

CONSOLE_FOLDER = Path(__file__).parent.parent / "web_static"

_MISSING = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Flyball: the console is not built</title></head>
<body><main><h1>The console is not built yet</h1>
<p>This installation of Flyball holds no console files. In a clone of the repository, build them with:</p>
<pre>make setup</pre>
<p>and load this page again. The interface itself works: see <a href="/api/v1/models">/api/v1/models</a>.</p>
</main></body></html>
"""


class Console:
    """ASGI app over a folder with `index.html`; looked at on each request, so that a rebuild shows at once."""

    def __init__(self, folder: Path = CONSOLE_FOLDER) -> None:
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the ASGI signature
        method = scope["method"]
        if method not in {"GET", "HEAD"}:
            response = json_response(405, {"error": f"{method} is not possible here"}, {"allow": "GET, HEAD"})
        else:
            response = self._response(scope["path"])
        await response.send(send, head_only=method == "HEAD")

    def _response(self, path: str) -> Response:
        if not (self._folder / "index.html").is_file():
            return Response(503, _MISSING.encode(), "text/html; charset=utf-8", {"cache-control": "no-store"})
        file = self._find(path)
        if file is None:
            return json_response(404, {"error": f"nothing lies at {path}"})
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        if kind.startswith("text/") or kind.endswith("javascript"):
            kind += "; charset=utf-8"
        # Vite puts a hash of the content into the names below assets/, so they never change.
        lasting = file.parent.name == "assets"
        cache = "public, max-age=31536000, immutable" if lasting else "no-cache"
        return Response(200, file.read_bytes(), kind, {"cache-control": cache})

    def _find(self, path: str) -> Path | None:
        wanted = path.lstrip("/") or "index.html"
        if "\0" in wanted or "\\" in wanted:
            return None
        root = self._folder.resolve()
        try:
            file = (root / wanted).resolve()
            return file if file.is_relative_to(root) and file.is_file() else None
        except OSError:  # a name longer than any file's
            return None
