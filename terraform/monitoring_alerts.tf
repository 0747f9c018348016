# Alerts are PromQL: such a condition may be made before its metric has its first value.

locals {
  # How PromQL names a log-based metric of ours.
  metric = { for name in concat(keys(local.counters), keys(local.distributions)) :
    name => "logging_googleapis_com:user_${replace(var.name_prefix, "-", "_")}_${name}"
  }
  from = "monitored_resource=\"cloud_run_revision\""

  alerts = {
    error_rate = {
      title    = "Requests fail"
      severity = "CRITICAL"
      query    = "sum(rate(${local.metric.requests}{${local.from},status=\"5\",function!=\"health\"}[5m])) / sum(rate(${local.metric.requests}{${local.from},function!=\"health\"}[5m])) > ${var.thresholds.error_ratio}"
      duration = "300s"
      advice   = "More than ${var.thresholds.error_ratio * 100} % of the requests of the last minutes ended with a 5xx. Look at `request.failed` and `request.crashed` in the log: `code` names the dependency."
    }
    turn_errors = {
      title    = "Turns fail"
      severity = "ERROR"
      query    = "sum(rate(${local.metric.turns}{${local.from},finish!~\"ok|cancelled\"}[10m])) / sum(rate(${local.metric.turns}{${local.from}}[10m])) > ${var.thresholds.error_ratio}"
      duration = "600s"
      advice   = "Streams end with an `error` event although their status is 200. `finish` of `turn.finished` says why; a code of one provider only is that provider's outage."
    }
    first_token = {
      title    = "Answers begin late"
      severity = "WARNING"
      query    = "histogram_quantile(0.95, sum by (le) (rate(${local.metric.first_token_ms}_bucket{${local.from}}[10m]))) > ${var.thresholds.first_token_ms}"
      duration = "600s"
      advice   = "The 95th percentile of the time to the first token is above ${var.thresholds.first_token_ms} ms. The stages in `turn.finished` say whether it is the model, a tool or a store; raise min_instances where instances start cold."
    }
    outbox_age = {
      title    = "The record falls behind"
      severity = "ERROR"
      query    = "histogram_quantile(0.99, sum by (le) (rate(${local.metric.outbox_age_seconds}_bucket{${local.from}}[10m]))) > ${var.thresholds.outbox_age_seconds}"
      duration = "600s"
      advice   = "The outbox holds an entry older than ${var.thresholds.outbox_age_seconds} s. Nothing is lost. Look at `sync.stopped` and at the scheduler's job for sync."
    }
    rejected_rows = {
      title    = "BigQuery refuses rows"
      severity = "ERROR"
      query    = "sum(increase(${local.metric.rejected_rows}{${local.from}}[15m])) > 0"
      duration = "0s"
      advice   = "`sync.rejected` names the table, the organisation and the row. The row stays in the outbox and is tried again; compare the table with its file in common/warehouse/schemas."
    }
    key_failures = {
      title    = "Cloud KMS does not answer"
      severity = "CRITICAL"
      query    = "sum(increase(${local.metric.key_failures}{${local.from}}[5m])) > 0"
      duration = "0s"
      advice   = "No provider key can be opened, so no question is answered. Check that the key's versions are enabled, and the roles on it."
    }
    not_ready = {
      title    = "A dependency does not answer"
      severity = "CRITICAL"
      query    = "sum(increase(${local.metric.requests}{${local.from},function=\"health\",status=\"5\"}[15m])) >= 2"
      duration = "0s"
      advice   = "GET /health/ready says which of Firestore, BigQuery and KMS it is."
    }
    silent = {
      title    = "Nobody asks for readiness"
      severity = "ERROR"
      query    = "absent_over_time(${local.metric.requests}{${local.from},function=\"health\"}[30m])"
      duration = "0s"
      advice   = "The scheduler calls health every five minutes: its job is paused, may not call, or the function does not start."
    }
    bytes_billed = {
      title    = "BigQuery bills much"
      severity = "WARNING"
      query    = "sum(increase(${local.metric.bytes_billed}_sum{${local.from}}[1h])) > ${var.thresholds.bytes_billed_hourly}"
      duration = "0s"
      advice   = "Tools read more than ${var.thresholds.bytes_billed_hourly} bytes within an hour. The jobs' labels (org, agent, tool) say whose; BQ_MAX_BYTES_GATE bounds one query."
    }
  }

  channels = concat(tolist(var.notification_channels), [for channel in google_monitoring_notification_channel.email : channel.id])
}

resource "google_monitoring_notification_channel" "email" {
  for_each = var.alert_emails

  project      = var.project_id
  display_name = "${var.name_prefix}: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }

  depends_on = [google_project_service.service]
}

resource "google_monitoring_alert_policy" "alert" {
  for_each = local.alerts

  project               = var.project_id
  display_name          = "${var.name_prefix} (${var.environment}): ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels
  user_labels           = local.labels

  documentation {
    content   = each.value.advice
    mime_type = "text/markdown"
  }

  conditions {
    display_name = each.value.title

    condition_prometheus_query_language {
      query               = each.value.query
      duration            = each.value.duration
      evaluation_interval = "60s"
      rule_group          = var.name_prefix
      alert_rule          = each.key
    }
  }

  alert_strategy {
    auto_close = "1800s"
  }

  depends_on = [google_logging_metric.counter, google_logging_metric.distribution]
}
