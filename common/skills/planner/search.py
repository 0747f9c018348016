"""The three searches of the catalogue: their arguments become bound values, their rows what a caller is shown."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from common.skills.planner import sql
from common.skills.planner.places import regions_of
from common.skills.planner.sizing import BILLION, size
from common.skills.planner.spec import WorkloadSpec
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.result import ToolError
from common.warehouse.catalog import HOW_TO_LOAD
from common.warehouse.query import Parameter, ParameterType, Scalar, fixed
from common.warehouse.result import QueryRefused, QueryResult

Rows = tuple[dict[str, Any], ...]
MOST_WORDS = 20
# All machine types with a GPU, or the cheapest without one; more models than a plan shows, for some will not fit.
MOST_MACHINES = 400
MOST_CANDIDATES = 40
_WORD = re.compile(r"[a-z0-9.]+")
# Of the columns that every row repeats, because one row at least comes back.
_KNOWN = (
    "known_rows", "oldest", "known_named", "known_there", "known_providers", "known_regions", "known_others",
    "known_tags", "known_cards",
)  # fmt: skip
# What people call a task, and the words that a hub has for it.
_TASKS = (
    (re.compile(r"\b(speech[- ]to[- ]text|transcri\w+|asr|stt)\b"), "automatic speech recognition"),
    (re.compile(r"\b(tts)\b"), "text to speech"),
    (re.compile(r"\b(embeddings?)\b"), "feature extraction"),
    (re.compile(r"\b(image generation|generate images?)\b"), "text to image"),
    (re.compile(r"\b(video generation)\b"), "text to video"),
    (re.compile(r"\bstable diffusion xl\b|\bsdxl\b"), "stable diffusion xl"),
)
# The hub's task of a domain, and the words to look for where no model was named.
_TAGS: Mapping[str, str] = {
    "language": "text-generation",
    "image_generation": "text-to-image",
    "video_generation": "text-to-video",
    "speech": "automatic-speech-recognition",
    "embeddings": "feature-extraction",
    "vision": "image-text-to-text",
}
_WORDS: Mapping[str, str] = {name: tag.replace("-", " ") for name, tag in _TAGS.items()}
# Words that say nothing of a model.
_EMPTY_WORDS = frozenset(["a", "an", "and", "for", "in", "of", "on", "or", "the", "to", "with", "model", "models"])


@dataclass(frozen=True, slots=True)
class InstanceFilters:
    """The bounds on instances; None leaves one open. ``cheapest_region`` keeps one region of each type.

    ``region`` is a place in words, too: a city, a country, the EU.
    """

    gpu_needed: bool | None = None
    gpu_name: str | None = None
    min_vram_gb: Decimal | None = None
    min_gpu_memory_gb: Decimal | None = None
    bfloat16: bool | None = None
    instance_type: str | None = None
    min_gpus: Decimal | None = None
    provider: str | None = None
    not_providers: tuple[str, ...] = ()
    region: str | None = None
    min_vcpu: Decimal | None = None
    min_ram_gb: Decimal | None = None
    arch: str | None = None
    cheapest_region: bool = False
    max_price_monthly: Decimal | None = None
    top_k: int = 10


@dataclass(frozen=True, slots=True)
class ModelFilters:
    """The words that models are ranked by, and the bounds that are set before; ``sized`` leaves out unknown sizes."""

    query: str = ""
    pipeline_tag: str | None = None
    licenses: tuple[str, ...] = ()
    min_parameters: int | None = None
    max_parameters: int | None = None
    sized: bool = False
    top_k: int = 5


@dataclass(frozen=True, slots=True)
class Meaning:
    """The vector of a query in an embedding space."""

    space: str
    vector: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The rows of a search, what the catalogue knows beside them, and the query that ran."""

    rows: Rows
    known: Mapping[str, Any]
    result: QueryResult
    parameters: Mapping[str, Parameter]

    @property
    def oldest(self) -> date | None:
        """The day of the catalogue's oldest price."""
        day: date | None = self.known.get("oldest")
        return day


async def find_instances(principal: Principal, context: WarehouseContext, filters: InstanceFilters) -> SearchResult:
    """Search instances, cheapest first. Raises ToolError where there is no catalogue."""
    given: dict[str, Any] = {name: value for name, value in asdict(filters).items() if name != "region"}
    regions = regions_of(filters.region) if filters.region else ()
    given |= {"regions": regions, "region_count": len(regions)}
    return await _find(principal, context, sql.INSTANCES, _bound(given, sql.INSTANCE_TYPES), "provider")


async def find_charts(principal: Principal, context: WarehouseContext, query: str, top_k: int) -> SearchResult:
    """Search charts, the best match first. Raises ToolError where there is no catalogue."""
    text = " ".join(query.lower().split())
    words = tuple(dict.fromkeys(text.split()))[:MOST_WORDS]
    given: dict[str, Any] = {"query": text, "words": words, "word_count": len(words), "top_k": top_k}
    return await _find(principal, context, sql.CHARTS, _bound(given, sql.CHART_TYPES), "name")


async def find_models(
    principal: Principal, context: WarehouseContext, filters: ModelFilters, meaning: Meaning | None = None
) -> SearchResult:
    """Search models by words, and by the meaning of a query where it is given, the best score first.

    Raises ToolError where there is no catalogue.
    """
    words = model_words(filters.query)
    given: dict[str, Any] = {name: value for name, value in asdict(filters).items() if name != "query"}
    licenses = tuple(each.lower() for each in filters.licenses)
    given |= {"words": words, "word_count": len(words), "licenses": licenses, "license_count": len(licenses)}
    if meaning is not None:
        bound = _bound({**given, "space": meaning.space, "vector": meaning.vector}, sql.MEANING_TYPES)
        try:
            return await _find(principal, context, sql.MODELS_BY_MEANING, bound, "model_id")
        except ToolError as error:
            # A catalogue of before there were cards is searched by words.
            if error.code != "catalog_empty":
                raise
    return await _find(principal, context, sql.MODELS, _bound(given, sql.MODEL_TYPES), "model_id")


async def find_stack(principal: Principal, context: WarehouseContext, charts: tuple[str, ...]) -> Rows:
    """The rows of charts that are known by repository and name; none of a catalogue that is not there."""
    parameters = {"charts": Parameter("STRING", charts)}
    return (await context.run(fixed(principal.tenant, sql.STACK, parameters))).rows


def machines_for(spec: WorkloadSpec) -> InstanceFilters:
    """Every machine type that may hold the workload, in its cheapest region or the one that was asked for."""
    return InstanceFilters(
        # A machine that was named is what it is.
        gpu_needed=None if spec.instance_type and not spec.runs_model else spec.gpu_needed,
        gpu_name=spec.gpu_name,
        min_gpus=spec.min_gpus,
        instance_type=spec.instance_type,
        provider=spec.provider,
        not_providers=spec.not_providers,
        region=spec.region,
        arch=None if spec.instance_type else spec.arch,
        cheapest_region=True,
        min_vcpu=spec.min_vcpu,
        min_ram_gb=spec.min_ram_gb if spec.gpu_needed else max(spec.min_ram_gb or Decimal(), size(spec).need_gib),
        top_k=MOST_MACHINES,
    )


def models_for(spec: WorkloadSpec) -> ModelFilters:
    """The models of the spec's name, domain, licences and size, of known size: more than a plan shows."""
    parameters = spec.billions * BILLION if spec.billions is not None else None
    return ModelFilters(
        query=spec.model or _WORDS.get(spec.domain or "other", ""),
        pipeline_tag=_TAGS.get(spec.domain or "other"),
        licenses=spec.licenses,
        min_parameters=None if parameters is None else int(parameters * 4 / 5),
        max_parameters=None if parameters is None else int(parameters * 6 / 5),
        sized=True,
        top_k=MOST_CANDIDATES,
    )


def model_words(query: str) -> tuple[str, ...]:
    """The words that models are looked up by: in lower case, a task in the hub's words, each once."""
    text = query.lower()
    for pattern, meant in _TASKS:
        text = pattern.sub(meant, text)
    words = (word.strip(".") for word in _WORD.findall(text))
    return tuple(dict.fromkeys(word for word in words if word and word not in _EMPTY_WORDS))[:MOST_WORDS]


async def _find(
    principal: Principal, context: WarehouseContext, text: str, parameters: Mapping[str, Parameter], key: str
) -> SearchResult:
    try:
        result = await context.run(fixed(principal.tenant, text, parameters))
    except QueryRefused as refused:
        if refused.code == "table_not_found":
            raise ToolError("catalog_empty", f"There is no catalogue. {HOW_TO_LOAD}") from refused
        raise
    first = result.rows[0]
    if not first["known_rows"]:
        raise ToolError("catalog_empty", f"The catalogue has no rows. {HOW_TO_LOAD}")
    rows = tuple(
        {name: value for name, value in row.items() if name not in _KNOWN}
        for row in result.rows
        if row[key] is not None
    )
    return SearchResult(rows, {name: first[name] for name in _KNOWN if name in first}, result, parameters)


def _bound(given: Mapping[str, Scalar | tuple[Scalar, ...]], types: Mapping[str, str]) -> dict[str, Parameter]:
    return {name: Parameter(_scalar(types[name]), value) for name, value in given.items()}


def _scalar(kind: str) -> ParameterType:
    named: ParameterType = kind.removeprefix("ARRAY<").removesuffix(">")  # type: ignore[assignment]
    return named
