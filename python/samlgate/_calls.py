"""Sends API calls."""
from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Union
from urllib.parse import quote

from ._paging import PagedList
from ._transport import Body, Query, Transport
from .errors import error_of

_XML = "application/samlmetadata+xml"


class Calls:
    """Sends requests. The JSON of answers is trusted to have the type that the OpenAPI document states."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _call(
        self,
        method: str,
        template: str,
        segments: Sequence[str],
        *,
        query: Optional[Query] = None,
        body: Optional[Mapping[str, Any]] = None,
        form: Optional[Mapping[str, Any]] = None,
        metadata: Union[Mapping[str, Any], str, bytes, None] = None,
        file: Optional[bytes] = None,
        with_token: bool = True,
    ) -> Any:
        if file is not None:
            content: Optional[Body] = Body(file, "application/octet-stream")
        else:
            content = Body.of_form(form) if form is not None else _metadata_body(metadata) if metadata is not None else Body.of_json(body)
        path = path_of(template, segments)
        return self._transport.send(method, path, query=query, body=content, with_token=with_token).json

    def _list(self, template: str, segments: Sequence[str], *, query: Optional[Query] = None) -> PagedList[Any]:
        path = path_of(template, segments)

        def fetch(cursor: Optional[str], limit: Optional[int]) -> Dict[str, Any]:
            answer: Dict[str, Any] = self._transport.send("GET", path, query={**(query or {}), "cursor": cursor, "limit": limit}).json
            member_of(answer, "items", list, self._transport.url)
            return answer

        return PagedList(fetch)

    def _items(self, method: str, template: str, segments: Sequence[str]) -> Any:
        return member_of(self._call(method, template, segments), "items", list, self._transport.url)

    def _headers(
        self, method: str, template: str, segments: Sequence[str], *, query: Optional[Query] = None, names: List[str]
    ) -> Dict[str, str]:
        answer = self._transport.send(method, path_of(template, segments), query=query)
        return {name: answer.headers[name] for name in names if name in answer.headers}


def member_of(answer: Any, name: str, type_: type, url: str) -> Any:
    """Returns a member of an answer.

    :raises SamlgateError: ``not_a_gateway`` if the answer of another server does not have it
    """
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, type_):
        raise error_of("not_a_gateway", f"The server at {url} does not answer like a samlgate gateway", "Correct the URL of the gateway.")
    return value


def path_of(template: str, segments: Sequence[str]) -> str:
    """Encodes each segment, so that a name can't add segments to the path.

    :raises SamlgateError: ``argument_invalid``
    """
    for segment in segments:
        # Servers and proxies would resolve these to another resource.
        if not isinstance(segment, str) or segment in ("", ".", ".."):
            raise error_of("argument_invalid", f"{segment!r} is not a valid name or id", "Names and ids must not be empty, “.” or “..”.")
    return template.format(*(quote(segment, safe="") for segment in segments))


def _metadata_body(metadata: Union[Mapping[str, Any], str, bytes]) -> Optional[Body]:
    if isinstance(metadata, bytes):
        return Body(metadata, _XML)
    # Text is sent as UTF-8, whatever encoding its XML declaration names. The byte order mark takes precedence.
    return Body(f"\ufeff{metadata}".encode(), _XML) if isinstance(metadata, str) else Body.of_json(metadata)
