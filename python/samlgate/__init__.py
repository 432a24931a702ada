"""A client of the samlgate gateway, and middleware that verifies its tokens.

- :class:`samlgate.Client` calls the API.
- ``samlgate.auth`` adds session tokens to requests and httpx, and signs users in from a terminal or notebook.
- ``samlgate.server`` protects WSGI and ASGI services. It needs PyJWT (the extra ``server``).
"""
from __future__ import annotations

from ._client import Client
from ._error import SamlgateError
from ._paging import Page, PagedList
from ._version import VERSION

__version__ = VERSION
__all__ = ["Client", "Page", "PagedList", "SamlgateError", "__version__"]
