"""Session tokens for requests and httpx, and logins from a terminal or notebook."""
from __future__ import annotations

import base64
import json
import threading
import time
from typing import TYPE_CHECKING, Any, AsyncGenerator, Generator, Optional

from ._client import Client
from ._device_login import device_login
from .errors import error_of

if TYPE_CHECKING:
    import httpx

    _Base = httpx.Auth
else:
    try:
        from httpx import Auth as _Base
    except ImportError:
        _Base = object

__all__ = ["SessionTokenAuth", "device_login"]

#: A token is replaced this long before it expires, or for the last fifth of a shorter lifetime.
_REFRESH_SECONDS = 60.0

monotonic = time.monotonic
now = time.time


class SessionTokenAuth(_Base):
    """Adds a session token to requests of requests and httpx, and gets a new one before it expires.

    Services verify session tokens offline. They see no CLI token, and can't use the session token elsewhere if it has their audience.
    Use it only for requests to one service: every URL of the session gets the token.

    Threads and tasks can share an object. Only one of them gets a new token.

    :param client: gets the tokens. The default is ``Client()``
    :param audience: audience of the tokens, one of the organization's ``session_token_audiences``. The default is the gateway itself

    >>> requests.get("https://reports.example/hello", auth=SessionTokenAuth(audience="https://reports.example"))
    >>> httpx.AsyncClient(auth=SessionTokenAuth(audience="https://reports.example"))
    """

    def __init__(self, client: Optional[Client] = None, *, audience: Optional[str] = None) -> None:
        self._client = Client() if client is None else client
        self._audience = audience
        self._lock = threading.Lock()
        self._current: Optional[_Token] = None

    def token(self) -> str:
        """Returns a session token that is valid for some time yet.

        :raises SamlgateError: such as ``unauthenticated``
        """
        current = self._current
        if current is None or not current.is_fresh():
            with self._lock:
                current = self._current
                if current is None or not current.is_fresh():
                    current = self._current = self._new_token()
        return current.value

    def _new_token(self) -> _Token:
        # Counted from before the request, since the gateway signs the token later.
        started, started_monotonic = now(), monotonic()
        token = self._client.create_session_token({} if self._audience is None else {"audience": self._audience})["token"]
        return _Token(token, _lifetime_of(token, self._client.url), started, started_monotonic)

    def __call__(self, request: Any) -> Any:
        """Authenticates a request of requests."""
        request.headers["Authorization"] = f"Bearer {self.token()}"
        return request

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Authenticates a request of ``httpx.Client``."""
        request.headers["Authorization"] = f"Bearer {self.token()}"
        yield request

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Authenticates a request of ``httpx.AsyncClient``, without blocking its event loop."""
        current = self._current
        if current is None or not current.is_fresh():
            import anyio.to_thread  # a dependency of httpx

            value = await anyio.to_thread.run_sync(self.token)
        else:
            value = current.value
        request.headers["Authorization"] = f"Bearer {value}"
        yield request


class _Token:
    def __init__(self, value: str, lifetime: float, started: float, started_monotonic: float) -> None:
        self.value = value
        usable = lifetime - min(_REFRESH_SECONDS, lifetime / 5)
        self._until = started + usable
        self._until_monotonic = started_monotonic + usable

    def is_fresh(self) -> bool:
        # The monotonic clock stops while a machine sleeps, and the other one can be set back.
        return now() < self._until and monotonic() < self._until_monotonic


def _lifetime_of(token: str, url: str) -> float:
    """Returns the lifetime in seconds by the clock of the gateway, from which the clock of this machine may differ."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"] - claims["iat"])
    except (IndexError, KeyError, TypeError, ValueError):
        raise error_of("not_a_gateway", f"The server at {url} answered without a session token", "Correct the URL.") from None
