"""Request schemas of meter queries, as OpenMeter's OpenAPI documents have them: their texts show in error messages."""

from __future__ import annotations

from typing import Any

V1_SCHEMAS: dict[str, Any] = {
    "MeterQueryRequest": {
        "type": "object",
        "properties": {
            "clientId": {
                "type": "string",
                "minLength": 1,
                "maxLength": 36,
                "description": "Client ID\nUseful to track progress of a query.",
                "example": "f74e58ed-94ce-4041-ae06-cf45420451a3",
            },
            "from": {
                "type": "string",
                "format": "date-time",
                "description": "Start date-time in RFC 3339 format.\n\nInclusive.",
                "example": "2023-01-01T01:01:01.001Z",
            },
            "to": {
                "type": "string",
                "format": "date-time",
                "description": "End date-time in RFC 3339 format.\n\nInclusive.",
                "example": "2023-01-01T01:01:01.001Z",
            },
            "windowSize": {
                "allOf": [
                    {
                        "$ref": "#/components/schemas/WindowSize",
                    },
                ],
                "description": (
                    "If not specified, a single usage aggregate will be returned for the entirety "
                    "of the specified period for each subject and group."
                ),
                "example": "DAY",
            },
            "windowTimeZone": {
                "type": "string",
                "description": (
                    "The value is the name of the time zone as defined in the IANA Time Zone "
                    "Database (http://www.iana.org/time-zones).\n"
                    "If not specified, the UTC timezone will be used."
                ),
                "example": "UTC",
                "default": "UTC",
            },
            "subject": {
                "type": "array",
                "items": {
                    "type": "string",
                },
                "maxItems": 100,
                "description": "Filtering by multiple subjects.",
                "example": ["subject-1", "subject-2"],
            },
            "filterCustomerId": {
                "type": "array",
                "items": {
                    "type": "string",
                },
                "maxItems": 100,
                "description": "Filtering by multiple customers.",
                "example": ["id-1", "id-2"],
            },
            "filterGroupBy": {
                "type": "object",
                "additionalProperties": {
                    "type": "array",
                    "items": {
                        "type": "string",
                    },
                },
                "description": "Simple filter for group bys with exact match.",
                "example": {
                    "model": ["gpt-4-turbo", "gpt-4o"],
                    "type": ["prompt"],
                },
            },
            "advancedMeterGroupByFilters": {
                "type": "object",
                "additionalProperties": {
                    "$ref": "#/components/schemas/FilterString",
                },
                "description": (
                    "Optional advanced meter group by filters.\n"
                    "You can use this to filter for values of the meter groupBy fields."
                ),
                "example": {
                    "model": {
                        "$in": ["gpt-4", "gpt-4o"],
                    },
                    "type": {
                        "$eq": "input",
                    },
                },
            },
            "groupBy": {
                "type": "array",
                "items": {
                    "type": "string",
                },
                "maxItems": 100,
                "description": (
                    "If not specified a single aggregate will be returned for each subject and "
                    "time window.\n"
                    "`subject` is a reserved group by value."
                ),
                "example": ["model", "type"],
            },
        },
        "description": "A meter query request.",
    },
    "WindowSize": {
        "type": "string",
        "enum": ["MINUTE", "HOUR", "DAY", "MONTH"],
        "description": "Aggregation window size.",
        "x-enum-varnames": ["Minute", "Hour", "Day", "Month"],
    },
    "FilterString": {
        "type": "object",
        "properties": {
            "$eq": {
                "type": "string",
                "nullable": True,
                "description": "The field must be equal to the provided value.",
                "x-omitempty": True,
            },
            "$ne": {
                "type": "string",
                "nullable": True,
                "description": "The field must not be equal to the provided value.",
                "x-omitempty": True,
            },
            "$in": {
                "type": "array",
                "items": {
                    "type": "string",
                },
                "nullable": True,
                "description": "The field must be in the provided list of values.",
                "x-omitempty": True,
            },
            "$nin": {
                "type": "array",
                "items": {
                    "type": "string",
                },
                "nullable": True,
                "description": "The field must not be in the provided list of values.",
                "x-omitempty": True,
            },
            "$like": {
                "type": "string",
                "nullable": True,
                "description": "The field must match the provided value.",
                "x-omitempty": True,
            },
            "$nlike": {
                "type": "string",
                "nullable": True,
                "description": "The field must not match the provided value.",
                "x-omitempty": True,
            },
            "$ilike": {
                "type": "string",
                "nullable": True,
                "description": "The field must match the provided value, ignoring case.",
                "x-omitempty": True,
            },
            "$nilike": {
                "type": "string",
                "nullable": True,
                "description": "The field must not match the provided value, ignoring case.",
                "x-omitempty": True,
            },
            "$gt": {
                "type": "string",
                "nullable": True,
                "description": "The field must be greater than the provided value.",
                "x-omitempty": True,
            },
            "$gte": {
                "type": "string",
                "nullable": True,
                "description": ("The field must be greater than or equal to the provided value."),
                "x-omitempty": True,
            },
            "$lt": {
                "type": "string",
                "nullable": True,
                "description": "The field must be less than the provided value.",
                "x-omitempty": True,
            },
            "$lte": {
                "type": "string",
                "nullable": True,
                "description": "The field must be less than or equal to the provided value.",
                "x-omitempty": True,
            },
            "$and": {
                "type": "array",
                "items": {
                    "$ref": "#/components/schemas/FilterString",
                },
                "nullable": True,
                "description": "Provide a list of filters to be combined with a logical AND.",
                "x-omitempty": True,
            },
            "$or": {
                "type": "array",
                "items": {
                    "$ref": "#/components/schemas/FilterString",
                },
                "nullable": True,
                "description": "Provide a list of filters to be combined with a logical OR.",
                "x-omitempty": True,
            },
        },
        "description": "A filter for a string field.",
    },
}

V3_SCHEMAS: dict[str, Any] = {
    "MeterQueryRequest": {
        "type": "object",
        "properties": {
            "from": {
                "allOf": [
                    {
                        "$ref": "#/components/schemas/DateTime",
                    },
                ],
                "description": "The start of the period the usage is queried from.",
            },
            "to": {
                "allOf": [
                    {
                        "$ref": "#/components/schemas/DateTime",
                    },
                ],
                "description": "The end of the period the usage is queried to.",
            },
            "granularity": {
                "allOf": [
                    {
                        "$ref": "#/components/schemas/MeterQueryGranularity",
                    },
                ],
                "description": (
                    "The size of the time buckets to group the usage into. If not specified, the\n"
                    "usage is aggregated over the entire period."
                ),
            },
            "time_zone": {
                "type": "string",
                "description": (
                    "The value is the name of the time zone as defined in the IANA Time Zone "
                    "Database\n"
                    "(http://www.iana.org/time-zones). The time zone is used to determine the "
                    "start\n"
                    "and end of the time buckets. If not specified, the UTC timezone will be used."
                ),
                "default": "UTC",
            },
            "group_by_dimensions": {
                "type": "array",
                "items": {
                    "type": "string",
                },
                "maxItems": 100,
                "description": "The dimensions to group the results by.",
                "example": ["model", "type"],
            },
            "filters": {
                "allOf": [
                    {
                        "$ref": "#/components/schemas/MeterQueryFilters",
                    },
                ],
                "description": "Filters to apply to the query.",
            },
        },
        "additionalProperties": False,
        "description": "A meter query request.",
        "example": {
            "from": "2023-01-01T00:00:00Z",
            "to": "2023-01-02T00:00:00Z",
            "granularity": "P1D",
            "time_zone": "UTC",
        },
    },
    "MeterQueryGranularity": {
        "type": "string",
        "enum": ["PT1M", "PT1H", "P1D", "P1M"],
        "description": ("The granularity of the time grouping. Time durations are specified in ISO 8601\nformat."),
    },
    "MeterQueryFilters": {
        "type": "object",
        "properties": {
            "dimensions": {
                "type": "object",
                "additionalProperties": {
                    "$ref": "#/components/schemas/QueryFilterStringMapItem",
                },
                "maxProperties": 10,
                "description": (
                    "Filters to apply to the dimensions of the query. For `subject` and "
                    "`customer_id`\n"
                    'only equals ("eq", "in") comparisons are supported.'
                ),
            },
        },
        "additionalProperties": False,
        "description": "Filters to apply to a meter query.",
    },
    "QueryFilterStringMapItem": {
        "type": "object",
        "properties": {
            "exists": {
                "type": "boolean",
                "description": "The attribute exists.",
            },
            "eq": {
                "type": "string",
                "description": "The attribute equals the provided value.",
            },
            "neq": {
                "type": "string",
                "description": "The attribute does not equal the provided value.",
            },
            "in": {
                "type": "array",
                "items": {
                    "type": "string",
                },
                "minItems": 1,
                "maxItems": 100,
                "description": "The attribute is one of the provided values.",
            },
            "nin": {
                "type": "array",
                "items": {
                    "type": "string",
                },
                "minItems": 1,
                "maxItems": 100,
                "description": "The attribute is not one of the provided values.",
            },
            "contains": {
                "type": "string",
                "description": "The attribute contains the provided value.",
            },
            "ncontains": {
                "type": "string",
                "description": "The attribute does not contain the provided value.",
            },
            "and": {
                "type": "array",
                "items": {
                    "$ref": "#/components/schemas/QueryFilterString",
                },
                "minItems": 1,
                "maxItems": 10,
                "description": "Combines the provided filters with a logical AND.",
            },
            "or": {
                "type": "array",
                "items": {
                    "$ref": "#/components/schemas/QueryFilterString",
                },
                "minItems": 1,
                "maxItems": 10,
                "description": "Combines the provided filters with a logical OR.",
            },
        },
        "additionalProperties": False,
        "description": (
            "A query filter for an item in a string map attribute. Operators are mutually\n"
            "exclusive, only one operator is allowed at a time."
        ),
        "title": "Query String Map Item Filter",
    },
    "QueryFilterString": {
        "type": "object",
        "properties": {
            "eq": {
                "type": "string",
                "description": "The attribute equals the provided value.",
            },
            "neq": {
                "type": "string",
                "description": "The attribute does not equal the provided value.",
            },
            "in": {
                "type": "array",
                "items": {
                    "type": "string",
                },
                "minItems": 1,
                "maxItems": 100,
                "description": "The attribute is one of the provided values.",
            },
            "nin": {
                "type": "array",
                "items": {
                    "type": "string",
                },
                "minItems": 1,
                "maxItems": 100,
                "description": "The attribute is not one of the provided values.",
            },
            "contains": {
                "type": "string",
                "description": "The attribute contains the provided value.",
            },
            "ncontains": {
                "type": "string",
                "description": "The attribute does not contain the provided value.",
            },
            "and": {
                "minItems": 1,
                "maxItems": 10,
                "description": "Combines the provided filters with a logical AND.",
                "type": "array",
                "items": {
                    "$ref": "#/components/schemas/QueryFilterString",
                },
            },
            "or": {
                "minItems": 1,
                "maxItems": 10,
                "description": "Combines the provided filters with a logical OR.",
                "type": "array",
                "items": {
                    "$ref": "#/components/schemas/QueryFilterString",
                },
            },
        },
        "additionalProperties": False,
        "description": (
            "A query filter for a string attribute. Operators are mutually exclusive, only\n"
            "one operator is allowed at a time."
        ),
        "title": "Query String Filter",
    },
}
