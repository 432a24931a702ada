"""Middleware for WSGI and ASGI: requests, and the real gateway."""
from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import time
import unittest
from typing import Any, Callable, Dict, List, MutableMapping, Optional, Tuple
from unittest import mock
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import jwt

import samlgate
from samlgate.server import AccessRefused, RequireAuth

from .signing_gateway import INVALID, Gateway, outcome
from .support import PACKAGE, RealGateway, StubAnswer, StubRequest


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
