"""A Flask service for members of one organization. Session tokens are verified offline; CLI tokens are exchanged for session tokens.

    SAMLGATE_URL=http://localhost:8080 SAMLGATE_ORGANIZATION=org_… flask --app flask_app run
"""
import os

from flask import Flask, abort, request
from samlgate.server import RequireAuth

app = Flask(__name__)
# A gateway serves many companies. Without an organization, members of all of them have access.
require_auth = RequireAuth(os.environ["SAMLGATE_URL"], organization=os.environ["SAMLGATE_ORGANIZATION"])
app.wsgi_app = require_auth.wsgi(app.wsgi_app)


@app.get("/hello")
def hello():
    auth = request.environ["samlgate.auth"]
    return {"hello": auth.email, "role": auth.role}


@app.delete("/everything")
def delete_everything():
    if request.environ["samlgate.auth"].role != "owner":
        abort(403)
    return "", 204
