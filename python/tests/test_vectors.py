"""Runs the test vectors that the TypeScript library runs too (test/client/vectors.test.ts)."""
from __future__ import annotations

import os
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict
from unittest import mock

import samlgate
from samlgate._find_gateway import find_gateway
from samlgate._urls import gateway_key

from .support import StubAnswer, StubGateway, read_vectors, start_stub

NAMES = {"requestId": "request_id", "retryAfterSeconds": "retry_after_seconds"}


class CredentialsTest(unittest.TestCase):
    vectors = read_vectors("credentials.json")

    def test_finds_gateway_and_token(self) -> None:
        for vector in self.vectors["find"]:
            with self.subTest(vector["name"]), tempfile.TemporaryDirectory() as home:
                write_credentials(Path(home), vector)
                environment = {"HOME": home, **vector.get("environment", {})}
                expected = vector["expected"]
                try:
                    found = find_gateway(vector.get("url"), vector.get("token"), environment=environment)
                    self.assertEqual(found._asdict(), expected)
                except samlgate.SamlgateError as error:
                    self.assertEqual({"code": error.code}, expected)

    def test_reduces_urls_to_origins(self) -> None:
        for url, key in self.vectors["urls"]:
            with self.subTest(url):
                if key is not None:
                    self.assertEqual(gateway_key(url), key)
                    continue
                with self.assertRaises(samlgate.SamlgateError) as raised:
                    gateway_key(url)
                self.assertEqual(raised.exception.code, "gateway_url_invalid")


def write_credentials(home: Path, vector: Dict[str, Any]) -> None:
    if "file" not in vector:
        return
    folder = home / ".samlgate"
    folder.mkdir()
    target = home / "target.json" if vector.get("symlink") else folder / "credentials.json"
    target.write_text(vector["file"], "utf-8")
    target.chmod(int(vector.get("fileMode", "600"), 8))
    if vector.get("symlink"):
        os.symlink(target, folder / "credentials.json")
    folder.chmod(int(vector.get("folderMode", "700"), 8))


def client_of(gateway: StubGateway, **options: Any) -> samlgate.Client:
    return samlgate.Client(gateway.url, "t", **options)


class AnswersTest(unittest.TestCase):
    errors = read_vectors("errors.json")
    paging = read_vectors("paging.json")

    def test_maps_answers_to_errors(self) -> None:
        for vector in self.errors["errors"]:
            with self.subTest(vector["name"]):
                gateway = start_stub(self, StubAnswer(vector["status"], vector["body"], vector["headers"]))
                with self.assertRaises(samlgate.SamlgateError) as raised:
                    client_of(gateway, max_retries=0).get_me()
                facts = {name: getattr(raised.exception, NAMES.get(name, name)) for name in vector["expected"]}
                self.assertEqual(facts, vector["expected"])

    def test_retries_only_if_that_is_safe(self) -> None:
        for vector in self.errors["retries"]:
            with self.subTest(vector["answers"], method=vector["method"]), mock.patch("samlgate._transport.sleep"):
                gateway = start_stub(self)

                def answer(_request: object) -> StubAnswer:
                    status = (vector["answers"] + [500] * 9)[len(gateway.requests) - 1]
                    if status == "hang-up":
                        return StubAnswer(hang_up=True)
                    return StubAnswer(status, {}, {"retry-after": "0"})

                gateway.answer(answer)
                try:
                    client_of(gateway).call(vector["method"], "/api/v1/me")
                    succeeds = True
                except samlgate.SamlgateError:
                    succeeds = False
                self.assertEqual((len(gateway.requests), succeeds), (vector["requests"], vector["succeeds"]))

    def test_reads_all_pages_of_a_list(self) -> None:
        for vector in self.paging["lists"]:
            with self.subTest(vector["name"]):
                gateway = start_stub(self)
                gateway.answer(lambda _request: StubAnswer(200, vector["pages"][len(gateway.requests) - 1]))
                self.assertEqual(list(client_of(gateway).list_organizations()), vector["items"])
                self.assertEqual([request.path.split("?")[1] for request in gateway.requests], vector["queries"])

    def test_encodes_names_as_one_segment(self) -> None:
        gateway = start_stub(self, StubAnswer(200, {}))
        for name, segment in self.paging["segments"]:
            with self.subTest(name):
                client_of(gateway).get_organization(name)
                self.assertEqual(gateway.requests[-1].path, f"/api/v1/organizations/{segment}")
        sent = len(gateway.requests)
        for name in self.paging["invalid"]:
            with self.subTest(name), self.assertRaises(samlgate.errors.ArgumentInvalidError):
                client_of(gateway).get_organization(name)
        self.assertEqual(len(gateway.requests), sent)
