"""The page about the calls of the product, made of its OpenAPI document: no script, and nothing from anywhere else."""

import json
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from itertools import groupby
from typing import Any

STYLE = "/docs.css"
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Calls · Cloud-cost chat</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="{style}"></head><body><main><h1>Calls</h1>
<p>Every call of the product. The same for machines: <a href="/openapi.json">openapi.json</a>, OpenAPI 3.1.
A call needs the headers <code>X-API-Key</code> and, where its path names no organisation, <code>X-Org-Slug</code>.</p>
{calls}<h2>Types</h2>{types}</main></body></html>"""
Operation = tuple[str, str, Mapping[str, Any]]


def docs_page(document: Mapping[str, Any]) -> str:
    """The page as HTML."""
    operations = [
        (method, path, operation) for path, item in document["paths"].items() for method, operation in item.items()
    ]
    types = document["components"]["schemas"].items()
    calls = "".join(
        _section(tag, list(group)) for tag, group in groupby(operations, key=lambda each: each[2]["tags"][0])
    )
    return _PAGE.format(style=STYLE, calls=calls, types="".join(_type(name, schema) for name, schema in types))


def _section(tag: str, operations: Iterable[Operation]) -> str:
    return f"<section><h2>{escape(tag.replace('_', ' '))}</h2>{''.join(map(_call, operations))}</section>"


def _call(operation: Operation) -> str:
    method, path, described = operation
    head = f"<code>{method.upper()} {escape(path)}</code> {escape(described['summary'])}"
    given = [(each["name"], each["in"], each.get("description", "")) for each in described["parameters"]]
    taken = described.get("requestBody", {}).get("content", {})
    parts = [
        _table(("Parameter", "In", "What"), given) if given else "",
        "".join(f"<p>Takes {_named(content['schema'])} as {escape(media)}.</p>" for media, content in taken.items()),
        _table(("Status", "Answer", ""), _answers(described["responses"])),
    ]
    return f"<details><summary>{head}</summary>{''.join(parts)}</details>"


def _answers(responses: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for status, response in responses.items():
        yield status, response["description"], ", ".join(response.get("content", {}))


def _named(schema: Mapping[str, Any]) -> str:
    names = [each["$ref"].rpartition("/")[2] for each in (schema, *schema.get("anyOf", ())) if "$ref" in each]
    return " or ".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in names) or "an object"


def _type(name: str, schema: Mapping[str, Any]) -> str:
    text = escape(json.dumps(schema, indent=2, ensure_ascii=False))
    return f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary><pre>{text}</pre></details>'


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
