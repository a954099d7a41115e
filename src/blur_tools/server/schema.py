"""What the OpenAPI page says of a request and its answers, made from `BlurSettings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blur_tools.server.form import MULTIPART, URLENCODED
from blur_tools.settings import BlurSettings, Parameter

__all__ = ["DESCRIPTION"]

_TYPES: Mapping[str, Mapping[str, Any]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "text": {"type": "string"},
    "flag": {"type": "string", "enum": ["true", "false"]},
    "json": {"type": "string", "contentMediaType": "application/json"},
    "pattern": {"type": "string", "format": "regex", "minLength": 1},
    "logo": {"type": "string", "pattern": r"^(/logos/.*)?$"},
}
_BINARY = {"type": "string", "format": "binary"}
_NUMBER = {"type": "number"}
_BOX = {
    "type": "object",
    "required": ["xmin", "ymin", "xmax", "ymax"],
    "properties": dict.fromkeys(("xmin", "ymin", "xmax", "ymax"), _NUMBER),
}
_POINTS = {
    "type": "array", "minItems": 4, "maxItems": 4,
    "items": {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2},
}  # fmt: skip
_ANSWER = {
    "type": "object",
    "required": ["plates", "faces", "blur"],
    "properties": {
        "plates": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["polygon", "result"],
                "properties": {"polygon": _POINTS, "result": {"type": "object"}},
            },
        },
        "faces": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["box", "score"],
                "properties": {"box": _BOX, "score": {"type": ["number", "null"]}},
            },
        },
        "blur": {
            "type": ["object", "null"],
            "required": ["content_type", "filename", "base64"],
            "properties": {
                "content_type": {"type": ["string", "null"]},
                "filename": {"type": "string"},
                "base64": {"type": "string", "contentEncoding": "base64"},
            },
        },
    },
}
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_DETAIL = {
    "type": "object",
    "required": ["detail", "status_code"],
    "properties": {"detail": {"type": "string"}, "status_code": {"type": "integer"}},
}


def _field(parameter: Parameter, multipart: bool) -> dict[str, Any]:
    schema: dict[str, Any] = dict(_TYPES[parameter.kind])
    if parameter.kind == "logo" and multipart:
        schema = {"anyOf": [_BINARY, schema]}
    if parameter.low is not None:
        schema["minimum"] = parameter.low
    if parameter.high is not None:
        schema["maximum"] = parameter.high
    if parameter.repeated:
        schema = {"type": "array", "items": schema}
    return {**schema, "description": parameter.help}


def _form(multipart: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "upload_url": {"type": "string", "format": "uri", "description": "Where to fetch the picture; has priority."}
    }
    if multipart:
        fields["upload"] = {**_BINARY, "description": "The picture's file."}
    fields |= {p.name: _field(p, multipart) for p in BlurSettings.parameters() if p.api}
    needed = [["upload"], ["upload_url"]] if multipart else [["upload_url"]]
    form = {"type": "object", "properties": fields, "anyOf": [{"required": names} for names in needed]}
    return {"schema": form, "encoding": {name: {"explode": True} for name in fields}}


def _answer(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


DESCRIPTION: dict[str, Any] = {
    "openapi_extra": {
        "requestBody": {"required": True, "content": {MULTIPART: _form(True), URLENCODED: _form(False)}},
    },
    "responses": {
        200: _answer("What was found, and the picture where hiding was asked for.", _ANSWER),
        400: _answer("A bad request; names the field.", _ERROR),
        403: _answer("A wrong token.", _DETAIL),
        413: _answer("A picture over the limit.", _ERROR),
        429: _answer("Too many calls.", _DETAIL),
        502: _answer("Snapshot cannot be reached.", _ERROR),
        504: _answer("Snapshot did not answer in time.", _ERROR),
    },
}
"""For FastAPI: the same on every path."""
