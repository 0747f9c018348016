"""A catalogue is built from its sources: what they get wrong is corrected or refused, and each is named."""

import argparse
import json
from collections.abc import Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from local import catalog as command
from local.data.catalog import building, cards, sources
from local.data.catalog.building import build, stale, unproven
from local.data.catalog.checking import problems
from local.data.catalog.reading import SMALL, CatalogFileError, read_folder, write_folder
from local.data.catalog.sources import Downloads, SourceError
from local.data.rows import Row
from local.embedding import WEIGHTS
from tests.local.data import sources_made
from tests.local.data.sources_made import COMMIT, DAY, plain, write

Catalog = dict[str, list[Row]]


@pytest.fixture(scope="module")
def ours() -> Catalog:
    return read_folder(SMALL)


@pytest.fixture
def few(ours: Catalog) -> Catalog:
    """A machine of each type that matters, some charts and models."""
    wanted = {
        "g6.xlarge", "g6f.large", "g4dn.metal", "m5.large", "Standard_NV6ads_A10_v5", "Standard_NC24ads_A100_v4",
        "Standard_D4s_v5", "a2-highgpu-1g", "g4-standard-6", "e2-standard-4", "gpu-h100-sxm_1gpu-16vcpu-200gb",
    }  # fmt: skip
    return {
        "instances": [row for row in ours["instances"] if row["instance_type"] in wanted],
        "helm_charts": [row for row in ours["helm_charts"] if row["name"] in ("qdrant", "valkey", "mlflow")],
        "models": [*ours["models"][::100], *[row for row in ours["models"] if row["source"].startswith("gen")][:3]],
    }


def test_what_the_sources_say_becomes_the_rows_that_we_have(ours: Catalog, tmp_path: Path) -> None:
    built = build(Downloads(write(tmp_path, ours), fetches=False), ours, small=True)
    assert problems(built.catalog, ours) == []
    assert {table: len(rows) for table, rows in built.catalog.items()} == {
        table: len(rows) for table, rows in ours.items()
    }
    dated = ("price_date", "snapshot_date", "source")
    for table, key in (("instances", ("provider", "instance_type", "region")), ("models", ("model_id",))):
        now, then = (
            {tuple(row[name] for name in key): plain(row, *dated) for row in rows[table]}
            for rows in (built.catalog, ours)
        )
        assert now == then
    assert {row["price_date"] for row in built.catalog["instances"]} == {DAY}
    charts = {(row["repository"], row["name"]): row for row in built.catalog["helm_charts"]}
    for row in ours["helm_charts"]:
        kept = charts[row["repository"], row["name"]]
        assert (kept["version"], kept["description"]) == (row["version"], row["description"]) or not row["released"]
        indexed = row["repository_url"].startswith("https://")
        assert kept["snapshot_date"] == (date(2026, 11, 19) if indexed else row["snapshot_date"])


def test_where_each_row_is_from_is_written_with_its_commit_and_licence(
    few: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(few, tmp_path, monkeypatch)
    told = json.loads((tmp_path / "out" / building.PROVENANCE).read_text(encoding="utf-8"))
    aws = next(each for each in told if each["repository"] == "aws/karpenter-provider-aws")
    assert (aws["commit"], aws["day"], aws["licence"]) == (COMMIT, DAY.isoformat(), "Apache-2.0")
    assert {"repository": "genmodelfit 0.10.1", "kept": "as it was before"} in told
    assert {"repository": "bitnami/charts", "kept": "as it was before"} in told
    built = read_folder(tmp_path / "out")
    assert unproven(built, tmp_path / "out") == []
    (tmp_path / "out" / building.PROVENANCE).unlink()
    assert any(each.startswith("aws/karpenter-provider-aws: ") for each in unproven(built, tmp_path / "out"))


def run(few: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *more: str, **changed: str) -> int:
    """Run the command offline over made sources, with the few rows as the catalogue before."""
    monkeypatch.setattr(command, "read_folder", lambda folder: few if folder == SMALL else read_folder(folder))
    folder = write(tmp_path / "sources", few, **changed)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    given = ["build", "--out", str(tmp_path / "out"), "--sources", str(folder), "--offline", *more]
    return command.run(parser.parse_args(given))


TWICE = "gpu-h100-sxm_1gpu-16vcpu-200gb,H100,1,16,200,2.95,eu-north1,,"
# Spoiled sources: which, what is replaced in it by what, and how the build refuses.
SPOILED = {
    "a price that is negative": ("NEBIUS", ",2.95,", ",-2.95,", "-2.95 is no price"),
    "a price of nothing": ("AWS_PRICES", '"m5.large": 0.096', '"m5.large": 0.000', "a price of 0 says"),
    "a price that is no number": ("NEBIUS", ",2.95,", ",much,", "'much' is no price"),
    "a price that jumped": ("AWS_PRICES", '"m5.large": 0.096', '"m5.large": 9.600', "9.6 on 2026-11-20, where it was"),
    "a price without the GPU": ("GCP_PRICES", "3.673385", "0.739", "cannot have 1 A100 in it"),
    "a row that is there twice": ("NEBIUS", "cpu-d3_4vcpu-16gb,,0,4,16,0.0992,eu-north1,,", TWICE, "is there 2 times"),
    "an unknown GPU": ("AWS_TYPES", "|l4|", "|b9000|", "B9000 is an unknown GPU"),
    "a driver's memory of nothing known": ("AWS_TYPES", "|22888|", "|9000|", "is not that of"),
    "no date": ("AWS_PRICES", "// generated at 2026-11-20T13:23:24Z", "//", "it has no date"),
    "half of the rows": ("AZURE_PRICES", "Standard_N", "Standard_X", "instances of azure: "),
    "no JSON": ("GCP_PRICES", '{"prices"', '{"prizes"', "it has no prices by region"),
    "no list": ("MODELS", "[{", "{", "it is no list of models"),
    "a size that is no number": ("GCP_TYPES", "e2-standard-4;4", "e2-standard-4;four", "CPUS is 'four'"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_source_is_refused_by_name_and_nothing_is_written(
    few: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    source, old, new, said = SPOILED[name]
    text = sources_made.texts(few)[getattr(sources, source)]
    assert old in text
    if source == "AWS_PRICES" and name == "no date":
        keep_undated(monkeypatch)
    changed = {source: text.replace(old, new)}
    code = run(few, tmp_path, monkeypatch, **changed)
    err = capsys.readouterr().err
    assert code == 2
    assert said in err
    assert not (tmp_path / "out").exists()


def keep_undated(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = sources_made.keep
    monkeypatch.setattr(
        sources_made, "keep",
        lambda folder, source, text: kept(folder, source, text, None if source == sources.AWS_PRICES else DAY),
    )  # fmt: skip


def test_prices_that_are_old_are_refused_unless_they_are_wanted(
    few: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    today = date(2026, 11, 28)
    rows: Catalog = {
        **few,
        "instances": [{**row, "price_date": today - timedelta(days=201)} for row in few["instances"]],
    }
    (aws, *others) = stale(rows, today)
    assert aws == "instances of aws: the prices are of 2026-05-11, 201 days old; 200 are the most."
    assert len(others) == 3
    rows["instances"] = [{**row, "price_date": today - timedelta(days=200)} for row in few["instances"]]
    assert stale(rows, today) == []
    old = sources_made.texts(few, date(2020, 1, 2))[sources.AWS_PRICES]
    assert run(few, tmp_path, monkeypatch, AWS_PRICES=old) == 2
    assert "instances of aws: the prices are of 2020-01-02" in capsys.readouterr().err
    assert run(few, tmp_path, monkeypatch, "--force", AWS_PRICES=old) == 0
    assert "the oldest price is of 2020-01-02" in capsys.readouterr().out


def test_vectors_are_kept_as_their_signs_and_read_again(tmp_path: Path) -> None:
    vectors = {"a/one": [0.25, -0.5, 1e-9], "a/two": [-1.0, 0.0, 0.5]}
    lines = [(name, "made:three:3", cards._packed(vector)) for name, vector in vectors.items()]
    cards.write(tmp_path, lines)
    assert [(row["model_id"], row["space"], row["embedding"]) for row in cards.read(tmp_path)] == [
        ("a/one", "made:three:3", [1.0, -1.0, 1.0]), ("a/two", "made:three:3", [-1.0, -1.0, 1.0]),
    ]  # fmt: skip
    before = (tmp_path / cards.FILE).read_bytes()
    cards.write(tmp_path, lines[::-1])
    assert (tmp_path / cards.FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([("a/one", "made:three:3", "AA=="), ("a/one", "made:three:3", "AA==")], "a/one: it is there twice"),
        ([("a/one", "made:many:384", "AA==")], "it has not the 384 signs of made:many:384"),
        ([("a/one", "made:three:3", "what?")], "model_cards.csv.gz"),
        ([("a/one", "made", "AA==")], "model_cards.csv.gz"),
    ],
)
def test_cards_that_cannot_be_read_are_named(tmp_path: Path, lines: list[tuple[str, str, str]], said: str) -> None:
    cards.write(tmp_path, lines)
    with pytest.raises(CatalogFileError, match=said):
        cards.read(tmp_path)


@pytest.mark.skipif(not (WEIGHTS / "model.safetensors").is_file(), reason="make installs the weights")
def test_the_command_makes_the_cards_that_we_have(
    few: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_folder(tmp_path, few)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert command.run(parser.parse_args(["embed", str(tmp_path)])) == 2
    assert "name it with --project" in capsys.readouterr().err
    assert command.run(parser.parse_args(["embed", str(tmp_path), "--space", "local"])) == 0
    ours = {row["model_id"]: row["embedding"] for row in cards.read(SMALL)}
    for row in cards.read(tmp_path):
        same = sum(one == other for one, other in zip(row["embedding"], ours[row["model_id"]], strict=True))
        # A number next to zero may fall on either side on another machine.
        assert same >= 380


class Hosting(BaseHTTPRequestHandler):
    """Serves commits and the files at a commit."""

    files: dict[str, str] = {}  # noqa: RUF012
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if "/commits?path=" in self.path:
            commit = {"sha": COMMIT, "commit": {"committer": {"date": f"{DAY}T08:00:00Z"}}}
            body = json.dumps([commit]).encode()
        else:
            body = self.files.get(self.path, "").encode()
        self.send_response(200 if body else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def hosting() -> Iterator[str]:
    Hosting.files, Hosting.asked = {}, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hosting)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_source_is_fetched_at_its_newest_commit_and_kept(hosting: str, few: Catalog, tmp_path: Path) -> None:
    text = sources_made.texts(few)[sources.NEBIUS]
    Hosting.files = {f"/{sources.NEBIUS.repository}/{COMMIT}/{sources.NEBIUS.path}": text}
    downloads = Downloads(tmp_path, fetches=True, files=hosting, commits=hosting)
    fetched = downloads.read(sources.NEBIUS)
    assert (fetched.text, fetched.commit, fetched.day) == (text, COMMIT, DAY)
    assert Downloads(tmp_path, fetches=False).read(sources.NEBIUS) == fetched
    with pytest.raises(SourceError, match=r"aws_.*|karpenter-provider-aws.* cannot be fetched"):
        downloads.read(sources.AWS_PRICES)
    # What was there before stays.
    Hosting.files = {}
    with pytest.raises(SourceError, match="nebius"):
        downloads.read(sources.NEBIUS)
    assert Downloads(tmp_path, fetches=False).read(sources.NEBIUS).text == text


def test_a_source_that_is_too_large_or_not_there_is_named(
    hosting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MOST_BYTES", 10)
    with pytest.raises(SourceError, match="more than 10 bytes"):
        Downloads(tmp_path, fetches=True, files=hosting, commits=hosting).read(sources.NEBIUS)
    with pytest.raises(SourceError, match="cannot be read"):
        Downloads(tmp_path, fetches=False).read(sources.NEBIUS)
