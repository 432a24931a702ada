"""Prints your user, your CLI tokens and the members of your organization.

Set SAMLGATE_URL and SAMLGATE_CLI_TOKEN, or sign in first:
    samlgate login
"""
import samlgate
from samlgate.errors import ForbiddenError

client = samlgate.Client()
me = client.get_me()
user, organization = me["user"], me["organization"]
print(f"{user['email']} is {user['role']} of {organization['name']}")

# Lists fetch their pages as they are read.
for token in client.list_tokens():
    print(f"token {token['name']}: {token['expires_at'] or 'never expires'}")

try:
    for member in client.list_members(organization["slug"]):
        print(f"member {member['email']}: {member['role']}")
except ForbiddenError:
    print("Only owners can list members.")
