"""The client of a gateway's JSON API."""
from __future__ import annotations

import ssl
from typing import Any, Mapping, Optional

from ._find_gateway import find_gateway
from ._operations import Operations
from ._transport import Body, Query, Transport


class Client(Operations):
    """Calls the API of one gateway. Threads can share a client.

    It finds the gateway and the token as the command line does: the arguments, then ``SAMLGATE_URL`` and ``SAMLGATE_CLI_TOKEN``, then
    the credentials that ``samlgate login`` saved. Creating it sends no request.

    Every method raises :class:`samlgate.errors.SamlgateError`.

    :param url: base URL of the gateway
    :param token: CLI token, session token or operator token
    :param operator: looks for the operator's token first, in ``SAMLGATE_OPERATOR_TOKEN`` and beside the store of a local gateway
    :param timeout: maximum duration of one attempt, in seconds
    :param max_retries: maximum number of retries. A GET is retried after a connection error, a timeout, 429, 502, 503 and 504; other
        methods only after 429, because after any other failure the change may already have been made
    :param ssl_context: verifies the gateway's certificate. The default trusts the certificate authorities of the system
    :param environment: environment variables. The default is ``os.environ``
    :raises SamlgateError: ``no_token``, ``gateway_url_invalid``, ``credentials_file_unusable``

    >>> client = samlgate.Client()
    >>> me = client.get_me()
    >>> print(me["user"]["email"], me["user"]["role"])
    """

    def __init__(
        self,
        url: Optional[str] = None,
        token: Optional[str] = None,
        *,
        operator: bool = False,
        timeout: float = 30.0,
        max_retries: int = 2,
        ssl_context: Optional[ssl.SSLContext] = None,
        environment: Optional[Mapping[str, str]] = None,
    ) -> None:
        found = find_gateway(url, token, operator=operator, environment=environment)
        super().__init__(Transport(found.url, found.token, timeout=timeout, max_retries=max_retries, ssl_context=ssl_context))
        #: Base URL of the gateway.
        self.url = found.url
        #: Where the token was found: ``argument``, ``environment``, ``credentials-file`` or ``operator-file``.
        self.token_source = found.source

    def _token(self) -> str:
        return self._transport.token or ""

    def __repr__(self) -> str:
        return f"<samlgate.Client {self.url}>"

    def call(self, method: str, path: str, *, query: Optional[Query] = None, body: Any = None) -> Any:
        """Calls any endpoint and returns the JSON of the answer, or None if it has no content.

        :param path: such as ``/api/v1/me``
        :param body: sent as JSON
        """
        return self._transport.send(method, path, query=query, body=Body.of_json(body)).json
