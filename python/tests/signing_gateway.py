"""A stub gateway that signs tokens, for the tests of the middleware."""
from __future__ import annotations

import base64
import time
import unittest
from typing import Any, Callable, Dict, Tuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from samlgate.server import AccessRefused, RequireAuth

from .support import StubAnswer, StubGateway, StubRequest, start_stub

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


def jwk_of(key: ec.EllipticCurvePrivateKey, kid: str) -> Dict[str, Any]:
    numbers = key.public_key().public_numbers()

    def encoded(number: int) -> str:
        return base64.urlsafe_b64encode(number.to_bytes(32, "big")).decode().rstrip("=")

    return {"kty": "EC", "crv": "P-256", "x": encoded(numbers.x), "y": encoded(numbers.y), "kid": kid, "alg": "ES256", "use": "sig"}


class Gateway:
    """A gateway with one key and a token endpoint."""

    def __init__(self, test: unittest.TestCase) -> None:
        self.stub: StubGateway = start_stub(test, self._answer)
        self.jwks = StubAnswer(200, {"keys": [jwk_of(KEY, "k1")]})
        self.exchange: Callable[[StubRequest], StubAnswer] = lambda _request: StubAnswer(500, {})

    def _answer(self, request: StubRequest) -> StubAnswer:
        return self.jwks if request.path == "/.well-known/jwks.json" else self.exchange(request)

    @property
    def url(self) -> str:
        return self.stub.url

    def count(self, path: str) -> int:
        return sum(request.path == path for request in self.stub.requests)

    def sign(self, typ: Any = "at+jwt", kid: Any = "k1", key: Any = KEY, **claims: Any) -> str:
        now = int(time.time())
        facts = {"iss": self.url, "aud": self.url, "sub": "usr_1", "org": "org_1", "role": "collaborator", "email": "ada@acme.example"}
        payload = {**facts, "jti": "j1", "sid": "tok_1", "iat": now, "exp": now + 600, **claims}
        present = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(present, key, "ES256", {"kid": kid, "typ": typ})

    def cli_token(self, **claims: Any) -> str:
        return "samlgate_cli_" + self.sign("samlgate-cli+jwt", **{"aud": None, "exp": None, "role": None, **claims})

    def answer_session_token(self, **claims: Any) -> None:
        self.exchange = lambda _request: StubAnswer(200, {"access_token": self.sign(**claims), "token_type": "Bearer"})


def outcome(require_auth: RequireAuth, token: str) -> Tuple[int, str]:
    """Returns the status and the code of the answer."""
    try:
        return 200, require_auth.check(f"Bearer {token}").user_id
    except AccessRefused as refused:
        return refused.status, refused.code


JWKS = "/.well-known/jwks.json"
INVALID = (401, "unauthenticated")
UNAVAILABLE = (503, "gateway_unreachable")
