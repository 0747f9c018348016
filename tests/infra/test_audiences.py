"""The page that says which audience a token names is as the deployment has it, and is linked where one looks for it."""

import re

from common.web.routes import ROUTES
from tests.infra.plan import Plan
from tests.infra.workspace import ROOT

PAGE = (ROOT / "functions" / "README.md").read_text("utf-8").partition("### Which audience\n")[2].partition("\n#")[0]
BASE = "/api/v1/chat/{org_slug}"


def test_every_path_stands_with_the_function_whose_token_it_takes() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE))
    named = {function: set(re.findall(r"`([^`]+)`", paths)) for function, paths in rows.items()}
    served: dict[str, set[str]] = {}
    for route in ROUTES:
        # Only the scheduler and Eventarc call these.
        if route.function not in ("sync", "alerts", "ingest", "deliver"):
            served.setdefault(route.function, set()).add(route.path.removeprefix(BASE))
    assert named == served


def test_paths_of_one_function_have_one_audience_and_those_of_two_never(plan: Plan) -> None:
    audiences: dict[str, set[str]] = {}
    for endpoint in plan.outputs["endpoints"].values():
        audiences.setdefault(endpoint["function"], set()).add(endpoint["audience"])
    assert {len(each) for each in audiences.values()} == {1}
    assert len(set.union(*audiences.values())) == len(audiences)


def test_the_page_is_linked_from_where_one_looks_for_it() -> None:
    for page in ("terraform/README.md", "functions/README.md"):
        assert "#which-audience)" in (ROOT / page).read_text("utf-8"), page
