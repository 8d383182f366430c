"""Whose fault it is, and which status says so.

    GatewayError
    ├── ClientError                 the request must change before it can succeed
    │   ├── InvalidRequest          400, with a JSON pointer
    │   ├── Unauthorized            401
    │   ├── UnknownModel            404
    │   ├── UnknownPath             404
    │   ├── WrongMethod             405
    │   ├── BodyTooLarge            413
    │   ├── CodedBody               415
    │   └── TooManyRequests         429, with Retry-After
    ├── UpstreamError               the provider refused, failed or broke off
    │   ├── UpstreamUnreachable     502: no byte of the request can have been processed
    │   ├── UpstreamBroke           502: the answer ended without its terminal marker, or is not one
    │   └── UpstreamTimeout         504
    ├── Unavailable                 503: this gateway cannot serve now (draining, full)
    └── ConfigError                 the operator's: a file, a key path, and what is allowed

A message is shown to the client: it never holds a secret, and says what to change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

LOSS = "translation_loss"  # the code of a request that is refused since not all of it can be carried


class GatewayError(Exception):
    """The root. `status` is the HTTP status; `kind` and `code` are the OpenAI error's `type` and `code`.

    `pointer` names the field that is to blame; where there are several, `violations` has each with the reason.
    """

    status = 500
    kind = "server_error"
    code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        kind: str | None = None,
        code: str | None = None,
        pointer: str | None = None,
        violations: Sequence[tuple[str, str]] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.pointer = pointer
        self.violations = violations
        self.retry_after_s = retry_after_s
        if status is not None:
            self.status = status
        if kind is not None:
            self.kind = kind
        if code is not None:
            self.code = code


class ClientError(GatewayError):
    status = 400
    kind = "invalid_request_error"


class InvalidRequest(ClientError):
    """The body, or a field of it, is not what the dialect allows. `pointer` is a JSON pointer (RFC 6901)."""


class Unauthorized(ClientError):
    status = 401
    kind = "authentication_error"
    code = "invalid_api_key"


class UnknownModel(ClientError):
    status = 404
    code = "model_not_found"


class UnknownPath(ClientError):
    status = 404
    code = "unknown_url"


class WrongMethod(ClientError):
    status = 405
    code = "method_not_allowed"


class BodyTooLarge(ClientError):
    status = 413
    code = "request_too_large"


class CodedBody(ClientError):
    status = 415
    code = "unsupported_content_encoding"


class TooManyRequests(ClientError):
    status = 429
    kind = "rate_limit_error"
    code = "rate_limit_exceeded"


class UpstreamError(GatewayError):
    """What a provider said went wrong.

    `kind` and `code` are the provider's own words where it gave any. `retryable` is what its status, its words and its
    headers say about trying again. `request_id` is the provider's, for its support. `details` is the JSON of what else
    it said, in a shape that only clients of its own dialect know: `details_of`. `limits` are the headers that tell such
    a client which limit it has met.
    """

    status = 502
    kind = "upstream_error"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        kind: str | None = None,
        code: str | None = None,
        pointer: str | None = None,
        retry_after_s: float | None = None,
        retryable: bool | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, kind=kind, code=code, pointer=pointer, retry_after_s=retry_after_s)
        if retryable is None:
            is_over = self.kind in NEVER_RETRYABLE or self.code in NEVER_RETRYABLE
            retryable = self.status in RETRYABLE and not is_over
        self.retryable = retryable
        self.request_id = request_id
        self.details: str | None = None
        self.details_of = ""
        self.limits: list[tuple[bytes, bytes]] = []

    def detailed(self, dialect: str, details: str | None) -> Self:
        """Keep the details, on one line, for the clients that know their shape."""
        self.details_of, self.details = dialect, details
        return self

    def redacted(self, redact: Callable[[str], str]) -> Self:
        """Put what `redact` makes of the provider's words in their place."""
        self.message = redact(self.message)
        if self.details is not None:
            self.details = redact(self.details)
        return self


RETRYABLE = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
NEVER_RETRYABLE = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached"}
)  # whatever the status, whoever says it


class UpstreamUnreachable(UpstreamError):
    status = 502
    code = "upstream_unreachable"


class UpstreamBroke(UpstreamError):
    status = 502
    code = "upstream_broke"


class UpstreamTimeout(UpstreamError):
    status = 504
    kind = "timeout_error"
    code = "upstream_timeout"


class Unavailable(GatewayError):
    status = 503
    kind = "server_error"
    code = "unavailable"


class ConfigError(GatewayError):
    """A configuration that cannot be used. `problems` holds one line each: file, key path, what is allowed."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
