# Alerts are PromQL. Their metrics have no value before the first request, so that conditions are not validated against them.

locals {
  # How PromQL names a log-based metric of ours.
  metric = { for name in concat(keys(local.counters), keys(local.platform_counters), keys(local.distributions)) :
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
    failed_alerts = {
      title    = "Alert rules cannot be evaluated"
      severity = "ERROR"
      query    = "sum(increase(${local.metric.failed_alerts}{${local.from}}[60m])) >= 3"
      duration = "0s"
      advice   = "`alerts.failed` names the organisation and why: its rules fire late. `bytes_over_limit` asks for a larger BQ_MAX_BYTES_GATE; `access_denied` for the account of alerts on its dataset."
    }
    dead_deliveries = {
      title    = "Notices do not reach people"
      severity = "WARNING"
      query    = "sum(increase(${local.metric.dead_deliveries}{${local.from}}[60m])) > 0"
      duration = "0s"
      advice   = "`delivery.dead` names the organisation, the destination and why. Its administrators see it in the list of what was sent; `mail_not_set_up` and `smtp_…` are the relay's, in SMTP_HOST."
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

  # What only the platform sees: none of it leaves a log line of the functions' own.
  platform = "${local.from},service_name=~\"${join("|", values(local.names))}\""

  platform_alerts = {
    platform_errors = {
      title    = "The platform answers 5xx"
      severity = "CRITICAL"
      query    = "sum(rate(run_googleapis_com:request_count{${local.platform},response_code_class=\"5xx\"}[5m])) / sum(rate(run_googleapis_com:request_count{${local.platform}}[5m])) > ${var.thresholds.error_ratio}"
      duration = "300s"
      advice   = "Cloud Run counts these itself, also where a function could not answer: instances that were killed, failed starts, 504. Compare with `Requests fail`; if only this one is raised, look at the service's own log."
    }
    memory = {
      title    = "An instance ran out of memory"
      severity = "ERROR"
      query    = "sum(increase(${local.metric.memory_exceeded}{${local.from}}[10m])) > 0"
      duration = "0s"
      advice   = "Cloud Run killed an instance, and every turn on it. Lower TURNS_PER_INSTANCE or raise the function's memory in locals.tf."
    }
    memory_near = {
      title    = "Instances are nearly out of memory"
      severity = "WARNING"
      query    = "histogram_quantile(0.95, sum by (le, service_name) (rate(run_googleapis_com:container_memory_utilizations_bucket{${local.platform}}[10m]))) > 0.9"
      duration = "600s"
      advice   = "The 95th percentile of memory in use is above 90 %: the next large answer may end an instance."
    }
    no_instance = {
      title    = "No instance was there for a request"
      severity = "ERROR"
      query    = "sum(increase(${local.metric.no_instance}{${local.from}}[10m])) > 0"
      duration = "0s"
      advice   = "Cloud Run answered 429 by itself, because max_instances is reached or instances did not start in time. Raise max_instances, or the project's quota."
    }
    failed_starts = {
      title    = "An instance does not start"
      severity = "CRITICAL"
      query    = "sum(increase(${local.metric.failed_starts}{${local.from}}[10m])) > 0"
      duration = "0s"
      advice   = "A setting that cannot be used stops a function at start, with a sentence on its standard error; so does a missing role or a container that does not listen."
    }
    scheduler = {
      title    = "A job of the scheduler fails"
      severity = "ERROR"
      query    = "sum(increase(${local.metric.failed_jobs}{monitored_resource=\"cloud_scheduler_job\"}[15m])) >= 3"
      duration = "0s"
      advice   = "The scheduler called sync, alerts or health and was refused or timed out. Look at the job's own log: `status` says whether it may not call, or the function does not answer."
    }
    quota = {
      title    = "A quota of the project is used up"
      severity = "ERROR"
      query    = "sum by (service, quota_metric) (increase(serviceruntime_googleapis_com:quota_exceeded{monitored_resource=\"consumer_quota\",service=~\"(bigquery|firestore|cloudkms|run|cloudfunctions|aiplatform).googleapis.com\"}[10m])) > 0"
      duration = "0s"
      advice   = "Google refuses calls until the quota is raised; terraform/README.md lists which to ask for."
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
  for_each = merge(local.alerts, local.platform_alerts)

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
      # A metric that nothing was counted in yet is unknown to the validator; the first apply would end here.
      disable_metric_validation = true
      rule_group                = var.name_prefix
      alert_rule                = each.key
    }
  }

  alert_strategy {
    auto_close = "1800s"
  }

  depends_on = [google_logging_metric.counter, google_logging_metric.distribution, google_logging_metric.platform]
}

# What the product costs, told before the month ends; a budget stands at a billing account, which other people may own.
resource "google_billing_budget" "product" {
  count = var.budget == null ? 0 : 1

  billing_account = var.budget.billing_account
  display_name    = "${var.name_prefix} (${var.environment})"

  budget_filter {
    projects = ["projects/${data.google_project.project[0].number}"]
    labels   = { app = var.name_prefix }
  }

  amount {
    specified_amount {
      currency_code = var.budget.currency
      units         = tostring(var.budget.amount)
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.8, 1]

    content {
      threshold_percent = threshold_rules.value
    }
  }

  threshold_rules {
    threshold_percent = 1
    spend_basis       = "FORECASTED_SPEND"
  }

  all_updates_rule {
    monitoring_notification_channels = slice(local.channels, 0, min(5, length(local.channels)))
    enable_project_level_recipients  = true
  }

  depends_on = [google_project_service.service]
}
