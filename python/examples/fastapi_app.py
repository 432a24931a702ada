"""A FastAPI service for members of one organization. The middleware protects every ASGI application, websockets included.

    SAMLGATE_URL=http://localhost:8080 SAMLGATE_ORGANIZATION=org_… uvicorn fastapi_app:app
"""
import os

from fastapi import Depends, FastAPI, HTTPException, Request, WebSocket
from samlgate.server import Auth, RequireAuth

app = FastAPI()
# A gateway serves many companies. Without an organization, members of all of them have access.
require_auth = RequireAuth(os.environ["SAMLGATE_URL"], organization=os.environ["SAMLGATE_ORGANIZATION"])
app.add_middleware(require_auth.asgi)


def member(request: Request) -> Auth:
    return request.scope["samlgate.auth"]


def owner(auth: Auth = Depends(member)) -> Auth:
    if auth.role != "owner":
        raise HTTPException(403)
    return auth


@app.get("/hello")
async def hello(auth: Auth = Depends(member)):
    return {"hello": auth.email, "role": auth.role}


@app.delete("/everything", status_code=204)
async def delete_everything(auth: Auth = Depends(owner)):
    pass


@app.websocket("/events")
async def events(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text(websocket.scope["samlgate.auth"].email)
    await websocket.close()
