# Cloud Scheduler counts as internal for the run.app address of a function in its own project, so that ingress stays shut.

locals {
  scheduled = {
    health = {
      description = "Asks whether questions can be asked; what it measures is watched."
      schedule    = "*/5 * * * *"
      method      = "GET"
      path        = "/ready"
    }
    alerts = {
      description = "Evaluates the alert rules of every organisation."
      schedule    = "*/15 * * * *"
      method      = "POST"
      path        = "/"
    }
    deliver = {
      description = "Queues the deliveries that are due."
      schedule    = "* * * * *"
      method      = "POST"
      path        = "/due"
    }
    ingest = {
      description = "Looks after documents of which something is left to do."
      schedule    = "* * * * *"
      method      = "POST"
      path        = "/due"
    }
    sync = {
      description = "Carries what was said into BigQuery."
      schedule    = "* * * * *"
      method      = "POST"
      path        = "/"
    }
  }
}

resource "google_cloud_scheduler_job" "job" {
  for_each = local.scheduled

  project          = var.project_id
  region           = var.region
  name             = local.names[each.key]
  description      = each.value.description
  schedule         = each.value.schedule
  time_zone        = "Etc/UTC"
  attempt_deadline = "${local.functions[each.key].timeout_seconds}s"

  # The next call comes by itself.
  retry_config {
    retry_count = 0
  }

  http_target {
    http_method = each.value.method
    uri         = "${local.urls[each.key]}${each.value.path}"

    oidc_token {
      service_account_email = google_service_account.scheduler.email
      audience              = local.urls[each.key]
    }
  }

  depends_on = [google_cloud_run_service_iam_member.scheduler]
}
