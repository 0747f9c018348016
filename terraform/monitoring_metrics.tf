# What is counted of the functions' log records; the records and their fields are those of common/telemetry.

locals {
  ours = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=~\"^(${join("|", values(local.names))})$\""

  counters = {
    requests = {
      description = "Requests, by function and class of their status."
      filter      = "jsonPayload.message=\"request.finished\""
      labels = {
        function = "EXTRACT(jsonPayload.function)"
        status   = "REGEXP_EXTRACT(jsonPayload.status, \"^([0-9])\")"
      }
    }
    turns = {
      description = "Turns, by how they ended: ok, cancelled, or an error's code."
      filter      = "jsonPayload.message=\"turn.finished\""
      labels = {
        finish   = "EXTRACT(jsonPayload.finish)"
        provider = "EXTRACT(jsonPayload.provider)"
      }
    }
    key_failures = {
      description = "Requests, turns and probes that failed because Cloud KMS did not answer."
      # A turn's failure is counted by its own record alone; settings_status has no turns.
      filter = join(" OR ", [
        "jsonPayload.message=\"key.failed\"",
        "(jsonPayload.message=\"readiness.failed\" AND jsonPayload.dependency=\"kms\")",
        "(jsonPayload.function=\"settings_status\" AND jsonPayload.code=\"key_service_unavailable\")",
      ])
      labels = { function = "EXTRACT(jsonPayload.function)" }
    }
    rejected_rows = {
      description = "Rows that BigQuery would not take; they stay in the outbox."
      filter      = "jsonPayload.message=\"sync.rejected\""
      labels      = { table = "EXTRACT(jsonPayload.stage)" }
    }
    failed_alerts = {
      description = "Organisations whose alert rules could not be evaluated, by why."
      filter      = "jsonPayload.message=\"alerts.failed\""
      labels      = { code = "EXTRACT(jsonPayload.code)" }
    }
    dead_deliveries = {
      description = "Notices that a destination never took, by why."
      filter      = "jsonPayload.message=\"delivery.dead\""
      labels      = { code = "EXTRACT(jsonPayload.code)" }
    }
    stopped_syncs = {
      description = "Syncs that ended before the outbox was empty, by why."
      filter      = "jsonPayload.message=\"sync.stopped\""
      labels      = { code = "EXTRACT(jsonPayload.code)" }
    }
  }

  # Of the platform's own records: an instance that is killed or never starts writes none of ours.
  platform_counters = {
    memory_exceeded = {
      description = "Instances that were killed for their memory."
      filter      = "${local.ours} AND log_id(\"run.googleapis.com/varlog/system\") AND textPayload:\"Memory limit of\" AND textPayload:\"exceeded\""
    }
    no_instance = {
      description = "Requests that Cloud Run refused because no instance was there."
      filter      = "${local.ours} AND log_id(\"run.googleapis.com/requests\") AND textPayload:\"no available instance\""
    }
    failed_starts = {
      description = "Instances that did not start."
      filter      = "${local.ours} AND log_id(\"run.googleapis.com/varlog/system\") AND severity>=ERROR AND (textPayload:\"failed to start\" OR textPayload:\"Default STARTUP TCP probe failed\")"
    }
    failed_jobs = {
      description = "Calls of the scheduler that failed."
      filter      = "resource.type=\"cloud_scheduler_job\" AND resource.labels.job_id=~\"^(${join("|", [for name in keys(local.scheduled) : local.names[name]])})$\" AND severity>=ERROR"
    }
  }

  distributions = {
    first_token_ms = {
      description = "From a question's arrival to the first token of its answer."
      filter      = "jsonPayload.message=\"turn.finished\" AND jsonPayload.first_token_ms>=0"
      value       = "EXTRACT(jsonPayload.first_token_ms)"
      unit        = "ms"
      buckets     = { scale = 10, growth = 1.2, count = 64 } # 10 ms to 20 minutes
      labels      = { provider = "EXTRACT(jsonPayload.provider)" }
    }
    turn_ms = {
      description = "From a question's arrival to the end of its answer."
      filter      = "jsonPayload.message=\"turn.finished\" AND jsonPayload.latency_ms>=0"
      value       = "EXTRACT(jsonPayload.latency_ms)"
      unit        = "ms"
      buckets     = { scale = 10, growth = 1.2, count = 64 } # 10 ms to 20 minutes
      labels      = { provider = "EXTRACT(jsonPayload.provider)" }
    }
    bytes_billed = {
      description = "What BigQuery billed for the tools of a turn."
      filter      = "jsonPayload.message=\"turn.finished\" AND jsonPayload.bytes_billed>=0"
      value       = "EXTRACT(jsonPayload.bytes_billed)"
      unit        = "By"
      buckets     = { scale = 1048576, growth = 2, count = 24 } # 1 MiB to 16 TiB
      labels      = {}
    }
    directory_bytes_billed = {
      description = "What BigQuery billed for reading keys, profiles and settings anew."
      filter      = "jsonPayload.message=\"request.finished\" AND jsonPayload.directory_bytes_billed>=0"
      value       = "EXTRACT(jsonPayload.directory_bytes_billed)"
      unit        = "By"
      buckets     = { scale = 1048576, growth = 2, count = 24 } # 1 MiB to 16 TiB
      labels      = {}
    }
    record_bytes_billed = {
      description = "What BigQuery billed for the record: merges, with the days that they update, and reads."
      filter      = "jsonPayload.message=\"request.finished\" AND jsonPayload.record_bytes_billed>=0"
      value       = "EXTRACT(jsonPayload.record_bytes_billed)"
      unit        = "By"
      buckets     = { scale = 1048576, growth = 2, count = 24 } # 1 MiB to 16 TiB
      labels      = { function = "EXTRACT(jsonPayload.function)" }
    }
    estimated_cost_usd = {
      description = "What the organisation's provider will charge for a turn, as far as the catalogue has prices."
      filter      = "jsonPayload.message=\"turn.finished\" AND jsonPayload.estimated_cost_usd>=0"
      value       = "EXTRACT(jsonPayload.estimated_cost_usd)"
      unit        = "USD"
      buckets     = { scale = 0.0001, growth = 1.5, count = 36 } # A hundredth of a cent to 200 dollars
      labels      = { provider = "EXTRACT(jsonPayload.provider)" }
    }
    outbox_age_seconds = {
      description = "Age of the oldest entry that BigQuery does not have."
      filter      = "jsonPayload.message=\"readiness.measured\" AND jsonPayload.outbox_age_seconds>=0"
      value       = "EXTRACT(jsonPayload.outbox_age_seconds)"
      unit        = "s"
      buckets     = { scale = 1, growth = 1.3, count = 60 } # A second to 80 days
      labels      = {}
    }
    outbox_rejected = {
      description = "Entries of the outbox that BigQuery has refused at least once."
      filter      = "jsonPayload.message=\"readiness.measured\" AND jsonPayload.outbox_rejected>=0"
      value       = "EXTRACT(jsonPayload.outbox_rejected)"
      unit        = "1"
      buckets     = { scale = 1, growth = 2, count = 20 } # One to a million
      labels      = {}
    }
  }
}

resource "google_logging_metric" "counter" {
  for_each = local.counters

  project     = var.project_id
  name        = "${var.name_prefix}/${each.key}"
  description = each.value.description
  filter      = "${local.ours} AND (${each.value.filter})"

  label_extractors = each.value.labels

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"

    dynamic "labels" {
      for_each = each.value.labels

      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }

  depends_on = [google_project_service.service]
}

resource "google_logging_metric" "platform" {
  for_each = local.platform_counters

  project     = var.project_id
  name        = "${var.name_prefix}/${each.key}"
  description = each.value.description
  filter      = each.value.filter

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }

  depends_on = [google_project_service.service]
}

resource "google_logging_metric" "distribution" {
  for_each = local.distributions

  project         = var.project_id
  name            = "${var.name_prefix}/${each.key}"
  description     = each.value.description
  filter          = "${local.ours} AND (${each.value.filter})"
  value_extractor = each.value.value

  label_extractors = each.value.labels

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = each.value.unit

    dynamic "labels" {
      for_each = each.value.labels

      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }

  bucket_options {
    exponential_buckets {
      scale              = each.value.buckets.scale
      growth_factor      = each.value.buckets.growth
      num_finite_buckets = each.value.buckets.count
    }
  }

  depends_on = [google_project_service.service]
}
