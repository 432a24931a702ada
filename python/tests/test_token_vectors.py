"""Runs the test vectors of tokens that the TypeScript library runs too (test/client/token-vectors.test.ts)."""
from __future__ import annotations

import json
import os
import unittest
from typing import Any, Literal, Optional
from unittest import mock

from samlgate.errors import ArgumentInvalidError
from samlgate.server import AccessRefused, Auth, RequireAuth

from .support import StubAnswer, read_vectors, start_stub


class TokenVectorsTest(unittest.TestCase):
    vectors = read_vectors("tokens.json")

    def setUp(self) -> None:
        # The tokens name a host that does not exist, so its requests go through a proxy on this machine.
        self.proxy = start_stub(self, StubAnswer(200, self.vectors["jwks"]))
        patch = mock.patch.dict(os.environ, {"http_proxy": self.proxy.url, "no_proxy": ""})
        patch.start()
        self.addCleanup(patch.stop)

    def require_auth(self, organization: Optional[str] = None, role: Optional[Literal["owner", "collaborator"]] = None) -> RequireAuth:
        return RequireAuth(self.vectors["issuer"], organization, self.vectors["audience"], role)

    def assert_refused(self, authorization: Optional[str], answer: str, *, require_auth: Optional[RequireAuth] = None) -> None:
        with self.assertRaises(AccessRefused) as raised:
            (require_auth or self.require_auth()).check(authorization)
        expected = self.vectors["answers"][answer]
        refused = raised.exception
        self.assertEqual(json.loads(refused.body), expected["body"])
        self.assertEqual((refused.status, refused.headers["WWW-Authenticate"]), (expected["body"]["status"], expected["challenge"]))

    def test_accepts_valid_tokens(self) -> None:
        facts = self.vectors["auth"]
        expected = Auth(
            user_id=facts["userId"],
            organization_id=facts["organizationId"],
            email=facts["email"],
            name=facts["name"],
            role=facts["role"],
            session_id=facts["sessionId"],
            token_id=facts["tokenId"],
            expires_at=facts["expiresAtMs"] / 1000,
        )
        for name, token in self.vectors["accepted"].items():
            with self.subTest(name):
                self.assertEqual(self.require_auth().check(f"Bearer {token}"), expected)

    def test_rejects_invalid_tokens(self) -> None:
        for name, token in self.vectors["refused"].items():
            with self.subTest(name):
                self.assert_refused(f"Bearer {token}", "invalid_token")
        # One request for the keys, whatever the tokens say, and none to another address.
        self.assertLessEqual(len(self.proxy.requests), 1)

    def test_checks_organization_and_role(self) -> None:
        for row in self.vectors["access"]:
            with self.subTest(row.get("answer"), role=row.get("role"), organization=row.get("organization")):
                authorization = f"Bearer {row['token']}" if "token" in row else None
                require_auth = self.require_auth(row.get("organization"), row.get("role"))
                if row["status"] == 200:
                    self.assertEqual(require_auth.check(authorization).user_id, "usr_1")
                else:
                    self.assert_refused(authorization, row["answer"], require_auth=require_auth)

    def test_reads_the_header_strictly(self) -> None:
        token = self.vectors["accepted"]["signed with ES256"]
        for scheme in self.vectors["headers"]["accepted"]:
            with self.subTest(scheme):
                self.assertEqual(self.require_auth().check(scheme + token).user_id, "usr_1")
        for scheme in self.vectors["headers"]["refused"]:
            with self.subTest(scheme):
                self.assert_refused(scheme + token, "unauthenticated")
        for wrong in (f"Bearer {token}\n", f"Bearer {token} ", f"Bearer {token}é"):
            self.assert_refused(wrong, "unauthenticated")

    def test_refuses_a_slug_at_startup(self) -> None:
        wrong: Any
        for wrong in self.vectors["organizations"]["refused"]:
            with self.subTest(wrong), self.assertRaises(ArgumentInvalidError):
                self.require_auth(wrong)

    def test_refuses_unknown_roles_at_startup(self) -> None:
        wrong: Any
        for wrong in self.vectors["roles"]["refused"]:
            with self.subTest(wrong), self.assertRaises(ArgumentInvalidError):
                self.require_auth(role=wrong)

    def test_refuses_invalid_audiences_at_startup(self) -> None:
        for wrong in self.vectors["audiences"]["refused"]:
            with self.subTest(wrong), self.assertRaises(ArgumentInvalidError):
                RequireAuth(self.vectors["issuer"], audience=wrong)

    def test_refuses_invalid_clock_tolerances_at_startup(self) -> None:
        for wrong in [*self.vectors["clockTolerances"]["refused"], float("nan"), float("inf"), float("-inf")]:
            with self.subTest(wrong), self.assertRaises(ArgumentInvalidError):
                RequireAuth(self.vectors["issuer"], clock_tolerance_seconds=wrong)
        for allowed in (0, 2.5, 300):
            RequireAuth(self.vectors["issuer"], clock_tolerance_seconds=allowed)
