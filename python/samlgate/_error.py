"""The base class of all errors."""
from __future__ import annotations

from typing import Optional


class SamlgateError(Exception):
    """The base class of all errors that this package raises.

    Catch the subclass of a code, or branch on ``code``. Codes are part of the public interface, texts are not.
    """

    def __init__(
        self,
        code: str,
        title: str,
        detail: Optional[str] = None,
        *,
        status: Optional[int] = None,
        request_id: Optional[str] = None,
        retry_after_seconds: Optional[float] = None,
    ) -> None:
        super().__init__(title if detail is None else f"{title}. {detail}")
        self.code = code
        #: What happened, as a sentence without a full stop.
        self.title = title
        #: Why it happened and what to do next.
        self.detail = detail
        #: HTTP status of the response; None if there was no response.
        self.status = status
        #: Identifies the request in the gateway's log and audit trail.
        self.request_id = request_id
        #: Seconds to wait before the next attempt, from the header ``Retry-After``.
        self.retry_after_seconds = retry_after_seconds

    def __reduce__(self) -> "tuple[object, ...]":
        # Exception would call the constructor with the message alone, for example in a process pool.
        return (_restored, (type(self), self.args, self.__dict__))


def _restored(cls: "type[SamlgateError]", args: "tuple[object, ...]", attributes: "dict[str, object]") -> SamlgateError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(attributes)
    return error
