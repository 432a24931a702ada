"""Session tokens for requests and httpx, and device logins from a terminal or notebook."""
from __future__ import annotations

import base64
import copy
import json
import threading
import time
from typing import TYPE_CHECKING, Any, AsyncGenerator, Generator, NamedTuple, Optional

from ._calls import member_of
from ._client import Client
from ._device_login import device_login
from .errors import SamlgateError, error_of

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
#: After a gateway did not answer, a token that is still valid is used for this time before the next attempt to replace it.
_RETRY_SECONDS = 5.0

monotonic = time.monotonic
now = time.time


class SessionTokenAuth(_Base):
    """Adds a session token to requests of requests and httpx, and gets a new one before it expires.

    Services verify session tokens offline. They see no CLI token, and can't use the session token elsewhere if it has their audience.
    Use it only for requests to one service: every URL of the session gets the token.

    Threads and tasks can share an object. Only one of them gets a new token. While the gateway does not answer, a token that is still valid
    is used until it expires.

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
        self._failure: Optional[_Failure] = None

    def token(self) -> str:
        """Returns a session token that has not expired.

        :raises SamlgateError: such as ``unauthenticated``
        """
        current = self._current
        asked_at = monotonic()
        if current is not None and current.is_valid():
            # No thread waits for a new token while this one is valid.
            if current.is_fresh() or not self._lock.acquire(blocking=False):
                return current.value
        else:
            self._lock.acquire()
        try:
            return self._fresh_token(asked_at).value
        finally:
            self._lock.release()

    def _fresh_token(self, asked_at: float) -> _Token:
        """Returns the current token, or a new one if it must be replaced. The caller holds the lock."""
        current, failure = self._current, self._failure
        if current is not None and current.is_fresh():
            return current
        # All threads that waited for a failed attempt share its error. Otherwise each would wait for a time-out of its own.
        if failure is not None and failure.at >= asked_at:
            raise copy.copy(failure.error)
        try:
            self._current = self._new_token()
        except SamlgateError as error:
            if current is not None and current.is_valid() and _is_unavailable(error):
                self._current = current.kept_for(_RETRY_SECONDS)
                return current
            # A copy has no traceback, whose frames hold the CLI token.
            self._failure = _Failure(monotonic(), copy.copy(error))
            raise
        return self._current

    def _new_token(self) -> _Token:
        # Counted from before the request, since the gateway signs the token later.
        started = _Moment(now(), monotonic())
        answer = self._client.create_session_token({} if self._audience is None else {"audience": self._audience})
        token = member_of(answer, "token", str, self._client.url)
        lifetime = _lifetime_of(token, self._client.url)
        return _Token(token, started.after(lifetime), started.after(lifetime - min(_REFRESH_SECONDS, lifetime / 5)))

    def __call__(self, request: Any) -> Any:
        """Authenticates a request of the ``requests`` library."""
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


class _Failure(NamedTuple):
    #: Time by the monotonic clock.
    at: float
    error: SamlgateError


def _is_unavailable(error: SamlgateError) -> bool:
    """Checks whether the gateway could not be asked, so that the error says nothing about the member."""
    return error.code in ("gateway_unreachable", "gateway_timeout") or error.status in (429, 502, 503, 504)


class _Moment(NamedTuple):
    """A time by both clocks: the monotonic clock stops while a machine sleeps, and the other one can be set back."""

    clock: float
    monotonic: float

    def after(self, seconds: float) -> _Moment:
        return _Moment(self.clock + seconds, self.monotonic + seconds)

    def is_future(self) -> bool:
        return now() < self.clock and monotonic() < self.monotonic


class _Token(NamedTuple):
    value: str
    expiry: _Moment
    #: The token is replaced from this time on.
    renewal: _Moment

    def is_valid(self) -> bool:
        return self.expiry.is_future()

    def is_fresh(self) -> bool:
        return self.is_valid() and self.renewal.is_future()

    def kept_for(self, seconds: float) -> _Token:
        return self._replace(renewal=_Moment(now(), monotonic()).after(seconds))


def _lifetime_of(token: str, url: str) -> float:
    """Returns the lifetime in seconds by the gateway's clock, from which this machine's clock may differ."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"] - claims["iat"])
    except (IndexError, KeyError, TypeError, ValueError):
        raise error_of("not_a_gateway", f"The server at {url} answered without a session token", "Correct the URL.") from None
