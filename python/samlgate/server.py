"""Middleware that requires a token of a gateway, for WSGI and ASGI. It needs PyJWT with cryptography (the extra ``server``)."""
from __future__ import annotations

import asyncio
import json
import math
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Awaitable, Callable, Dict, Iterable, List, Mapping, MutableMapping, Optional, Tuple, cast

try:
    from jwt.algorithms import has_crypto

    # Without cryptography, PyJWT can read no key of a gateway, so every token would be rejected as invalid.
    if not has_crypto:
        raise ImportError("cryptography")
    from ._session_tokens import Auth, Role, token_verifier
except ImportError as error:
    raise ImportError("samlgate.server needs PyJWT and cryptography. Install them with: pip install 'PyJWT[crypto]>=2.4'") from error
from ._token_error import TokenError, WouldBlock
from ._urls import gateway_key
from .errors import error_of

__all__ = ["AccessRefused", "Auth", "RequireAuth"]

#: The key of :class:`Auth` in the environ of WSGI and the scope of ASGI.
AUTH_KEY = "samlgate.auth"

#: Headers with which a proxy names the user (``/auth/verify``). A client can also send them.
_IDENTITY_HEADERS = "x-samlgate-"
_THREADS = 8
#: With a longer tolerance, an expired session token would stay valid for long.
_MAX_CLOCK_TOLERANCE_SECONDS = 300

WsgiApp = Callable[[Dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class AccessRefused(Exception):
    """Access is refused. The answer has problem details (RFC 9457) and the challenge of RFC 6750."""

    def __init__(self, status: int, code: str, title: str, detail: str, headers: Mapping[str, str]) -> None:
        super().__init__(f"{title}. {detail}")
        self.status = status
        self.code = code
        problem = {"type": f"urn:samlgate:error:{code}", "status": status, "code": code, "title": title, "detail": detail}
        self.body = json.dumps(problem, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        self.headers = {**headers, "Content-Type": "application/problem+json", "Cache-Control": "no-store"}


class RequireAuth:
    """Requires a valid ``Authorization: Bearer`` token of a gateway.

    Session tokens are verified offline with the gateway's published keys. A CLI token is exchanged for a session token when it is first
    seen, and the result is cached until shortly before the session token expires. Access that was revoked therefore ends after up to
    10 minutes. If it must end immediately, call the gateway's ``/auth/verify`` for each request instead.

    Answers 401 if the token is missing, invalid, expired or revoked, 403 for another organization or a missing role, and 503 if the
    gateway can't be reached.

    :param issuer: base URL of the gateway
    :param organization: id (``org_…``) of the only organization whose members have access. Without it, members of every organization of
        the gateway have access, and the service must check ``organization_id`` itself
    :param audience: expected ``aud`` of session tokens. The default is ``issuer``
    :param role: required role. ``owner`` denies access to collaborators; ``collaborator`` allows owners too
    :param clock_tolerance_seconds: allowed difference between the clocks, 0 to 300
    :raises SamlgateError: ``gateway_url_invalid``, or ``argument_invalid`` if ``organization`` is not an id, ``role`` is unknown, or another
        argument is invalid

    >>> require_auth = RequireAuth("https://sso.example.com", organization="org_3w5e11264sg0")
    >>> flask_app.wsgi_app = require_auth.wsgi(flask_app.wsgi_app)
    >>> fastapi_app.add_middleware(require_auth.asgi)
    """

    def __init__(
        self,
        issuer: str,
        organization: Optional[str] = None,
        audience: Optional[str] = None,
        role: Optional[Role] = None,
        *,
        clock_tolerance_seconds: float = 5,
    ) -> None:
        key = gateway_key(issuer)
        # A token has its organization's id, so a slug would deny access to every user.
        if organization is not None and not (isinstance(organization, str) and re.fullmatch(r"org_[a-z0-9]+", organization)):
            raise error_of(
                "argument_invalid",
                f"{organization!r} is not the id of an organization",
                "Set organization to the id, such as org_3w5e11264sg0, not to the slug. Client().get_me() has it.",
            )
        if role not in (None, "owner", "collaborator"):
            raise error_of("argument_invalid", f"{role!r} is not a role", "Set role to “owner” or “collaborator”.")
        if audience is not None and not (isinstance(audience, str) and audience):
            raise error_of("argument_invalid", f"{audience!r} is not an audience", "Set audience to the audience of your service, or leave it out.")
        _require_clock_tolerance(clock_tolerance_seconds)
        self._organization = organization
        self._role = role
        self._verifier = token_verifier(key, key if audience is None else audience, clock_tolerance_seconds)
        self._executor: Optional[ThreadPoolExecutor] = None

    def check(self, authorization: Optional[str], *, may_block: bool = True) -> Auth:
        """Returns the member that a header ``Authorization`` represents.

        :raises AccessRefused: with status, headers and body of the answer
        """
        match = re.fullmatch(r"bearer +([\w.~+/=-]+)", authorization or "", re.ASCII | re.IGNORECASE)
        if match is None:
            raise _refusal("unauthenticated")
        try:
            auth = self._verifier.verify(match.group(1), may_block=may_block)
        except TokenError as error:
            raise _refusal("invalid_token" if error.reason == "refused" else "unavailable") from error
        if self._organization is not None and auth.organization_id != self._organization:
            raise _refusal("other_organization")
        if self._role == "owner" and auth.role != "owner":
            raise _refusal("forbidden")
        return auth

    async def check_async(self, authorization: Optional[str]) -> Auth:
        """Like :meth:`check`, without blocking the event loop of asyncio.

        :raises AccessRefused: with status, headers and body of the answer
        """
        try:
            return self.check(authorization, may_block=False)
        except WouldBlock:
            # Threads of its own, so that requests which wait for the gateway do not take those of the service.
            if self._executor is None:
                self._executor = ThreadPoolExecutor(_THREADS, "samlgate")
            return await asyncio.get_running_loop().run_in_executor(self._executor, self.check, authorization)

    def wsgi(self, app: WsgiApp) -> WsgiApp:
        """Protects a WSGI application. It finds :class:`Auth` in ``environ["samlgate.auth"]``."""

        def protected(environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            try:
                auth = self.check(environ.get("HTTP_AUTHORIZATION"))
            except AccessRefused as refused:
                headers = [*refused.headers.items(), ("Content-Length", str(len(refused.body)))]
                start_response(f"{refused.status} {_REASONS[refused.status]}", headers)
                return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else refused.body]
            for name in [name for name in environ if name.startswith("HTTP_" + _IDENTITY_HEADERS.upper().replace("-", "_"))]:
                del environ[name]
            environ.update({AUTH_KEY: auth, "REMOTE_USER": auth.user_id, "AUTH_TYPE": "Bearer"})
            return app(environ, start_response)

        return protected

    def asgi(self, app: AsgiApp) -> AsgiApp:
        """Protects an ASGI application, websockets included. It finds :class:`Auth` in ``scope["samlgate.auth"]``."""

        async def protected(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                return await app(scope, receive, send)
            if scope["type"] not in ("http", "websocket"):
                raise ValueError(f"samlgate.server does not know requests of the type {scope['type']!r}")
            headers: List[Tuple[bytes, bytes]] = list(scope["headers"])
            sent = [value.decode("latin-1") for name, value in headers if name.lower() == b"authorization"]
            try:
                # Of several headers, this program and the next one could use different ones.
                auth = await self.check_async(sent[0] if len(sent) == 1 else None)
            except AccessRefused as refused:
                return await _refuse(scope, receive, send, refused)
            kept = [(name, value) for name, value in headers if not _is_identity_header(name)]
            return await app({**scope, "headers": kept, AUTH_KEY: auth}, receive, send)

        return protected


def _require_clock_tolerance(seconds: object) -> None:
    # No token is older than “not a number”, so an expired one would be accepted.
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and math.isfinite(seconds)
    if not is_number or not 0 <= cast(float, seconds) <= _MAX_CLOCK_TOLERANCE_SECONDS:
        detail = f"Set clock_tolerance_seconds to a number from 0 to {_MAX_CLOCK_TOLERANCE_SECONDS}."
        raise error_of("argument_invalid", f"{seconds!r} is not a valid clock tolerance", detail)


def _is_identity_header(name: bytes) -> bool:
    return name.decode("latin-1").lower().replace("_", "-").startswith(_IDENTITY_HEADERS)


async def _refuse(scope: Scope, receive: Receive, send: Send, refused: AccessRefused) -> None:
    prefix = "http.response"
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            # The server answers 403. 1008 is the code of a policy violation (RFC 6455 §7.4.1).
            return await send({"type": "websocket.close", "code": 1008})
        prefix = "websocket.http.response"
    headers = [*refused.headers.items(), ("Content-Length", str(len(refused.body)))]
    encoded = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in headers]
    await send({"type": f"{prefix}.start", "status": refused.status, "headers": encoded})
    await send({"type": f"{prefix}.body", "body": b"" if scope.get("method") == "HEAD" else refused.body})


_REASONS = {401: "Unauthorized", 403: "Forbidden", 503: "Service Unavailable"}

_REALM = 'Bearer realm="samlgate"'
_REFUSALS: Dict[str, Tuple[int, str, str, str, Dict[str, str]]] = {
    "unauthenticated": (
        401,
        "unauthenticated",
        "You are not signed in",
        "Send a token of the gateway in the header “Authorization: Bearer …”.",
        {"WWW-Authenticate": _REALM},
    ),
    "invalid_token": (
        401,
        "unauthenticated",
        "You are not signed in",
        "The token is invalid, expired or revoked. Sign in again.",
        {"WWW-Authenticate": f'{_REALM}, error="invalid_token"'},
    ),
    "forbidden": (
        403,
        "forbidden",
        "You are not allowed to do this",
        "Ask an owner of your organization to do it, or to make you an owner.",
        {"WWW-Authenticate": f'{_REALM}, error="insufficient_scope"'},
    ),
    "other_organization": (
        403,
        "forbidden",
        "You are not allowed to do this",
        "Access is limited to members of another organization.",
        {"WWW-Authenticate": f'{_REALM}, error="insufficient_scope"'},
    ),
    "unavailable": (
        503,
        "gateway_unreachable",
        "The token can’t be verified at the moment",
        "The sign-in gateway does not answer. Try again in a moment.",
        {"Retry-After": "2"},
    ),
}


def _refusal(reason: str) -> AccessRefused:
    return AccessRefused(*_REFUSALS[reason])
