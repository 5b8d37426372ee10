"""OpenAPI schemas of the two error formats."""

from __future__ import annotations

from typing import Any

_REQUEST_ID = {"type": "string", "description": "Find the log lines of this request by it."}
_CODE = {"type": "string", "description": "Stable, for programs.", "examples": ["VALIDATION_ERROR"]}
_PLACE = {"type": "string", "enum": ["query", "path", "headers", "cookies"]}

ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": _CODE,
                "message": {"type": "string", "description": "For people."},
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["message"],
                        "properties": {
                            "field": {
                                "type": "string",
                                "description": "A dotted path, such as items.0.quantity.",
                            },
                            "in": _PLACE,
                            "message": {"type": "string"},
                        },
                    },
                },
                "request_id": _REQUEST_ID,
            },
        }
    },
}

# RFC 9457
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": _CODE,
        "request_id": _REQUEST_ID,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "detail": {"type": "string"},
                    "pointer": {"type": "string", "description": "A JSON pointer into the body (RFC 6901)."},
                    "parameter": {"type": "string"},
                    "in": _PLACE,
                },
            },
        },
    },
}
