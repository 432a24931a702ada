"""The client against a real gateway."""
from __future__ import annotations

import inspect
import json
import unittest

import samlgate
from samlgate import errors

from .support import RealGateway


class RealGatewayTest(unittest.TestCase):
    gateway: RealGateway

    @classmethod
    def setUpClass(cls) -> None:
        cls.gateway = RealGateway.shared()

    def client(self, token: str) -> samlgate.Client:
        return samlgate.Client(self.gateway.url, token)

    def test_identifies_the_member(self) -> None:
        me = self.client(self.gateway.owner["token"]).get_me()
        self.assertEqual((me["user"]["id"], me["user"]["role"]), (self.gateway.owner["id"], "owner"))
        self.assertEqual(me["credential"]["kind"], "cli_token")

    def test_creates_lists_and_revokes_tokens(self) -> None:
        client = self.client(self.gateway.collaborator["token"])
        created = [client.create_token({"name": f"n{number}", "expires_in_days": 1}) for number in range(3)]
        listed = [token["id"] for token in client.list_tokens()]
        self.assertTrue({token["id"] for token in created} < set(listed))
        page = client.list_tokens().page(limit=2)
        self.assertEqual(len(page.items), 2)
        rest = client.list_tokens().page(cursor=page.next_cursor)
        self.assertEqual([token["id"] for token in page.items + rest.items], listed)
        for token in created:
            client.revoke_token(token["id"])
        with self.assertRaises(errors.UnauthenticatedError) as raised:
            self.client(created[0]["token"]).get_me()
        self.assertEqual(raised.exception.status, 401)
        self.assertTrue(raised.exception.request_id)

    def test_raises_errors_by_code(self) -> None:
        client = self.client(self.gateway.collaborator["token"])
        with self.assertRaises(errors.ForbiddenError):
            list(client.list_members(self.gateway.organization["slug"]))
        with self.assertRaises(errors.OrganizationUnknownError):
            list(client.list_members("another"))
        with self.assertRaises(errors.ValidationFailedError) as raised:
            client.create_token({"name": ""})
        self.assertIn("name", raised.exception.detail or "")
        with self.assertRaises(errors.ConflictError):
            self.client(self.gateway.owner["token"]).remove_member(self.gateway.organization["slug"], self.gateway.owner["id"])

    def test_manages_organizations_as_the_operator(self) -> None:
        client = samlgate.Client(self.gateway.url, operator=True, environment={"SAMLGATE_OPERATOR_TOKEN": self.gateway.operator_token})
        self.assertEqual(client.token_source, "environment")
        created = client.create_organization({"slug": "from-python", "name": "Python & Söhne"})
        self.assertIn(created["id"], [organization["id"] for organization in client.list_organizations()])
        self.assertEqual(client.change_organization("from-python", {"name": "New"}, dry_run=True)["name"], "New")
        self.assertEqual(client.get_organization("from-python")["name"], "Python & Söhne")
        self.assertEqual(client.add_domain("from-python", {"domain": "python.example"})["domain"], "python.example")
        self.assertEqual([domain["domain"] for domain in client.list_domains("from-python")], ["python.example"])
        entries = client.list_audit("from-python", event="organization.created")
        self.assertEqual([entry["event"] for entry in entries], ["organization.created"])
        client.delete_organization("from-python")
        with self.assertRaises(errors.OrganizationUnknownError):
            client.get_organization("from-python")

    def test_sends_metadata_and_reads_the_sign_in_log(self) -> None:
        client = self.client(self.gateway.owner["token"])
        slug = self.gateway.organization["slug"]
        provider = client.get_identity_provider(slug)
        with self.assertRaises(errors.IdpMetadataInvalidError):
            client.set_identity_provider(slug, "<nothing/>", dry_run=True)
        self.assertEqual(client.list_connections(slug)[0]["id"], provider["id"])
        sign_in = next(iter(client.list_sign_ins(slug, outcome="accepted")))
        self.assertEqual(client.get_sign_in(slug, sign_in["id"])["id"], sign_in["id"])
        self.assertEqual(client.get_sign_in_bundle(slug, sign_in["id"])["format"], "samlgate-sign-in-1")

    def test_exchanges_introspects_and_verifies_tokens(self) -> None:
        client = self.client(self.gateway.owner["token"])
        token = client.create_session_token()["token"]
        self.assertTrue(client.introspect_token({"token": token})["active"])
        headers = client.verify(role="owner", organization=self.gateway.organization["id"])
        self.assertEqual(headers["X-Samlgate-User"], self.gateway.owner["id"])
        temporary = client.create_token({"name": "temporary"})["token"]
        client.revoke_held_token({"token": temporary})
        self.assertFalse(client.introspect_token({"token": temporary})["active"])

    def test_has_a_method_for_every_operation_that_the_gateway_describes(self) -> None:
        client = self.client(self.gateway.owner["token"])
        document = json.loads(json.dumps(client.get_open_api()))
        described = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
        methods = {name for name, _ in inspect.getmembers(samlgate.Client, inspect.isfunction) if not name.startswith("_")}
        snake = {"".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name) for name in described}
        self.assertEqual(methods - {"call"}, snake)
