"""Write the settings table of terraform/README.md anew: ``python -m tests.readmes.settings_table``.

A line of the table is a field of Settings: its variable, its default, the values that are accepted, and the text below
the field in common/settings.py.
"""

import ast
import inspect
import json
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from common.settings import Settings

README = Path(__file__).parents[2] / "terraform" / "README.md"
BEGIN = "<!-- The settings table: python -m tests.readmes.settings_table -->"
END = "<!-- The end of the settings table -->"
_HEAD = "| variable | default | values | meaning |\n|---|---|---|---|"


def variable(name: str, field: FieldInfo) -> str:
    """The environment variable that sets a field."""
    return (field.alias or name).upper()


def meanings() -> dict[str, str]:
    """The text below each field of Settings, by the field's name."""
    (settings,) = (
        node
        for node in ast.parse(inspect.getsource(inspect.getmodule(Settings) or Settings)).body
        if isinstance(node, ast.ClassDef) and node.name == Settings.__name__
    )
    found = {}
    for field, text in zip(settings.body, settings.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = inspect.cleandoc(str(text.value.value)).replace("\n", " ")
    return found


def table() -> str:
    """The whole table as Markdown."""
    said = meanings()
    rows = [
        f"| `{variable(name, field)}` | {_default(field)} | {_values(field)} | {said.get(name, '')} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join([_HEAD, *rows])


def written_table(text: str) -> str:
    """The table between the markers of a README."""
    return text.partition(BEGIN)[2].partition(END)[0].strip()


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple | dict):
        return f"`{json.dumps(value)}`"
    return f"`{value}`"


def _values(field: FieldInfo) -> str:
    if options := _options(field.annotation):
        return ", ".join(f"`{option}`" for option in options)
    bounds = {
        name: getattr(each, name) for each in field.metadata for name in ("ge", "gt", "le") if hasattr(each, name)
    }
    text = {name: f"{bound:,}".removesuffix(".0") for name, bound in bounds.items()}
    if "gt" in text:
        return f"more than {text['gt']}"
    return f"from {text['ge']} to {text['le']}" if text else ""


def _options(annotation: Any) -> tuple[str, ...]:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(str(member.value) for member in annotation)
    if annotation is bool:
        return ("true", "false")
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def main() -> None:
    """Write the table between the markers."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    README.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
