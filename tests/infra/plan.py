"""What Terraform would make: every resource of a plan with its evaluated values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.infra.workspace import Workspace

_FILE = "checked.tfplan"


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource or data source; ``key`` is its key where there is one per something."""

    address: str
    type: str
    name: str
    key: str | None
    values: Mapping[str, Any]

    def block(self, *path: str) -> Mapping[str, Any]:
        """The nested block at this path, empty where there is none."""
        found: Mapping[str, Any] = self.values
        for name in path:
            inner = found.get(name) or [{}]
            found = inner[0] if isinstance(inner, list) else inner
        return found


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole plan, and the folder of the configuration that it is of."""

    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]
    variables: Mapping[str, Any]
    folder: Path

    def of(self, *types: str) -> list[Resource]:
        """The resources of these types."""
        return [each for each in self.resources if each.type in types]

    @property
    def functions(self) -> dict[str, Resource]:
        """The Cloud Functions by the name of their folder."""
        return {each.block("build_config")["entry_point"]: each for each in self.of("google_cloudfunctions2_function")}

    def archive(self, function: Resource) -> Path:
        """The archive that a function is built from, as the plan wrote it."""
        (found,) = (each for each in self.of("archive_file") if each.key == function.key)
        return self.folder / str(found.values["output_path"])


def planned(workspace: Workspace, *arguments: str) -> Plan:
    """Plan, and read the plan; it must succeed."""
    finished = workspace.run("plan", "-input=false", "-no-color", "-lock=false", f"-out={_FILE}", *arguments)
    assert finished.ok, finished.output
    told = workspace.json("show", "-json", _FILE)
    modules = [
        told["planned_values"]["root_module"],
        told.get("prior_state", {}).get("values", {}).get("root_module", {}),
    ]
    resources = tuple(each for module in modules for each in _resources(module))
    outputs = {name: each.get("value") for name, each in told["planned_values"].get("outputs", {}).items()}
    variables = {name: each.get("value") for name, each in told["variables"].items()}
    return Plan(resources, outputs, variables, workspace.terraform)


def _resources(module: Mapping[str, Any]) -> Iterator[Resource]:
    for each in module.get("resources", ()):
        key = str(each["index"]) if "index" in each else None
        yield Resource(each["address"], each["type"], each["name"], key, each["values"])
    for child in module.get("child_modules", ()):
        yield from _resources(child)
