# `python -m local boundary --org ORG --readers "$READERS"` writes all but the last two.

variable "project_id" {
  description = "The project of the deployment."
  type        = string
}

variable "org_slug" {
  description = "The organisation."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9_]{3,50}$", var.org_slug))
    error_message = "An organisation's slug matches ^[a-z0-9_]{3,50}$."
  }
}

variable "service_account" {
  description = "The account that reads for the organisation, by the pattern in WAREHOUSE_IMPERSONATION; null makes views only."
  type        = string
  default     = null

  validation {
    condition     = var.service_account == null || can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]@${var.project_id}\\.iam\\.gserviceaccount\\.com$", var.service_account))
    error_message = "An account of this project: 6 to 30 letters, digits and hyphens before the @."
  }
}

variable "readers" {
  description = "The functions' accounts that act as it (terraform output -raw tenant_readers)."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.readers : can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z0-9.:-]+\\.iam\\.gserviceaccount\\.com$", each))])
    error_message = "Only service accounts act for an organisation."
  }

  validation {
    condition     = var.service_account == null || length(var.readers) > 0
    error_message = "An account that no function may act as serves nobody: give readers."
  }
}

variable "view_dataset" {
  description = "The dataset of its views."
  type        = string
}

variable "views" {
  description = "The views, by the shared table that each shows the organisation's rows of."
  type        = map(object({ query = string }))

  validation {
    condition     = alltrue([for each in var.views : strcontains(each.query, "'${var.org_slug}'")])
    error_message = "Every view names its organisation."
  }
}

variable "authorized_on" {
  description = "The shared dataset, whose tables the views read."
  type        = string
}

variable "data_viewer_on" {
  description = "The datasets that its account reads: its own data and its own views."
  type        = list(string)

  validation {
    condition     = alltrue([for each in var.data_viewer_on : contains(["${var.org_slug}_prod", var.view_dataset], each)])
    error_message = "An organisation's account reads <slug>_prod and its views, and nothing else."
  }
}

variable "bigquery_location" {
  description = "The location of the shared dataset."
  type        = string
  default     = "US"
}

variable "kms_key_name" {
  description = "The key of the shared dataset, where the deployment has cmek."
  type        = string
  default     = null
}
