"""Verification of tokens by the middleware: keys of the gateway, and exchanged CLI tokens."""
from __future__ import annotations

import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List
from unittest import mock
from urllib.parse import parse_qs

import jwt

import samlgate
from samlgate import _exchanged_tokens, _session_tokens
from samlgate._exchanged_tokens import ExchangedTokens
from samlgate._token_error import TokenError
from samlgate.server import RequireAuth

from .signing_gateway import INVALID, JWKS, KEY, OTHER_KEY, UNAVAILABLE, Gateway, jwk_of, outcome
from .support import StubAnswer, StubRequest


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
