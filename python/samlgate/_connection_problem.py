"""Explains a failed connection: what happened, why, and what to do next."""
from __future__ import annotations

import errno
import http.client
import socket
import ssl
from typing import Tuple
from urllib.parse import urlsplit

Problem = Tuple[str, str]

_CERTIFICATE = "add it to those of the system, or pass an ssl_context that trusts it. SSL_CERT_FILE replaces the file of the system."
#: By OpenSSL's codes of failed verifications (X509_V_ERR_…).
_CERTIFICATES = {
    18: ("has a self-signed certificate", f"If it is the certificate that you expect, {_CERTIFICATE}"),
    19: (
        "has a certificate of an unknown certificate authority",
        f"If your company has its own certificate authority, {_CERTIFICATE}",
    ),
    20: (
        "has a certificate of an unknown certificate authority",
        f"If your company has its own certificate authority, {_CERTIFICATE}",
    ),
    9: ("has a certificate that is not valid yet", "Check this machine's clock."),
    10: ("has an expired certificate", "The operator of the gateway must renew it. Also check this machine's clock."),
    62: ("has a certificate for another host name", "Use a URL with a host name of the certificate."),
    64: ("has a certificate for another address", "Use a URL with a host name of the certificate."),
}


def explain_connection_error(url: str, error: object) -> Problem:
    """Returns title and detail of a failed request."""
    host = urlsplit(url).hostname or ""
    if isinstance(error, ssl.SSLCertVerificationError):
        title, detail = _CERTIFICATES.get(error.verify_code, ("has an invalid certificate", "Ask the operator of the gateway."))
        return f"The gateway at {url} {title} ({error.verify_message})", detail
    if isinstance(error, ssl.SSLError):
        return f"The TLS connection to the gateway at {url} failed ({error.reason})", "Check the URL: the port may serve plain http."
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return f"The host name {host} was not found", "Correct the URL, or connect to the network or VPN in which the name exists."
    if isinstance(error, (http.client.IncompleteRead, http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)):
        return (
            f"The connection to the gateway at {url} was closed before the answer was complete",
            "The gateway may have been restarted, or a proxy closed the connection. Try again.",
        )
    code = errno.errorcode.get(error.errno or 0) if isinstance(error, OSError) else None
    if code == "ECONNREFUSED":
        return f"The connection to the gateway at {url} was refused (ECONNREFUSED)", "Start the gateway, or correct the URL."
    if code in ("EHOSTUNREACH", "ENETUNREACH", "ENETDOWN"):
        return f"The network has no route to {host} ({code})", "Check the network or VPN connection, then try again."
    return f"The request to the gateway at {url} failed ({code or type(error).__name__})", "Check the URL and that the gateway is running."


def explain_timeout(url: str, seconds: float) -> Problem:
    """Returns title and detail of a request that got no complete answer in time."""
    return (
        f"The gateway at {url} did not answer within {seconds:g} seconds",
        "It may be overloaded, or a firewall drops the connection. Check the URL, then try again.",
    )
