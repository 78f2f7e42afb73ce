"""`GET /healthz`: OpenMeter serves it on its telemetry port (`app/common/telemetry.go`)."""

from __future__ import annotations

from flask import Response

from .operation import Call, Resource
from .replies import json_reply

resource = Resource("health")


@resource.operation("GET", "/healthz")
def healthz(call: Call) -> Response:
    call.store.value("SELECT 1")
    return json_reply({"status": "OK"})
