"""The client against a gateway that misbehaves."""
from __future__ import annotations

import os
import pickle
import socket
import time
import tracemalloc
import unittest
from typing import Any, Callable, List, Tuple
from unittest import mock

import samlgate
from samlgate import errors
from samlgate._find_gateway import find_gateway
from samlgate._transport import Body
from samlgate.auth import SessionTokenAuth

from .support import StubAnswer, StubGateway, start_stub

TOKEN = "samlgate_cli_secret"


def client_of(gateway: StubGateway, *, max_retries: int = 0, timeout: float = 30.0) -> samlgate.Client:
    return samlgate.Client(gateway.url, TOKEN, max_retries=max_retries, timeout=timeout)


def silent_listener(test: unittest.TestCase) -> Tuple[str, int]:
    """Returns an address that answers no connection attempt, because its queue is full."""
    sockets = [socket.socket() for _ in range(4)]
    for each in sockets:
        test.addCleanup(each.close)
    listener, *waiting = sockets
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    address: Tuple[str, int] = listener.getsockname()
    for each in waiting:
        each.setblocking(False)
        each.connect_ex(address)
    return address


class RequestTest(unittest.TestCase):
    def test_sends_token_json_and_query(self) -> None:
        gateway = start_stub(self, StubAnswer(200, {"id": "usr_1"}))
        client_of(gateway).change_member("acme", "usr_1", {"role": "owner"})
        client_of(gateway).change_organization("acme", {"name": "Ä"}, dry_run=True)
        first, second = gateway.requests
        self.assertEqual((first.method, first.path, first.body), ("PATCH", "/api/v1/organizations/acme/members/usr_1", b'{"role": "owner"}'))
        self.assertEqual(first.headers["authorization"], f"Bearer {TOKEN}")
        self.assertEqual(first.headers["content-type"], "application/json")
        self.assertRegex(first.headers["user-agent"], r"^samlgate-python/\d+\.\d+\.\d+ python/3\.")
        self.assertEqual(second.path, "/api/v1/organizations/acme?dry_run=true")

    def test_sends_no_token_to_public_operations(self) -> None:
        gateway = start_stub(self, StubAnswer(200, {"keys": []}))
        client_of(gateway).get_jwks()
        client_of(gateway).get_token({"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": "x y", "device_code": "&"})
        jwks, token = gateway.requests
        self.assertNotIn("authorization", jwks.headers)
        self.assertNotIn("authorization", token.headers)
        self.assertEqual(token.headers["content-type"], "application/x-www-form-urlencoded")
        self.assertTrue(token.body.endswith(b"client_id=x+y&device_code=%26"), token.body)

    def test_sends_metadata_as_xml_or_json(self) -> None:
        gateway = start_stub(self, StubAnswer(200, {}))
        client_of(gateway).set_identity_provider("acme", "<é/>", dry_run=False)
        client_of(gateway).set_identity_provider("acme", b"<x/>", dry_run=False)
        client_of(gateway).set_identity_provider("acme", {"metadata_url": "https://idp.example/metadata"})
        types = [request.headers["content-type"] for request in gateway.requests]
        self.assertEqual(types, ["application/samlmetadata+xml", "application/samlmetadata+xml", "application/json"])
        self.assertEqual([request.body for request in gateway.requests[:2]], [b"\xef\xbb\xbf<\xc3\xa9/>", b"<x/>"])

    def test_sends_a_file_as_it_is(self) -> None:
        gateway = start_stub(self, StubAnswer(200, {}))
        client_of(gateway).set_logo("acme", b"\x89PNG\r\n")
        (request,) = gateway.requests
        self.assertEqual((request.method, request.headers["content-type"]), ("PUT", "application/octet-stream"))
        self.assertEqual((request.path, request.body), ("/api/v1/organizations/acme/logo", b"\x89PNG\r\n"))

    def test_returns_headers_of_a_verification(self) -> None:
        gateway = start_stub(self, StubAnswer(200, None, {"X-Samlgate-User": "usr_1", "X-Other": "1"}))
        self.assertEqual(client_of(gateway).verify(role="owner"), {"X-Samlgate-User": "usr_1"})
        self.assertEqual(gateway.requests[0].path, "/auth/verify?role=owner")

    def test_ignores_proxies_for_a_gateway_on_this_machine(self) -> None:
        proxy = start_stub(self)
        gateway = start_stub(self, StubAnswer(200, {}))
        with mock.patch.dict(os.environ, {"http_proxy": proxy.url, "no_proxy": ""}):
            client_of(gateway).get_me()
        self.assertEqual((len(proxy.requests), len(gateway.requests)), (0, 1))

    def test_goes_through_a_proxy_to_other_hosts(self) -> None:
        proxy = start_stub(self, StubAnswer(200, {}))
        with mock.patch.dict(os.environ, {"http_proxy": proxy.url, "no_proxy": ""}):
            samlgate.Client("http://sso.example", TOKEN).get_me()
        self.assertEqual(proxy.requests[0].path, "http://sso.example/api/v1/me")


class AttackTest(unittest.TestCase):
    def assert_code(self, code: str, call: Any) -> errors.SamlgateError:
        with self.assertRaises(errors.SamlgateError) as raised:
            call()
        self.assertEqual(raised.exception.code, code)
        self.assertNotIn("secret", str(raised.exception))
        return raised.exception

    def test_follows_no_redirect(self) -> None:
        other = start_stub(self, StubAnswer(200, {}))
        for status in (301, 302, 303, 307, 308):
            for method in ("GET", "POST"):
                with self.subTest(status, method=method):
                    gateway = start_stub(self, StubAnswer(status, "", {"location": f"{other.url}/api/v1/me"}))
                    error = self.assert_code("gateway_unreachable", lambda: client_of(gateway).call(method, "/api/v1/me"))
                    self.assertIn("redirects", error.title)
        self.assertEqual(other.requests, [])

    def test_sends_the_token_to_no_other_host(self) -> None:
        other = start_stub(self, StubAnswer(200, {}))
        host = other.url.replace("http://", "")
        gateway = start_stub(self, StubAnswer(200, {}))
        for path in (other.url, f"@{host}/", f".{host}/", f":1@{host}/", "api/v1/me", ""):
            with self.subTest(path):
                self.assert_code("argument_invalid", lambda: client_of(gateway).call("GET", path))
        for path in (f"//{host}/", f"/\\{host}/", "/@x", "/a b\r\nX-Injected: 1", "/ü#x"):
            with self.subTest(path):
                client_of(gateway).call("GET", path)
        self.assertEqual(other.requests, [])
        self.assertTrue(all("x-injected" not in request.headers for request in gateway.requests))

    def test_refuses_tokens_that_would_add_headers(self) -> None:
        for token in ("a\r\nX-Injected: 1", "a b", "", "ü", "a\n"):
            with self.subTest(token):
                self.assert_code("argument_invalid", lambda: samlgate.Client("http://localhost:1", token))

    def test_ends_at_the_time_out_although_bytes_keep_arriving(self) -> None:
        def drip(connection: socket.socket) -> None:
            for byte in b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1000:
                time.sleep(0.02)
                connection.sendall(bytes([byte]))

        def drip_body(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(1000):
                time.sleep(0.02)
                connection.sendall(b" ")

        for raw in (drip, drip_body, lambda connection: time.sleep(2)):
            gateway = start_stub(self, StubAnswer(raw=raw))
            self.assert_code("gateway_timeout", lambda: client_of(gateway, timeout=0.3).get_me())

    def test_shares_the_time_out_among_the_addresses_of_a_host(self) -> None:
        gateway = start_stub(self, StubAnswer(200, {"id": "usr_1"}))
        silent = silent_listener(self)
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", silent)] * 5
        answering = (socket.AF_INET, socket.SOCK_STREAM, 6, "", gateway._server.server_address)
        client = samlgate.Client("http://sso.samlgate.example", TOKEN, max_retries=0, timeout=0.5)
        with mock.patch.dict(os.environ, {"http_proxy": ""}), mock.patch("socket.getaddrinfo", return_value=addresses) as lookup:
            started = time.monotonic()
            self.assert_code("gateway_timeout", client.get_me)
            # A time-out for each address would take 2.5 seconds.
            self.assertLess(time.monotonic() - started, 2)
            lookup.return_value = [addresses[0], answering]
            self.assertEqual(client.get_me(), {"id": "usr_1"})

    def test_allocates_no_more_than_the_answer(self) -> None:
        gateway = start_stub(self, StubAnswer(raw=lambda connection: connection.sendall(b'HTTP/1.1 200 OK\r\n\r\n{"id": "usr_1"}')))
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        self.assertEqual(client_of(gateway).get_me(), {"id": "usr_1"})
        self.assertLess(tracemalloc.get_traced_memory()[1], 8 * 1024 * 1024)

    def test_reads_no_more_than_the_longest_answer(self) -> None:
        sent = 0

        def flood(connection: socket.socket) -> None:
            nonlocal sent
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            for _ in range(10_000):
                connection.sendall(b'"' + b"a" * 65_535)
                sent += 65_536

        gateway = start_stub(self, StubAnswer(raw=flood))
        client = client_of(gateway)
        client._transport.max_answer_bytes = 1_000_000
        self.assert_code("not_a_gateway", client.get_me)
        self.assertLess(sent, 100_000_000)

    def test_does_not_decompress(self) -> None:
        gateway = start_stub(self, StubAnswer(200, b"\x1f\x8b\x08\x00", {"content-encoding": "gzip"}))
        self.assert_code("not_a_gateway", client_of(gateway).get_me)
        self.assertEqual(gateway.requests[0].headers["accept-encoding"], "identity")

    def test_reports_answers_that_are_no_http_or_no_json(self) -> None:
        for raw in (b"SSH-2.0-OpenSSH\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"HTTP/1.1 99999 X\r\n\r\n"):
            with self.subTest(raw):
                gateway = start_stub(self, StubAnswer(raw=lambda connection: connection.sendall(raw)))
                self.assert_code("gateway_unreachable", client_of(gateway).get_me)
        for body in ("[" * 100_000, b"\xff\xfe", "nonsense"):
            gateway = start_stub(self, StubAnswer(200, body))
            self.assert_code("not_a_gateway", client_of(gateway).get_me)

    def test_reports_answers_of_other_servers(self) -> None:
        bodies: List[Any] = [{"ok": True}, {"items": "x", "token": 1}, [], "1", "null", None]
        for body in bodies:
            client = client_of(start_stub(self, StubAnswer(200, body)))
            calls: List[Callable[[], Any]] = [
                lambda: list(client.list_members("acme")),
                lambda: client.list_domains("acme"),
                SessionTokenAuth(client).token,
            ]
            for call in calls:
                with self.subTest(body):
                    self.assert_code("not_a_gateway", call)

    def test_reports_host_names_that_can_not_be_encoded(self) -> None:
        with mock.patch("socket.getaddrinfo", side_effect=UnicodeError("label empty or too long")):
            error = self.assert_code("gateway_unreachable", samlgate.Client("http://sso.samlgate.example", TOKEN, max_retries=0).get_me)
        self.assertIn("was not found", error.title)

    def test_shows_no_token(self) -> None:
        self.assertEqual(repr(samlgate.Client("http://localhost:1", TOKEN)), "<samlgate.Client http://localhost:1>")
        found = find_gateway("http://localhost:1", TOKEN, environment={})
        for each in (found, Body.of_form({"token": TOKEN}), Body.of_json({"token": TOKEN})):
            self.assertNotIn("secret", f"{each!r} {each}")


class ErrorTest(unittest.TestCase):
    def test_has_a_class_for_each_code(self) -> None:
        error = errors.error_of("conflict", "Taken", "Choose another.", status=409)
        self.assertIsInstance(error, errors.ConflictError)
        self.assertEqual(str(error), "Taken. Choose another.")
        self.assertIs(type(errors.error_of("new_code", "x")), errors.SamlgateError)

    def test_can_be_pickled(self) -> None:
        copy = pickle.loads(pickle.dumps(errors.error_of("conflict", "Taken", status=409, request_id="r1")))
        self.assertEqual((type(copy), copy.code, copy.status, copy.request_id), (errors.ConflictError, "conflict", 409, "r1"))

    def test_waits_for_retry_after_but_not_longer_than_30_seconds(self) -> None:
        gateway = start_stub(self, StubAnswer(429, {"code": "rate_limited"}, {"retry-after": "30"}))
        with mock.patch("samlgate._transport.sleep") as sleep:
            with self.assertRaises(errors.RateLimitedError):
                client_of(gateway, max_retries=2).get_me()
            self.assertEqual([call.args for call in sleep.call_args_list], [(30.0,), (30.0,)])
            gateway.answer(StubAnswer(429, {"code": "rate_limited"}, {"retry-after": "31"}))
            with self.assertRaises(errors.RateLimitedError):
                client_of(gateway, max_retries=2).get_me()
        self.assertEqual((sleep.call_count, len(gateway.requests)), (2, 4))

    def test_reads_dates_of_retry_after(self) -> None:
        for header, expected in (("Mon, 01 Jan 2001 00:00:00 GMT", 0.0), ("soon", None), ("²", None)):
            with self.subTest(header):
                from samlgate._transport import _retry_after

                self.assertEqual(_retry_after(header), expected)
