"""Device authorization (RFC 8628): the user confirms a code in any browser, and the program gets a CLI token."""
from __future__ import annotations

import os
import re
import socket
import sys
import time
from typing import Any, Callable, Dict, Mapping, Optional

from ._calls import member_of
from ._client import Client
from ._credentials import change_credentials, read_credentials, require_writable_credentials
from ._find_gateway import DEFAULT_URL, named_gateway
from ._transport import Body, Transport
from ._urls import gateway_key, is_loopback
from .errors import SamlgateError, error_of

_CLIENT_ID = "samlgate-cli"
_DEVICE_CODE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
#: Default polling interval, and what ``slow_down`` adds to the interval (RFC 8628 §3.2, §3.5).
_INTERVAL_SECONDS = 5.0

sleep = time.sleep
monotonic = time.monotonic


def device_login(
    url: Optional[str] = None,
    *,
    organization: Optional[str] = None,
    token_name: Optional[str] = None,
    save: bool = False,
    show: Optional[Callable[[str], object]] = None,
    environment: Optional[Mapping[str, str]] = None,
) -> Client:
    """Signs a user in and returns a client with the new CLI token, which is never printed.

    Shows a URL and a code, and waits until the user confirms the code in a browser on any device.

    :param url: base URL of the gateway. The default is that of ``samlgate login``
    :param organization: slug of the organization; without it, the user chooses in the browser
    :param token_name: name of the new token. The default names this machine
    :param save: saves the token in ``~/.samlgate/credentials.json``, where ``Client()`` and the command line find it
    :param show: is called with the text for the user. The default prints to standard error
    :raises SamlgateError: ``access_denied``, ``expired_token``, ``organization_unknown``, ``credentials_file_unusable``

    >>> client = device_login("https://sso.example.com", organization="acme")
    """
    env = os.environ if environment is None else environment
    key = gateway_key(named_gateway(url, env) or read_credentials(env).current or DEFAULT_URL)
    if save:
        # An unusable file is reported before the user signs in.
        require_writable_credentials(env)
    transport = Transport(key, None, max_retries=0)
    wish = {"client_id": _CLIENT_ID, "token_name": token_name or _default_name(), "organization": organization}
    code = _post(transport, "/oauth/device_authorization", wish)
    show = show or _print
    show(_text_for_user(key, code))
    client = Client(key, _await_token(transport, code))
    try:
        replaced = _save(client, env) if save else None
    except BaseException:
        # A token that was neither saved nor returned must not stay valid.
        _revoke(transport, client._token())
        raise
    failure = None if replaced is None else _revoke(transport, replaced)
    if failure is not None:
        show(f"The token of the previous sign-in could not be revoked ({failure.code}). Find it with: samlgate token list")
    return client


def _post(transport: Transport, path: str, form: Mapping[str, Optional[str]]) -> Dict[str, Any]:
    answer = transport.send("POST", path, body=Body.of_form(form)).json
    if not isinstance(answer, dict):
        raise _not_a_gateway(transport.url)
    return answer


def _default_name() -> str:
    host = re.sub(r"[^\w.-]", "", socket.gethostname(), flags=re.ASCII)
    return f"Python on {host}"[:100]


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _text_for_user(url: str, code: Dict[str, Any]) -> str:
    complete, address, user_code = code.get("verification_uri_complete"), code.get("verification_uri"), code.get("user_code")
    lines = [f"Open    {complete or address}", f"Code    {user_code}"]
    lines.append(f"Confirm only if the page shows the same code. On another device, open {address} and enter the code.")
    if not url.startswith("https:") and not is_loopback(url):
        lines.append(f"{url} is not https, so the token can be read on the network.")
    text = "\n".join(lines)
    # Control characters of the answer could change what the terminal shows.
    if not all(isinstance(each, str) and re.fullmatch(r"https?://[\x21-\x7e]+", each) for each in (complete or address, address)):
        raise _not_a_gateway(url)
    if not isinstance(user_code, str) or not re.fullmatch(r"[A-Za-z0-9-]{1,64}", user_code):
        raise _not_a_gateway(url)
    return text


def _await_token(transport: Transport, code: Dict[str, Any]) -> str:
    """Polls until the user has confirmed the code."""
    form = {"grant_type": _DEVICE_CODE_GRANT, "device_code": str(code.get("device_code")), "client_id": _CLIENT_ID}
    expires_at = monotonic() + _seconds(code.get("expires_in"), 600.0)
    interval = _seconds(code.get("interval"), _INTERVAL_SECONDS)
    while True:
        # An answer after the expiry can only be a refusal.
        if monotonic() + interval >= expires_at:
            raise error_of("expired_token", "The code expired before it was confirmed", "Sign in again.")
        sleep(interval)
        try:
            answer = _post(transport, "/oauth/token", form)
        except SamlgateError as error:
            interval = _next_interval(error, interval)
            continue
        token: str = member_of(answer, "access_token", str, transport.url)
        return token


def _next_interval(error: SamlgateError, interval: float) -> float:
    """Returns the seconds until the next poll. Raises the error if it ends the login."""
    if error.code == "authorization_pending":
        return interval
    # RFC 8628 §3.5: after a connection timeout the client polls less often, as after slow_down.
    if error.code in ("slow_down", "gateway_timeout", "gateway_unreachable") or error.status in (429, 503):
        return interval + _INTERVAL_SECONDS
    raise error


def _seconds(value: object, default: float) -> float:
    """A wrong interval must not make the program poll without a pause."""
    return float(value) if isinstance(value, (int, float)) and 1 <= value <= 86_400 else default


def _save(client: Client, environment: Mapping[str, str]) -> Optional[str]:
    """Saves the token and returns the one that it replaces."""
    me = client.get_me()
    held, user, organization = (member_of(me, name, dict, client.url) for name in ("credential", "user", "organization"))
    credential = {
        "token": client._token(),
        "token_id": member_of(held, "id", str, client.url),
        "user_id": member_of(user, "id", str, client.url),
        "email": member_of(user, "email", str, client.url),
        "organization": member_of(organization, "slug", str, client.url),
        "expires_at": held.get("expires_at"),
    }
    replaced = change_credentials(client.url, credential, environment)
    return replaced if replaced != credential["token"] else None


def _revoke(transport: Transport, token: str) -> Optional[SamlgateError]:
    """Returns the error if the token could not be revoked. It then stays in the list of the user's tokens."""
    try:
        transport.send("POST", "/oauth/revoke", body=Body.of_form({"token": token, "client_id": _CLIENT_ID}))
    except SamlgateError as error:
        return error
    return None


def _not_a_gateway(url: str) -> SamlgateError:
    return error_of("not_a_gateway", f"The server at {url} does not answer like a samlgate gateway", "Correct the URL of the gateway.")
