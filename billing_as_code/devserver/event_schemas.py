"""Request schemas of events, as OpenMeter's OpenAPI documents have them: their texts show in error messages."""

from __future__ import annotations

from typing import Any

V1_SCHEMAS: dict[str, Any] = {
    "Event": {
        "type": "object",
        "required": ["id", "source", "specversion", "type", "subject"],
        "properties": {
            "id": {
                "type": "string",
                "minLength": 1,
                "description": "Identifies the event.",
                "example": "5c10fade-1c9e-4d6c-8275-c52c36731d3c",
            },
            "source": {
                "type": "string",
                "minLength": 1,
                "format": "uri-reference",
                "description": "Identifies the context in which an event happened.",
                "example": "service-name",
            },
            "specversion": {
                "type": "string",
                "minLength": 1,
                "description": ("The version of the CloudEvents specification which the event uses."),
                "example": "1.0",
                "default": "1.0",
            },
            "type": {
                "type": "string",
                "minLength": 1,
                "description": ("Contains a value describing the type of event related to the originating occurrence."),
                "example": "com.example.someevent",
            },
            "datacontenttype": {
                "type": "string",
                "enum": ["application/json"],
                "nullable": True,
                "description": (
                    "Content type of the CloudEvents data value. Only the value "
                    '"application/json" is allowed over HTTP.'
                ),
                "example": "application/json",
            },
            "dataschema": {
                "type": "string",
                "format": "uri",
                "nullable": True,
                "minLength": 1,
                "description": "Identifies the schema that data adheres to.",
            },
            "subject": {
                "type": "string",
                "minLength": 1,
                "description": (
                    "Describes the subject of the event in the context of the event producer (identified by source)."
                ),
                "example": "customer-id",
            },
            "time": {
                "type": "string",
                "format": "date-time",
                "description": ("Timestamp of when the occurrence happened. Must adhere to RFC 3339."),
                "example": "2023-01-01T01:01:01.001Z",
                "nullable": True,
            },
            "data": {
                "type": "object",
                "additionalProperties": {},
                "nullable": True,
                "description": ("The event payload.\nOptional, if present it must be a JSON object."),
            },
        },
        "description": (
            "CloudEvents Specification JSON Schema\n\n"
            "Optional properties are nullable according to the CloudEvents specification:\n"
            "OPTIONAL not omitted attributes MAY be represented as a null JSON value."
        ),
        "example": {
            "id": "5c10fade-1c9e-4d6c-8275-c52c36731d3c",
            "source": "service-name",
            "specversion": "1.0",
            "type": "prompt",
            "subject": "customer-id",
            "time": "2023-01-01T01:01:01.001Z",
        },
        "x-go-type-import": {
            "path": "github.com/cloudevents/sdk-go/v2/event",
        },
        "x-go-type": "event.Event",
    },
    "IngestEventsBody": {
        "anyOf": [
            {
                "$ref": "#/components/schemas/Event",
            },
            {
                "type": "array",
                "items": {
                    "$ref": "#/components/schemas/Event",
                },
            },
        ],
        "description": ("The body of the events request.\nEither a single event or a batch of events."),
    },
    "FilterTime": {
        "type": "object",
        "properties": {
            "$gt": {
                "type": "string",
                "format": "date-time",
                "nullable": True,
                "description": "The field must be greater than the provided value.",
                "x-omitempty": True,
            },
            "$gte": {
                "type": "string",
                "format": "date-time",
                "nullable": True,
                "description": ("The field must be greater than or equal to the provided value."),
                "x-omitempty": True,
            },
            "$lt": {
                "type": "string",
                "format": "date-time",
                "nullable": True,
                "description": "The field must be less than the provided value.",
                "x-omitempty": True,
            },
            "$lte": {
                "type": "string",
                "format": "date-time",
                "nullable": True,
                "description": "The field must be less than or equal to the provided value.",
                "x-omitempty": True,
            },
            "$and": {
                "type": "array",
                "items": {
                    "$ref": "#/components/schemas/FilterTime",
                },
                "nullable": True,
                "description": "Provide a list of filters to be combined with a logical AND.",
                "x-omitempty": True,
            },
            "$or": {
                "type": "array",
                "items": {
                    "$ref": "#/components/schemas/FilterTime",
                },
                "nullable": True,
                "description": "Provide a list of filters to be combined with a logical OR.",
                "x-omitempty": True,
            },
        },
        "description": "A filter for a time field.",
    },
    "FilterIDExact": {
        "type": "object",
        "properties": {
            "$in": {
                "type": "array",
                "items": {
                    "type": "string",
                    "pattern": "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$",
                    "description": ("ULID (Universally Unique Lexicographically Sortable Identifier)."),
                    "example": "01G65Z755AFWAKHE12NY0CQ9FH",
                },
                "nullable": True,
                "description": "The field must be in the provided list of values.",
                "x-omitempty": True,
            },
        },
        "description": "A filter for a ID (ULID) field allowing only equality or inclusion.",
    },
}

V3_SCHEMAS: dict[str, Any] = {
    "MeteringEvent": {
        "type": "object",
        "required": ["id", "source", "specversion", "type", "subject"],
        "properties": {
            "id": {
                "type": "string",
                "minLength": 1,
                "description": "Identifies the event.",
                "example": "5c10fade-1c9e-4d6c-8275-c52c36731d3c",
            },
            "source": {
                "type": "string",
                "minLength": 1,
                "format": "uri-reference",
                "description": "Identifies the context in which an event happened.",
                "example": "service-name",
            },
            "specversion": {
                "type": "string",
                "minLength": 1,
                "description": ("The version of the CloudEvents specification which the event uses."),
                "example": "1.0",
                "default": "1.0",
            },
            "type": {
                "type": "string",
                "minLength": 1,
                "description": (
                    "Contains a value describing the type of event related to the originating\noccurrence."
                ),
                "example": "com.example.someevent",
            },
            "datacontenttype": {
                "type": "string",
                "enum": ["application/json"],
                "nullable": True,
                "description": (
                    "Content type of the CloudEvents data value. Only the value "
                    '"application/json" is\n'
                    "allowed over HTTP."
                ),
                "example": "application/json",
            },
            "dataschema": {
                "type": "string",
                "format": "uri",
                "nullable": True,
                "minLength": 1,
                "description": "Identifies the schema that data adheres to.",
            },
            "subject": {
                "type": "string",
                "minLength": 1,
                "description": (
                    "Describes the subject of the event in the context of the event producer\n(identified by source)."
                ),
                "example": "customer-id",
            },
            "time": {
                "type": "string",
                "allOf": [
                    {
                        "$ref": "#/components/schemas/DateTime",
                    },
                ],
                "nullable": True,
                "description": ("Timestamp of when the occurrence happened. Must adhere to RFC 3339."),
                "example": "2023-01-01T01:01:01.001Z",
            },
            "data": {
                "type": "object",
                "additionalProperties": {},
                "nullable": True,
                "description": ("The event payload. Optional, if present it must be a JSON object."),
            },
        },
        "additionalProperties": False,
        "description": "Metering event following the CloudEvents specification.",
        "title": "Metering Event",
        "example": {
            "specversion": "1.0",
            "id": "5c10fade-1c9e-4d6c-8275-c52c36731d3c",
            "source": "service-name",
            "type": "prompt",
            "subject": "customer-id",
            "time": "2023-01-01T01:01:01.001Z",
            "data": {
                "prompt": "Hello, world!",
                "tokens": 100,
                "model": "gpt-4o",
                "type": "input",
            },
        },
    },
}
