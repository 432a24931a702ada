"""Finds the gateway and the token, in the order of the command line and the TypeScript client."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Mapping, NamedTuple, Optional

from ._credentials import read_credentials
from ._urls import gateway_key, is_loopback
from .errors import SamlgateError, error_of

DEFAULT_URL = "http://localhost:8080"
_DEFAULT_STORE = "sqlite:./data/samlgate.db"


class FoundGateway(NamedTuple):
    url: str
    token: str
    #: Where the token was found: ``argument``, ``environment``, ``credentials-file`` or ``operator-file``.
    source: str

    def __repr__(self) -> str:
        return f"FoundGateway(url={self.url!r}, source={self.source!r})"


def named_gateway(url: Optional[str], environment: Mapping[str, str]) -> Optional[str]:
    """Returns the URL of the argument or the environment."""
    return url if url is not None else environment.get("SAMLGATE_URL") or environment.get("SAMLGATE_BASE_URL") or None


def find_gateway(
    url: Optional[str] = None,
    token: Optional[str] = None,
    *,
    operator: bool = False,
    environment: Optional[Mapping[str, str]] = None,
) -> FoundGateway:
    """Finds the gateway and the token.

    A token of the environment is never sent to a gateway that only the credentials file names.

    :raises SamlgateError: ``no_token``, ``gateway_url_invalid``, ``credentials_file_unusable``
    """
    env = os.environ if environment is None else environment
    named = named_gateway(url, env)
    explicit = token if token is not None else _token_of(env, operator)
    if explicit is not None:
        return FoundGateway(gateway_key(named or DEFAULT_URL), explicit, "environment" if token is None else "argument")
    if operator:
        key = gateway_key(named or DEFAULT_URL)
        operator_token = _read_operator_token(key, env)
        if operator_token is not None:
            return FoundGateway(key, operator_token, "operator-file")
    file = read_credentials(env)
    key = gateway_key(named or file.current or DEFAULT_URL)
    saved = file.token_of(key)
    if saved is None:
        raise _no_token(key, operator)
    return FoundGateway(key, saved, "credentials-file")


def _token_of(environment: Mapping[str, str], operator: bool) -> Optional[str]:
    of_member = environment.get("SAMLGATE_CLI_TOKEN") or None
    return (environment.get("SAMLGATE_OPERATOR_TOKEN") or of_member) if operator else of_member


def _read_operator_token(url: str, environment: Mapping[str, str]) -> Optional[str]:
    """Reads the operator token file, but only for a gateway on this machine."""
    store = (environment.get("SAMLGATE_STORE") or "").strip() or _DEFAULT_STORE
    # With Redis the token is only in the environment. A file in the working directory belongs to another gateway.
    if not is_loopback(url) or not store.startswith("sqlite:"):
        return None
    try:
        return (Path(store[len("sqlite:") :]).parent / "operator-token").read_text("utf-8").strip()
    except (OSError, ValueError):
        return None  # this is not the directory of a gateway


def _no_token(url: str, operator: bool) -> SamlgateError:
    variable = "SAMLGATE_OPERATOR_TOKEN" if operator else "SAMLGATE_URL and SAMLGATE_CLI_TOKEN"
    who = " as an owner" if operator else ""
    return error_of("no_token", f"There is no token for {url}", f"Set {variable}, or sign in{who} with: samlgate login")
