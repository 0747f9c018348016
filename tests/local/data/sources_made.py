"""The public sources of a catalogue as they write it, with what they get wrong, made of the catalogue's own rows."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from local.data.catalog import hubs, sources
from local.data.catalog.sources import Source
from local.data.rows import Row

DAY = date(2026, 11, 20)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
# What a driver leaves free of a card, in MiB, and how AWS calls some of them.
FREE = {"L4": 22888, "A10G": 22888, "T4": 15360, "L40S": 45776, "T4G": 15360, "H200": 144384}
CALLED = {"RTX-PRO-6000": "rtx-pro-server-6000", "RTX-PRO-4500": "rtx-pro-server-4500"}


def texts(catalog: Mapping[str, list[Row]], day: date = DAY) -> dict[Source, str]:
    """The text of each source that carries the catalogue's machines and models."""
    by_provider: dict[str, list[Row]] = defaultdict(list)
    for row in catalog["instances"]:
        by_provider[row["provider"]].append(row)
    aws, azure, gcp, nebius = (by_provider[name] for name in ("aws", "azure", "gcp", "nebius"))
    return {
        sources.AWS_PRICES: aws_prices(aws, day),
        sources.AWS_TYPES: aws_types(aws),
        sources.AZURE_PRICES: azure_prices(azure, day),
        sources.AZURE_TYPES: azure_types(azure),
        sources.GCP_PRICES: gcp_prices(gcp),
        sources.GCP_TYPES: gcp_types(gcp),
        sources.NEBIUS: nebius_csv(nebius),
        sources.MODELS: models(catalog["models"]),
    }


def index_of(charts: Iterable[Row], repository: str) -> str:
    """A repository's index of charts: an old version and a preview beside the version that the catalogue has."""
    lines = ["apiVersion: v1", "entries:"]
    for row in charts:
        if row["repository"] != repository:
            continue
        lines.append(f"  {row['name']}:")
        for version in ("99.0.0-alpha.1", row["version"], "0.0.1"):
            app = f'"{row["app_version"]}"' if row["app_version"] and version == row["version"] else "null"
            kube = json.dumps(row["kube_version"])
            lines += [f'  - version: "{version}"', f"    appVersion: {app}", f"    kubeVersion: {kube}"]
            lines.append(f"    deprecated: {str(row['deprecated']).lower()}")
    return "\n".join([*lines, 'generated: "2026-11-19T10:00:00.123456789Z"', ""])


def write(folder: Path, catalog: Mapping[str, list[Row]], **changed: str) -> Path:
    """Write every source into a folder as a download leaves it; ``changed`` replaces a text by its source's name."""
    for source, text in texts(catalog).items():
        named = next(name for name in vars(sources) if getattr(sources, name) == source)
        keep(folder, source, changed.get(named, text))
    for source in hubs.indexes(catalog["helm_charts"]):
        keep(folder, source, index_of(catalog["helm_charts"], source.repository))
    return folder


def keep(folder: Path, source: Source, text: str, day: date | None = DAY) -> None:
    path = folder / source.place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if day is not None:
        said = {"commit": COMMIT, "day": day.isoformat()}
        path.with_name(f"{path.name}.commit.json").write_text(json.dumps(said), encoding="utf-8")


def aws_prices(rows: list[Row], day: date) -> str:
    listed = "".join(f'\t\t"{row["instance_type"]}": {row["price_hourly"]:f},\n' for row in rows)
    return (
        f"package pricing\n\n// generated at {day}T13:23:24Z for us-east-1\n\nvar InitialOnDemandPricesAWS = map"
        f'[string]map[ec2types.InstanceType]float64{{\n\t// us-east-1\n\t"us-east-1": {{\n{listed}'
        '\t\t"g2.2xlarge": 0.650000, "f1.2xlarge": 1.650000, "zz9.unknown": 1.000000,\n\t},\n}\n'
    )


def aws_types(rows: list[Row]) -> str:
    parts = ["# Instance types\n"]
    for row in rows:
        labels = {
            "karpenter.k8s.aws/instance-cpu": f"{row['vcpus']:f}",
            "karpenter.k8s.aws/instance-hypervisor": "",
            "karpenter.k8s.aws/instance-memory": f"{row['memory_gib'] * 1024:.0f}",
            "kubernetes.io/arch": row["arch"],
        }
        if name := row["gpu_name"]:
            whole = FREE.get(name, int(row["gpu_memory_gib"] * 1024))
            part = row["gpu_count"] < 1
            labels |= {
                "karpenter.k8s.aws/instance-gpu-name": CALLED.get(name, name.lower()),
                # A part of a card is called none.
                "karpenter.k8s.aws/instance-gpu-count": "0" if part else f"{row['gpu_count']:.0f}",
                "karpenter.k8s.aws/instance-gpu-memory": f"{whole * row['gpu_count'] if part else whole:.0f}",
            }
        shown = "".join(f" |{label}|{value}|\n" for label, value in labels.items())
        parts.append(
            f"### `{row['instance_type']}`\n#### Labels\n | Label | Value |\n |--|--|\n{shown}#### Resources\n"
        )
    parts.append("### `g2.2xlarge`\n |karpenter.k8s.aws/instance-cpu|8|\n")
    return "".join(parts)


def azure_prices(rows: list[Row], day: date) -> str:
    regions: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        regions[row["region"]].append(row)
    parts = [f"package pricing\n\n// generated at {day}T14:34:50Z\n\nfunc init() {{\n"]
    for region, listed in regions.items():
        prices = "".join(f'\t\t"{row["instance_type"]}":   {row["price_hourly"]:f},\n' for row in listed)
        more = '\t\t"Standard_NV6":   1.140000,\n\t\t"Dsv4_Type 1":   4.998000,\n'
        parts.append(f'\t// {region}\n\tinitialOnDemandPrices["{region}"] = map[string]float64{{\n{prices}{more}\t}}\n')
    return "".join([*parts, "}\n"])


def azure_types(rows: list[Row]) -> str:
    known = {row["instance_type"]: row for row in rows}
    parts = ["package azure\n\nvar InstanceTypes = map[string]*instanceType{\n"]
    for name, row in known.items():
        # A third of a card is called one.
        gpus = max(round(row["gpu_count"]), 1) if row["gpu_count"] else 0
        parts.append(
            f'\t"{name}": {{\n\t\tInstanceType: "{name}",\n\t\tVCPU:         {row["vcpus"]:.0f},\n'
            f"\t\tMemoryMb:     {row['memory_gib'] * 1024:.0f},\n\t\tGPU:          {gpus},\n\t}},\n"
        )
    parts.append(
        '\t"Standard_NV6": {\n\t\tInstanceType: "Standard_NV6",\n\t\tVCPU: 6,\n\t\tMemoryMb: 57344,\n\t\tGPU: 1,\n'
    )
    return "".join([*parts, "\t},\n}\n"])


def gcp_prices(rows: list[Row]) -> str:
    prices: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: {"on_demand": {}, "spot": {}})
    for row in rows:
        prices[row["region"]]["on_demand"][row["instance_type"]] = float(row["price_hourly"])
        prices[row["region"]]["spot"][row["instance_type"]] = float(row["price_hourly"] / 4)
    return json.dumps({"prices": prices})


def gcp_types(rows: list[Row]) -> str:
    known = {row["instance_type"]: f"{row['vcpus']:f};False;{row['memory_gib']:.2f};;" for row in rows}
    lines = [f"{name};{rest}" for name, rest in known.items()]
    return "\n".join(["NAME;CPUS;SHARED_CPU;MEMORY_GB;DEPRECATED;ZONE", *lines, ""])


def nebius_csv(rows: list[Row]) -> str:
    lines = [
        f"{row['instance_type']},{row['gpu_name']},{row['gpu_count']:f},{row['vcpus']:f},{row['memory_gib']:f},"
        f"{row['price_hourly']:f},{row['region']},,"
        for row in rows
    ]
    head = "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice"
    return "\n".join([head, "cpu-d3_4vcpu-16gb,,0,4,16,0.0992,eu-north1,,", *lines, ""])


def models(rows: list[Row]) -> str:
    listed: list[dict[str, Any]] = [
        {
            "name": row["model_id"], "parameters_raw": row["parameters"], "context_length": 4096, "min_vram_gb": 0.5,
            "capabilities": (row["capabilities"] or "").split("|") if row["capabilities"] else [],
            "pipeline_tag": row["pipeline_tag"] or "unknown", "architecture": row["architecture"],
            "license": row["license"], "hf_downloads": row["downloads"], "hf_likes": row["likes"],
            "release_date": None if row["release_date"] is None else str(row["release_date"]),
            "active_parameters": row["active_parameters"],
        }
        for row in rows
        if row["source"].startswith("llmfit")
    ]  # fmt: skip
    few = {"name": "someone/few-downloads", "parameters_raw": 1, "hf_downloads": 3}
    packed = {"name": "someone/Llama-70B-GGUF", "parameters_raw": 7 * 10**10, "hf_downloads": 10**6}
    return json.dumps([*listed, few, packed])


def plain(row: Row, *left_out: str) -> Row:
    """A row to compare: numbers without trailing zeros, and without some columns."""
    return {
        name: value.normalize() if isinstance(value, Decimal) else value
        for name, value in row.items()
        if name not in left_out
    }
