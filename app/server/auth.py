"""Decides who may talk to the server: host, origin and token.

Every request passes here first, the pages' WebSocket and Streamlit's own addresses as well as our routes:

- a request must name the server by an address or by the name it listens under. Another name belongs to a web site that
  was made to point here (DNS rebinding). What changes something, and the WebSocket, must come from a page of this very
  server, and no other site may show a page of it in a frame, where people would click on what they do not see;
- where other machines could come in, a token is demanded (`clipdex ui --allow-remote`). It is shown once, as `?token=…`
  or in a form, and kept in a cookie that scripts cannot read and other sites' requests do not carry.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from app.settings import is_loopback

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SHORTEST_TOKEN = 16
LARGEST_FORM = 4096
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_CLOSED = (
    "other machines can reach this server, and it has no token: start it with `clipdex ui --host … --allow-remote`"
)
_FORM = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>clipdex</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { display: grid; place-content: center; min-height: 90vh; gap: 1rem; padding: 1rem; }
input, button { font: inherit; padding: 0.5rem 0.8rem; border-radius: 8px; border: 1px solid #8888; }
</style></head><body><h1>This clipdex asks for a token</h1>
<p>%s It was printed where <code>clipdex ui</code> was started.</p>
<form method="post"><label>Token <input name="token" type="password" autocomplete="current-password" autofocus></label>
<button>Go on</button></form></body></html>"""


# Where an answer does not say something else.
EVERYWHERE = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"SAMEORIGIN",
    b"content-security-policy": b"frame-ancestors 'self'",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
}
READING = ("GET", "HEAD", "OPTIONS")


class AccessControl:
    """ASGI middleware for a server that listens on `address`; None is all addresses."""

    def __init__(self, app: ASGIApp, address: str | None, token: str = "") -> None:
        self.app = app
        self.token = token
        self.is_closed = not token and not is_loopback(address or "0.0.0.0")
        self.cookie = "clipdex_" + hashlib.sha256(token.encode()).hexdigest()[:8]

    @property
    def proof(self) -> str:
        """What the cookie holds: the token is not in it."""
        return hmac.new(self.token.encode(), b"clipdex cookie", hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it here."""
        from starlette.requests import HTTPConnection, Request

        if scope["type"] == "websocket":
            connection = HTTPConnection(scope)
            if not (self._is_called_right(connection) and is_own_page(connection) and self._is_proved(connection)):
                await send({"type": "websocket.close", "code": 1008})  # before it was accepted: the browser sees a 403
                return
        elif scope["type"] == "http":
            request = Request(scope, receive)
            answer = await self._refusal(request)
            if answer is not None:
                await answer(scope, receive, send)
                return
            send = _with_headers(send)
        await self.app(scope, receive, send)

    async def _refusal(self, request: Request) -> Response | None:
        """What is answered instead of the page, or None."""
        from starlette.responses import HTMLResponse, PlainTextResponse

        if not self._is_called_right(request):
            return PlainTextResponse("this server has another name", status_code=403, headers=HEADERS)
        if request.method not in READING and not is_own_page(request):
            return PlainTextResponse("this was sent by a page of another site", status_code=403, headers=HEADERS)
        if self.is_closed:
            return PlainTextResponse(_CLOSED, status_code=403, headers=HEADERS)
        if not self.token:
            return None
        shown = await _shown_token(request)
        if shown is not None and hmac.compare_digest(shown.encode(), self.token.encode()):
            return self._let_in(request)
        if shown is None and self._is_proved(request):
            return None
        if shown is None and request.method != "GET":
            return PlainTextResponse("a token is needed", status_code=401, headers=HEADERS)
        said = "" if shown is None else "That is not the token."
        return HTMLResponse(_FORM % said, status_code=401 if shown is None else 403, headers=HEADERS)

    def _let_in(self, request: Request) -> Response:
        """The same address without the token, and the cookie."""
        from starlette.responses import RedirectResponse

        rest = [(name, value) for name, value in parse_qsl(request.url.query) if name != "token"]
        # One slash: a path that begins with two would be another server's address.
        where = "/" + request.url.path.lstrip("/\\") + ("?" + urlencode(rest) if rest else "")
        answer = RedirectResponse(where, status_code=303, headers=HEADERS)
        secure = request.url.scheme == "https"
        answer.set_cookie(self.cookie, self.proof, httponly=True, samesite="lax", secure=secure, path="/")
        return answer

    def _is_proved(self, connection: HTTPConnection) -> bool:
        if not self.token:
            return not self.is_closed
        return hmac.compare_digest(connection.cookies.get(self.cookie, "").encode(), self.proof.encode())

    def _is_called_right(self, connection: HTTPConnection) -> bool:
        """With a token any name will do: the cookie belongs to the name under which the token was shown."""
        return bool(self.token) or is_known_host(connection.headers.get("host", ""))


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            said = {name.lower() for name, _ in given}
            message = {**message, "headers": [*given, *(one for one in EVERYWHERE.items() if one[0] not in said)]}
        await send(message)

    return sent


async def _shown_token(request: Request) -> str | None:
    """The token in the address or in the form that was sent; None where none was."""
    if request.method == "GET":
        return request.query_params.get("token")
    kind = request.headers.get("content-type", "").partition(";")[0]
    if request.method != "POST" or kind != "application/x-www-form-urlencoded":
        return None
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            return ""
    return dict(parse_qsl(body.decode("utf-8", "replace"))).get("token", "")


def is_own_page(connection: HTTPConnection) -> bool:
    """Whether something was sent by a page of this server, or by a program, which names no page."""
    origin = connection.headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == connection.headers.get("host", "").lower()


def is_known_host(host: str) -> bool:
    """Whether a request names this server by an address, as localhost or as it was configured."""
    import streamlit as st

    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    configured = (st.get_option("server.address"), st.get_option("browser.serverAddress"))
    if name in ("localhost", *(str(one).lower() for one in configured if one)):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
