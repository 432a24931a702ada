"""``~/.samlgate/credentials.json``: the CLI tokens that a login has saved, one per gateway.

A file that other users of the machine can read is refused with the command that corrects its permissions.
"""
from __future__ import annotations

import errno
import json
import os
import shlex
import stat
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from .errors import SamlgateError, error_of

#: On Windows only the permissions of the home directory protect the file.
_HAS_FILE_MODES = os.name != "nt"
_MAX_BYTES = 1024 * 1024


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


def _unusable(title: str, detail: str) -> SamlgateError:
    return error_of("credentials_file_unusable", title, detail)
