"""Runs the examples of the documentation against a real gateway, the services in their real servers."""
from __future__ import annotations

import os
import runpy
import socket
import subprocess
import sys
import threading
import time
import unittest
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import httpx
import uvicorn

from .support import PACKAGE, RealGateway

EXAMPLES = PACKAGE / "examples"


class ExamplesTest(unittest.TestCase):
    def setUp(self) -> None:
        self.gateway = RealGateway.shared()
        settings = {"SAMLGATE_URL": self.gateway.url, "SAMLGATE_ORGANIZATION": self.gateway.organization["id"]}
        patch = mock.patch.dict(os.environ, settings)
        patch.start()
        self.addCleanup(patch.stop)

    def load(self, name: str) -> Any:
        return runpy.run_path(str(EXAMPLES / name))["app"]

    def headers(self, member: "dict[str, str]") -> "dict[str, str]":
        return {"Authorization": f"Bearer {member['token']}"}

    def test_client(self) -> None:
        for member, expected in ((self.gateway.owner, "member carl@okta.acme.example"), (self.gateway.collaborator, "Only owners can list members.")):
            environment = {**os.environ, "SAMLGATE_CLI_TOKEN": member["token"], "PYTHONPATH": str(PACKAGE)}
            done = subprocess.run(
                [sys.executable, str(EXAMPLES / "client.py")], env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
            self.assertIn(f"{member['email']} is ", done.stdout)
            self.assertIn(expected, done.stdout)

    def test_flask(self) -> None:
        client = self.load("flask_app.py").test_client()
        self.assertEqual(client.get("/hello").status_code, 401)
        self.assertEqual(client.get("/unknown").status_code, 401)
        answer = client.get("/hello", headers=self.headers(self.gateway.collaborator))
        self.assertEqual(answer.json, {"hello": self.gateway.collaborator["email"], "role": "collaborator"})
        self.assertEqual(client.delete("/everything", headers=self.headers(self.gateway.collaborator)).status_code, 403)
        self.assertEqual(client.delete("/everything", headers=self.headers(self.gateway.owner)).status_code, 204)

    def test_fastapi(self) -> None:
        url = self.serve(self.load("fastapi_app.py"))
        self.assertEqual(httpx.get(f"{url}/hello").status_code, 401)
        answer = httpx.get(f"{url}/hello", headers=self.headers(self.gateway.collaborator))
        self.assertEqual(answer.json(), {"hello": self.gateway.collaborator["email"], "role": "collaborator"})
        self.assertEqual(httpx.delete(f"{url}/everything", headers=self.headers(self.gateway.collaborator)).status_code, 403)
        self.assertEqual(httpx.delete(f"{url}/everything", headers=self.headers(self.gateway.owner)).status_code, 204)
        for path in ("/docs", "/openapi.json", "/unknown"):
            self.assertEqual(httpx.get(url + path).status_code, 401)
        self.assertIn(b" 403 ", self.open_websocket(url, ""))
        authorization = f"Authorization: Bearer {self.gateway.owner['token']}\r\n"
        answered = self.open_websocket(url, authorization)
        self.assertIn(b" 101 ", answered)
        self.assertIn(self.gateway.owner["email"].encode(), answered)

    def open_websocket(self, url: str, header: str) -> bytes:
        """Opens a websocket and returns everything that the server sends."""
        host = urlsplit(url).netloc
        lines = [
            "GET /events HTTP/1.1",
            f"Host: {host}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        address, port = host.split(":")
        with socket.create_connection((address, int(port)), timeout=10) as connection:
            connection.sendall(("\r\n".join(lines) + "\r\n" + header + "\r\n").encode())
            received = b""
            # The server ends refused connections, and sends a close frame at the end of the others.
            while b" 101 " not in received or b"\x88" not in received:
                data = connection.recv(65_536)
                if not data:
                    break
                received += data
            return received

    def serve(self, app: Any) -> str:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="wsproto"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()

        def stop() -> None:
            server.should_exit = True
            thread.join(20)
            listening.close()

        self.addCleanup(stop)
        while not server.started:
            time.sleep(0.02)
        return f"http://127.0.0.1:{listening.getsockname()[1]}"
