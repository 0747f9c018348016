"""Reads machine types and their prices from the sources of each provider, and corrects what they get wrong."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from local.data.catalog.checking import GPUS
from local.data.catalog.sources import Fetched, SourceError
from local.data.rows import Row

_GENERATED = re.compile(r"// generated at (\d{4}-\d{2}-\d{2})T")
_PRICE = re.compile(r'"([\w.-]+)":\s*([\d.]+)')
_AWS_REGION = re.compile(r'^\t"([\w-]+)": \{$(.*?)^\t\},', re.MULTILINE | re.DOTALL)
_AZURE_REGION = re.compile(
    r'initialOnDemandPrices\["(\w+)"\] = map\[string\]float64\{(.*?)^\t\}', re.MULTILINE | re.DOTALL
)
# Sizes in MiB of which the source, in whole GiB, has 0.
_AZURE_MEMORY = {"Standard_B1ls": "512"}
_AZURE_TYPE = re.compile(r'InstanceType:\s*"([\w-]+)",\s*VCPU:\s*(\d+),\s*MemoryMb:\s*(\d+),\s*GPU:\s*(\d+)', re.DOTALL)
_AWS_LABEL = re.compile(r"^ \|(?:karpenter\.k8s\.aws/)?([\w./-]+)\|([^|]*)\|", re.MULTILINE)
# Cards that only draw or are too old to matter, and machines whose accelerators are no GPUs.
_LEFT_OUT = re.compile(
    r"(g2|g3s?|g4ad|p2|p3dn_old|f1|f2|vt1|dl[12]q?|inf\d|trn\d\w*)\..*"
    r"|Standard_(NP\d|NV\d+(s|as|ads_V7\w*|ads_V620)?(_v[234])?$|NV\w+_V\d+|NG\w+|NC\d+r?$|NC\d+\w*_v2|ND\d+r?s$|N\w+_Promo)"
    r"|(ct\d|tpu)\w*-.*"
)
_GIB = Decimal(1024)
_CENT = Decimal("0.0001")
# What a driver leaves free of a card's memory, at least.
_FREE = Decimal("0.85")
_AZURE_PARTS = {"6": "0.1667", "12": "0.3333", "18": "0.5"}
_GCP_CARDS: Mapping[str, tuple[str, int, Mapping[str, str]]] = {
    "a2-highgpu": ("A100", 40, {}),
    "a2-megagpu": ("A100", 40, {}),
    "a2-ultragpu": ("A100", 80, {}),
    "a3-highgpu": ("H100", 80, {}),
    "a3-megagpu": ("H100", 80, {}),
    "a3-edgegpu": ("H100", 80, {}),
    "a3-ultragpu": ("H200", 141, {}),
    "a4-highgpu": ("B200", 180, {}),
    "g2-standard": ("L4", 24, {"4": "1", "8": "1", "12": "1", "16": "1", "24": "2", "32": "1", "48": "4", "96": "8"}),
    "g4-standard": (
        "RTX-PRO-6000", 96,
        {"6": "0.125", "12": "0.25", "24": "0.5", "48": "1", "96": "2", "192": "4", "384": "8"},
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cards:
    """The GPUs of a machine: none where the count is 0. A part of one has the memory of that part."""

    name: str | None = None
    count: Decimal = Decimal()
    size: Decimal = Decimal()

    def columns(self) -> Row:
        """The columns of a row."""
        if self.name is None:
            return dict.fromkeys(("gpu_count", "gpu_memory_gib", "gpu_memory_total_gib"), Decimal()) | {
                "gpu_name": None, "bfloat16": None,
            }  # fmt: skip
        each = self.size if self.count >= 1 else (self.size * self.count).quantize(Decimal("0.01"), ROUND_HALF_UP)
        known = GPUS.get(self.name)
        return {
            "gpu_name": self.name, "gpu_count": self.count, "gpu_memory_gib": each,
            "gpu_memory_total_gib": each * max(self.count, Decimal(1)), "bfloat16": known.bfloat16 if known else None,
        }  # fmt: skip


def of_aws(prices: Fetched, types: Fetched) -> Iterator[Row]:
    """Yield the machines of AWS. Raises SourceError."""
    known: dict[str, dict[str, str]] = {}
    for part in types.text.split("\n### `")[1:]:
        known[part.partition("`")[0]] = dict(_AWS_LABEL.findall(part))
    day = _day(prices)
    for region, listed in _AWS_REGION.findall(prices.text):
        for name, price in _PRICE.findall(listed):
            labels = known.get(name)
            if not labels or _LEFT_OUT.fullmatch(name):
                continue
            size = {"vcpus": _number(types, labels, "instance-cpu"), "arch": labels.get("kubernetes.io/arch")}
            memory = _number(types, labels, "instance-memory") / _GIB
            yield _row(prices, "aws", name, region, price, day, memory, size, _aws_cards(types, labels))


def _aws_cards(types: Fetched, labels: Mapping[str, str]) -> Cards:
    if "instance-gpu-name" not in labels:
        return Cards()
    name = gpu_named(labels["instance-gpu-name"])
    free = _number(types, labels, "instance-gpu-memory") / _GIB
    count = _number(types, labels, "instance-gpu-count") if labels.get("instance-gpu-count") else Decimal()
    sizes = [Decimal(size) for size in GPUS[name].sizes] if name in GPUS else []
    # The product's size, not what the driver leaves free of it.
    whole = next((size for size in sizes if size * _FREE <= free <= size), None)
    if whole is not None:
        return Cards(name, count or Decimal(1), whole)
    if not sizes or count:
        return Cards(name, count, free)
    # A part of a card, whose count is said to be none.
    eighths = (free / (sizes[0] * Decimal("0.93")) * 8).quantize(Decimal(1), ROUND_HALF_UP)
    return Cards(name, max(eighths, Decimal(1)) / 8, sizes[0])


def of_azure(prices: Fetched, types: Fetched) -> Iterator[Row]:
    """Yield the machines of Azure. Raises SourceError."""
    known = {name: (cpus, memory, gpus) for name, cpus, memory, gpus in _AZURE_TYPE.findall(types.text)}
    day = _day(prices)
    for region, listed in _AZURE_REGION.findall(prices.text):
        for name, price in _PRICE.findall(listed):
            cpus, memory, gpus = known.get(name, ("0", "0", "0"))
            memory = _AZURE_MEMORY.get(name, memory)
            if int(cpus) == 0 or _LEFT_OUT.fullmatch(name):
                continue
            arch = "arm64" if re.match(r"Standard_[DEB]\d+\w*p\w*_v\d", name) else "amd64"
            size = {"vcpus": Decimal(cpus), "arch": arch}
            yield _row(
                prices, "azure", name, region, price, day, Decimal(memory) / _GIB, size, _azure_cards(name, gpus)
            )


def _azure_cards(name: str, gpus: str) -> Cards:
    """The cards of an Azure machine: its type names them; some older ones by their series alone."""
    if int(gpus) == 0:
        return Cards()
    if found := re.fullmatch(r"Standard_NV(\d+)ad(?:m?)s_A10_v5", name):
        part = _AZURE_PARTS.get(found[1])
        return Cards("A10", Decimal(part) if part else Decimal(gpus), Decimal(24))
    if named := re.search(r"_(A10|A100|H100|H200|B200|B300|MI300X|T4|V100|L4|L40S)_", f"{name}_"):
        size = GPUS[named[1]].sizes[-1]
        return Cards(named[1], Decimal(gpus), Decimal(size))
    series = {
        r"Standard_NC\d+r?s_v3": ("V100", 16),
        r"Standard_ND40rs_v2": ("V100", 32),
        r"Standard_ND96asr_v4": ("A100", 40),
    }
    for pattern, (card, size) in series.items():
        if re.fullmatch(pattern, name):
            return Cards(card, Decimal(gpus), Decimal(size))
    return Cards(name, Decimal(gpus))


def of_gcp(prices: Fetched, types: Fetched) -> Iterator[Row]:
    """Yield the machines of Google Cloud; its prices have the GPUs in them. Raises SourceError."""
    known = {line["NAME"]: line for line in csv.DictReader(io.StringIO(types.text), delimiter=";")}
    day = _day(prices)
    try:
        regions = json.loads(prices.text, parse_float=str, parse_int=str)["prices"]
        listed = [(region, *each) for region, of in regions.items() for each in of["on_demand"].items()]
    except (ValueError, KeyError, AttributeError) as error:
        raise SourceError(f"{prices.source.place}: it has no prices by region.") from error
    for region, name, price in listed:
        line = known.get(name)
        if line is None or line["DEPRECATED"] or _LEFT_OUT.fullmatch(name):
            continue
        arch = "arm64" if re.match(r"(t2a|c4a|n4a|a4x)-", name) else "amd64"
        size = {"vcpus": _number(types, line, "CPUS"), "arch": arch}
        yield _row(prices, "gcp", name, region, price, day, _number(types, line, "MEMORY_GB"), size, _gcp_cards(name))


def _gcp_cards(name: str) -> Cards:
    family, _, end = name.rpartition("-")
    family, end = (family, end) if family in _GCP_CARDS else name.split("-lssd")[0].rpartition("-")[::2]
    if family not in _GCP_CARDS:
        return Cards(name, Decimal(1)) if re.match(r"(a[2-9]x?|g[2-9])-", name) else Cards()
    card, size, counts = _GCP_CARDS[family]
    count = counts.get(end) if counts else end.removesuffix("g")
    return (
        Cards(card, Decimal(count), Decimal(size))
        if count and count.replace(".", "").isdigit()
        else Cards(name, Decimal(1))
    )


def of_nebius(prices: Fetched) -> Iterator[Row]:
    """Yield the machines of Nebius that have GPUs. Raises SourceError."""
    day = _day(prices)
    for line in csv.DictReader(io.StringIO(prices.text)):
        if not line["AcceleratorName"]:
            continue
        name = gpu_named(line["AcceleratorName"])
        size = Decimal(GPUS[name].sizes[-1] if name in GPUS else 0)
        cards = Cards(name, _number(prices, line, "AcceleratorCount"), size)
        shape = {"vcpus": _number(prices, line, "vCPUs"), "arch": "amd64"}
        memory = _number(prices, line, "MemoryGiB")
        yield _row(prices, "nebius", line["InstanceType"], line["Region"], line["Price"], day, memory, shape, cards)


def gpu_named(text: str) -> str:
    """The GPU of the table whose words are all in a text; the text itself for one that is not known."""
    words = set(re.findall(r"[a-z0-9]+", text.lower()))
    found = [name for name in GPUS if set(name.lower().split("-")) <= words]
    return max(found, key=len, default=text.upper())


def _row(
    source: Fetched,
    provider: str,
    name: str,
    region: str,
    price: str,
    day: date,
    memory: Decimal,
    size: Row,
    cards: Cards,
) -> Row:
    try:
        hourly = Decimal(price).quantize(Decimal("0.000001"), ROUND_HALF_UP).normalize()
    except InvalidOperation as error:
        raise SourceError(f"{source.source.place}: {price!r} is no price of {name}.") from error
    return {
        "provider": provider, "instance_type": name, "region": region, **size,
        "memory_gib": memory.quantize(Decimal("0.01")).normalize(), **cards.columns(), "price_hourly": hourly,
        "currency": "USD", "price_date": day, "source": source.source.repository,
    }  # fmt: skip


def _day(fetched: Fetched) -> date:
    """The day of the prices: as their file says it, else that of its commit. Raises SourceError for none."""
    said = _GENERATED.search(fetched.text)
    day = date.fromisoformat(said[1]) if said else fetched.day
    if day is None:
        raise SourceError(f"{fetched.source.place}: it has no date, so its prices cannot be told from old ones.")
    return day


def _number(fetched: Fetched, given: Mapping[str, str], name: str) -> Decimal:
    try:
        value = Decimal(given[name])
    except (KeyError, InvalidOperation, TypeError) as error:
        raise SourceError(f"{fetched.source.place}: {name} is {given.get(name)!r}, which is no number.") from error
    return value
