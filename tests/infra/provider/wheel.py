"""The google provider's schema, read from the source of the bindings of Terraform's CDK and their documentation."""

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tests.infra.provider.schema import Attribute, Block, Nested, Schemas, Type

PIN = Path(__file__).with_name("wheel.txt")
_PACKAGE = "cdktf_cdktf_provider_google"
# What the CDK adds to every resource, and Terraform itself understands; below, such a name is an attribute.
_META = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"}
_OF_THE_CDK = {
    "cdktf_stack", "constructor_node_metadata", "fqn", "friendly_unique_id", "internal_value", "is_empty", "node",
    "raw_overrides", "terraform_generator_metadata", "terraform_meta_arguments", "terraform_resource_type",
}  # fmt: skip
# The bindings do not say which optional attributes the provider fills in; these are the ones it does.
_FILLED_IN = {"address", "id", "location", "project", "project_id", "region", "zone"}
_FILLED_IN_BELOW = {"Cloudfunctions2FunctionServiceConfig": {"service"}}
_REAL_NAME = re.compile(r":param (\w+):(.*?)(?=\n\s*:param|\Z)", re.DOTALL)
_VALUES = re.compile(r"Possible values: \[([^\]]*)\]")


class WheelUnavailableError(Exception):
    """The wheel is neither cached nor to be had."""


def fetch(folder: Path) -> Path:
    """The pinned wheel, downloaded once. Raises WheelUnavailableError."""
    name, version = re.findall(r"^([\w-]+)==([\w.]+)", PIN.read_text(encoding="utf-8"), re.MULTILINE)[0]
    wheel = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    if not wheel.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        command += ["--require-hashes", "--requirement", str(PIN), "--dest", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode != 0 or not wheel.exists():
            raise WheelUnavailableError(done.stderr.strip()[-400:])
    return wheel


def read(wheel: Path, resources: Iterable[str], data: Iterable[str]) -> Schemas:
    """The schemas of these types; a type that the provider does not have is left out."""
    with zipfile.ZipFile(wheel) as archive:
        return Schemas(
            provider=_all_optional(_known(archive, ["provider"])["provider"]),
            resources={
                f"google_{name}": block
                for name, block in _known(archive, (name.removeprefix("google_") for name in resources)).items()
            },
            data={
                name.removeprefix("data_"): block
                for name, block in _known(archive, (f"data_{name}" for name in data)).items()
            },
        )


def _known(archive: zipfile.ZipFile, modules: Iterable[str]) -> dict[str, Block]:
    present = set(archive.namelist())
    return {
        module: _Module(archive.read(path).decode()).block()
        for module in sorted(set(modules))
        if (path := f"{_PACKAGE}/{module}/__init__.py") in present
    }


def _all_optional(block: Block) -> Block:
    return Block({name: Attribute(each.type, optional=True) for name, each in block.attributes.items()}, block.blocks)


class _Module:
    """The bindings of one resource."""

    def __init__(self, source: str) -> None:
        self._classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
        self._main = next(name for name in self._classes if f"{name}Config" in self._classes)

    def block(self) -> Block:
        return self._block(f"{self._main}Config", self._main)

    def _block(self, config: str, output: str) -> Block:
        attributes: dict[str, Attribute] = {}
        blocks: dict[str, Nested] = {}
        documented = self._documentation(config)
        meta = _META if output == self._main else set()
        arguments = {name: each for name, each in self._arguments(config).items() if name not in meta}
        for argument, (required, annotation) in arguments.items():
            name, text = documented.get(argument, (argument, ""))
            inner = self._class_in(annotation)
            if inner is not None:
                many, single = "Sequence" in annotation, name == "timeouts"
                nested = self._block(inner, f"{inner}OutputReference")
                blocks[name] = Nested(nested, required and not single, single, at_most_one=not (many or single))
            else:
                filled_in = not required and name in (
                    _FILLED_IN if output == self._main else _FILLED_IN_BELOW.get(config, set())
                )
                values = tuple(re.findall(r'"([^"]*)"', found[1])) if (found := _VALUES.search(text)) else ()
                attributes[name] = Attribute(_argument_type(annotation), required, not required, filled_in, values)
        for name, annotation in self._properties(output).items():
            if name not in {*arguments, *meta, *_OF_THE_CDK, "timeouts"} and not name.endswith("_input"):
                attributes.setdefault(name, Attribute(self._result_type(annotation), computed=True))
        return Block({name: each for name, each in attributes.items() if name not in blocks}, blocks)

    def _arguments(self, name: str) -> dict[str, tuple[bool, str]]:
        init = _method(self._classes[name], "__init__")
        if init is None:
            return {}
        pairs = zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)
        return {
            arg.arg: (default is None, ast.unparse(arg.annotation) if arg.annotation else "") for arg, default in pairs
        }

    def _documentation(self, name: str) -> dict[str, tuple[str, str]]:
        """Each argument's name in Terraform, which Python's keywords may have changed, and its text."""
        init = _method(self._classes[name], "__init__")
        text = (ast.get_docstring(init) or "") if init else ""
        found = {}
        for argument, said in _REAL_NAME.findall(text):
            link = re.search(r"\{@link \S+#(\w+) ", said)
            found[argument] = (link[1] if link else argument, said)
        return found

    def _properties(self, name: str) -> dict[str, str]:
        if name not in self._classes:
            return {}
        found = {}
        for node in self._classes[name].body:
            if isinstance(node, ast.FunctionDef) and node.returns is not None:
                decorators = [ast.unparse(each) for each in node.decorator_list]
                if "builtins.property" in decorators and any("jsii.member" in each for each in decorators):
                    found[node.name] = ast.unparse(node.returns)
        return found

    def _class_in(self, annotation: str) -> str | None:
        return next((name for name in re.findall(r"(?<![\w.])([A-Z]\w+)", annotation) if name in self._classes), None)

    def _result_type(self, annotation: str) -> Type:
        inner = self._class_in(annotation)
        if inner is None:
            return _simple_type(annotation)
        output = inner if inner.endswith("OutputReference") else f"{inner.removesuffix('List')}OutputReference"
        fields = {
            name: self._result_type(each)
            for name, each in self._properties(output).items()
            if not name.endswith("_input") and name not in _OF_THE_CDK
        }
        return ["list", ["object", fields]]


def _method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == name), None)


@cache
def _argument_type(annotation: str) -> Type:
    scalar = _scalar(annotation)
    if "Mapping" in annotation:
        return ["map", scalar]
    return ["list", scalar] if "Sequence" in annotation else scalar


@cache
def _simple_type(annotation: str) -> Type:
    scalar = _scalar(annotation)
    if "Map" in annotation:
        return ["map", scalar if "StringMap" not in annotation else "string"]
    return ["list", scalar] if "List[" in annotation else scalar


def _scalar(annotation: str) -> str:
    if "Number" in annotation:
        return "number"
    if "bool" in annotation or annotation.endswith("IResolvable"):
        return "bool"
    return "string" if "str" in annotation else "dynamic"
