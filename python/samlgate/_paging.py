"""Paged lists."""
from __future__ import annotations

from typing import Any, Callable, Dict, Generic, Iterator, List, Optional, TypeVar

T = TypeVar("T")

_MAX_PAGE = 200


class Page(Generic[T]):
    """One page of a list."""

    def __init__(self, items: List[T], next_cursor: Optional[str]) -> None:
        self.items = items
        #: Cursor of the next page; None on the last page.
        self.next_cursor = next_cursor


class PagedList(Generic[T]):
    """A list of the gateway. It sends no request until it is read, and fetches pages as they are needed.

    >>> for member in client.list_members("acme"):
    ...     print(member["email"])
    >>> everyone = list(client.list_members("acme"))
    """

    def __init__(self, fetch: Callable[[Optional[str], Optional[int]], Dict[str, Any]]) -> None:
        self._fetch = fetch

    def page(self, *, cursor: Optional[str] = None, limit: Optional[int] = None) -> Page[T]:
        """Fetches one page.

        :param cursor: ``next_cursor`` of the previous page; without it, the first page
        :param limit: maximum number of items, 1 to 200. The default is 50
        """
        answer = self._fetch(cursor, limit)
        return Page(answer["items"], answer.get("next_cursor"))

    def __iter__(self) -> Iterator[T]:
        cursor: Optional[str] = None
        while True:
            page = self.page(cursor=cursor, limit=_MAX_PAGE)
            yield from page.items
            cursor = page.next_cursor
            # Only null marks the last page. A filtered page may be empty although more follow.
            if cursor is None:
                return
