# The table of contents: what each function is, what it may do, and where it is found.
#
# routes     the original paths, as common/web/routes.py has them; sync, alerts, deliver and ingest have none: nobody but the
#            scheduler, of ingest Eventarc and of deliver Cloud Tasks calls them
# timeouts   longer than what common/limits.py lets a request take
# concurrency  for turns, what one instance runs (limits.TURNS_PER_INSTANCE) and some that wait; never above the
#              connections to BigQuery (bigquery_api.WAREHOUSE_CONNECTIONS) that a request may need
# documents  role on the Firestore database
# key        roles on the KMS key that wraps provider keys
# shared     whether it reads the shared dataset; tenants: whether it reads the organisations' own; catalog: the catalogue
# writes     tables of the shared dataset that it writes

locals {
  functions = {
    send = {
      entry_point     = "send"
      description     = "Answers a question, as JSON or as server-sent events."
      memory          = "${var.turn_cpus}Gi"
      cpu             = tostring(var.turn_cpus)
      concurrency     = 128 * var.turn_cpus
      min_instances   = var.min_instances
      max_instances   = var.max_instances
      timeout_seconds = var.streaming_timeout_seconds
      env             = merge(local.turn_env, local.key_env)
      documents       = "roles/datastore.user"
      key             = ["roles/cloudkms.cryptoKeyDecrypter"]
      shared          = true
      tenants         = true
      catalog         = true
      writes          = local.alert_tables
      routes = [
        "/api/v1/chat/{org_slug}/send",
        "/api/v1/chat/{org_slug}/stream",
        "/api/v1/chat/{org_slug}/conversations/{conversation_id}/cancel",
      ]
    }
    copilotkit = {
      entry_point     = "copilotkit"
      description     = "Answers an AG-UI run, CopilotKit's single endpoint, and the AI SDK's chat transport."
      memory          = "${2 * var.turn_cpus}Gi" # Bodies of up to 8 MiB each.
      cpu             = tostring(var.turn_cpus)
      concurrency     = 128 * var.turn_cpus
      min_instances   = var.min_instances
      max_instances   = var.max_instances
      timeout_seconds = var.streaming_timeout_seconds
      env             = merge(local.turn_env, local.key_env)
      documents       = "roles/datastore.user"
      key             = ["roles/cloudkms.cryptoKeyDecrypter"]
      shared          = true
      tenants         = true
      catalog         = true
      writes          = local.alert_tables
      routes = [
        "/api/v1/chat/{org_slug}/copilotkit",
        "/copilotkit",
        "/api/v1/chat/{org_slug}/ui-message-stream",
        "/api/v1/chat/{org_slug}/ui-message-stream/{conversation_id}/stream",
      ]
    }
    completions = {
      entry_point     = "completions"
      description     = "Answers clients that speak OpenAI's API."
      memory          = "${2 * var.turn_cpus}Gi" # Bodies of up to 8 MiB each.
      cpu             = tostring(var.turn_cpus)
      concurrency     = 128 * var.turn_cpus
      min_instances   = 0
      max_instances   = var.max_instances
      timeout_seconds = var.streaming_timeout_seconds
      env             = merge(local.turn_env, local.key_env)
      documents       = "roles/datastore.user"
      key             = ["roles/cloudkms.cryptoKeyDecrypter"]
      shared          = true
      tenants         = true
      catalog         = true
      writes          = local.alert_tables
      routes = [
        "/v1/chat/completions",
        "/v1/models",
        "/v1/models/{model}",
      ]
    }
    a2a = {
      entry_point     = "a2a"
      description     = "The agent card, and messages of other agents (A2A)."
      memory          = "${var.turn_cpus}Gi"
      cpu             = tostring(var.turn_cpus)
      concurrency     = 128 * var.turn_cpus
      min_instances   = var.min_instances
      max_instances   = var.max_instances
      timeout_seconds = var.streaming_timeout_seconds
      env             = merge(local.turn_env, local.key_env)
      documents       = "roles/datastore.user"
      key             = ["roles/cloudkms.cryptoKeyDecrypter"]
      shared          = true
      tenants         = true
      catalog         = true
      writes          = local.alert_tables
      routes = [
        "/.well-known/agent-card.json",
        "/.well-known/agent.json",
        "/api/v1/chat/{org_slug}/a2a/.well-known/agent-card.json",
        "/api/v1/chat/{org_slug}/a2a/.well-known/agent.json",
        "/api/v1/chat/{org_slug}/a2a",
        "/a2a",
      ]
    }
    mcp = {
      entry_point     = "mcp"
      description     = "The same tools over MCP and as plain calls, and digests of them; the provider's key only embeds questions to documents."
      memory          = "1Gi"
      cpu             = "1"
      concurrency     = 32
      min_instances   = 0
      max_instances   = var.max_instances
      timeout_seconds = 120
      env             = local.key_env
      documents       = "roles/datastore.user"
      key             = ["roles/cloudkms.cryptoKeyDecrypter"]
      shared          = true
      tenants         = true
      catalog         = true
      writes          = local.alert_tables
      routes = [
        "/api/v1/chat/{org_slug}/mcp",
        "/api/v1/chat/{org_slug}/tools",
        "/api/v1/chat/{org_slug}/tools/{tool_name}",
        "/api/v1/chat/{org_slug}/digests",
        "/api/v1/chat/{org_slug}/digests/preview",
        "/api/v1/chat/{org_slug}/digests/{digest_id}",
        "/mcp",
      ]
    }
    settings_status = {
      entry_point     = "settings_status"
      description     = "Whether the chat is set up, which models there are, and changing that."
      memory          = "1Gi"
      cpu             = "1"
      concurrency     = 32
      min_instances   = 0
      max_instances   = var.max_instances
      timeout_seconds = 300
      env             = local.key_env
      documents       = "roles/datastore.user"
      # It puts keys in and never gets one out.
      key     = ["roles/cloudkms.cryptoKeyEncrypter"]
      shared  = true
      tenants = false
      catalog = false
      writes  = ["org_chat_settings", "org_integration_credentials"]
      routes = [
        "/api/v1/chat/{org_slug}/settings/status",
        "/api/v1/chat/{org_slug}/settings/models",
        "/api/v1/chat/{org_slug}/settings",
      ]
    }
    access = {
      entry_point     = "access"
      description     = "Who may use the chat: issuers of tokens, members, API keys."
      memory          = "512Mi"
      cpu             = "1"
      concurrency     = 32
      min_instances   = 0
      max_instances   = var.max_instances
      timeout_seconds = 120
      env             = {}
      documents       = "roles/datastore.user"
      key             = []
      shared          = true
      tenants         = false
      catalog         = false
      writes          = ["org_chat_access", "org_api_keys"]
      routes = [
        "/api/v1/chat/{org_slug}/settings/caller",
        "/api/v1/chat/{org_slug}/settings/agents",
        "/api/v1/chat/{org_slug}/settings/issuers",
        "/api/v1/chat/{org_slug}/settings/issuers/{issuer_id}",
        "/api/v1/chat/{org_slug}/settings/members",
        "/api/v1/chat/{org_slug}/settings/members/{user_id}",
        "/api/v1/chat/{org_slug}/settings/keys",
        "/api/v1/chat/{org_slug}/settings/keys/{key_id}",
      ]
    }
    conversations = {
      entry_point     = "conversations"
      description     = "A person's conversations: list, rename, delete, export, branch."
      memory          = "512Mi"
      cpu             = "1"
      concurrency     = 32
      min_instances   = 0
      max_instances   = var.max_instances
      timeout_seconds = 300
      env             = {}
      documents       = "roles/datastore.user"
      key             = []
      shared          = true
      tenants         = false
      catalog         = false
      writes          = []
      routes = [
        "/api/v1/chat/{org_slug}/conversations",
        "/api/v1/chat/{org_slug}/conversations/{conversation_id}",
        "/api/v1/chat/{org_slug}/conversations/{conversation_id}/rename",
        "/api/v1/chat/{org_slug}/conversations/{conversation_id}/export",
        "/api/v1/chat/{org_slug}/conversations/{conversation_id}/fork",
        "/api/v1/chat/{org_slug}/conversations/{conversation_id}/escalation",
      ]
    }
    messages = {
      entry_point     = "messages"
      description     = "What was said: history, search, feedback."
      memory          = "512Mi"
      cpu             = "1"
      concurrency     = 32
      min_instances   = 0
      max_instances   = var.max_instances
      timeout_seconds = 60
      env             = {}
      documents       = "roles/datastore.user"
      key             = []
      shared          = true
      tenants         = false
      catalog         = false
      writes          = []
      routes = [
        "/api/v1/chat/{org_slug}/conversations/{conversation_id}/messages",
        "/api/v1/chat/{org_slug}/messages/search",
        "/api/v1/chat/{org_slug}/conversations/{conversation_id}/messages/{message_id}/feedback",
      ]
    }
    knowledge = {
      entry_point     = "knowledge"
      description     = "An organisation's documents: list, upload, delete, search."
      memory          = "512Mi"
      cpu             = "1"
      concurrency     = 32
      min_instances   = 0
      max_instances   = var.max_instances
      timeout_seconds = 120
      env             = local.key_env
      documents       = "roles/datastore.user"
      # A question is embedded by the organisation's own provider.
      key     = ["roles/cloudkms.cryptoKeyDecrypter"]
      shared  = true
      tenants = false
      catalog = false
      writes  = []
      routes = [
        "/api/v1/chat/{org_slug}/knowledge/documents",
        "/api/v1/chat/{org_slug}/knowledge/documents/{document_id}",
        "/api/v1/chat/{org_slug}/knowledge/documents/{document_id}/reindex",
        "/api/v1/chat/{org_slug}/knowledge/search",
        "/api/v1/chat/{org_slug}/knowledge/stats",
      ]
    }
    ingest = {
      entry_point     = "ingest"
      description     = "Reads documents whose bytes have arrived; called by Eventarc and the scheduler."
      memory          = "1Gi" # A document of 100 MiB lies in memory, beside the process that reads it.
      cpu             = "1"
      concurrency     = 1
      min_instances   = 0
      max_instances   = var.max_instances
      timeout_seconds = 540
      env             = local.key_env
      documents       = "roles/datastore.user"
      key             = ["roles/cloudkms.cryptoKeyDecrypter"]
      shared          = true
      tenants         = false
      catalog         = false
      writes          = []
      routes          = []
    }
    destinations = {
      entry_point     = "destinations"
      description     = "Where an organisation's notices are sent to, and what was sent."
      memory          = "512Mi"
      cpu             = "1"
      concurrency     = 32
      min_instances   = 0
      max_instances   = var.max_instances
      timeout_seconds = 120
      env             = {}
      documents       = "roles/datastore.user"
      key             = []
      shared          = true
      tenants         = false
      catalog         = false
      writes          = []
      routes = [
        "/api/v1/chat/{org_slug}/destinations",
        "/api/v1/chat/{org_slug}/destinations/{destination_id}",
        "/api/v1/chat/{org_slug}/destinations/{destination_id}/secret",
        "/api/v1/chat/{org_slug}/destinations/{destination_id}/test",
        "/api/v1/chat/{org_slug}/destinations/{destination_id}/deliveries",
        "/api/v1/chat/{org_slug}/alerts/{alert_history_id}/deliveries",
      ]
    }
    deliver = {
      entry_point     = "deliver"
      description     = "Hands notices to the organisations' destinations; called by Cloud Tasks and the scheduler."
      memory          = "512Mi"
      cpu             = "1"
      concurrency     = 32
      min_instances   = 0
      max_instances   = var.max_instances
      timeout_seconds = 180
      env             = { DELIVER_QUEUE = "projects/${var.project_id}/locations/${var.region}/queues/${local.queue_name}" }
      documents       = "roles/datastore.user"
      key             = []
      shared          = false
      tenants         = false
      catalog         = false
      writes          = []
      routes          = []
    }
    usage = {
      entry_point     = "usage"
      description     = "What the chat used of the models in a month, and its statement."
      memory          = "512Mi"
      cpu             = "1"
      concurrency     = 32
      min_instances   = 0
      max_instances   = var.max_instances
      timeout_seconds = 120
      env             = {}
      documents       = "roles/datastore.user"
      key             = []
      shared          = true
      # The providers' own bills are among the organisations' costs.
      tenants = true
      catalog = false
      writes  = []
      routes = [
        "/api/v1/chat/{org_slug}/usage",
        "/api/v1/chat/{org_slug}/usage/statement",
      ]
    }
    sync = {
      entry_point     = "sync"
      description     = "Carries what was said from Firestore into BigQuery, and purges; called by the scheduler."
      memory          = "512Mi"
      cpu             = "1"
      concurrency     = 4
      min_instances   = 0
      max_instances   = 2 # A lease lets one work at a time; the other says that it is busy.
      timeout_seconds = 540
      env             = {}
      documents       = "roles/datastore.user"
      key             = []
      shared          = false
      tenants         = false
      catalog         = false
      writes = [
        "org_chat_conversations",
        "org_chat_messages",
        "org_chat_tool_calls",
        "org_chat_feedback",
        "org_chat_usage",
        "org_alert_history",
      ]
      routes = []
    }
    alerts = {
      entry_point     = "alerts"
      description     = "Evaluates the alert rules of every organisation and sends digests; called by the scheduler."
      memory          = "1Gi"
      cpu             = "1"
      concurrency     = 4
      min_instances   = 0
      max_instances   = 2
      timeout_seconds = 540
      env             = {}
      documents       = "roles/datastore.user"
      key             = []
      shared          = true
      tenants         = true
      catalog         = false
      writes          = ["org_notification_rules"]
      routes          = []
    }
    health = {
      entry_point     = "health"
      description     = "Whether an instance lives, and whether questions can be asked."
      memory          = "512Mi"
      cpu             = "1"
      concurrency     = 16
      min_instances   = 0
      max_instances   = 2
      timeout_seconds = 30
      env             = local.key_env
      documents       = "roles/datastore.viewer"
      key             = ["roles/cloudkms.viewer"]
      shared          = false
      tenants         = false
      catalog         = true
      writes          = []
      routes = [
        "/health",
        "/health/ready",
        "/openapi.json",
      ]
    }
  }

  # Cloud Functions, like service accounts, have hyphens in their names.
  names = { for name in keys(local.functions) : name => "${var.name_prefix}-${replace(name, "_", "-")}" }

  queue_name = "${var.name_prefix}-deliver"
  # Who sends to the organisations' destinations: all of it, or a test.
  senders = toset(["deliver", "destinations"])
  # The environment of those that is a secret, by the name of the secret.
  secret_env = var.smtp_password_secret == null ? {} : { SMTP_PASSWORD = var.smtp_password_secret }

  # What people call; sync, alerts and health are called by the scheduler, health by whoever watches as well.
  served = [for name, function in local.functions : name if length(function.routes) > 0]

  # The alert tools make, pause and acknowledge.
  alert_tables = ["org_notification_rules", "org_alert_history"]

  labels = merge(var.labels, { app = var.name_prefix, environment = var.environment })
}

# What the functions' environment says; every name is a field of Settings in common/settings.py.
locals {
  common_env = merge(
    {
      GCP_PROJECT_ID        = var.project_id
      ENVIRONMENT           = var.environment
      ORGANIZATIONS_DATASET = var.shared_dataset.id
      CATALOG_DATASET       = google_bigquery_dataset.catalog.dataset_id
      BQ_LOCATION           = var.bigquery_location
      FIRESTORE_DATABASE    = var.firestore.database
      CORS_ORIGINS          = jsonencode(var.cors_origins)
      KMS_TOKEN_KEY_NAME    = local.token_key_name
      DOCUMENTS_BUCKET      = google_storage_bucket.documents.name
      VERTEX_LOCATION       = var.region
    },
    var.tracing ? { TRACING = "cloud" } : {},
    local.public_url == null ? {} : { PUBLIC_URL = local.public_url },
    var.settings,
  )
  key_env = { KMS_KEY_NAME = local.provider_key_name }
  # A process for each CPU, and as many turns for each as an instance with one CPU runs.
  turn_env = var.turn_cpus == 1 ? {} : {
    WORKERS            = tostring(var.turn_cpus)
    TURNS_PER_INSTANCE = tostring(var.turn_cpus * tonumber(lookup(var.settings, "TURNS_PER_INSTANCE", "100")))
  }

  public_url = var.load_balancer == "none" ? null : "https://${var.domain}"
}
