"""Errors by code. Each class is a subclass of :class:`SamlgateError`."""
from __future__ import annotations

from typing import Dict, Optional, Type

from . import _coded_errors
from ._coded_errors import *  # noqa: F403
from ._error import SamlgateError as SamlgateError


class GatewayUnreachableError(SamlgateError):
    """``gateway_unreachable``: the connection to the gateway failed. ``title`` and ``detail`` say why."""


class GatewayTimeoutError(SamlgateError):
    """``gateway_timeout``: the gateway did not answer in time."""


class NotAGatewayError(SamlgateError):
    """``not_a_gateway``: the server that answered is not a gateway."""


class GatewayUrlInvalidError(SamlgateError):
    """``gateway_url_invalid``: the URL of the gateway is invalid."""


class NoTokenError(SamlgateError):
    """``no_token``: neither the arguments, nor the environment, nor the credentials file have a token for the gateway."""


class CredentialsFileUnusableError(SamlgateError):
    """``credentials_file_unusable``: the file can't be read or written, is damaged, or other users can read it."""


class ArgumentInvalidError(SamlgateError):
    """``argument_invalid``: a name or id is empty, ``.`` or ``..``, or a token or path can't be sent."""


class AccessDeniedError(SamlgateError):
    """``access_denied``: the user denied the device login."""


class ExpiredTokenError(SamlgateError):
    """``expired_token``: the device login was not approved in time."""


_BY_CODE: Dict[str, Type[SamlgateError]] = {
    **_coded_errors.BY_CODE,
    "gateway_unreachable": GatewayUnreachableError,
    "gateway_timeout": GatewayTimeoutError,
    "not_a_gateway": NotAGatewayError,
    "gateway_url_invalid": GatewayUrlInvalidError,
    "no_token": NoTokenError,
    "credentials_file_unusable": CredentialsFileUnusableError,
    "argument_invalid": ArgumentInvalidError,
    "access_denied": AccessDeniedError,
    "expired_token": ExpiredTokenError,
}


def error_of(
    code: str,
    title: str,
    detail: Optional[str] = None,
    *,
    status: Optional[int] = None,
    request_id: Optional[str] = None,
    retry_after_seconds: Optional[float] = None,
) -> SamlgateError:
    """Creates an error of the class of its code. A code of a newer gateway gives the base class."""
    cls = _BY_CODE.get(code, SamlgateError)
    return cls(code, title, detail, status=status, request_id=request_id, retry_after_seconds=retry_after_seconds)
