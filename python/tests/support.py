"""A gateway that answers as a test says, a real gateway, and the test vectors of both libraries."""
from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Union

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python"


def read_vectors(name: str) -> Any:
    return json.loads((ROOT / "test" / "vectors" / name).read_text("utf-8"))


class StubRequest(NamedTuple):
    method: str
    #: Path with query.
    path: str
    headers: Dict[str, str]
    body: bytes


class StubAnswer(NamedTuple):
    status: int = 200
    #: Sent as JSON; strings and bytes are sent unchanged.
    body: Any = None
    headers: Dict[str, str] = {}
    hang_up: bool = False
    #: Writes to the socket instead of an answer.
    raw: Optional[Callable[[socket.socket], None]] = None


Answering = Callable[[StubRequest], StubAnswer]


class StubGateway:
    """An HTTP server that records its requests."""

    def __init__(self, answer: Union[Answering, StubAnswer] = StubAnswer(404, {})) -> None:
        self.requests: List[StubRequest] = []
        self.answer(answer)
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                self.close_connection = True
                self.raw_requestline = self.rfile.readline(65537)
                if self.raw_requestline and self.parse_request():
                    gateway._handle(self)

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            # A program that closes its connection early is no error.
            def handle_error(self, *args: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def answer(self, answer: Union[Answering, StubAnswer]) -> None:
        if isinstance(answer, StubAnswer):
            fixed = answer
            self._answer: Answering = lambda _request: fixed
        else:
            self._answer = answer

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        request = StubRequest(handler.command, handler.path, {name.lower(): value for name, value in handler.headers.items()}, body)
        self.requests.append(request)
        answer = self._answer(request)
        if answer.raw is not None:
            answer.raw(handler.connection)
            return
        if answer.hang_up:
            return
        data = b"" if answer.body is None else answer.body if isinstance(answer.body, bytes) else _encode(answer.body)
        handler.send_response(answer.status)
        for name, value in {"content-type": "application/json", **answer.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _encode(body: Any) -> bytes:
    return (body if isinstance(body, str) else json.dumps(body)).encode("utf-8")


def start_stub(test: unittest.TestCase, answer: Union[Answering, StubAnswer] = StubAnswer(404, {})) -> StubGateway:
    """Starts a gateway that is closed after the test."""
    gateway = StubGateway(answer)
    test.addCleanup(gateway.close)
    return gateway


class RealGateway:
    """The built gateway with a mock identity provider, an organization, its owner and a collaborator."""

    _shared: Optional[RealGateway] = None

    def __init__(self) -> None:
        node = ROOT / "node_modules" / ".bin" / "node"
        program = str(node) if node.exists() else str(shutil.which("node"))
        script = str(ROOT / "test" / "support" / "python-gateway.ts")
        self._process = subprocess.Popen(
            [program, "--disable-warning=ExperimentalWarning", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        facts = self._read()
        self.url: str = facts["url"]
        self.operator_token: str = facts["operatorToken"]
        self.organization: Dict[str, str] = facts["organization"]
        self.owner: Dict[str, str] = facts["owner"]
        self.collaborator: Dict[str, str] = facts["collaborator"]

    @classmethod
    def shared(cls) -> RealGateway:
        """One gateway for all test files. It ends when this process closes its input."""
        if cls._shared is None:
            cls._shared = cls()
        return cls._shared

    def answer_device_login(self, user_code: str, *, approve: bool) -> None:
        """The owner approves or denies a device login in the browser."""
        self._write({"userCode": user_code, "action": "approve" if approve else "deny"})

    def _write(self, command: Dict[str, str]) -> Dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The gateway did not start. Build it with: npm run build")
        facts: Dict[str, Any] = json.loads(line)
        return facts

    def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait(20)


def stop_shared_gateway() -> None:
    if RealGateway._shared is not None:
        RealGateway._shared.stop()
        RealGateway._shared = None
