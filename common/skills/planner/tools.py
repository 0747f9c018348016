"""The planner's tools: a priced plan, and searches of the catalogue of list prices, charts and models."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from common.focus.providers import provider_key
from common.skills.planner.bill import read_bill
from common.skills.planner.budgeted import check_payer
from common.skills.planner.compare import compare_plan
from common.skills.planner.meaning import ModelsContext, meaning_of
from common.skills.planner.plan import Facts, make_plan
from common.skills.planner.search import (
    InstanceFilters,
    ModelFilters,
    Rows,
    SearchResult,
    find_charts,
    find_instances,
    find_models,
    find_stack,
    machines_for,
    models_for,
)
from common.skills.planner.spec import (
    Arch,
    Confidence,
    Domain,
    Method,
    Need,
    Precision,
    Task,
    WorkloadSpec,
    questions,
    said_so_far,
    said_spec,
)
from common.skills.planner.stack import RESTRICTED, wanted_charts
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.registry import Tool, tool
from common.tools.result import ToolError, ToolResult, format_parameters
from common.transcript.plans import NEEDS_CLARIFICATION
from common.warehouse.catalog import STALE_DAYS, age_days

MOST_FOUND = 50
_BY_WORDS = "words alone: no embedder is at hand, or the catalogue has no vectors in its space"
MOST_MONTHLY = 100_000_000
NAME_CHARS = 100

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_CHARS)]
Query = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), Field(description="Words, or a name.")
]
TopK = Annotated[int, Field(strict=True, ge=1, le=MOST_FOUND, description="At most this many.")]
Provider = Annotated[_Text, Field(description="aws, azure, gcp or nebius.")]
NotProviders = Annotated[list[_Text], Field(max_length=10, description="Providers that it must not be.")]
Region = Annotated[
    _Text, Field(description="A region (us-east-1), city, country, EU or continent; also where data must stay.")
]
InstanceType = Annotated[_Text, Field(description="A machine type by its name: m5.xlarge, D4s v5.")]
Gpus = Annotated[
    Decimal, Field(gt=0, le=64, max_digits=6, allow_inf_nan=False, description="GPUs of one machine, at least.")
]
Monthly = Annotated[
    Decimal, Field(gt=0, le=MOST_MONTHLY, max_digits=20, allow_inf_nan=False, description="USD, 730 hours.")
]
Memory = Annotated[
    Decimal, Field(gt=0, le=100_000, max_digits=12, allow_inf_nan=False, description="GiB, of one machine.")
]
Cpus = Annotated[
    Decimal, Field(gt=0, le=10_000, max_digits=10, allow_inf_nan=False, description="Virtual CPUs of one machine.")
]
Licenses = Annotated[
    list[_Text], Field(max_length=20, description="Only these licences, such as apache-2.0, mit, llama3.1.")
]


async def search_instances(
    principal: Principal,
    context: WarehouseContext,
    *,
    gpu_needed: Annotated[bool, Field(description="True: with a GPU. False: without.")] | None = None,
    gpu_name: Annotated[_Text, Field(description="Such as L4, A100, H100.")] | None = None,
    min_vram_gb: Annotated[Memory, Field(description="Memory of all its GPUs together.")] | None = None,
    min_gpu_memory_gb: Annotated[Memory, Field(description="Memory of each GPU.")] | None = None,
    bfloat16: Annotated[bool, Field(description="True: only GPUs that compute in bfloat16.")] | None = None,
    max_price_monthly: Monthly | None = None,
    provider: Provider | None = None,
    not_providers: NotProviders = [],  # noqa: B006  # pydantic copies it
    region: Region | None = None,
    instance_type: InstanceType | None = None,
    min_gpus: Gpus | None = None,
    arch: Annotated[Arch, Field(description="arm64: Graviton, Ampere, Axion.")] | None = None,
    min_vcpu: Cpus | None = None,
    min_ram_gb: Memory | None = None,
    cheapest_region: Annotated[bool, Field(description="True: each type once, in its cheapest region.")] = False,
    top_k: TopK = 10,
) -> ToolResult:
    """Search cloud machine types by GPU, memory, CPU, place and list price, cheapest first.

    Prices are list prices on demand in USD, the GPU included; price_monthly is 730 hours.
    """
    filters = InstanceFilters(
        gpu_needed=gpu_needed,
        gpu_name=gpu_name,
        min_vram_gb=min_vram_gb,
        min_gpu_memory_gb=min_gpu_memory_gb,
        bfloat16=bfloat16,
        max_price_monthly=max_price_monthly,
        provider=provider_key(provider) if provider else None,
        not_providers=tuple(sorted({provider_key(each) for each in not_providers})),
        region=region.lower() if region else None,
        instance_type=instance_type,
        min_gpus=min_gpus,
        arch=arch,
        min_vcpu=min_vcpu,
        min_ram_gb=min_ram_gb,
        cheapest_region=cheapest_region,
        top_k=top_k,
    )
    found = await find_instances(principal, context, filters)
    check_place(found, filters)
    told = {**prices_of(found, context), **_none_fits(found, "No instance fits all of these.")}
    if len(found.rows) == top_k:
        told["more"] = "There may be more: raise top_k, or take each type once with cheapest_region."
    return _result(found, told)


async def search_charts(
    principal: Principal, context: WarehouseContext, *, query: Query, top_k: TopK = 15
) -> ToolResult:
    """Search Helm charts by name, description and keywords; the chart of exactly that name comes first."""
    found = await find_charts(principal, context, query, top_k)
    warned = [f"{row['name']} of {row['repository']}: {RESTRICTED}" for row in found.rows if row["images_restricted"]]
    summary = {"count": len(found.rows), "warnings": warned[:3], **_none_fits(found, "No chart has these words.")}
    return _result(found, summary)


async def search_models(
    principal: Principal,
    context: ModelsContext,
    *,
    query: Query,
    pipeline_tag: Annotated[_Text, Field(description="The hub's task, such as text-generation.")] | None = None,
    license_filter: Licenses = [],  # noqa: B006  # pydantic copies it
    top_k: TopK = 5,
) -> ToolResult:
    """Search open models by the words and the meaning of name, task and architecture, weighed with popularity.

    score = 0.6 x relevance + 0.4 x popularity; relevance is half words, half meaning. Task and licence are held to
    before the ranking.
    """
    filters = ModelFilters(
        query=query,
        pipeline_tag=pipeline_tag.lower() if pipeline_tag else None,
        licenses=tuple(license_filter),
        top_k=top_k,
    )
    found = await find_models(principal, context, filters, await meaning_of(context, query))
    tags = found.known["known_tags"]
    if filters.pipeline_tag and filters.pipeline_tag not in tags:
        raise ToolError(
            "unknown_task",
            f"pipeline_tag: no model has {filters.pipeline_tag!r}. There are: {', '.join(tags)}.",
        )
    ranked_by = "words and meaning" if found.known["known_cards"] else _BY_WORDS
    told = {"count": len(found.rows), "ranked_by": ranked_by, **_none_fits(found, "No model fits all of these.")}
    return _result(found, told)


def check_place(found: SearchResult, filters: InstanceFilters) -> None:
    """Raise ToolError for a provider, a place or a type that the catalogue has no price of, naming what it has."""
    known = found.known
    providers = known["known_providers"]
    if filters.provider and filters.provider not in providers:
        raise ToolError(
            "unknown_provider",
            f"provider: the catalogue has no prices of {filters.provider!r}. It has: {', '.join(providers)}.",
        )
    if filters.instance_type and not known["known_named"]:
        raise ToolError(
            "unknown_instance_type",
            f"instance_type: the catalogue has no {filters.instance_type!r}. search_instances finds types by their "
            "vCPUs, memory and GPUs.",
        )
    if filters.region and not known["known_there"]:
        raise ToolError("unknown_region", f"region: {_elsewhere(known, filters)}")


def _elsewhere(known: Mapping[str, Any], filters: InstanceFilters) -> str:
    """Say that there are no prices in a place, and where there are some: of others there, and elsewhere."""
    kind = {True: " machines with GPUs", False: " machines without GPUs", None: " machines"}[filters.gpu_needed]
    own = f" of {filters.provider}" if filters.provider else ""
    told = [f"the catalogue has no prices of{kind}{own} in {filters.region!r}."]
    if known["known_others"]:
        told.append(f"Others are there: {', '.join(known['known_others'])}.")
    if known["known_regions"]:
        told.append(f"It has{own}: {', '.join(known['known_regions'])}.")
    return " ".join([*told, "Ask the user before another place is taken, above all where data has to stay."])


def prices_of(found: SearchResult, context: WarehouseContext) -> dict[str, Any]:
    """The age of the catalogue's prices, in words too where they are old."""
    assert found.oldest is not None
    days = age_days(found.oldest, context.today)
    told: dict[str, Any] = {
        "price_basis": "list price, on demand, Linux, before tax",
        "oldest_price": found.oldest,
        "catalog_age_days": days,
    }
    if days > STALE_DAYS:
        told["note"] = f"The oldest price is {days} days old: look prices up with the provider before you order."
    return told


def _result(found: SearchResult, summary: dict[str, Any]) -> ToolResult:
    # The numbers of a vector say nothing to a reader.
    shown = {name: value for name, value in found.parameters.items() if name != "vector"}
    return ToolResult(found.result, found.rows, summary, format_parameters(shown))


def _none_fits(found: SearchResult, sentence: str) -> dict[str, str]:
    return {} if found.rows else {"none": sentence}


async def plan_deployment(
    principal: Principal,
    context: WarehouseContext,
    *,
    task_type: Annotated[Task, Field(description="What it does; application: it runs no model.")] | None = None,
    domain: Annotated[Domain, Field(description="language: an LLM.")] | None = None,
    gpu_needed: Annotated[bool, Field(description="Null unless the user said, or the model needs it.")] | None = None,
    model: Annotated[_Text, Field(description="The model's name as the user said it, with its size.")] | None = None,
    parameters_billion: Annotated[
        Decimal, Field(gt=0, le=10_000, max_digits=9, allow_inf_nan=False, description="If the name has no size.")
    ]
    | None = None,
    precision: Annotated[Precision, Field(description="Of the weights, if said.")] | None = None,
    method: Annotated[Method, Field(description="How it is trained, if said.")] | None = None,
    context_tokens: Annotated[int, Field(strict=True, ge=1, le=1_000_000, description="Of one request.")] | None = None,
    concurrent_requests: Annotated[int, Field(strict=True, ge=1, le=10_000, description="At once, per machine.")]
    | None = None,
    gpu_memory_gb: Annotated[Memory, Field(description="Only if the user names it.")] | None = None,
    min_vcpu: Cpus | None = None,
    min_ram_gb: Memory | None = None,
    gpu_name: Annotated[_Text, Field(description="Such as L4, A100, H100.")] | None = None,
    min_gpus: Gpus | None = None,
    instance_type: InstanceType | None = None,
    arch: Annotated[Arch, Field(description="If said; arm64: Graviton, Ampere, Axion.")] | None = None,
    replicas: Annotated[
        int, Field(strict=True, ge=1, le=1_000, description="Machines: a database with 2 replicas is 3.")
    ]
    | None = None,
    hours_per_month: Annotated[
        Decimal, Field(gt=0, le=744, max_digits=6, allow_inf_nan=False, description="8 hours on 22 days are 176.")
    ]
    | None = None,
    budget_monthly: Annotated[
        Decimal, Field(gt=0, le=MOST_MONTHLY, max_digits=20, allow_inf_nan=False, description="The month's budget.")
    ]
    | None = None,
    budget_currency: Annotated[
        str,
        StringConstraints(to_upper=True, pattern="^[A-Za-z]{3}$"),
        Field(description="ISO 4217, if said: of the budget, of what is paid now, and wanted for the total."),
    ]
    | None = None,
    pays_now_monthly: Annotated[
        Decimal,
        Field(gt=0, le=MOST_MONTHLY, max_digits=20, allow_inf_nan=False, description="What is paid for it now."),
    ]
    | None = None,
    paid_by: Annotated[_Text, Field(description="The team, project or department that pays, if named.")] | None = None,
    provider: Provider | None = None,
    not_providers: NotProviders = [],  # noqa: B006
    region: Region | None = None,
    licenses: Licenses = [],  # noqa: B006  # pydantic copies it
    kubernetes: Annotated[bool, Field(description="False: plain machines. Null unless said.")] | None = None,
    kubernetes_needs: Annotated[
        list[Need], Field(max_length=16, description="Beside what the task needs anyway.")
    ] = [],  # noqa: B006
    other_needs: Annotated[
        list[_Text],
        Field(max_length=10, description="What no machine's price holds: 50 TB of storage, egress, managed, spot."),
    ] = [],  # noqa: B006
    confidence: Annotated[Confidence, Field(description="low: ask before planning.")] = "medium",
) -> ToolResult:
    """Plan a deployment: sizing, machines with list price and this organisation's own, models, charts, steps, cost.

    Leave out what the user did not say: the tool names the questions to ask. Pass what was said before again.
    """
    said = {
        "task_type": task_type,
        "domain": domain,
        "gpu_needed": gpu_needed,
        "model": model,
        "parameters_billion": parameters_billion,
        "precision": precision,
        "method": method,
        "context_tokens": context_tokens,
        "concurrent_requests": concurrent_requests,
        "gpu_memory_gb": gpu_memory_gb,
        "min_vcpu": min_vcpu,
        "min_ram_gb": min_ram_gb,
        "gpu_name": gpu_name,
        "min_gpus": min_gpus,
        "instance_type": instance_type,
        "arch": arch,
        "replicas": replicas,
        "hours_per_month": hours_per_month,
        "budget_monthly": budget_monthly,
        "budget_currency": budget_currency,
        "pays_now_monthly": pays_now_monthly,
        "paid_by": paid_by,
        "provider": provider_key(provider) if provider else None,
        "not_providers": tuple(sorted({provider_key(each) for each in not_providers})),
        "region": region.lower() if region else None,
        "licenses": tuple(dict.fromkeys(each.lower() for each in licenses)),
        "kubernetes": kubernetes,
        "kubernetes_needs": tuple(dict.fromkeys(kubernetes_needs)),
        "other_needs": tuple(dict.fromkeys(other_needs)),
    }
    spec = said_spec(said, confidence)
    if asked := questions(spec):
        told = " ".join(f"{number}) {each}" for number, each in enumerate(asked, start=1))
        raise ToolError(NEEDS_CLARIFICATION, f"Ask the user this and nothing else: {told} So far: {said_so_far(spec)}.")
    return await _plan(principal, context, spec.settled())


async def _plan(principal: Principal, context: WarehouseContext, spec: WorkloadSpec) -> ToolResult:
    filters = machines_for(spec)
    machines, models, charts, bill = await asyncio.gather(
        find_instances(principal, context, filters),
        _models_of(principal, context, spec),
        find_stack(principal, context, wanted_charts(spec)),
        read_bill(principal, context),
    )
    check_place(machines, filters)
    check_payer(bill, spec.paid_by)
    assert machines.oldest is not None
    facts = Facts(machines.rows, models, charts, bill, machines.oldest, context.today)
    plan = await asyncio.to_thread(make_plan, spec, facts)
    rows = tuple(plan.pop("instances"))
    return ToolResult(machines.result, rows, {"plan": plan}, format_parameters(machines.parameters))


async def _models_of(principal: Principal, context: WarehouseContext, spec: WorkloadSpec) -> Rows:
    """The models that a plan chooses from; none for a workload that runs no model."""
    return (await find_models(principal, context, models_for(spec))).rows if spec.runs_model else ()


TOOLS: tuple[Tool, ...] = tuple(
    tool("planner", each) for each in (plan_deployment, compare_plan, search_instances, search_charts, search_models)
)
