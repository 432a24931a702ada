"""Session tokens for requests and httpx, and device logins."""
from __future__ import annotations

import asyncio
import base64
import json
import os
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Any, Dict, List, Optional
from unittest import mock
from urllib.parse import parse_qs

import httpx
import requests

import samlgate
from samlgate import auth, errors
from samlgate.auth import SessionTokenAuth, device_login

from .support import RealGateway, StubAnswer, StubGateway, StubRequest, start_stub


def session_token(number: int, lifetime: int = 600, skew: int = 0) -> str:
    issued = int(time.time()) + skew
    claims = json.dumps({"iat": issued, "exp": issued + lifetime}).encode()
    return f"h.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.s{number}"


class TokensTest(unittest.TestCase):
    def start(self, lifetime: int = 600, skew: int = 0) -> StubGateway:
        gateway = start_stub(self)
        gateway.answer(lambda _request: StubAnswer(200, {"token": session_token(len(gateway.requests), lifetime, skew), "expires_at": ""}))
        return gateway

    def auth_of(self, gateway: StubGateway, audience: Optional[str] = None) -> SessionTokenAuth:
        return SessionTokenAuth(samlgate.Client(gateway.url, "cli", max_retries=0), audience=audience)

    def test_replaces_a_token_a_minute_before_it_expires(self) -> None:
        for skew in (0, 3000, -3000):
            with self.subTest(skew=skew):
                gateway = self.start(skew=skew)
                tokens = self.auth_of(gateway, "https://reports.example")
                first = tokens.token()
                started = time.time()
                with mock.patch.object(auth, "now", lambda: started + 535):
                    self.assertEqual(tokens.token(), first)
                with mock.patch.object(auth, "now", lambda: started + 541):
                    second = tokens.token()
                self.assertNotEqual(second, first)
                self.assertEqual(json.loads(gateway.requests[0].body), {"audience": "https://reports.example"})

    def test_replaces_a_token_although_the_clock_was_set_back(self) -> None:
        gateway = self.start()
        tokens = self.auth_of(gateway)
        tokens.token()
        started = time.monotonic()
        with mock.patch.object(auth, "now", lambda: 0.0), mock.patch.object(auth, "monotonic", lambda: started + 541):
            tokens.token()
        self.assertEqual(len(gateway.requests), 2)

    def test_uses_most_of_a_short_lifetime(self) -> None:
        gateway = self.start(lifetime=30)
        tokens = self.auth_of(gateway)
        self.assertEqual({tokens.token() for _ in range(5)}, {tokens.token()})
        self.assertEqual(len(gateway.requests), 1)

    def test_gets_one_token_for_many_threads(self) -> None:
        gateway = self.start()
        delay_answers(gateway, 0.1)
        tokens = self.auth_of(gateway)
        received: List[str] = []
        threads = [threading.Thread(target=lambda: received.append(tokens.token())) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((len(gateway.requests), len(received), len(set(received))), (1, 20, 1))

    def test_raises_the_error_of_a_revoked_token_and_asks_again(self) -> None:
        gateway = start_stub(self, StubAnswer(401, {"code": "unauthenticated", "title": "No"}))
        tokens = self.auth_of(gateway)
        with self.assertRaises(errors.UnauthenticatedError):
            tokens.token()
        gateway.answer(StubAnswer(200, {"token": session_token(1), "expires_at": ""}))
        self.assertEqual(tokens.token(), session_token(1))

    def at(self, seconds: float) -> Any:
        base = time.time()
        return mock.patch.object(auth, "now", lambda: base + seconds)

    def test_uses_a_valid_token_while_the_gateway_does_not_answer(self) -> None:
        gateway = self.start()
        working = gateway._answer
        tokens = self.auth_of(gateway)
        first = tokens.token()
        failures = [StubAnswer(hang_up=True), *(StubAnswer(status, {"code": "store_unavailable"}) for status in (429, 502, 503, 504))]
        for number, failure in enumerate(failures):
            gateway.answer(failure)
            requests_before = len(gateway.requests)
            with self.subTest(failure), self.at(541 + 10 * number):
                self.assertEqual([tokens.token() for _ in range(5)], [first] * 5)
                self.assertEqual(len(gateway.requests), requests_before + 1)
        with self.at(601), self.assertRaises(errors.SamlgateError):
            tokens.token()
        gateway.answer(working)
        with self.at(602):
            self.assertNotEqual(tokens.token(), first)

    def test_replaces_a_kept_token_5_seconds_later(self) -> None:
        gateway = self.start()
        working = gateway._answer
        tokens = self.auth_of(gateway)
        first = tokens.token()
        gateway.answer(StubAnswer(503, {}))
        with self.at(541):
            tokens.token()
        gateway.answer(working)
        with self.at(545):
            self.assertEqual(tokens.token(), first)
        with self.at(547):
            self.assertNotEqual(tokens.token(), first)

    def test_uses_no_valid_token_after_the_gateway_refused_a_new_one(self) -> None:
        gateway = self.start()
        tokens = self.auth_of(gateway)
        tokens.token()
        for status in (400, 401, 403, 500):
            gateway.answer(StubAnswer(status, {"code": "unauthenticated"}))
            with self.subTest(status), self.at(541), self.assertRaises(errors.SamlgateError):
                tokens.token()

    def test_does_not_wait_with_a_valid_token_while_it_is_replaced(self) -> None:
        gateway = self.start()
        tokens = self.auth_of(gateway)
        first, working = tokens.token(), gateway._answer
        arrived, released = threading.Event(), threading.Event()

        def answer(request: StubRequest) -> StubAnswer:
            arrived.set()
            released.wait(10)
            return working(request)

        gateway.answer(answer)
        with self.at(541):
            replacing = threading.Thread(target=tokens.token)
            replacing.start()
            self.assertTrue(arrived.wait(10))
            self.assertEqual(tokens.token(), first)
            released.set()
            replacing.join()
            self.assertNotEqual(tokens.token(), first)

    def test_shares_the_failure_of_one_request(self) -> None:
        released = threading.Event()

        def answer(_request: StubRequest) -> StubAnswer:
            released.wait(10)
            return StubAnswer(503, {"code": "store_unavailable", "title": "Away", "request_id": "r1"}, {"retry-after": "7"})

        gateway = start_stub(self, answer)
        tokens = self.auth_of(gateway)
        raised: List[errors.SamlgateError] = []

        def ask() -> None:
            try:
                tokens.token()
            except errors.SamlgateError as error:
                raised.append(error)

        threads = [threading.Thread(target=ask) for _ in range(10)]
        for thread in threads:
            thread.start()
        # All of them ask before the first one fails.
        time.sleep(0.3)
        released.set()
        for thread in threads:
            thread.join()
        facts = {(type(error), error.code, error.status, error.request_id, error.retry_after_seconds) for error in raised}
        self.assertEqual(facts, {(errors.StoreUnavailableError, "store_unavailable", 503, "r1", 7.0)})
        self.assertEqual((len(gateway.requests), len({id(error) for error in raised})), (1, 10))
        with self.assertRaises(errors.StoreUnavailableError):
            tokens.token()
        self.assertEqual(len(gateway.requests), 2)

    def test_refuses_an_answer_without_a_token(self) -> None:
        for token in ("", "a.b.c", "a.!.c", "a.bnVsbA.c"):
            gateway = start_stub(self, StubAnswer(200, {"token": token, "expires_at": ""}))
            with self.subTest(token), self.assertRaises(errors.NotAGatewayError):
                self.auth_of(gateway).token()

    def service(self) -> StubGateway:
        return start_stub(self, StubAnswer(200, {}))

    def test_authenticates_requests(self) -> None:
        tokens, service = self.auth_of(self.start()), self.service()
        with requests.Session() as session:
            session.auth = tokens
            session.get(service.url)
            session.post(service.url)
        self.assertEqual({request.headers["authorization"] for request in service.requests}, {f"Bearer {tokens.token()}"})

    def test_authenticates_httpx(self) -> None:
        gateway, service = self.start(), self.service()
        tokens = self.auth_of(gateway)
        with httpx.Client(auth=tokens) as client:
            client.get(service.url)

        async def many() -> None:
            async with httpx.AsyncClient(auth=self.auth_of(gateway)) as client:
                await asyncio.gather(*(client.get(service.url) for _ in range(5)))
                await client.get(service.url)

        asyncio.run(many())
        sent = [request.headers["authorization"] for request in service.requests]
        self.assertEqual((len(sent), len(set(sent)), len(gateway.requests)), (7, 2, 2))

    def test_does_not_block_the_event_loop(self) -> None:
        gateway, service = self.start(), self.service()
        delay_answers(gateway, 0.5)

        async def count_turns() -> int:
            turns = 0

            async def tick() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0.01)

            ticking = asyncio.create_task(tick())
            async with httpx.AsyncClient(auth=self.auth_of(gateway)) as client:
                await client.get(service.url)
            ticking.cancel()
            return turns

        self.assertGreater(asyncio.run(count_turns()), 5)

    def test_sends_no_token_to_the_host_of_a_redirect(self) -> None:
        other = self.service()
        location = other.url.replace("127.0.0.1", "localhost")
        service = start_stub(self, StubAnswer(302, "", {"location": location}))
        tokens = self.auth_of(self.start())
        requests.get(service.url, auth=tokens)
        httpx.get(service.url, auth=tokens, follow_redirects=True)
        asyncio.run(self._get_async(service.url, tokens))
        self.assertEqual([request.headers.get("authorization") for request in other.requests], [None] * 3)
        self.assertTrue(all("authorization" in request.headers for request in service.requests))

    async def _get_async(self, url: str, tokens: SessionTokenAuth) -> None:
        async with httpx.AsyncClient(auth=tokens, follow_redirects=True) as client:
            await client.get(url)


def delay_answers(gateway: StubGateway, seconds: float) -> None:
    answer = gateway._answer

    def delayed(request: StubRequest) -> StubAnswer:
        time.sleep(seconds)
        return answer(request)

    gateway.answer(delayed)


CODE = {
    "device_code": "secret-device-code",
    "user_code": "BCDF-GHJK",
    "verification_uri": "https://sso.example/device",
    "verification_uri_complete": "https://sso.example/device?user_code=BCDF-GHJK",
    "expires_in": 600,
    "interval": 5,
}


class DeviceLoginTest(unittest.TestCase):
    """Time is replaced: sleeping advances it."""

    def setUp(self) -> None:
        self.time = 0.0
        self.waits: List[float] = []
        self.shown: List[str] = []
        for name, replacement in (("sleep", self._sleep), ("monotonic", lambda: self.time)):
            patch = mock.patch(f"samlgate._device_login.{name}", replacement)
            patch.start()
            self.addCleanup(patch.stop)

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds

    def login(self, answers: List[StubAnswer], code: Dict[str, Any] = CODE, **options: Any) -> samlgate.Client:
        """Logs in at a gateway that gives these answers to polls, the last one for ever."""
        gateway = self.gateway = start_stub(self)

        def answer(request: StubRequest) -> StubAnswer:
            if request.path == "/oauth/device_authorization":
                return StubAnswer(200, code)
            polls = sum(each.path == "/oauth/token" for each in gateway.requests)
            return answers[min(polls, len(answers)) - 1]

        gateway.answer(answer)
        return device_login(gateway.url, show=self.shown.append, environment={}, **options)

    def test_shows_the_code_and_polls_at_the_interval(self) -> None:
        answers = [oauth("authorization_pending"), oauth("slow_down"), oauth("authorization_pending"), StubAnswer(503, {"code": "store_unavailable"})]
        client = self.login([*answers, StubAnswer(200, {"access_token": "samlgate_cli_new"})], organization="acme", token_name="notebook")
        self.assertEqual(self.waits, [5, 5, 10, 10, 15])
        self.assertIn(CODE["verification_uri_complete"], self.shown[0])
        self.assertIn(CODE["user_code"], self.shown[0])
        self.assertNotRegex(self.shown[0], "samlgate_cli|secret")
        self.assertNotIn("samlgate_cli", repr(client))
        start, poll = self.gateway.requests[0], self.gateway.requests[1]
        self.assertEqual(parse_qs(start.body.decode()), {"client_id": ["samlgate-cli"], "token_name": ["notebook"], "organization": ["acme"]})
        self.assertEqual(parse_qs(poll.body.decode())["device_code"], ["secret-device-code"])
        self.assertTrue(all("authorization" not in request.headers for request in self.gateway.requests))
        client.call("GET", "/oauth/token")
        self.assertEqual(self.gateway.requests[-1].headers["authorization"], "Bearer samlgate_cli_new")

    def test_ends_if_the_user_denies(self) -> None:
        with self.assertRaises(errors.AccessDeniedError):
            self.login([oauth("authorization_pending"), oauth("access_denied")])

    def test_ends_when_the_code_expires(self) -> None:
        with self.assertRaises(errors.ExpiredTokenError):
            self.login([oauth("expired_token")])
        self.time = 0.0
        with self.assertRaises(errors.ExpiredTokenError):
            self.login([oauth("authorization_pending")])
        self.assertLess(self.time, 600)

    def test_goes_on_while_the_gateway_is_away(self) -> None:
        self.login([StubAnswer(hang_up=True), oauth("authorization_pending"), StubAnswer(200, {"access_token": "t"})])
        self.assertEqual(self.waits, [5, 10, 10])

    def test_never_polls_without_a_pause(self) -> None:
        for interval in (0, -1, "x", None, 1e9):
            with self.subTest(interval):
                self.waits.clear()
                self.login([StubAnswer(200, {"access_token": "t"})], {**CODE, "interval": interval})
                self.assertEqual(self.waits, [5])

    def test_prints_no_control_characters(self) -> None:
        wrong = {"user_code": "A\x1b[2J", "verification_uri_complete": "https://a/\x1b]", "verification_uri": "javascript:alert(1)"}
        for name, value in wrong.items():
            with self.subTest(name), self.assertRaises(errors.NotAGatewayError):
                self.login([StubAnswer(200, {"access_token": "t"})], {**CODE, name: value})
        self.assertEqual(self.shown, [])

    def test_refuses_an_answer_without_a_token(self) -> None:
        for answer in ({}, {"access_token": 1}, [], {"access_token": "a\nb"}):
            with self.subTest(answer), self.assertRaises(errors.SamlgateError):
                self.login([StubAnswer(200, answer)])


def oauth(code: str) -> StubAnswer:
    return StubAnswer(400, {"error": code, "code": "validation_failed"})


class RealDeviceLoginTest(unittest.TestCase):
    def setUp(self) -> None:
        self.gateway = RealGateway.shared()
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        self.home = Path(home.name)
        patch = mock.patch("samlgate._device_login.sleep", lambda _seconds: time.sleep(0.05))
        patch.start()
        self.addCleanup(patch.stop)

    def login(self, *, approve: bool, save: bool = False) -> samlgate.Client:
        def show(text: str) -> None:
            code = text.split("Code    ")[1].split("\n")[0]
            self.gateway.answer_device_login(code, approve=approve)

        return device_login(self.gateway.url, organization="acme", save=save, show=show, environment={"HOME": str(self.home)})

    def test_returns_a_client_of_the_member(self) -> None:
        client = self.login(approve=True)
        me = client.get_me()
        self.assertEqual((me["user"]["id"], me["credential"]["kind"]), (self.gateway.owner["id"], "cli_token"))
        self.assertFalse((self.home / ".samlgate").exists())
        names = {token["id"]: token["name"] for token in client.list_tokens()}
        self.assertRegex(names[me["credential"]["id"]], "^Python on ")

    def test_raises_if_the_user_denies(self) -> None:
        with self.assertRaises(errors.AccessDeniedError):
            self.login(approve=False)

    def test_saves_the_token_as_the_command_line_does(self) -> None:
        first = self.login(approve=True, save=True)
        second = self.login(approve=True, save=True)
        file = self.home / ".samlgate" / "credentials.json"
        self.assertEqual((file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777), (0o600, 0o700))
        found = samlgate.Client(environment={"HOME": str(self.home)})
        self.assertEqual((found.url, found.token_source), (self.gateway.url, "credentials-file"))
        self.assertEqual(found.get_me()["credential"]["id"], second.get_me()["credential"]["id"])
        with self.assertRaises(errors.UnauthenticatedError):
            first.get_me()
        self.assertEqual(os.listdir(file.parent), ["credentials.json"])

    def test_says_if_the_replaced_token_could_not_be_revoked(self) -> None:
        def answer(request: StubRequest) -> StubAnswer:
            me = {
                "user": {"id": "usr_1", "email": "ada@acme.example"},
                "organization": {"slug": "acme"},
                "credential": {"id": "tok_1", "expires_at": None},
            }
            answers = {"/oauth/device_authorization": CODE, "/oauth/token": {"access_token": f"secret{len(gateway.requests)}"}, "/api/v1/me": me}
            return StubAnswer(200, answers[request.path]) if request.path in answers else StubAnswer(503, {"code": "store_unavailable"})

        gateway = start_stub(self, answer)
        shown: List[str] = []
        for _ in range(2):
            device_login(gateway.url, save=True, show=shown.append, environment={"HOME": str(self.home)})
        self.assertEqual(len(shown), 3)
        self.assertIn("could not be revoked (store_unavailable)", shown[2])
        self.assertNotIn("secret", "".join(shown))

    def test_refuses_an_unusable_file_before_the_user_signs_in(self) -> None:
        folder = self.home / ".samlgate"
        folder.mkdir(mode=0o755)
        (folder / "credentials.json").write_text("{}", "utf-8")
        shown: List[str] = []
        with self.assertRaises(errors.CredentialsFileUnusableError):
            device_login(self.gateway.url, save=True, show=shown.append, environment={"HOME": str(self.home)})
        self.assertEqual(shown, [])

    def test_session_tokens_are_accepted_by_the_gateway(self) -> None:
        client = samlgate.Client(self.gateway.url, self.gateway.owner["token"])
        answer = requests.get(f"{self.gateway.url}/auth/verify", auth=SessionTokenAuth(client))
        self.assertEqual((answer.status_code, answer.headers["X-Samlgate-User"]), (200, self.gateway.owner["id"]))
        token = SessionTokenAuth(client, audience="https://reports.example").token()
        self.assertEqual(requests.get(f"{self.gateway.url}/auth/verify", headers={"Authorization": f"Bearer {token}"}).status_code, 401)
        with self.assertRaises(errors.ValidationFailedError):
            SessionTokenAuth(client, audience="https://other.example").token()
