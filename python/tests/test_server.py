"""Middleware for WSGI and ASGI: keys, exchanged tokens, and requests."""
from __future__ import annotations

import asyncio
import base64
import io
import json
import subprocess
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, MutableMapping, Optional, Tuple
from unittest import mock
from urllib.parse import parse_qs
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

import samlgate
from samlgate import _exchanged_tokens, _session_tokens
from samlgate._exchanged_tokens import ExchangedTokens
from samlgate._token_error import TokenError
from samlgate.server import AccessRefused, RequireAuth

from .support import PACKAGE, RealGateway, StubAnswer, StubGateway, StubRequest, start_stub

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


class KeysTest(unittest.TestCase):
    def setUp(self) -> None:
        self.gateway = Gateway(self)
        self.require_auth = RequireAuth(self.gateway.url)

    def at(self, seconds: float) -> Any:
        """Moves the clock of the cache of keys."""
        base = time.monotonic()
        return mock.patch.object(_session_tokens, "monotonic", lambda: base + seconds)

    def test_are_fetched_once(self) -> None:
        with ThreadPoolExecutor(20) as threads:
            outcomes = set(threads.map(lambda _: outcome(self.require_auth, self.gateway.sign()), range(20)))
        self.assertEqual((outcomes, self.gateway.count(JWKS)), ({(200, "usr_1")}, 1))

    def test_are_fetched_again_for_an_unknown_key_but_not_without_limit(self) -> None:
        outcome(self.require_auth, self.gateway.sign())
        for number in range(50):
            self.assertEqual(outcome(self.require_auth, self.gateway.sign(kid=f"x{number}")), INVALID)
        self.assertEqual(self.gateway.count(JWKS), 1)
        self.gateway.jwks = StubAnswer(200, {"keys": [jwk_of(OTHER_KEY, "k2"), jwk_of(KEY, "k1")]})
        with self.at(31):
            for number in range(50):
                outcome(self.require_auth, self.gateway.sign(kid=f"x{number}"))
            self.assertEqual(outcome(self.require_auth, self.gateway.sign(kid="k2", key=OTHER_KEY)), (200, "usr_1"))
        self.assertEqual(self.gateway.count(JWKS), 2)

    def test_are_not_fetched_for_tokens_of_other_kinds(self) -> None:
        for token in ("x.y.z", self.gateway.sign("JWT"), jwt.encode({}, "secret", "HS256", {"kid": "k1", "typ": "at+jwt"})):
            self.assertEqual(outcome(self.require_auth, token), INVALID)
        self.assertEqual(self.gateway.count(JWKS), 0)

    def test_reject_tokens_of_a_key_that_was_removed_after_ten_minutes(self) -> None:
        token = self.gateway.sign(exp=int(time.time()) + 7200)
        outcome(self.require_auth, token)
        self.gateway.jwks = StubAnswer(200, {"keys": []})
        with self.at(599):
            self.assertEqual(outcome(self.require_auth, token), (200, "usr_1"))
        with self.at(601):
            self.assertEqual(outcome(self.require_auth, token), INVALID)

    def test_are_unavailable_while_the_gateway_does_not_answer(self) -> None:
        answers = [
            StubAnswer(hang_up=True),
            StubAnswer(503, {}),
            StubAnswer(200, "<html>"),
            StubAnswer(200, {"keys": "none"}),
            StubAnswer(200, {"keys": [1]}),
            StubAnswer(200, []),
            StubAnswer(302, "", {"location": "/other"}),
            StubAnswer(200, {"keys": [], "x": "a" * 300_000}),
        ]
        for answer in answers:
            with self.subTest(answer):
                gateway = Gateway(self)
                require_auth = RequireAuth(gateway.url)
                working, gateway.jwks = gateway.jwks, answer
                for _ in range(5):
                    self.assertEqual(outcome(require_auth, gateway.sign()), UNAVAILABLE)
                # Strangers can't cause requests without limit.
                self.assertEqual(gateway.count(JWKS), 1)
                gateway.jwks = working
                with self.at(1.1):
                    self.assertEqual(outcome(require_auth, gateway.sign()), (200, "usr_1"))

    def test_share_the_failure_of_one_request(self) -> None:
        self.gateway.jwks = StubAnswer(raw=lambda _connection: time.sleep(0.3))
        with ThreadPoolExecutor(10) as threads:
            outcomes = set(threads.map(lambda _: outcome(self.require_auth, self.gateway.sign()), range(10)))
        self.assertEqual((outcomes, self.gateway.count(JWKS)), ({UNAVAILABLE}, 1))

    def test_of_a_concurrent_request_are_not_mistaken_for_older_ones(self) -> None:
        outcome(self.require_auth, self.gateway.sign())
        self.gateway.jwks = StubAnswer(200, {"keys": [jwk_of(OTHER_KEY, "k2")]})
        token = self.gateway.sign(kid="k2", key=OTHER_KEY)
        base = time.monotonic() + 31
        nested: List[Callable[[], Any]] = [lambda: outcome(self.require_auth, token)]

        def monotonic() -> float:
            # Another request fetches the keys whenever this one reads the clock for the first time.
            if nested:
                nested.pop()()
            return base

        with mock.patch.object(_session_tokens, "monotonic", monotonic):
            self.assertEqual(outcome(self.require_auth, token), (200, "usr_1"))
        self.assertEqual(self.gateway.count(JWKS), 2)

    def test_with_the_same_id_or_a_private_part_are_not_trusted(self) -> None:
        own, other = jwk_of(KEY, "k1"), jwk_of(OTHER_KEY, "k1")
        self.gateway.jwks = StubAnswer(200, {"keys": [own, other, {**own, "kid": 1}, {**own, "kid": "k3", "d": "AA"}, {"kid": "k4"}]})
        self.assertEqual(outcome(self.require_auth, self.gateway.sign()), INVALID)
        self.assertEqual(outcome(self.require_auth, self.gateway.sign(key=OTHER_KEY)), INVALID)

    def test_allow_clocks_to_differ_by_5_seconds(self) -> None:
        now = int(time.time())
        self.assertEqual(outcome(self.require_auth, self.gateway.sign(exp=now - 2)), (200, "usr_1"))
        self.assertEqual(outcome(self.require_auth, self.gateway.sign(nbf=now + 3, iat=now + 3)), (200, "usr_1"))
        self.assertEqual(outcome(self.require_auth, self.gateway.sign(exp=now - 6)), INVALID)
        self.assertEqual(outcome(self.require_auth, self.gateway.sign(nbf=now + 60)), INVALID)
        self.assertEqual(outcome(RequireAuth(self.gateway.url, clock_tolerance_seconds=0), self.gateway.sign(exp=now - 2)), INVALID)

    def test_refuse_claims_that_are_no_finite_times(self) -> None:
        for claims in ({"exp": float("inf")}, {"exp": float("nan")}, {"nbf": float("-inf")}, {"iat": float("nan")}):
            with self.subTest(claims):
                self.assertEqual(outcome(self.require_auth, self.gateway.sign(**claims)), INVALID)


class ExchangeTest(unittest.TestCase):
    def setUp(self) -> None:
        self.gateway = Gateway(self)
        self.require_auth = RequireAuth(self.gateway.url)

    def exchanges(self) -> int:
        return self.gateway.count("/oauth/token")

    def at(self, seconds: float) -> Any:
        base = time.time()
        return mock.patch.object(_exchanged_tokens, "now", lambda: base + seconds)

    def test_happens_once_for_many_concurrent_requests(self) -> None:
        def exchange(_request: StubRequest) -> StubAnswer:
            time.sleep(0.1)
            return StubAnswer(200, {"access_token": self.gateway.sign(role="owner")})

        self.gateway.exchange = exchange
        token = self.gateway.cli_token()
        with ThreadPoolExecutor(20) as threads:
            outcomes = set(threads.map(lambda _: outcome(RequireAuth(self.gateway.url, role="owner"), token), range(20)))
        self.assertEqual((outcomes, self.exchanges()), ({(200, "usr_1")}, 1))
        form = parse_qs(self.gateway.stub.requests[-1].body.decode())
        self.assertEqual(form["subject_token"], [token])
        self.assertNotIn("audience", form)

    def test_asks_for_the_audience_of_the_service(self) -> None:
        self.gateway.answer_session_token(aud="https://reports.example")
        require_auth = RequireAuth(self.gateway.url, audience="https://reports.example")
        self.assertEqual(outcome(require_auth, self.gateway.cli_token()), (200, "usr_1"))
        self.assertEqual(parse_qs(self.gateway.stub.requests[-1].body.decode())["audience"], ["https://reports.example"])

    def test_happens_again_30_seconds_before_the_session_token_expires(self) -> None:
        self.gateway.answer_session_token()
        token = self.gateway.cli_token()
        outcome(self.require_auth, token)
        with self.at(565):
            outcome(self.require_auth, token)
        self.assertEqual(self.exchanges(), 1)
        with self.at(571):
            outcome(self.require_auth, token)
        self.assertEqual(self.exchanges(), 2)

    def test_of_a_revoked_token_is_not_repeated_for_5_seconds(self) -> None:
        token = self.gateway.cli_token()
        for status in (400, 401, 403):
            self.gateway.exchange = lambda _request: StubAnswer(status, {"error": "invalid_grant"})
            with self.at(status * 10):
                before = self.exchanges()
                self.assertEqual([outcome(self.require_auth, token) for _ in range(3)], [INVALID] * 3)
                self.assertEqual(self.exchanges(), before + 1)
        self.gateway.answer_session_token()
        with self.at(403 * 10 + 6):
            self.assertEqual(outcome(self.require_auth, token), (200, "usr_1"))

    def test_is_tried_again_after_the_gateway_was_unavailable(self) -> None:
        token = self.gateway.cli_token()
        for answer in (StubAnswer(hang_up=True), StubAnswer(503, {}), StubAnswer(429, {}), StubAnswer(200, {}), StubAnswer(200, [])):
            with self.subTest(answer):
                self.gateway.exchange = lambda _request: answer
                self.assertEqual(outcome(self.require_auth, token), UNAVAILABLE)
        self.gateway.answer_session_token()
        self.assertEqual(outcome(self.require_auth, token), (200, "usr_1"))

    def test_does_not_happen_for_tokens_that_the_gateway_did_not_sign(self) -> None:
        self.gateway.answer_session_token()
        tokens = [
            self.gateway.cli_token(key=OTHER_KEY),
            self.gateway.cli_token(iss="https://other.example"),
            self.gateway.cli_token(exp=int(time.time()) - 10),
            "samlgate_cli_" + self.gateway.sign(),
            "samlgate_cli_",
            "samlgate_cli_" + self.gateway.cli_token(),
        ]
        for token in tokens:
            with self.subTest(token[:40]):
                self.assertEqual(outcome(self.require_auth, token), INVALID)
        self.assertEqual(self.exchanges(), 0)

    def test_is_needed_for_the_jwt_of_a_cli_token(self) -> None:
        """The JWT in a CLI token must never pass as a session token, whatever its claims are."""
        self.gateway.answer_session_token()
        token = self.gateway.cli_token(aud=self.gateway.url, exp=int(time.time()) + 600, role="owner")
        self.assertEqual(outcome(self.require_auth, token[len("samlgate_cli_") :]), INVALID)

    def test_must_answer_with_a_valid_session_token(self) -> None:
        wrong: List[Dict[str, Any]] = [{"aud": "https://other.example"}, {"typ": "samlgate-cli+jwt"}, {"key": OTHER_KEY}, {"role": "none"}]
        for claims in wrong:
            with self.subTest(claims):
                self.gateway.answer_session_token(**claims)
                self.assertEqual(outcome(self.require_auth, self.gateway.cli_token(jti=str(claims))), INVALID)

    def test_cache_evicts_the_least_recently_used_token(self) -> None:
        exchanged: List[str] = []

        class Result:
            expires_at = time.time() + 600

        def exchange(token: str) -> Result:
            exchanged.append(token)
            return Result()

        tokens = ExchangedTokens(exchange, 3)
        for token in "abcad":
            tokens.get(token)
        for token in "acdb":
            tokens.get(token)
        self.assertEqual("".join(exchanged), "abcdb")

    def test_keeps_no_exception_of_a_refusal(self) -> None:
        def exchange(_token: str) -> Any:
            refused.append(TokenError("refused"))
            raise refused[-1]

        refused: List[TokenError] = []
        tokens = ExchangedTokens(exchange)
        raised: List[TokenError] = []
        asking: List[Callable[[str], Any]] = [tokens.get, tokens.get, tokens.find]
        for ask in asking:
            with self.assertRaises(TokenError) as context:
                ask("a")
            raised.append(context.exception)
        self.assertEqual(([error.reason for error in raised], len(refused)), (["refused"] * 3, 1))
        self.assertEqual(len({id(error) for error in [*raised, *refused]}), 4)

    def test_that_fails_unexpectedly_leaves_no_thread_waiting(self) -> None:
        def exchange(_token: str) -> Any:
            raise KeyError("bug")

        tokens = ExchangedTokens(exchange)
        for _ in range(2):
            with self.assertRaises(KeyError):
                tokens.get("a")


def call_wsgi(require_auth: RequireAuth, environ: Dict[str, Any]) -> Tuple[str, Dict[str, str], bytes, Dict[str, Any]]:
    seen: Dict[str, Any] = {}
    started: Dict[str, Any] = {}

    def app(received: Dict[str, Any], start_response: Any) -> List[bytes]:
        seen.update(received)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]

    def start_response(status: str, headers: List[Tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        started.update(status=status, headers=dict(headers))
        return lambda _data: None

    setup_testing_defaults(environ)
    environ["QUERY_STRING"] = ""
    checked: Any = validator(require_auth.wsgi(app))
    result = checked(environ, start_response)
    try:
        body = b"".join(result)
    finally:
        result.close()
    return started["status"], started["headers"], body, seen


class WsgiTest(unittest.TestCase):
    def setUp(self) -> None:
        self.gateway = Gateway(self)
        self.require_auth = RequireAuth(self.gateway.url)

    def test_identifies_the_member(self) -> None:
        environ = {"HTTP_AUTHORIZATION": f"Bearer {self.gateway.sign()}"}
        status, _, body, seen = call_wsgi(self.require_auth, environ)
        self.assertEqual((status, body), ("200 OK", b"hello"))
        self.assertEqual((seen["samlgate.auth"].user_id, seen["REMOTE_USER"]), ("usr_1", "usr_1"))

    def test_removes_headers_that_name_another_user(self) -> None:
        spoofed = {"HTTP_X_SAMLGATE_USER": "usr_2", "HTTP_X_SAMLGATE_ROLE": "owner", "REMOTE_USER": "root", "samlgate.auth": "root"}
        _, _, _, seen = call_wsgi(self.require_auth, {**spoofed, "HTTP_AUTHORIZATION": f"Bearer {self.gateway.sign()}"})
        self.assertFalse([name for name in seen if name.startswith("HTTP_X_SAMLGATE")])
        self.assertEqual((seen["samlgate.auth"].user_id, seen["REMOTE_USER"]), ("usr_1", "usr_1"))
        _, _, _, seen = call_wsgi(self.require_auth, spoofed)
        self.assertEqual(seen, {})

    def test_answers_with_problem_details(self) -> None:
        status, headers, body, seen = call_wsgi(self.require_auth, {})
        self.assertEqual((status, headers["Content-Type"], headers["Cache-Control"]), ("401 Unauthorized", "application/problem+json", "no-store"))
        self.assertEqual(headers["WWW-Authenticate"], 'Bearer realm="samlgate"')
        self.assertEqual((json.loads(body)["code"], seen, int(headers["Content-Length"])), ("unauthenticated", {}, len(body)))

    def test_guards_every_path_and_method(self) -> None:
        for method in ("GET", "HEAD", "POST", "OPTIONS", "DELETE"):
            for path in ("/", "/static/x", "//", "/../", ""):
                environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "/app"}
                status, _, body, seen = call_wsgi(self.require_auth, environ)
                self.assertEqual((status, seen, body == b""), ("401 Unauthorized", {}, method == "HEAD"))

    def test_answers_503_without_the_gateway(self) -> None:
        self.gateway.jwks = StubAnswer(500, {})
        status, headers, _, _ = call_wsgi(self.require_auth, {"HTTP_AUTHORIZATION": f"Bearer {self.gateway.sign()}"})
        self.assertEqual((status, headers["Retry-After"]), ("503 Service Unavailable", "2"))

    def test_prints_no_token(self) -> None:
        with mock.patch("sys.stderr", io.StringIO()) as stderr, mock.patch("sys.stdout", io.StringIO()) as stdout:
            for token in ("secret.secret.secret", self.gateway.sign(exp=1), self.gateway.cli_token()):
                with self.assertRaises(AccessRefused) as raised:
                    self.require_auth.check(f"Bearer {token}")
                self.assertNotRegex(repr(raised.exception) + str(raised.exception.body), "secret|eyJ")
        self.assertEqual(stderr.getvalue() + stdout.getvalue(), "")


Message = MutableMapping[str, Any]


class AsgiTest(unittest.TestCase):
    def setUp(self) -> None:
        self.gateway = Gateway(self)
        self.require_auth = RequireAuth(self.gateway.url)
        self.seen: List[Message] = []

    def call(self, scope: Message, messages: Optional[List[Message]] = None) -> List[Message]:
        """Calls the application and returns what it sent."""
        return asyncio.run(self.call_async(scope, messages))

    async def call_async(self, scope: Message, messages: Optional[List[Message]] = None) -> List[Message]:
        sent: List[Message] = []
        incoming = list(messages or [])

        async def app(received: Message, receive: Any, send: Any) -> None:
            self.seen.append(received)
            await send({"type": "app"})

        async def receive() -> Message:
            return incoming.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        await self.require_auth.asgi(app)(scope, receive, send)
        return sent

    def scope(self, *headers: Tuple[bytes, bytes], **more: Any) -> Message:
        return {"type": "http", "method": "GET", "path": "/", "headers": list(headers), **more}

    def authorization(self, token: Optional[str] = None) -> Tuple[bytes, bytes]:
        return b"authorization", f"Bearer {token or self.gateway.sign()}".encode()

    def test_identifies_the_member_and_removes_spoofed_headers(self) -> None:
        spoofed = [(b"x-samlgate-user", b"usr_2"), (b"X_Samlgate_Role", b"owner"), (b"accept", b"*/*")]
        scope = self.scope(*spoofed, self.authorization())
        scope["samlgate.auth"] = "root"
        self.assertEqual(self.call(scope), [{"type": "app"}])
        (seen,) = self.seen
        self.assertEqual(seen["samlgate.auth"].user_id, "usr_1")
        self.assertEqual([name for name, _ in seen["headers"]], [b"accept", b"authorization"])

    def test_answers_with_problem_details(self) -> None:
        start, body = self.call(self.scope())
        headers = dict(start["headers"])
        self.assertEqual((start["type"], start["status"]), ("http.response.start", 401))
        self.assertEqual((headers[b"www-authenticate"], headers[b"content-type"]), (b'Bearer realm="samlgate"', b"application/problem+json"))
        self.assertEqual((json.loads(body["body"])["code"], self.seen), ("unauthenticated", []))
        self.assertEqual(self.call(self.scope(method="HEAD"))[1]["body"], b"")

    def test_refuses_several_authorization_headers(self) -> None:
        for second in (self.authorization(), (b"Authorization", b"Bearer x")):
            self.assertEqual(self.call(self.scope(self.authorization(), second))[0]["status"], 401)
        self.assertEqual(self.seen, [])

    def test_guards_websockets(self) -> None:
        connect: List[Message] = [{"type": "websocket.connect"}]
        self.assertEqual(self.call(self.scope(type="websocket"), connect), [{"type": "websocket.close", "code": 1008}])
        with_answers = self.scope(type="websocket", extensions={"websocket.http.response": {}})
        start, _body = self.call(with_answers, connect)
        self.assertEqual((start["type"], start["status"], self.seen), ("websocket.http.response.start", 401, []))
        self.assertEqual(self.call(self.scope(self.authorization(), type="websocket"), connect), [{"type": "app"}])

    def test_passes_lifespan_and_refuses_unknown_types(self) -> None:
        self.assertEqual(self.call({"type": "lifespan"}), [{"type": "app"}])
        with self.assertRaises(ValueError):
            self.call(self.scope(type="webtransport"))

    def test_exchanges_cli_tokens_without_blocking_the_event_loop(self) -> None:
        def exchange(_request: StubRequest) -> StubAnswer:
            time.sleep(0.5)
            return StubAnswer(200, {"access_token": self.gateway.sign()})

        self.gateway.exchange = exchange
        scope = self.scope(self.authorization(self.gateway.cli_token()))

        async def count_turns() -> Tuple[int, List[List[Message]]]:
            calls = asyncio.gather(*(self.call_async(scope) for _ in range(20)))
            turns = 0
            while not calls.done():
                turns += 1
                await asyncio.sleep(0.01)
            return turns, await calls

        turns, sent = asyncio.run(count_turns())
        self.assertEqual((sent, self.gateway.count("/oauth/token")), ([[{"type": "app"}]] * 20, 1))
        self.assertGreater(turns, 5)
        # The next one needs no thread.
        with mock.patch.object(self.require_auth, "_executor", None):
            self.assertEqual(self.call(scope), [{"type": "app"}])
            self.assertIsNone(self.require_auth._executor)


class RealGatewayTest(unittest.TestCase):
    def setUp(self) -> None:
        self.gateway = RealGateway.shared()
        self.client = samlgate.Client(self.gateway.url, self.gateway.collaborator["token"])

    def test_accepts_session_and_cli_tokens_of_the_organization(self) -> None:
        require_auth = RequireAuth(self.gateway.url, self.gateway.organization["id"])
        for token in (self.client.create_session_token()["token"], self.gateway.collaborator["token"]):
            auth = require_auth.check(f"Bearer {token}")
            self.assertEqual((auth.user_id, auth.role), (self.gateway.collaborator["id"], "collaborator"))
            self.assertEqual(outcome(RequireAuth(self.gateway.url, "org_other"), token), (403, "forbidden"))
            self.assertEqual(outcome(RequireAuth(self.gateway.url, role="owner"), token), (403, "forbidden"))

    def test_checks_the_audience(self) -> None:
        reports = RequireAuth(self.gateway.url, audience="https://reports.example")
        own = self.client.create_session_token({"audience": "https://reports.example"})["token"]
        self.assertEqual(outcome(reports, own), (200, self.gateway.collaborator["id"]))
        self.assertEqual(outcome(reports, self.client.create_session_token()["token"]), INVALID)
        self.assertEqual(outcome(RequireAuth(self.gateway.url), own), INVALID)
        self.assertEqual(outcome(reports, self.gateway.collaborator["token"]), (200, self.gateway.collaborator["id"]))
        self.assertEqual(outcome(RequireAuth(self.gateway.url, audience="https://unknown.example"), self.gateway.owner["token"])[0], 401)

    def test_rejects_a_revoked_cli_token_and_the_jwt_in_one(self) -> None:
        require_auth = RequireAuth(self.gateway.url)
        created = self.client.create_token({"name": "revoked"})
        self.client.revoke_token(created["id"])
        self.assertEqual(outcome(require_auth, created["token"]), INVALID)
        self.assertEqual(outcome(require_auth, self.gateway.owner["token"][len("samlgate_cli_") :]), INVALID)
        self.assertEqual(outcome(require_auth, self.gateway.operator_token), INVALID)


class ImportTest(unittest.TestCase):
    def test_names_the_packages_if_pyjwt_is_missing(self) -> None:
        self.assertIn("pip install 'PyJWT[crypto]>=2.4'", self.import_without("jwt"))

    def test_names_the_packages_if_cryptography_is_missing(self) -> None:
        self.assertIn("pip install 'PyJWT[crypto]>=2.4'", self.import_without("cryptography"))

    def import_without(self, module: str) -> str:
        """Returns the text of the ImportError."""
        program = f"import sys; sys.modules[{module!r}] = None\ntry:\n    import samlgate.server\nexcept ImportError as error:\n    print(error)"
        done = subprocess.run([sys.executable, "-c", program], cwd=PACKAGE, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout
