"""A FOCUS 1.0 to 1.4 bill of one or many files, read whole and checked before anything of it is loaded."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from local.data.focus import naming
from local.data.focus.casting import COLUMNS, cast_file, create_bill
from local.data.focus.files import Source
from local.data.focus.filling import check_required, fill
from local.data.focus.kinds import Kind, NotReadableError
from local.data.focus.naming import OWN_PREFIXES, TABLE
from local.data.focus.problems import Problems
from local.data.focus.reading import Read, read_file
from local.data.focus.summary import Month, Summary
from local.data.focus.teams import Team, TeamTag, hierarchy_columns, read_teams
from local.data.focus.unpacking import Unpacking
from local.data.focus.vendors import vendor_of
from local.data.focus.workspace import Workspace, named, quoted

REQUIRED = tuple(
    field.name for field in TABLE.fields if field.mode == "REQUIRED" and not field.name.startswith(OWN_PREFIXES)
)
_ROW_GROUP = 50_000
# What the client sends in one piece is in memory, here and in an emulator.
_FILE_SIZE = "16MB"


def read_bill(
    workspace: Workspace, sources: Sequence[Source], team_tag: str | None = None, teams: Iterable[Team] = ()
) -> Summary:
    """Read every file into the workspace and return what they hold. Raises FocusFileError naming file, row, column."""
    create_bill(workspace)
    names: list[str] = []
    reads: list[Read] = []
    unpacking = Unpacking(workspace.folder)
    for source in sources:
        for each, kind in _parts(workspace, unpacking, source):
            reads.append(_read_part(workspace, each, kind, len(names)))
            names.append(each.name)
    if not workspace.value("SELECT count(*) FROM bill"):
        raise Problems(names[0] if len(names) == 1 else "the bill").stop(None, None, "there is a header but no rows")
    filled = fill(workspace)
    check_required(workspace, REQUIRED, names)
    tag = read_teams(workspace, team_tag, teams) if team_tag else None
    _create_vendors(workspace)
    workspace.run("CREATE OR REPLACE TABLE files (_file INTEGER, file_name VARCHAR)")
    for number, name in enumerate(names):
        workspace.run("INSERT INTO files VALUES (?, ?)", [number, name])
    return _summary(workspace, names, reads, filled, tag)


def write_parquet(workspace: Workspace, folder: Path, constants: dict[str, str], *, tagged: bool) -> list[Path]:
    """Write the bill's rows as the table has them, in files of a bounded size; ``constants`` are the pipeline's own."""
    columns = {name: f"rows.{named(name)}" for name in COLUMNS if name not in naming.HELPERS}
    columns |= {
        "x_source_system": "files.file_name",
        "x_source_record_id": 'coalesce(rows."x_source_record_id", CAST(rows._row AS VARCHAR))',
        "x_cloud_provider": 'coalesce(rows."x_cloud_provider", vendors.cloud)',
        "x_cloud_account_id": 'coalesce(rows."x_cloud_account_id", '
        'CASE WHEN vendors.cloud IS NOT NULL THEN rows."SubAccountId" END)',
        "x_genai_provider": 'coalesce(rows."x_genai_provider", vendors.genai)',
        "x_genai_cost_type": 'coalesce(rows."x_genai_cost_type", '
        "CASE WHEN vendors.genai IS NOT NULL THEN 'payg' END)",
        **{name: f"rows.{column}" for name, column in hierarchy_columns(tagged=tagged).items()},
        **constants,
    }
    selected = ", ".join(
        f"{columns[field.name]} AS {named(field.name)}" for field in TABLE.fields if field.name in columns
    )
    workspace.run(
        f"COPY (SELECT {selected} FROM {'teams' if tagged else 'filled'} AS rows JOIN files USING (_file) "
        'JOIN vendors ON vendors.name = rows."ServiceProviderName") '
        f"TO {quoted(str(folder))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP}, "
        f"FILE_SIZE_BYTES '{_FILE_SIZE}')",
        step="Writing the rows",
    )
    return sorted(folder.glob("*.parquet"))


def _parts(workspace: Workspace, unpacking: Unpacking, source: Source) -> Iterable[tuple[Source, Kind]]:
    size = max(source.path.stat().st_size, 1)
    try:
        yield from unpacking.sources(
            source, lambda position: workspace.watch(f"Unpacking {source.name}", min(position / size, 1.0))
        )
    except NotReadableError as error:
        raise Problems(source.name).stop(None, None, str(error)) from error
    except OSError as error:
        raise Problems(source.name).stop(None, None, f"cannot be read: {error.strerror or error}") from error


def _read_part(workspace: Workspace, source: Source, kind: Kind, number: int) -> Read:
    problems = Problems(source.name)
    read = read_file(workspace, source, kind, problems)
    cast_file(workspace, number, read.naming, problems, source)
    workspace.run("DROP TABLE raw")
    return read


def _create_vendors(workspace: Workspace) -> None:
    workspace.run("CREATE OR REPLACE TABLE vendors (name VARCHAR, cloud VARCHAR, genai VARCHAR)")
    for (name,) in workspace.rows('SELECT DISTINCT "ServiceProviderName" FROM filled'):
        vendor = vendor_of(name)
        workspace.run("INSERT INTO vendors VALUES (?, ?, ?)", [name, vendor.cloud, vendor.genai])


def _summary(
    workspace: Workspace, names: list[str], reads: list[Read], filled: dict[str, int], tag: TeamTag | None
) -> Summary:
    rows, first, last = workspace.rows(
        'SELECT count(*), min("ChargePeriodStart"), max("ChargePeriodStart") FROM filled'
    )[0]
    months = workspace.rows(
        'SELECT "ServiceProviderName", "BillingAccountId", "BillingPeriodStart", count(*) FROM filled '
        "GROUP BY ALL ORDER BY ALL"
    )
    return Summary(
        files=tuple(names),
        rows=rows,
        first_day=first.date(),
        last_day=last.date(),
        currencies=_most_common(workspace, "BillingCurrency"),
        providers=_most_common(workspace, "ServiceProviderName"),
        months=tuple(Month(*month) for month in months),
        ignored_columns=tuple(dict.fromkeys(name for read in reads for name in read.naming.ignored)),
        renamed_columns={new: old for read in reads for new, old in read.naming.renamed.items()},
        filled=filled,
        lines_above=sum(read.lines_above for read in reads),
        team_tag=tag,
    )


def _most_common(workspace: Workspace, column: str) -> tuple[str, ...]:
    found = workspace.rows(f"SELECT {named(column)} FROM filled GROUP BY 1 ORDER BY count(*) DESC, 1")
    return tuple(name for (name,) in found)
