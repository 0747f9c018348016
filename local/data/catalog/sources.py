"""The public files that a catalogue is built from: where each is, under which licence, and how it is fetched."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import httpx

_SECONDS = 120.0
# A page of commits and a file: no source is larger.
MOST_BYTES = 64 * 1024**2
_FILES, _COMMITS = "https://raw.githubusercontent.com", "https://api.github.com"


class SourceError(Exception):
    """A source cannot be fetched or read, and nothing is built; the message names the source."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file of a public repository and its licence; ``page`` is an address of its own in place of a repository's."""

    repository: str
    path: str
    licence: str
    page: str | None = None

    @property
    def place(self) -> str:
        """The path of the file in a folder of downloads."""
        return f"{self.repository}/{self.path}"


AWS_PRICES = Source("aws/karpenter-provider-aws", "pkg/providers/pricing/zz_generated.pricing_aws.go", "Apache-2.0")
AWS_TYPES = Source("aws/karpenter-provider-aws", "website/content/en/preview/reference/instance-types.md", "Apache-2.0")
AZURE_PRICES = Source("Azure/karpenter-provider-azure", "pkg/providers/pricing/zz_generated.pricing.go", "Apache-2.0")
AZURE_TYPES = Source(
    "kubernetes/autoscaler", "cluster-autoscaler/cloudprovider/azure/azure_instance_types.go", "Apache-2.0"
)
GCP_PRICES = Source("cloudpilot-ai/karpenter-provider-gcp", "pkg/providers/pricing/initial-prices.json", "Apache-2.0")
GCP_TYPES = Source("Cyclenerd/google-cloud-pricing-cost-calculator", "tools/machinetypes.csv", "Apache-2.0")
NEBIUS = Source("skypilot-org/skypilot-catalog", "catalogs/v8/nebius/vms.csv", "Apache-2.0")
MODELS = Source("AlexsJones/llmfit", "llmfit-core/data/hf_models.json", "MIT")
MACHINES = (AWS_PRICES, AWS_TYPES, AZURE_PRICES, AZURE_TYPES, GCP_PRICES, GCP_TYPES, NEBIUS)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The text of a source, with its commit and the day of it; both are unknown for a page of its own."""

    source: Source
    text: str
    commit: str | None
    day: date | None


class Downloads:
    """Fetches sources into a folder, or reads what is there already."""

    def __init__(self, folder: Path, *, fetches: bool, files: str = _FILES, commits: str = _COMMITS) -> None:
        self._folder = folder
        self._fetches = fetches
        self._files, self._commits = files, commits

    def read(self, source: Source) -> Fetched:
        """Return the text of a source. Raises SourceError."""
        path = self._folder / source.place
        if self._fetches:
            self._fetch(source, path)
        try:
            text = path.read_text(encoding="utf-8")
            known = path.with_name(f"{path.name}.commit.json")
            said = json.loads(known.read_text(encoding="utf-8")) if known.is_file() else {}
            day = date.fromisoformat(said["day"]) if said.get("day") else None
        except (OSError, ValueError) as error:
            raise SourceError(f"{source.place} cannot be read: {error}.") from error
        return Fetched(source, text, said.get("commit"), day)

    def _fetch(self, source: Source, path: Path) -> None:
        if source.page is not None:
            said: Mapping[str, str] = {}
            address = source.page
        else:
            said = self._newest(source)
            address = f"{self._files}/{source.repository}/{said['commit']}/{source.path}"
        text = self._get(source, address)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{path.name}.commit.json").write_text(json.dumps(said), encoding="utf-8")
        _replace(path, text)

    def _newest(self, source: Source) -> Mapping[str, str]:
        """The newest commit of a source's file, so that file and day belong together."""
        query = f"{self._commits}/repos/{source.repository}/commits?path={source.path}&per_page=1"
        try:
            newest = json.loads(self._get(source, query))[0]
            moment = datetime.fromisoformat(newest["commit"]["committer"]["date"])
            return {"commit": str(newest["sha"]), "day": moment.date().isoformat()}
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise SourceError(f"{source.place}: its newest commit is not told.") from error

    def _get(self, source: Source, address: str) -> str:
        try:
            with httpx.stream("GET", address, timeout=_SECONDS, follow_redirects=True) as response:
                response.raise_for_status()
                data = bytearray()
                for part in response.iter_bytes():
                    data += part
                    if len(data) > MOST_BYTES:
                        raise SourceError(f"{source.place}: it has more than {MOST_BYTES:,} bytes.")
            return data.decode("utf-8")
        except (httpx.HTTPError, UnicodeDecodeError) as error:
            raise SourceError(f"{source.place} cannot be fetched: {error}.") from error


def _replace(path: Path, text: str) -> None:
    """Write a file as a whole, so that an interrupted download leaves the old one."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(path)
