"""URLs of gateways."""
from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from .errors import SamlgateError, error_of

_DEFAULT_PORTS = {"http": 80, "https": 443}


def gateway_key(url: str) -> str:
    """Returns the origin of a gateway's URL, so that every spelling of the URL gives the same key.

    :raises SamlgateError: ``gateway_url_invalid``
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
        if parts.scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc or "\\" in url:
            raise _invalid()
        suffix = "" if port is None or port == _DEFAULT_PORTS[parts.scheme] else f":{port}"
        return f"{parts.scheme}://{_host_of(host)}{suffix}"
    except ValueError:
        raise _invalid() from None


def is_loopback(url: str) -> bool:
    """Checks whether a gateway is on this machine, without a DNS lookup."""
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def _host_of(host: str) -> str:
    """Returns the host in its canonical spelling. Raises ValueError if it is invalid."""
    if ":" in host:
        return f"[{ipaddress.IPv6Address(host).compressed}]"
    name = host if host.isascii() else host.encode("idna").decode("ascii").lower()
    if re.search(r"(?:^|\.)(?:\d+|0x[\da-f]*)\.?$", name):
        return str(ipaddress.IPv4Address(name))
    # RFC 1035 §2.3.4: labels have 1 to 63 characters. The dot of the root may follow.
    if not re.fullmatch(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", name):
        raise ValueError(host)
    return name


def _invalid() -> SamlgateError:
    return error_of(
        "gateway_url_invalid",
        "The URL of the gateway is not an http or https URL",
        "Enter it like https://sso.example.com, without user name and password.",
    )
