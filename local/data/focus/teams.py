"""The team of a charge, read from one of its tags, and where that team stands in the organisation's hierarchy."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from local.data.focus.workspace import Workspace, named, quoted

_KEYS_SHOWN = 12
# AWS puts this before the keys that its users gave.
_USERS_PREFIX = re.compile(r"^user[:_]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Team:
    """An entity of the organisation's hierarchy that a tag's value may name, by its id or its name."""

    entity_id: str
    name: str
    level_code: str
    path: str
    path_names: str


@dataclass(frozen=True, slots=True)
class TeamTag:
    """The findings about a tag: how many rows have it, and which keys there are if none has."""

    key: str
    rows: int
    keys: tuple[str, ...]


def read_teams(workspace: Workspace, key: str, teams: Iterable[Team]) -> TeamTag:
    """Create the table ``teams`` (tags, hierarchy columns) from the tag ``key`` of the view ``filled``."""
    found = [str(name) for (name,) in workspace.rows(
        'SELECT DISTINCT unnest(json_keys("Tags")) FROM filled WHERE "Tags" IS NOT NULL ORDER BY 1'
    )]  # fmt: skip
    meant = [name for name in found if name == key] or [name for name in found if _same(name, key)]
    pointers = [quoted("/" + name.replace("~", "~0").replace("/", "~1")) for name in meant]
    value = ", ".join(f"nullif(trim(json_extract_string(\"Tags\", {pointer})), '')" for pointer in pointers)
    team = f"coalesce({value}, NULL)" if value else "CAST(NULL AS VARCHAR)"
    _create_entities(workspace, teams)
    workspace.run(
        f"""
        CREATE OR REPLACE VIEW teams AS
        SELECT filled.*, coalesce(entities.entity_id, _team) AS _entity_id, coalesce(entities.name, _team) AS _name,
          coalesce(entities.level_code, CASE WHEN _team IS NOT NULL THEN 'team' END) AS _level_code,
          coalesce(entities.path, '/' || _team) AS _path, coalesce(entities.path_names, _team) AS _path_names
        FROM (SELECT *, {team} AS _team FROM filled) AS filled
        LEFT JOIN entities ON entities.called = lower(_team)
        """
    )
    rows = workspace.value("SELECT count(*) FROM teams WHERE _team IS NOT NULL")
    return TeamTag(key, rows, tuple(found[:_KEYS_SHOWN]))


def hierarchy_columns(*, tagged: bool) -> dict[str, str]:
    """Return the hierarchy's columns of the table with their SQL; a bill's own stay where no tag is read."""
    columns = ("entity_id", "entity_name", "level_code", "path", "path_names")
    if not tagged:
        return {f"x_hierarchy_{name}": named(f"x_hierarchy_{name}") for name in columns}
    return {f"x_hierarchy_{name}": named(f"_{name.replace('entity_name', 'name')}") for name in columns}


def _same(name: str, key: str) -> bool:
    return _USERS_PREFIX.sub("", name).lower() == key.lower()


def _create_entities(workspace: Workspace, teams: Iterable[Team]) -> None:
    """Create the table of names that a tag may use, an id before a name, each once."""
    workspace.run(
        "CREATE OR REPLACE TABLE entities (called VARCHAR, entity_id VARCHAR, name VARCHAR, level_code VARCHAR, "
        "path VARCHAR, path_names VARCHAR)"
    )
    rows: dict[str, Team] = {}
    known = list(teams)
    for team in known:
        rows.setdefault(team.entity_id.lower(), team)
    for team in known:
        rows.setdefault(team.name.lower(), team)
    for called, team in rows.items():
        values = [called, team.entity_id, team.name, team.level_code, team.path, team.path_names]
        workspace.run("INSERT INTO entities VALUES (?, ?, ?, ?, ?, ?)", values)
