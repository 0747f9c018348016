"""The arrows between the parts, read from the imports themselves."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEPLOYED = sorted([*(ROOT / "common").rglob("*.py"), *(ROOT / "functions").rglob("*.py")])
SDKS = {
    "google.cloud.bigquery": "common/warehouse/sdk.py",
    "google.cloud.firestore": "common/documents.py",
    "google.cloud.kms_v1": "common/organizations/provider_key.py",
    "opentelemetry": "common/telemetry/otel.py",
    "litellm": "common/models/wires/litellm.py",
    "google.cloud.storage": "common/files.py",
    "pypdf": "common/knowledge/parsing/pdf.py",
    "docx": "common/knowledge/parsing/docx.py",
    "numpy": "common/knowledge/embedding/minilm.py",
    "tokenizers": "common/knowledge/embedding/minilm.py",
    "semantic_text_splitter": "common/knowledge/chunking.py",
}
# Top to bottom. A folder or file of common/ imports only what stands on a line below its own.
LAYERS = [
    {"app"},
    {"services"},
    {"foundations"},
    {"protocols"},
    {"web"},
    {"turn", "alerting", "delivery", "digests"},
    {"skills", "conversations", "metering"},
    {"record"},
    {"transcript"},
    {"agents", "identity", "charts", "cost_query", "knowledge", "notices"},
    {"tools", "organizations"},
    {"documents", "warehouse", "files", "queue"},
    {"telemetry", "fair_queue"},
    {"models", "cursor", "egress", "settings", "stopping", "tenant", "figures", "citations"},
    {"focus", "limits", "errors", "secret", "text", "json_text", "bodies", "patience", "document_values"},
]


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def starts_with(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize(("sdk", "owner"), SDKS.items())
def test_one_module_imports_each_sdk(sdk: str, owner: str) -> None:
    importers = {
        str(path.relative_to(ROOT)) for path in DEPLOYED if any(starts_with(name, sdk) for name in imports_of(path))
    }
    assert importers == {owner}


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_deployed_reaches_for_what_is_only_local(path: Path) -> None:
    forbidden = {
        name for name in imports_of(path) for local in ("local", "duckdb", "tests") if starts_with(name, local)
    }
    assert not forbidden


def layer(module: str) -> int:
    part = module.split(".")[1]
    return next(index for index, names in enumerate(LAYERS) if part in names)


@pytest.mark.parametrize("path", sorted((ROOT / "common").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_run_one_way(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    if module == "common":
        return
    imported = {name for name in imports_of(path) if name.startswith("common.") and name.count(".") >= 1}
    part = module.split(".")[1]
    wrong = {name for name in imported if name.split(".")[1] != part and layer(name) <= layer(module)}
    assert not wrong


@pytest.mark.parametrize("path", sorted((ROOT / "functions").glob("*/main.py")), ids=lambda path: path.parent.name)
def test_a_function_is_thin(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert "environ" not in text
    assert "try:" not in text


@pytest.mark.parametrize("path", sorted((ROOT / "functions").glob("*/main.py")), ids=lambda path: path.parent.name)
def test_importing_a_function_imports_neither_litellm_nor_anything_local(path: Path) -> None:
    # Every function, send too: litellm is imported by the first model call, never at start.
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1]); "
        "unwanted = ('litellm', 'opentelemetry.sdk', 'duckdb', 'local', 'sqlglot', 'zetasql'); "
        "print([m for m in unwanted if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.stdout.strip() == "[]", result.stderr


def test_only_settings_reads_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for path in DEPLOYED
        if "os.environ" in path.read_text(encoding="utf-8") or "getenv" in path.read_text(encoding="utf-8")
    }
    # These only set defaults that a library reads while it is imported.
    assert readers == {"common/models/wires/litellm.py", "common/knowledge/embedding/minilm.py"}


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_does_one_thing(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_is_short_without_its_signature(path: Path) -> None:
    # A tool's signature is long: its arguments carry their own descriptions.
    long = {node.name for node in functions_of(path) if node.end_lineno and node.end_lineno - node.body[0].lineno > 40}
    assert not long


def test_no_two_modules_of_a_folder_below_common_share_a_public_class() -> None:
    homes: dict[str, set[str]] = {}
    for path in (ROOT / "common").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, set()).add(str(path.relative_to(ROOT)))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


_RIDDLE = re.compile(r"(What|How|Whether|Where|Who|Whoever|Whatever|Nobody)\b")


@pytest.mark.parametrize("folder", ["common", "functions", "local"])
def test_a_docstring_begins_with_a_subject_or_a_verb(folder: str) -> None:
    riddles = [
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and _RIDDLE.match(ast.get_docstring(node) or "")
    ]
    assert riddles == []
