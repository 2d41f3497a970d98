"""The headers that keep a page here from loading, or being loaded by, anything else."""

from __future__ import annotations

from flyball.serving.asgi import App, Message, Receive, Scope, Send

__all__ = ["CONSOLE_POLICY", "REPORT_POLICY", "SecureHeaders"]

# Svelte sets single style attributes, never style elements.
CONSOLE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; frame-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# A report is one self-contained page: its own styles and pictures, no script at all.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)

_ALWAYS = {
    b"content-security-policy": CONSOLE_POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"SAMEORIGIN",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
    b"cache-control": b"no-store",
}


class SecureHeaders:
    """ASGI middleware: adds each header that the answer does not set itself."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                present = {name.lower() for name, _ in headers}
                message["headers"] = headers + [item for item in _ALWAYS.items() if item[0] not in present]
            await send(message)

        await self._app(scope, receive, send_with_headers)
