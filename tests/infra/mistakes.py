"""Mistakes that somebody may make in the configuration: where, and by which check each is caught."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mistake:
    """A change of a file, and what the check that catches it says. Without ``old``, ``new`` is appended."""

    name: str
    file: str
    old: str
    new: str
    says: str
    policy: str = ""


# Not caught, because neither the provider's schema nor this machine knows it: arguments that exclude each other, what a
# name may be beyond what variables.tf checks, blocks that the provider keeps as sets and that are read by their index,
# the syntax of log filters, PromQL and IAM conditions, quotas, and whether whoever applies has the permissions.

REFUSED_BY_TERRAFORM = (
    Mistake(
        "an attribute that is none",
        "functions.tf",
        "available_memory",
        "memory",
        'An argument named "memory" is not expected here',
    ),
    Mistake(
        "a block that is none",
        "functions.tf",
        "  service_config {",
        "  service_configuration {",
        'Blocks of type "service_configuration" are not expected here',
    ),
    Mistake(
        "a value of another type",
        "functions.tf",
        "= each.value.timeout_seconds",
        '= "a minute"',
        "a number is required",
    ),
    Mistake(
        "an argument that is missing",
        "kms.tf",
        "key_ring = google_kms_key_ring.provider[0].id",
        "",
        'The argument "key_ring" is required',
    ),
    Mistake(
        "a block that is missing",
        "firestore.tf",
        'dynamic "fields"',
        'dynamic "field"',
        'Blocks of type "field" are not expected here',
    ),
    Mistake(
        "a reference to nothing",
        "functions.tf",
        "google_service_account.build.id",
        "google_service_account.builder.id",
        'A managed resource "google_service_account" "builder" has not been declared',
    ),
    Mistake(
        "a reference to an attribute that is none",
        "service_accounts.tf",
        "google_service_account.build.member",
        "google_service_account.build.address",
        'This object has no argument, nested block, or exported attribute named "address"',
    ),
    Mistake(
        "a variable that is none",
        "functions.tf",
        "var.runtime",
        "var.run_time",
        'An input variable with the name "run_time" has not been declared',
    ),
    Mistake(
        "a resource that is there twice",
        "services.tf",
        "",
        'resource "google_service_account" "build" {\n  account_id = "another"\n}\n',
        "Duplicate resource",
    ),
    Mistake(
        "a type that the provider does not have",
        "services.tf",
        "",
        'resource "google_cloud_funktion" "one" {\n  name = "one"\n}\n',
        "does not support resource type",
    ),
    Mistake(
        "a value that is not allowed",
        "functions.tf",
        '"ALLOW_INTERNAL_AND_GCLB"',
        '"ALLOW_EVERYONE"',
        "ingress_settings is 'ALLOW_EVERYONE'",
    ),
    Mistake("a brace that is missing", "services.tf", "", "locals {\n", "Unclosed configuration block"),
)

REFUSED_BY_ITS_TESTS = (
    Mistake(
        "everybody may be let in",
        "variables.tf",
        "alltrue([for member in var.invokers : can(",
        "alltrue([for member in var.invokers : true || can(",
        "refusals.tftest.hcl",
    ),
)

REFUSED_BY_POLICY = (
    Mistake(
        "a function that acts as another",
        "functions.tf",
        "google_service_account.function[each.key].email",
        'google_service_account.function[each.key == "health" ? "sync" : each.key].email',
        "health shares its account",
        "own_accounts",
    ),
    Mistake(
        "an invoker that is everybody",
        "functions.tf",
        "member = each.value.member",
        'member = "allUsers"',
        "names allUsers",
        "no_public_members",
    ),
    Mistake(
        "a key of a service account",
        "services.tf",
        "",
        'resource "google_service_account_key" "file" {\n  service_account_id = google_service_account.build.name\n}\n',
        "makes a key",
        "no_account_keys",
    ),
    Mistake(
        "a builder that may do anything",
        "service_accounts.tf",
        '"roles/logging.logWriter"',
        '"roles/editor"',
        "grants roles/editor",
        "no_broad_grants",
    ),
    Mistake(
        "a provider key that mcp may open",
        "locals.tf",
        'timeout_seconds = 120 env = {} documents = "roles/datastore.user" key = []',
        'timeout_seconds = 120\nenv = {}\ndocuments = "roles/datastore.user"\n'
        'key = ["roles/cloudkms.cryptoKeyDecrypter"]',
        "mcp has roles/cloudkms.cryptoKeyDecrypter on key",
        "least_roles",
    ),
    Mistake(
        "a table that sync may not write",
        "locals.tf",
        '"org_chat_feedback",',
        "",
        "sync lacks roles/bigquery.dataEditor on table organizations.org_chat_feedback",
        "least_roles",
    ),
    Mistake(
        "a sync that people may call",
        "locals.tf",
        "if length(function.routes) > 0]",
        "if true]",
        "somebody other than the scheduler may call sync",
        "invokers",
    ),
    Mistake(
        "a function that is not there",
        "locals.tf",
        'entry_point = "messages"',
        'entry_point = "message"',
        "messages is not deployed",
        "every_function_is_deployed",
    ),
    Mistake(
        "a route that leads nowhere",
        "locals.tf",
        '"/api/v1/chat/{org_slug}/stream"',
        '"/api/v1/chat/{org_slug}/streams"',
        "/api/v1/chat/some-org_slug/stream reaches health, and is answered by send",
        "routes",
    ),
    Mistake(
        "a route of another function",
        "locals.tf",
        '"/api/v1/chat/{org_slug}/conversations",',
        '"/api/v1/chat/{org_slug}/conversations", "/api/v1/chat/{org_slug}/*/search",',
        "/api/v1/chat/some-org_slug/messages/search reaches conversations",
        "routes",
    ),
    Mistake(
        "a sync behind the load balancer",
        "locals.tf",
        "routes = []",
        'routes = ["/sync"]',
        "leads to sync",
        "inner_functions_have_no_backend",
    ),
    Mistake(
        "a backend with a timeout",
        "load_balancer.tf",
        'protocol = "HTTPS"',
        'protocol = "HTTPS"\n timeout_sec = 30',
        "has a timeout",
        "backends",
    ),
    Mistake(
        "another audience than the caller needs",
        "outputs.tf",
        "audience = local.urls[name]",
        'audience = "https://chat.example.com"',
        "with another audience than its function's address",
        "endpoints",
    ),
    Mistake(
        "a function that is open to the internet",
        "functions.tf",
        '"ALLOW_INTERNAL_AND_GCLB"',
        '"ALLOW_ALL"',
        "send is reached from anywhere",
        "ingress",
    ),
    Mistake(
        "a request that is cut",
        "locals.tf",
        "timeout_seconds = var.streaming_timeout_seconds",
        "timeout_seconds = 120",
        "send is cut after 120 s",
        "timeouts",
    ),
    Mistake(
        "an instance that takes too much",
        "locals.tf",
        "concurrency = 128",
        "concurrency = 1000",
        "send takes 1000 requests at once",
        "concurrency",
    ),
    Mistake(
        "a function that is built from another's source",
        "functions.tf",
        "google_storage_bucket_object.archive[each.key].name",
        'google_storage_bucket_object.archive[each.key == "sync" ? "health" : each.key].name',
        "sync is not built from its own archive",
        "runtimes",
    ),
    Mistake("another language", "functions.tf", "= var.runtime", '= "nodejs22"', "send runs on nodejs22", "runtimes"),
    Mistake(
        "a setting that nobody reads",
        "locals.tf",
        "BQ_LOCATION",
        "BQ_LOCATON",
        "BQ_LOCATON is no setting",
        "settings",
    ),
    Mistake(
        "a setting that is not valid",
        "locals.tf",
        "CORS_ORIGINS = jsonencode(var.cors_origins)",
        'CACHE_TTL_SECONDS = "five minutes"',
        "CACHE_TTL_SECONDS: ",
        "settings",
    ),
    Mistake(
        "a database that cannot be brought back",
        "firestore.tf",
        "POINT_IN_TIME_RECOVERY_ENABLED",
        "POINT_IN_TIME_RECOVERY_DISABLED",
        "cannot be brought back",
        "documents",
    ),
    Mistake(
        "a database that can be deleted",
        "firestore.tf",
        "DELETE_PROTECTION_ENABLED",
        "DELETE_PROTECTION_DISABLED",
        "can be deleted",
        "documents",
    ),
    Mistake(
        "documents that stay for ever",
        "firestore.tf",
        '"orgs", "pending"]',
        '"orgs"]',
        "pending never expires",
        "expiry",
    ),
    Mistake(
        "documents that nobody meant to expire",
        "firestore.tf",
        '["api_keys", ',
        '["api_keys", "outbox", ',
        "outbox expires",
        "expiry",
    ),
    Mistake(
        "a query without an index",
        "firestore.tf",
        '{ field = "status", order = "ASCENDING" },',
        "",
        "asks conversations for what no index holds",
        "indexes",
    ),
    Mistake(
        "a query of a field that is exempt",
        "firestore.tf",
        '["row"]',
        '["row", "next_try_at"]',
        "asks outbox for next_try_at, which is exempt",
        "indexes",
    ),
    Mistake(
        "a key that is turned too seldom",
        "kms.tf",
        "${var.key_rotation_days * 86400}s",
        "${365 * 86400}s",
        "is turned every 31536000s",
        "keys",
    ),
    Mistake(
        "tables that can be destroyed",
        "bigquery.tf",
        "deletion_protection = var.deletion_protection",
        "deletion_protection = false",
        "can be destroyed",
        "tables",
    ),
    Mistake(
        "a table of another shape",
        "bigquery.tf",
        "try(each.value.clustering, null)",
        "null",
        "has another clustering than its file",
        "tables",
    ),
    Mistake(
        "sources that can be made public", "archive.tf", '"enforced"', '"inherited"', "can be made public", "sources"
    ),
    Mistake(
        "a job without a token for its function",
        "scheduler.tf",
        "audience = local.urls[each.key]",
        'audience = "https://chat.example.com"',
        "sync is called with a token for https://chat.example.com",
        "scheduler",
    ),
    Mistake(
        "a metric of a field that is not written",
        "monitoring_metrics.tf",
        'value = "EXTRACT(jsonPayload.first_token_ms)"',
        'value = "EXTRACT(jsonPayload.first_token)"',
        "asks for the field first_token",
        "metrics",
    ),
    Mistake(
        "a metric of a record that is not written",
        "monitoring_metrics.tf",
        'jsonPayload.message=\\"sync.rejected\\"',
        'jsonPayload.message=\\"sync.refused\\"',
        "asks for the record sync.refused",
        "metrics",
    ),
    Mistake(
        "an alert that nothing can raise",
        "monitoring_alerts.tf",
        "${local.metric.outbox_age_seconds}_bucket",
        "logging_googleapis_com:user_chat_outbox_seconds_bucket",
        "asks chat_outbox_seconds, which is not made",
        "alerts",
    ),
)
