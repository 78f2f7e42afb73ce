"""Errors and their three bodies on the wire.

OpenMeter writes domain errors as `about:blank` problems through both APIs (`pkg/models/problem.go`,
`pkg/framework/commonhttp/encoder.go`), and v3 transport errors in a form of its own (`api/v3/apierrors`). A
resource raises one of the exceptions below; the application turns it into an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

KONG = "https://kongapi.info/konnect/"


class Problem(Exception):
    """An error with a status and a body; `instance` is put in by the application."""

    status: int

    def body(self, instance: str) -> dict[str, Any]:
        raise NotImplementedError


class DomainProblem(Problem):
    """The `about:blank` form. A 500 never shows its detail; without `traced` there is no instance."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        extensions: Mapping[str, Any] | None = None,
        traced: bool = True,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.extensions = dict(extensions or {})
        self.traced = traced

    def body(self, instance: str) -> dict[str, Any]:
        problem: dict[str, Any] = {"type": "about:blank", "title": _title(self.status), "status": self.status}
        if self.detail and self.status != 500:
            problem["detail"] = self.detail
        if self.traced:
            problem["instance"] = instance
        if self.extensions:
            problem["extensions"] = self.extensions
        return problem


class KongProblem(Problem):
    """The v3 form of transport errors, with the parameters that are wrong."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        invalid: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.invalid = [dict(parameter) for parameter in invalid]

    def body(self, instance: str) -> dict[str, Any]:
        problem: dict[str, Any] = {
            "type": KONG + self.kind,
            "status": self.status,
            "title": self.title,
            "instance": instance,
            "detail": self.detail,
        }
        if self.invalid:
            problem["invalid_parameters"] = self.invalid
        return problem


def conflict(text: str, *, extensions: Mapping[str, Any] | None = None) -> DomainProblem:
    """409 `conflict error: …` (models.GenericConflictError)."""
    return DomainProblem(409, f"conflict error: {text}", extensions=extensions)


def forbidden(text: str) -> DomainProblem:
    """403 `forbidden error: …`."""
    return DomainProblem(403, f"forbidden error: {text}")


def invalid(text: str) -> DomainProblem:
    """400 `validation error: …` (models.GenericValidationError)."""
    return DomainProblem(400, f"validation error: {text}")


def not_found(text: str) -> DomainProblem:
    """404 `not found error: …` (models.GenericNotFoundError)."""
    return DomainProblem(404, f"not found error: {text}")


def precondition_failed(text: str) -> DomainProblem:
    """412 `precondition failed error: …`."""
    return DomainProblem(412, f"precondition failed error: {text}")


def internal() -> DomainProblem:
    """500 without a word, where OpenMeter fails in this way too."""
    return DomainProblem(500)


def not_implemented_here(what: str) -> DomainProblem:
    """501: this server does not do it (and says so rather than answer wrongly)."""
    return DomainProblem(501, f"the dev server does not do this: {what}")


def issue(code: str, message: str, field: str | None = None, **attributes: Any) -> dict[str, Any]:
    """One entry of `extensions.validationErrors` (models.ValidationIssue.AsErrorExtension)."""
    entry: dict[str, Any] = {"code": code, "message": message, "severity": "critical"}
    if field is not None:
        entry["field"] = field
    return entry | attributes


def validation_issues(issues: Sequence[Mapping[str, Any]], *, status: int = 400, detail: str = "") -> DomainProblem:
    """An error made of validation issues; its detail is usually empty."""
    return DomainProblem(status, detail, extensions={"validationErrors": [dict(entry) for entry in issues]})


def bad_request(invalid: Sequence[Mapping[str, Any]]) -> KongProblem:
    """v3's 400, whose detail lists what is wrong (apierrors.NewBadRequestError)."""
    return KongProblem(400, "bad-request", "Bad Request", _bad_request_detail(invalid), invalid)


def invalid_query(field: str, reason: str, rule: str | None = None) -> KongProblem:
    """v3's 400 about one query parameter."""
    parameter = {"field": field, "rule": rule, "reason": reason, "source": "query"}
    return bad_request([{key: value for key, value in parameter.items() if value is not None}])


def entity_not_found(entity: str = "entity") -> KongProblem:
    """v3's 404 of the transport: a path that names no entity or no route."""
    return KongProblem(404, "not-found", "Not Found", f"The requested {entity} was not found")


def method_not_allowed_v3() -> KongProblem:
    return KongProblem(405, "method-not-allowed", "Method Not Allowed", "The requested method is not allowed")


def gone() -> KongProblem:
    """v3's 410 of a write to what was deleted."""
    return KongProblem(410, "gone", "Gone", "The requested resource is no longer available")


def precondition_failed_v3(detail: str) -> KongProblem:
    """v3's 412; the detail starts with a capital."""
    return KongProblem(412, "precondition-failed", "Precondition Failed", detail[:1].upper() + detail[1:])


def _bad_request_detail(invalid: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for parameter in invalid:
        rule = f" [{parameter['rule']}]" if parameter.get("rule") else ""
        parts.append(f"{parameter['field']}{rule}: {parameter['reason']}")
    return "Bad Request" + (f": {', '.join(parts)}" if parts else "")


def _title(status: int) -> str:
    """The status text as Go's net/http has it."""
    if status == 413:
        return "Request Entity Too Large"
    return HTTPStatus(status).phrase
