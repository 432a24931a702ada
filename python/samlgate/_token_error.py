"""Why a token was not accepted."""
from __future__ import annotations


class TokenError(Exception):
    """A token was not accepted.

    ``refused``: the token is invalid, expired or revoked. ``unavailable``: the gateway could not be asked, so the token may be valid.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class WouldBlock(Exception):
    """A token can be verified only with a request to the gateway."""
