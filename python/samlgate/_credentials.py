"""``~/.samlgate/credentials.json``: the CLI tokens that a login has saved, one per gateway.

A file that other users of the machine can read is refused with the command that corrects its permissions.
"""
from __future__ import annotations

import errno
import json
import os
import shlex
import stat
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional

from .errors import SamlgateError, error_of

#: On Windows only the permissions of the home directory protect the file.
_HAS_FILE_MODES = os.name != "nt"
_MAX_BYTES = 1024 * 1024
#: A lock older than this was left behind by a process that died.
_STALE_LOCK_SECONDS = 60
_LOCK_TIMEOUT_SECONDS = 10


class Credentials:
    """The content of the file."""

    def __init__(self, current: Optional[str], gateways: Dict[str, Any]) -> None:
        #: Gateway of the last login. It is used if none is named.
        self.current = current
        #: By base URL, as ``gateway_key`` returns it.
        self.gateways = gateways

    def token_of(self, key: str) -> Optional[str]:
        saved = self.gateways.get(key)
        return None if saved is None else str(saved["token"])


def credentials_path(environment: Mapping[str, str]) -> Path:
    home = environment.get("HOME")
    return (Path(home) if home else Path.home()) / ".samlgate" / "credentials.json"


def read_credentials(environment: Mapping[str, str]) -> Credentials:
    """Reads the file. Returns an empty one if it does not exist.

    :raises SamlgateError: ``credentials_file_unusable``
    """
    path = credentials_path(environment)
    try:
        _require_private(path.parent, os.stat(path.parent), "700")
        # Opening a FIFO without O_NONBLOCK blocks until another process writes to it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with os.fdopen(descriptor, "rb") as file:
            _require_private(path, os.fstat(descriptor), "600")
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return Credentials(None, {})
    except OSError as error:
        code = errno.errorcode.get(error.errno or 0, str(error.errno))
        raise _unusable(f"{path} can't be read ({code})", "Check its owner and permissions.") from error
    return _parse(path, content)


def _require_private(path: Path, status: os.stat_result, required_mode: str) -> None:
    if not _HAS_FILE_MODES:
        return
    if stat.S_IMODE(status.st_mode) & 0o077:
        title = f"Other users can access {path} (mode {stat.S_IMODE(status.st_mode) & 0o777:o})"
        raise _unusable(title, f"Run: chmod {required_mode} {shlex.quote(str(path))}")


def _parse(path: Path, content: bytes) -> Credentials:
    try:
        if len(content) > _MAX_BYTES:
            raise ValueError("too long")
        parsed = json.loads(content)
        current, gateways = parsed.get("current"), parsed.get("gateways", {})
        if (current is None or isinstance(current, str)) and all(isinstance(saved["token"], str) for saved in gateways.values()):
            return Credentials(current, gateways)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        pass  # reported below, like valid JSON with other content
    raise _unusable(f"{path} is damaged", "Delete it, then sign in again: samlgate login")


def require_writable_credentials(environment: Mapping[str, str]) -> None:
    """Checks that the file can be read and written, before a user signs in for nothing.

    :raises SamlgateError: ``credentials_file_unusable``
    """
    with _locked(credentials_path(environment)):
        read_credentials(environment)


def change_credentials(key: str, credential: Mapping[str, Optional[str]], environment: Mapping[str, str]) -> Optional[str]:
    """Saves the credential of a gateway, which becomes the current one. Returns the token that it replaces.

    Programs and the command line take the same lock, so that no change is lost.

    :raises SamlgateError: ``credentials_file_unusable``
    """
    path = credentials_path(environment)
    with _locked(path):
        before = read_credentials(environment)
        content = {"current": key, "gateways": {**before.gateways, key: dict(credential)}}
        try:
            _replace(path, json.dumps(content, indent=2) + "\n")
        except OSError as error:
            raise _unwritable(path.parent, error) from error
    return before.token_of(key)


def _replace(path: Path, content: str) -> None:
    """Writes a new file, flushes it to disk and renames it over the old one."""
    temporary = path.with_name(f"{path.name}.{uuid.uuid4()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink()
        raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = path.with_name(f"{path.name}.lock")
    try:
        # It creates no home directory: users such as nobody have none, and the token would be lost there.
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _take_lock(lock)
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    try:
        yield
    finally:
        # The lock is gone if another program found it stale.
        with suppress(FileNotFoundError):
            lock.unlink()


def _take_lock(lock: Path) -> None:
    started = time.monotonic()
    while True:
        try:
            os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            return
        except FileExistsError:
            pass
        try:
            age = time.time() - lock.stat().st_mtime
            if age > _STALE_LOCK_SECONDS:
                lock.unlink()
                continue
        except FileNotFoundError:
            continue
        if time.monotonic() - started > _LOCK_TIMEOUT_SECONDS:
            detail = f"Wait until it is done. If none is running, run: rm {shlex.quote(str(lock))}"
            raise _unusable("Another program is changing the credentials file", detail)
        time.sleep(0.05)


def _unwritable(folder: Path, error: OSError) -> SamlgateError:
    code = errno.errorcode.get(error.errno or 0, str(error.errno))
    return _unusable(f"{folder} can't be written ({code})", "Check its owner and permissions.")


def _unusable(title: str, detail: str) -> SamlgateError:
    return error_of("credentials_file_unusable", title, detail)
