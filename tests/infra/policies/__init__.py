"""What must be true of every deployment: each policy yields a sentence for whatever breaks it."""

from collections.abc import Callable, Iterator

from tests.infra.plan import Plan
from tests.infra.policies import identity, routing, serving, storing, watching

Policy = Callable[[Plan], Iterator[str]]

POLICIES: dict[str, Policy] = {
    policy.__name__: policy
    for policy in (
        identity.own_accounts,
        identity.no_public_members,
        identity.public_functions,
        identity.no_account_keys,
        identity.no_broad_grants,
        identity.least_roles,
        identity.invokers,
        identity.every_function_is_deployed,
        routing.routes,
        routing.inner_functions_have_no_backend,
        routing.backends,
        routing.endpoints,
        serving.ingress,
        serving.timeouts,
        serving.concurrency,
        serving.runtimes,
        serving.settings,
        storing.documents,
        storing.expiry,
        storing.indexes,
        storing.keys,
        storing.tables,
        storing.sources,
        watching.scheduler,
        watching.metrics,
        watching.alerts,
    )
}
