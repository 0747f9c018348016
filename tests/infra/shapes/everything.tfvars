# Everything that can be switched on, so that a plan shows it; the example's plan shows what is usual.
project_id        = "a-project"
region            = "europe-west1"
environment       = "staging"
name_prefix       = "cost-chat"
labels            = { team = "finops" }
runtime           = "python312"
min_instances     = 0
turn_cpus         = 2
invokers          = ["serviceAccount:frontend@a-project.iam.gserviceaccount.com", "group:developers@example.com"]
cors_origins      = ["https://app.example.com", "https://admin.example.com"]
load_balancer     = "external"
public_functions  = ["send", "copilotkit", "a2a", "mcp", "health"]
domain            = "chat.example.com"
firestore         = { database = "sessions", location = "eur3" }
bigquery_location = "EU"
shared_dataset    = { id = "platform", create_tables = ["org_chat_conversations", "org_chat_messages"] }
key_rotation_days = 30
cmek              = true

streaming_timeout_seconds = 3600

settings = {
  BQ_MAX_BYTES_GATE        = "10GB"
  CACHE_TTL_SECONDS        = "60"
  DEFAULT_MAX_HISTORY      = "20"
  DEFAULT_MAX_TOKENS       = "2048"
  DEFAULT_TEMPERATURE      = "0.2"
  LOCAL_MODELS             = "{\"qwen\": {\"base_url\": \"https://llama.example.com/v1\", \"model_id\": \"qwen3\", \"context_window\": 32768, \"max_output\": 4096}}"
  LOG_LEVEL                = "DEBUG"
  MODEL_API_BASES          = "{\"openai\": \"https://gateway.example.com/v1\"}"
  ORG_TOKENS_PER_DAY       = "1000000"
  RETENTION_DAYS           = "365"
  RETENTION_DELETED_DAYS   = "7"
  USER_MESSAGES_PER_MINUTE = "30"
  WAREHOUSE_IMPERSONATION  = "chat-{org_slug}@a-project.iam.gserviceaccount.com"
}

alert_emails          = ["on-call@example.com"]
notification_channels = ["projects/a-project/notificationChannels/1"]
egress                = { network = "projects/a-project/global/networks/chat-egress" }
audit_data_access     = true
