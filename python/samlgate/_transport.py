"""Sends one request to a gateway, retries it if that is safe, and turns a refusal into an error."""
from __future__ import annotations

import functools
import http.client
import io
import json
import platform
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from datetime import timezone
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any, Dict, Mapping, NamedTuple, Optional, Union
from urllib.parse import quote, urlencode

from ._connection_problem import explain_connection_error, explain_timeout
from ._urls import is_loopback
from ._version import VERSION
from .errors import GatewayTimeoutError, GatewayUnreachableError, SamlgateError, error_of

Query = Mapping[str, Union[str, int, bool, None]]

#: The longest ``Retry-After`` that is waited for. With a longer one the caller gets the refusal immediately.
_MAX_WAIT_SECONDS = 30
_FIRST_WAIT_SECONDS = 0.2
_PIECE_BYTES = 64 * 1024
#: The longest answer that is read, so that a server can't fill the memory.
MAX_ANSWER_BYTES = 64 * 1024 * 1024

sleep = time.sleep


class Body(NamedTuple):
    data: bytes
    content_type: str

    def __repr__(self) -> str:
        # The data can be a form with a token.
        return f"Body({len(self.data)} bytes, {self.content_type!r})"

    @classmethod
    def of_json(cls, value: Any) -> Optional[Body]:
        return None if value is None else cls(json.dumps(value).encode("ascii"), "application/json")

    @classmethod
    def of_form(cls, form: Mapping[str, Any]) -> Body:
        pairs = [(name, str(value)) for name, value in form.items() if value is not None]
        return cls(urlencode(pairs).encode("ascii"), "application/x-www-form-urlencoded")


class Answer(NamedTuple):
    status: int
    headers: Message
    #: None if the answer has no content.
    json: Any


class Transport:
    """The connection settings of one gateway. Threads can share it."""

    def __init__(
        self,
        url: str,
        token: Optional[str],
        *,
        timeout: float = 30.0,
        max_retries: int = 2,
        ssl_context: Optional[ssl.SSLContext] = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        if token is not None and not re.fullmatch(r"[\x21-\x7e]+", token):
            raise error_of("argument_invalid", "The token has characters that tokens do not have", "Copy it again, without white space.")
        self.url = url
        self.token = token
        self.timeout = timeout
        self.max_retries = max_retries
        self.max_answer_bytes = max_answer_bytes
        self._ssl_context = ssl_context

    def send(
        self, method: str, path: str, *, query: Optional[Query] = None, body: Optional[Body] = None, with_token: bool = True
    ) -> Answer:
        """Sends a request and returns the answer.

        Retries a GET after a connection error, a timeout, 429, 502, 503 or 504. Retries any other method only after 429, because after
        any other failure the change may already have been made.
        """
        attempt = 0
        while True:
            try:
                answer = self._send_once(method, self._address_of(path, query), body, with_token)
            except SamlgateError as error:
                wait = _retry_delay(error, method, attempt) if attempt < self.max_retries else None
                if wait is None:
                    raise
            else:
                if 300 <= answer.status < 400:
                    raise self._redirected()
                return answer
            sleep(wait)
            attempt += 1

    def _address_of(self, path: str, query: Optional[Query]) -> str:
        # The token is for this gateway only, and another first character would continue the name of the host.
        if not path.startswith("/"):
            raise error_of("argument_invalid", "The path does not start with “/”", "Give a path such as /api/v1/me, not a URL.")
        pairs = [(name, _query_value(value)) for name, value in (query or {}).items() if value is not None]
        separator = "&" if "?" in path else "?"
        return self.url + quote(path, safe="/%?&=+,:;@!$'()*~-._") + (separator + urlencode(pairs) if pairs else "")

    def _send_once(self, method: str, address: str, body: Optional[Body], with_token: bool) -> Answer:
        headers = {"Accept": "application/json", "User-Agent": f"samlgate-python/{VERSION} python/{platform.python_version()}"}
        if body is not None:
            headers["Content-Type"] = body.content_type
        if with_token and self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(address, None if body is None else body.data, headers, method=method.upper())
        deadline = time.monotonic() + self.timeout
        try:
            with self._opener(deadline).open(request, timeout=self.timeout) as response:
                data = _read_up_to(response, self.max_answer_bytes + 1)
                # Reading a number of bytes does not complain about an answer that ends too early.
                if response.length and len(data) <= self.max_answer_bytes:
                    raise http.client.IncompleteRead(data, response.length)
                status: int = response.status
                answer_headers: Message = response.headers
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise self._failure(error, deadline) from error
        return self._read(status, answer_headers, data)

    def _opener(self, deadline: float) -> urllib.request.OpenerDirector:
        """Returns an opener without a handler of redirects: the token must not follow one to another host."""
        opener = urllib.request.OpenerDirector()
        # A proxy would get the token of a gateway on this machine.
        opener.add_handler(urllib.request.ProxyHandler({} if is_loopback(self.url) else None))
        opener.add_handler(_HttpHandler(deadline))
        if self.url.startswith("https:"):
            if self._ssl_context is None:
                self._ssl_context = ssl.create_default_context()
            opener.add_handler(_HttpsHandler(deadline, self._ssl_context))
        return opener

    def _failure(self, error: Exception, deadline: float) -> SamlgateError:
        cause: object = error.reason if isinstance(error, urllib.error.URLError) else error
        # A connection attempt can end a little before the deadline, which was computed first.
        if isinstance(cause, socket.timeout) or time.monotonic() >= deadline:
            return GatewayTimeoutError("gateway_timeout", *explain_timeout(self.url, self.timeout))
        return GatewayUnreachableError("gateway_unreachable", *explain_connection_error(self.url, cause))

    def _read(self, status: int, headers: Message, data: bytes) -> Answer:
        is_ok = 200 <= status < 300
        if 300 <= status < 400 or (is_ok and data == b""):
            return Answer(status, headers, None)
        body = None if len(data) > self.max_answer_bytes else _parse_json(data)
        if not is_ok:
            raise self._refusal(status, headers, body)
        if body is None:
            raise error_of("not_a_gateway", *self._not_a_gateway(status), status=status)
        return Answer(status, headers, body)

    def _redirected(self) -> SamlgateError:
        return error_of(
            "gateway_unreachable",
            f"The server at {self.url} redirects to another address",
            "Redirects are not followed, because the token is for this address only. Use the final URL of the gateway.",
        )

    def _refusal(self, status: int, headers: Message, body: Any) -> SamlgateError:
        """Reads problem details (RFC 9457), or an OAuth error (RFC 6749 §5.2). A proxy may answer with neither."""
        members: Dict[str, Any] = body if isinstance(body, dict) else {}

        def text(name: str) -> Optional[str]:
            value = members.get(name)
            return value if isinstance(value, str) else None

        # The OAuth endpoints send both; callers of those endpoints branch on the OAuth error.
        code = text("error") or text("code")
        title, detail = self._not_a_gateway(status)
        if code is not None:
            title, detail = text("title") or code, text("detail") or text("error_description")
        return error_of(
            code or "not_a_gateway",
            title,
            detail,
            status=status,
            request_id=text("request_id") or headers.get("X-Request-Id"),
            retry_after_seconds=_retry_after(headers.get("Retry-After")),
        )

    def _not_a_gateway(self, status: int) -> "tuple[str, Optional[str]]":
        return (
            f"The server at {self.url} does not answer like a samlgate gateway (HTTP {status})",
            "Correct the URL, or check the proxy in front of the gateway.",
        )


def _query_value(value: Union[str, int, bool]) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _retry_delay(error: SamlgateError, method: str, attempt: int) -> Optional[float]:
    """Returns the seconds to wait before the next attempt, or None if the request must not be retried."""
    is_transient = error.code in ("gateway_unreachable", "gateway_timeout") or error.status in (502, 503, 504)
    if error.status != 429 and not (method.upper() == "GET" and is_transient):
        return None
    if error.retry_after_seconds is not None:
        return error.retry_after_seconds if error.retry_after_seconds <= _MAX_WAIT_SECONDS else None
    return _FIRST_WAIT_SECONDS * 2.0**attempt


def _retry_after(header: Optional[str]) -> Optional[float]:
    """Returns seconds from a header with seconds or a date (RFC 9110 §10.2.3)."""
    if header is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", header):
        return float(header)
    try:
        date = parsedate_to_datetime(header)
    except (TypeError, ValueError, IndexError):
        return None
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp() - time.time())


def _parse_json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None  # for example an HTML page of a proxy


def _read_up_to(response: http.client.HTTPResponse, limit: int) -> bytes:
    """Reads in pieces, because one call would allocate the limit, however short the answer is."""
    pieces, length = [], 0
    while length < limit:
        piece = response.read(min(_PIECE_BYTES, limit - length))
        if not piece:
            break
        pieces.append(piece)
        length += len(piece)
    return b"".join(pieces)


def _remaining(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise socket.timeout("timed out")
    return seconds


class _DeadlineReader(io.RawIOBase):
    """Reads from a socket until a deadline. A timeout of the socket alone starts again with every byte."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self._sock = sock
        self._raw: Any = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        self._sock.settimeout(_remaining(self._deadline))
        count: Optional[int] = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Source:
    """The part of a socket that ``HTTPResponse`` uses."""

    def __init__(self, reader: io.RawIOBase) -> None:
        self._reader = reader

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader)


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, deadline: float, **options: Any) -> None:
        super().__init__(_Source(_DeadlineReader(sock, deadline)), *args, **options)  # type: ignore[arg-type]


class _HttpHandler(urllib.request.HTTPHandler):
    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_connections(http.client.HTTPConnection, self._deadline), request)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def __init__(self, deadline: float, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._deadline = deadline
        self._own_context = context

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        connections = _connections(http.client.HTTPSConnection, self._deadline)
        return self.do_open(connections, request, context=self._own_context)


def _connections(cls: Any, deadline: float) -> Any:
    """Returns a class whose connections end at the deadline. The timeout of ``http.client`` starts again with every step."""

    def connection_of(*args: Any, **options: Any) -> Any:
        connection = cls(*args, **options)
        connection.response_class = functools.partial(_Response, deadline=deadline)
        connection._create_connection = functools.partial(_connect, deadline)
        send = connection.send

        def send_until_deadline(data: Any) -> None:
            is_connected = connection.sock is not None
            if not is_connected:
                connection.connect()
            connection.sock.settimeout(_remaining(deadline))
            send(data)

        connection.send = send_until_deadline
        return connection

    return connection_of


def _connect(deadline: float, address: "tuple[str, int]", *_options: Any) -> socket.socket:
    """Tries each address of a host. They share the remaining time, so that one that does not answer leaves time for the others."""
    targets = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    failure: OSError = OSError("The host has no address")
    for index, (family, kind, protocol, _name, target) in enumerate(targets):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_remaining(deadline) / (len(targets) - index))
            sock.connect(target)
            # The handshake of TLS ends at the timeout of the socket.
            sock.settimeout(_remaining(deadline))
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure
