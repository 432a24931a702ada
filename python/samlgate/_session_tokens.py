"""Verifies the tokens that a service receives: session tokens offline, CLI tokens by exchanging them for session tokens."""
from __future__ import annotations

import math
import re
import threading
import time
from dataclasses import dataclass
from typing import Any, Dict, Literal, Mapping, NamedTuple, Optional, Tuple, cast

import jwt

from ._exchanged_tokens import ExchangedTokens
from ._token_error import TokenError, WouldBlock
from ._transport import Body, Transport
from .errors import SamlgateError

CLI_TOKEN_PREFIX = "samlgate_cli_"
#: The algorithms that a gateway can be configured to sign with, and the keys for them. Symmetric algorithms and ``none`` must never be
#: accepted.
_KEY_TYPES = {"ES256": ("EC", "P-256"), "RS256": ("RSA", None), "EdDSA": ("OKP", "Ed25519")}
_MAX_TOKEN_LENGTH = 8192
_MAX_ANSWER_BYTES = 256 * 1024
_TIMEOUT_SECONDS = 5.0
#: Keys are fetched again after this time.
_KEYS_MAX_AGE_SECONDS = 600.0
#: An unknown key causes no further request for this time, so that unauthenticated clients can't cause requests without limit.
_KEYS_COOLDOWN_SECONDS = 30.0
#: The same after a failed request.
_FAILURE_COOLDOWN_SECONDS = 1.0

monotonic = time.monotonic

#: Some versions of PyJWT have no types for it.
_PYJWK: Any = jwt.PyJWK


Role = Literal["owner", "collaborator"]


@dataclass(frozen=True)
class Auth:
    """The member that a token represents."""

    #: Id of the member, ``usr_…``. It never changes, so identify users by it.
    user_id: str
    #: Id of the organization, ``org_…``.
    organization_id: str
    #: Email address that the organization's identity provider sent. Do not use it to identify a user or to grant access.
    email: str
    name: str
    role: Role
    #: Id of the session or CLI token that the session token was created from.
    session_id: Optional[str]
    #: The ``jti`` of the session token.
    token_id: Optional[str]
    #: Expiry of the session token, in seconds since 1970.
    expires_at: float


class TokenVerifier:
    """Verifies tokens of one gateway for one audience. Threads can share it."""

    def __init__(self, issuer: str, audience: str, clock_tolerance_seconds: float) -> None:
        self._issuer = issuer
        self._audience = audience
        self._tolerance = clock_tolerance_seconds
        self._transport = Transport(issuer, None, timeout=_TIMEOUT_SECONDS, max_retries=0, max_answer_bytes=_MAX_ANSWER_BYTES)
        self._keys = _KeySet(self._transport)
        self._exchanged: ExchangedTokens[Auth] = ExchangedTokens(self._exchange)

    def verify(self, token: str, *, may_block: bool = True) -> Auth:
        """Returns the member.

        :param may_block: sends requests to the gateway if necessary
        :raises TokenError:
        :raises WouldBlock: if a request is necessary and ``may_block`` is false
        """
        if len(token) > _MAX_TOKEN_LENGTH:
            raise TokenError("refused")
        if not token.startswith(CLI_TOKEN_PREFIX):
            return self._verify_session_token(token, may_block)
        found = self._exchanged.find(token, may_block)
        if found is not None:
            return found
        # A token that the gateway did not sign is neither sent to it nor cached.
        self._verify_jwt(token[len(CLI_TOKEN_PREFIX) :], "samlgate-cli+jwt", {}, may_block)
        if not may_block:
            raise WouldBlock()
        return self._exchanged.get(token)

    def _verify_session_token(self, token: str, may_block: bool) -> Auth:
        claims = {"audience": self._audience, "options": {"require": ["exp", "iss", "aud", "sub", "org", "role"]}}
        return _auth_of(self._verify_jwt(token, "at+jwt", claims, may_block))

    def _verify_jwt(self, token: str, typ: str, claims: Mapping[str, Any], may_block: bool) -> Dict[str, Any]:
        # PyJWT ignores characters that are not base64url.
        if not re.fullmatch(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", token):
            raise TokenError("refused")
        algorithm, kid = _header_of(token, typ)
        key = self._keys.get(kid, algorithm, may_block)
        options = {**claims.get("options", {}), "verify_iat": False, "verify_aud": "audience" in claims, "verify_sub": False, "verify_jti": False}
        try:
            payload = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self._issuer,
                audience=claims.get("audience"),
                leeway=self._tolerance,
                options=options,
            )
        except Exception:  # PyJWT raises TypeError and others too for claims of wrong types
            raise TokenError("refused") from None
        # PyJWT 2.10.0 accepts an issuer that is a part of the expected one.
        if not isinstance(payload, dict) or payload.get("iss") != self._issuer:
            raise TokenError("refused")
        if not all(_is_time(payload[name]) for name in ("exp", "nbf", "iat") if name in payload):
            raise TokenError("refused")
        return payload

    def _exchange(self, token: str) -> Auth:
        """Exchanges a CLI token for a session token (RFC 8693)."""
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": token,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "audience": None if self._audience == self._issuer else self._audience,
        }
        try:
            answer = self._transport.send("POST", "/oauth/token", body=Body.of_form(form)).json
        except SamlgateError as error:
            raise TokenError("refused" if error.status in (400, 401, 403) else "unavailable") from error
        session_token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(session_token, str):
            raise TokenError("unavailable")
        return self._verify_session_token(session_token, may_block=True)


def _header_of(token: str, typ: str) -> Tuple[str, str]:
    """Checks the header, which is not verified yet, and returns the algorithm and the id of the key."""
    try:
        header = jwt.get_unverified_header(token)
    except Exception:  # deeply nested JSON raises RecursionError
        raise TokenError("refused") from None
    algorithm, kid, own_typ = header.get("alg"), header.get("kid"), header.get("typ")
    # PyJWT ignores crit (RFC 7515 §4.1.11), and b64 is an extension that crit must name.
    is_plain = "crit" not in header and "b64" not in header
    if not is_plain or not isinstance(algorithm, str) or algorithm not in _KEY_TYPES or not isinstance(kid, str):
        raise TokenError("refused")
    # RFC 7515 §4.1.9: the prefix may be omitted. Media types ignore case.
    if not isinstance(own_typ, str) or re.sub(r"^application/", "", own_typ.lower()) != typ:
        raise TokenError("refused")
    return algorithm, kid


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _auth_of(payload: Mapping[str, Any]) -> Auth:
    def text(name: str) -> Optional[str]:
        value = payload.get(name)
        return value if isinstance(value, str) else None

    user_id, organization_id, role = text("sub"), text("org"), text("role")
    # A gateway of another version signed it. Claims that this version does not know grant nothing.
    if not user_id or not organization_id or role not in ("owner", "collaborator"):
        raise TokenError("refused")
    return Auth(
        user_id=user_id,
        organization_id=organization_id,
        email=text("email") or "",
        name=text("name") or "",
        role=cast(Role, role),
        session_id=text("sid"),
        token_id=text("jti"),
        expires_at=float(payload["exp"]),
    )


class _FetchedKeys(NamedTuple):
    #: Public keys by id and algorithm.
    keys: Mapping[Tuple[str, str], Any]
    #: Time by the monotonic clock.
    at: float


class _KeySet:
    """The public keys of a gateway. One request fetches them for all threads that need them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        #: Replaced as a whole, so that no thread combines old keys with a new time.
        self._fetched = _FetchedKeys({}, -math.inf)
        self._failed_at = -math.inf

    def get(self, kid: str, algorithm: str, may_block: bool) -> Any:
        """Returns a key. Raises TokenError if there is none, or if the keys can't be fetched."""
        asked_at = monotonic()
        fetched = self._fetched
        key = fetched.keys.get((kid, algorithm))
        age = asked_at - fetched.at
        if key is not None and age < _KEYS_MAX_AGE_SECONDS:
            return key
        if key is None and age < _KEYS_COOLDOWN_SECONDS:
            raise TokenError("refused")
        if asked_at - self._failed_at < _FAILURE_COOLDOWN_SECONDS:
            raise TokenError("unavailable")
        if not may_block:
            raise WouldBlock()
        with self._lock:
            # Another thread may have fetched them, or failed, while this one waited.
            if self._fetched.at < asked_at:
                if self._failed_at >= asked_at:
                    raise TokenError("unavailable")
                self._fetch()
            key = self._fetched.keys.get((kid, algorithm))
        if key is None:
            raise TokenError("refused")
        return key

    def _fetch(self) -> None:
        try:
            answer = self._transport.send("GET", "/.well-known/jwks.json").json
            keys = answer.get("keys") if isinstance(answer, dict) else None
            if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
                raise TokenError("unavailable")
        except (SamlgateError, TokenError) as error:
            self._failed_at = monotonic()
            raise TokenError("unavailable") from error
        self._fetched = _FetchedKeys(_usable_keys(keys), monotonic())


def _usable_keys(keys: "list[Dict[str, Any]]") -> Dict[Tuple[str, str], Any]:
    """Returns public keys by id and algorithm. A key of another kind is left out, and so are all keys that share an id."""
    usable: Dict[Tuple[str, str], Any] = {}
    ids = [key.get("kid") for key in keys]
    for jwk in keys:
        kid, algorithm = jwk.get("kid"), jwk.get("alg")
        if not isinstance(kid, str) or not isinstance(algorithm, str) or ids.count(kid) != 1:
            continue
        if algorithm not in _KEY_TYPES or (jwk.get("kty"), jwk.get("crv")) != _KEY_TYPES[algorithm] or jwk.get("use", "sig") != "sig":
            continue
        try:
            # Without the other members, so that no private key is read.
            key = _PYJWK({name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk}, algorithm).key
        except Exception:  # PyJWT raises different exceptions for each invalid member
            continue
        # RFC 7518 §3.3 requires 2048 bits.
        if algorithm == "RS256" and key.key_size < 2048:
            continue
        usable[(kid, algorithm)] = key
    return usable


_verifiers: Dict[Tuple[str, str, float], TokenVerifier] = {}
_verifiers_lock = threading.Lock()


def token_verifier(issuer: str, audience: str, clock_tolerance_seconds: float) -> TokenVerifier:
    """Returns the verifier for these rules. All users of the same rules share one, with its keys and its exchanged tokens."""
    rules = (issuer, audience, clock_tolerance_seconds)
    with _verifiers_lock:
        if rules not in _verifiers:
            _verifiers[rules] = TokenVerifier(*rules)
        return _verifiers[rules]
