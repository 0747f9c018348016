"""What the READMEs say of the repository: links, paths, layers, settings and shell blocks."""

import re
import subprocess
from pathlib import Path

import pytest

from common import errors, limits
from common.charts import drawings
from common.errors import ServiceError
from common.settings import Settings
from common.web.routes import ROUTES
from tests.readmes import settings_table
from tests.readmes.blocks import FOLDERS, ROOT, blocks, commands, readmes
from tests.test_architecture import LAYERS

MOST_LINES = 160
READMES = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in readmes()]
CODE = [path for folder in ("common", "local") for path in (ROOT / folder).rglob("*.py")]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(rf"(?<![\w/.:@-])(?:{'|'.join(FOLDERS)}|\.ci)/[\w./*-]*")
_FILE = re.compile(r"`([\w*.][\w*./-]*\.(?:py|tf|tftest|md|yml|yaml|json|toml|txt|ts|sh|csv|html|png))`")
_MODULE = re.compile(r"python -m ([a-z_][\w.]*)")
# Made by a command that the README names, so not in the repository.
_MADE = {"terraform/terraform.tfvars", "FOLDER/provenance.json"}


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes of a file's headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def exists(path: str, *folders: Path) -> bool:
    return any(list(folder.glob(path.rstrip("/"))) for folder in folders)


def test_the_first_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_every_folder_has_its_readme() -> None:
    assert {ROOT / folder / "README.md" for folder in FOLDERS} <= set(readmes())


@pytest.mark.parametrize("readme", READMES)
def test_every_link_leads_somewhere(readme: Path) -> None:
    broken = []
    for link in _LINK.findall(readme.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        place, _, anchor = link.partition("#")
        target = (readme.parent / place) if place else readme
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("readme", READMES)
def test_every_path_of_the_repository_exists(readme: Path) -> None:
    named = {path.rstrip(".") for path in _PATH.findall(readme.read_text(encoding="utf-8"))}
    assert {path for path in named - _MADE if not exists(path, ROOT)} == set()


@pytest.mark.parametrize("readme", READMES)
def test_every_file_that_is_named_is_there(readme: Path) -> None:
    missing = set()
    for name in _FILE.findall(readme.read_text(encoding="utf-8")):
        # A name alone is a file somewhere below the README's folder, or one beside README.md.
        anywhere = exists(f"**/{name}", readme.parent) or exists(name, ROOT)
        if not (anywhere if "/" not in name else exists(name, readme.parent, ROOT) or name in _MADE):
            missing.add(name)
    assert missing == set()


@pytest.mark.parametrize("readme", READMES)
def test_every_constant_that_is_named_is_a_setting_or_in_the_code(readme: Path) -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in [*CODE, ROOT / "Makefile"])
    known = set(re.findall(r"^(?:run: export )?([A-Z][A-Z_]+)\b.* :?= ", code, re.MULTILINE)) | {
        settings_table.variable(name, field) for name, field in Settings.model_fields.items()
    }
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", readme.read_text(encoding="utf-8")))
    assert named - known == set()


@pytest.mark.parametrize("readme", READMES)
def test_every_module_that_is_run_is_there(readme: Path) -> None:
    for module in _MODULE.findall(readme.read_text(encoding="utf-8")):
        if module.partition(".")[0] in FOLDERS:
            assert exists(module.replace(".", "/") + ".py", ROOT) or exists(module.replace(".", "/"), ROOT), module


@pytest.mark.parametrize("readme", READMES)
def test_every_shell_block_can_be_read_by_a_shell(readme: Path) -> None:
    for block in blocks(readme.read_text(encoding="utf-8")):
        assert block.language in {"sh", "mermaid", "json", "python", "js"}, block
        if block.language == "sh":
            read = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
            assert read.returncode == 0, read.stderr


@pytest.mark.parametrize("readme", READMES)
def test_a_command_that_needs_a_cloud_is_marked(readme: Path) -> None:
    laptop = commands(readme.read_text(encoding="utf-8"))
    assert [
        command for command in laptop if re.match(r"(gcloud|terraform .*(init -backend-config|apply))", command)
    ] == []


def test_every_address_is_in_the_contract() -> None:
    text = (ROOT / "functions" / "README.md").read_text(encoding="utf-8")
    calls = {(method, path) for method, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`\s]*)`", text)}
    plain = set(re.findall(r"`(/[^`\s]*)`", text))
    assert [route for route in ROUTES if (route.method, route.path) not in calls and route.path not in plain] == []
    assert {path for _, path in calls} <= {each for route in ROUTES for each in (route.path, *route.short)}


def test_every_function_is_in_the_contract() -> None:
    text = (ROOT / "functions" / "README.md").read_text(encoding="utf-8")
    functions = {path.parent.name for path in (ROOT / "functions").glob("*/main.py")}
    assert functions == set(re.findall(r"^\| `(\w+)` \| ", text.partition("## Calls")[0], re.MULTILINE))


def test_every_error_is_in_the_contract_with_its_status() -> None:
    text = (ROOT / "functions" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d{3}) \| ([^|]+) \|", text, re.MULTILINE)
    written = {(int(status), code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ServiceError)]
    assert written == {(each.status, each.code) for each in classes}


def test_the_bounds_of_the_contract_are_those_of_the_code() -> None:
    text = (ROOT / "functions" / "README.md").read_text(encoding="utf-8")
    assert f"`message` (1 to {limits.MAX_MESSAGE_CHARS:,} characters)" in text
    assert f"1 to {limits.NEW_TITLE_CHARS} characters" in text
    assert f"`limit` ({limits.PAGE_DEFAULT}, at most {limits.PAGE_MAX};" in text
    assert f"search {limits.SEARCH_DEFAULT}, at most {limits.SEARCH_MAX})" in text
    assert f"({drawings.CHART_BYTES // 1000} KB at most)" in text


def test_the_layers_are_those_of_the_architecture_test() -> None:
    text = (ROOT / "common" / "README.md").read_text(encoding="utf-8")
    drawn = re.findall(r'^ *layer\d+\["([^"]+)"\]', text, re.MULTILINE)
    assert [set(re.split(r",\s*", names)) for names in drawn] == LAYERS


def test_the_settings_table_is_that_of_the_code() -> None:
    written = settings_table.written_table(settings_table.README.read_text(encoding="utf-8"))
    assert written == settings_table.table(), "run: python -m tests.readmes.settings_table"


def test_every_setting_says_what_it_means() -> None:
    rows = settings_table.table().splitlines()[2:]
    assert [row for row in rows if not row.endswith(". |")] == []
