"""What Vega-Lite makes of a chart: whether it is one, what it compiles to, and what is to be seen of it."""

import importlib.util
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import vl_convert

Spec = dict[str, Any]
VERSION = "6.4"
_MARK = re.compile(r'aria-roledescription="(bar|line mark|area mark|point|tick)"')
_ADDRESS = re.compile(r"[a-z]+://|data:|javascript:|//[a-z]", re.IGNORECASE)


@cache
def _validator() -> Any:
    """Vega-Lite's own JSON schema, as altair brings it; altair itself is not imported."""
    found = importlib.util.find_spec("altair")
    assert found is not None
    assert found.submodule_search_locations
    path = Path(found.submodule_search_locations[0]) / "vegalite" / "v6" / "schema" / "vega-lite-schema.json"
    return jsonschema.Draft7Validator(json.loads(path.read_text()))


def check(spec: Spec) -> None:
    """The spec is valid, brings its data along, and fetches nothing."""
    error = jsonschema.exceptions.best_match(_validator().iter_errors(spec))
    assert error is None, error
    assert spec["$schema"] == "https://vega.github.io/schema/vega-lite/v6.json"
    assert spec["background"] == "transparent"
    assert spec["width"] == "container"
    assert spec["title"]["text"]
    assert set(spec["data"]) <= {"values", "format"}
    assert not _ADDRESS.search(json.dumps(without_data(spec) | {"$schema": ""}))


def without_data(spec: Spec) -> Spec:
    return spec | {"data": spec["data"] | {"values": []}}


def compiled(spec: Spec) -> Spec:
    """The Vega that Vega-Lite makes of the spec."""
    vega: Spec = vl_convert.vegalite_to_vega(spec, vl_version=VERSION)
    return vega


def program(spec: Spec) -> str:
    """What the compiled spec would do with any data: all of it but the data."""
    vega = compiled(spec)
    vega["data"] = [{name: value for name, value in each.items() if name != "values"} for each in vega["data"]]
    return json.dumps(vega, sort_keys=True)


def marks(spec: Spec) -> Counter[str]:
    """The marks of the picture that is rendered, by kind."""
    svg = vl_convert.vegalite_to_svg(spec | {"width": 500}, vl_version=VERSION)
    assert "NaN" not in svg
    return Counter(_MARK.findall(svg))
