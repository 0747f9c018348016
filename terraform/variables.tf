# Where

variable "project_id" {
  description = "Project that everything is made in, and that holds the datasets which are asked."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "Give a project id: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Region of the functions, the source bucket, the image registry and the scheduler."
  type        = string
  default     = "us-central1"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Give one region, such as us-central1."
  }
}

variable "environment" {
  description = "ENVIRONMENT of the functions; in both of these no bypass, emulator or demo model is allowed."
  type        = string
  default     = "production"

  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "What is deployed is staging or production."
  }
}

variable "name_prefix" {
  description = "Begins the name of everything, so that several deployments fit into one project."
  type        = string
  default     = "chat"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,12}[a-z0-9]$", var.name_prefix))
    error_message = "3 to 14 lower-case letters, digits and hyphens: service account ids have 30 characters at most."
  }
}

variable "labels" {
  description = "Labels for everything that can have some, for cost reports."
  type        = map(string)
  default     = {}
}

# Functions

variable "runtime" {
  description = "Runtime of the functions; the dependencies are locked for Python 3.11."
  type        = string
  default     = "python311"

  validation {
    condition     = can(regex("^python3(11|12|13)$", var.runtime))
    error_message = "python311, python312 or python313."
  }
}

variable "turn_cpus" {
  description = "CPUs of an instance that answers turns, each with a process of its own; memory and the turns of an instance grow with them. terraform/README.md has what a turn costs with each."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 2], var.turn_cpus)
    error_message = "1 or 2."
  }
}

variable "min_instances" {
  description = "Instances of send, copilotkit and a2a each that stay warm: the first answer of a cold one takes some seconds longer. 0 costs nothing idle."
  type        = number
  default     = 1

  validation {
    condition     = var.min_instances >= 0 && var.min_instances <= 20 && floor(var.min_instances) == var.min_instances
    error_message = "A whole number from 0 to 20."
  }
}

variable "max_instances" {
  description = "Most instances of each function that serves people; bounds what a surge can cost."
  type        = number
  default     = 20

  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 1000 && var.max_instances >= var.min_instances
    error_message = "A number from 1 to 1000, not below min_instances."
  }
}

variable "streaming_timeout_seconds" {
  description = "Longest request of send, copilotkit, completions and a2a: a turn (240 s), and what a retry waits for it (60 s), must fit."
  type        = number
  default     = 600

  validation {
    condition     = var.streaming_timeout_seconds >= 360 && var.streaming_timeout_seconds <= 3600
    error_message = "From 360 to 3600 seconds."
  }
}

variable "smtp_password_secret" {
  description = "The name of the secret in Secret Manager that holds the password of the mail relay (SMTP_HOST in settings); null for a relay without one."
  type        = string
  default     = null
}

variable "settings" {
  description = "Further settings of the functions by their variable names, see the table in terraform/README.md; what Terraform knows itself is not given here."
  type        = map(string)
  default     = {}

  validation {
    condition = length(setsubtract(keys(var.settings), [
      "BQ_MAX_BYTES_GATE", "CACHE_TTL_SECONDS", "DEFAULT_MAX_HISTORY", "DEFAULT_MAX_TOKENS",
      "DEFAULT_TEMPERATURE", "LOCAL_MODELS", "LOG_LEVEL", "MODEL_API_BASES", "ORG_COST_PER_MONTH_USD", "ORG_FAILED_KEYS_PER_MINUTE",
      "CHAT_PAGE_URL", "SMTP_HOST", "SMTP_PORT", "SMTP_TLS", "SMTP_USERNAME", "SMTP_FROM",
      "ORG_MESSAGES_PER_MINUTE", "ORG_SEARCHES_PER_MINUTE", "ORG_SETTINGS_CHANGES_PER_MINUTE", "ORG_TOKENS_PER_DAY",
      "ORG_UPLOADS_PER_MINUTE", "USER_UPLOADS_PER_MINUTE", "ORG_DESTINATION_CHANGES_PER_MINUTE",
      "USER_DESTINATION_CHANGES_PER_MINUTE",
      "OTEL_EXPORTER_OTLP_ENDPOINT", "RETENTION_DAYS", "RETENTION_DELETED_DAYS", "TRACE_SAMPLE_RATIO",
      "TURNS_PER_INSTANCE", "TURNS_PER_ORG", "USER_COST_PER_MONTH_USD", "USER_MCP_CALLS_PER_MINUTE",
      "USER_MESSAGES_PER_MINUTE", "USER_SEARCHES_PER_MINUTE", "USER_SETTINGS_CHANGES_PER_MINUTE",
      "USER_TOKENS_PER_DAY", "WAREHOUSE_IMPERSONATION",
    ])) == 0
    error_message = "Only settings that terraform/README.md lists, and that no variable of its own stands for."
  }
}

variable "cors_origins" {
  description = "Origins of the web pages that may call; empty for none."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for origin in var.cors_origins : can(regex("^https://[^/*]+$", origin))])
    error_message = "Each origin is https://host or https://host:port: no path and no wildcard."
  }
}

variable "invokers" {
  description = "Who may call the functions that serve people, as IAM members: the frontend's service account. Nobody else is let in, whatever API key it has."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.invokers : can(regex("^(serviceAccount|group|user):[^:@ ]+@[^@ ]+$", member))])
    error_message = "Each is serviceAccount:…, group:… or user:…; allUsers and allAuthenticatedUsers are refused."
  }
}

variable "public_functions" {
  description = "Functions, by folder, that clients outside Google Cloud may call without an ID token, through the external load balancer and Cloud Armor; the API key stays required. None by default."
  type        = set(string)
  default     = []

  validation {
    condition     = length(var.public_functions) == 0 || var.load_balancer == "external"
    error_message = "Public functions are reached through the external load balancer and its Cloud Armor: set load_balancer = \"external\"."
  }

  validation {
    condition     = length(setsubtract(var.public_functions, local.served)) == 0
    error_message = "Name functions that serve people, as in locals.functions; sync, alerts and deliver are not for people."
  }
}

# Load balancer

variable "load_balancer" {
  description = "What gives all functions one host: internal (in the network), external (with Cloud Armor), or none."
  type        = string
  default     = "internal"

  validation {
    condition     = contains(["internal", "external", "none"], var.load_balancer)
    error_message = "internal, external or none."
  }
}

variable "domain" {
  description = "Host of the load balancer, such as chat.example.com: its certificate is made for it, and the agent card names it."
  type        = string
  default     = null

  validation {
    condition     = var.load_balancer == "none" || can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain))
    error_message = "A load balancer needs a domain, such as chat.example.com; load_balancer = \"none\" goes without."
  }
}

variable "network" {
  description = "Network of the internal load balancer; null makes one. A network has one proxy-only subnet (GLOBAL_MANAGED_PROXY) per region: give it a proxy_range where it has none yet."
  type = object({
    id          = string
    subnetwork  = string
    proxy_range = optional(string)
  })
  default = null
}

variable "requests_per_minute_per_key" {
  description = "What Cloud Armor lets through with one API key or token, before it is looked at; external load balancer only."
  type        = number
  default     = 1200

  validation {
    condition     = var.requests_per_minute_per_key >= 60
    error_message = "At least 60: a frontend has one key for all users of its organisation."
  }
}

variable "requests_per_minute_per_address" {
  description = "What Cloud Armor lets through from one address without a key: preflights of browsers, discovery, health; external load balancer only."
  type        = number
  default     = 600

  validation {
    condition     = var.requests_per_minute_per_address >= 60
    error_message = "At least 60: an office has one address for all of its browsers."
  }
}

variable "egress" {
  description = "How calls of models leave: null by Google's own way; else through a network, by a connector that exists or one made here in `range`, with one address that stays."
  type = object({
    connector = optional(string)
    network   = optional(string)
    range     = optional(string, "10.130.0.0/28")
  })
  default = null

  validation {
    condition     = var.egress == null || (try(var.egress.connector, null) == null) != (try(var.egress.network, null) == null)
    error_message = "Give a connector that exists, or the network that one is made in; not both."
  }

  validation {
    condition     = var.egress == null || can(regex("/28$", var.egress.range)) && can(cidrhost(var.egress.range, 0))
    error_message = "A connector takes a range of /28 that nothing else uses."
  }
}

# Data

variable "firestore" {
  description = "Database of the sessions: its name, its location (null: the region), how long daily backups stay, and whether it is made here."
  type = object({
    database    = optional(string, "(default)")
    location    = optional(string)
    backup_days = optional(number, 14)
    create      = optional(bool, true)
  })
  default = {}

  validation {
    condition     = var.firestore.backup_days >= 1 && var.firestore.backup_days <= 98
    error_message = "Backups stay for 1 to 98 days."
  }
}

variable "bigquery_location" {
  description = "Location of every dataset that is asked, such as US, EU or a region."
  type        = string
  default     = "US"
}

variable "shared_dataset" {
  description = "The dataset that all organisations share. Where the platform has it already, say which of its tables are still to be made: null for all, [] for none."
  type = object({
    id             = optional(string, "organizations")
    create_dataset = optional(bool, true)
    create_tables  = optional(set(string))
  })
  default = {}

  validation {
    condition     = can(regex("^[A-Za-z0-9_]+$", var.shared_dataset.id))
    error_message = "A dataset id has letters, digits and underscores."
  }
}

variable "catalog_dataset" {
  description = "The dataset of list prices, charts and models that plans are made from."
  type        = string
  default     = "catalog"

  validation {
    condition     = can(regex("^[A-Za-z0-9_]+$", var.catalog_dataset)) && var.catalog_dataset != var.shared_dataset.id
    error_message = "A dataset id has letters, digits and underscores; the catalogue's is not the shared one."
  }
}

variable "deletion_protection" {
  description = "Whether datasets' tables refuse to be destroyed; Firestore and the KMS key always do."
  type        = bool
  default     = true
}

# Keys

variable "provider_key" {
  description = "The KMS key that wraps the organisations' provider keys, made in the region and named after name_prefix. create = false uses the platform's own (global, cloudact-keyring unless said otherwise), so that what it wrapped still opens."
  type = object({
    create     = optional(bool, true)
    location   = optional(string)
    keyring    = optional(string)
    key        = optional(string, "api-key-encryption")
    protection = optional(string, "SOFTWARE")
  })
  default = {}

  validation {
    condition     = contains(["SOFTWARE", "HSM"], var.provider_key.protection)
    error_message = "SOFTWARE or HSM."
  }
}

variable "key_rotation_days" {
  description = "How often a new version of each KMS key is made; old versions still open what they wrapped."
  type        = number
  default     = 90

  validation {
    condition     = var.key_rotation_days >= 1 && var.key_rotation_days <= 90
    error_message = "From 1 to 90 days."
  }
}

variable "cmek" {
  description = "Whether Firestore, BigQuery, sources, images and functions are encrypted with keys of this project. Decide before the first apply: Firestore cannot change it."
  type        = bool
  default     = false
}

# Watching

variable "tracing" {
  description = "Whether spans go to Cloud Trace; TRACE_SAMPLE_RATIO in settings says how many. An OTEL_EXPORTER_OTLP_ENDPOINT there goes elsewhere instead."
  type        = bool
  default     = false

  validation {
    condition     = !var.tracing || !contains(keys(var.settings), "OTEL_EXPORTER_OTLP_ENDPOINT")
    error_message = "Spans go to one place: set tracing, or OTEL_EXPORTER_OTLP_ENDPOINT."
  }
}

variable "alert_emails" {
  description = "Addresses that alerts go to."
  type        = set(string)
  default     = []
}

variable "notification_channels" {
  description = "Existing channels that alerts go to as well, as projects/…/notificationChannels/…."
  type        = set(string)
  default     = []
}

variable "audit_data_access" {
  description = "Whether reads of BigQuery and Firestore, and uses of keys, are in the audit log, with who made them. It is billed by volume: each turn has some twenty."
  type        = bool
  default     = false
}

variable "budget" {
  description = "A budget for what carries this deployment's label, told to the alerts' channels; null for none. Whoever applies needs roles/billing.costsManager on the billing account."
  type = object({
    billing_account = string
    amount          = number
    currency        = optional(string, "USD")
  })
  default = null

  validation {
    condition     = var.budget == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account)) && try(var.budget.amount >= 1 && floor(var.budget.amount) == var.budget.amount, false)
    error_message = "Give the billing account as XXXXXX-XXXXXX-XXXXXX, and a whole amount of its currency."
  }
}

variable "thresholds" {
  description = "When an alert is raised: share of failed requests and turns, 95th percentile of the time to the first token, age of the oldest unsaved entry, bytes that BigQuery bills in an hour."
  type = object({
    error_ratio         = optional(number, 0.05)
    first_token_ms      = optional(number, 8000)
    outbox_age_seconds  = optional(number, 900)
    bytes_billed_hourly = optional(number, 1099511627776)
  })
  default = {}
}
