"""Caches what tokens were exchanged for."""
from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from typing import Callable, Generic, NamedTuple, Optional, TypeVar, Union

from ._token_error import TokenError, WouldBlock

_MAX_ENTRIES = 5000
#: A token is exchanged again this long before the cached session token expires.
_RENEW_BEFORE_SECONDS = 30
#: A refusal is cached this long.
_CACHE_REFUSAL_SECONDS = 5

now = time.time

T = TypeVar("T")


class _Failure(NamedTuple):
    """A failed exchange. An exception would keep the tokens in the frames of its traceback, which grows each time it is raised."""

    reason: str


class _Entry(Generic[T]):
    def __init__(self) -> None:
        #: Completes when the exchange is done.
        self.outcome: Future[Union[T, _Failure]] = Future()
        self.usable_until = float("inf")

    def result(self) -> T:
        """Waits for the outcome. Raises TokenError if the exchange failed."""
        outcome = self.outcome.result()
        if isinstance(outcome, _Failure):
            raise TokenError(outcome.reason)
        return outcome


class ExchangedTokens(Generic[T]):
    """Caches what tokens were exchanged for, each until shortly before it expires.

    Entries are keyed by digest, so that the cache holds no tokens of users. The least recently used entry is evicted first.

    :param exchange: returns an object with ``expires_at``, or raises TokenError
    """

    def __init__(self, exchange: Callable[[str], T], max_entries: int = _MAX_ENTRIES) -> None:
        self._exchange = exchange
        self._max_entries = max_entries
        self._entries: OrderedDict[bytes, _Entry[T]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, token: str, may_block: bool = True) -> Optional[T]:
        """Returns the cached result of a token, which may be a pending exchange or a recent refusal.

        :raises TokenError:
        :raises WouldBlock: if the exchange is pending and ``may_block`` is false
        """
        with self._lock:
            entry = self._usable(_digest_of(token))
        if entry is None:
            return None
        if not may_block and not entry.outcome.done():
            raise WouldBlock()
        return entry.result()

    def get(self, token: str) -> T:
        """Returns the cached result, or exchanges the token.

        :raises TokenError:
        """
        key = _digest_of(token)
        with self._lock:
            found = self._usable(key)
            entry: _Entry[T] = found or _Entry()
            if found is None:
                self._entries[key] = entry
                if len(self._entries) > self._max_entries:
                    self._entries.popitem(last=False)
        if found is None:
            self._fill(entry, token)
        return entry.result()

    def _usable(self, key: bytes) -> Optional[_Entry[T]]:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now() >= entry.usable_until:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry

    def _fill(self, entry: _Entry[T], token: str) -> None:
        """Exchanges the token. Other threads that have its entry wait for the result."""
        try:
            result = self._exchange(token)
        except BaseException as error:
            # A gateway that can't be reached now may answer the next request.
            reason = error.reason if isinstance(error, TokenError) else "unavailable"
            entry.usable_until = now() + _CACHE_REFUSAL_SECONDS if reason == "refused" else 0
            entry.outcome.set_result(_Failure(reason))
            if not isinstance(error, TokenError):
                raise
        else:
            entry.usable_until = getattr(result, "expires_at") - _RENEW_BEFORE_SECONDS
            entry.outcome.set_result(result)


def _digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
