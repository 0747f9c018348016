# The queue of deliveries. It sends every task to deliver, with a token of its own account, whatever the task says: who
# makes tasks needs to know neither.
resource "google_cloud_tasks_queue" "deliver" {
  project  = var.project_id
  location = var.region
  name     = local.queue_name

  http_target {
    http_method = "POST"

    uri_override {
      scheme                    = "HTTPS"
      host                      = trimprefix(local.urls["deliver"], "https://")
      uri_override_enforce_mode = "ALWAYS"

      path_override {
        path = "/"
      }
    }

    oidc_token {
      service_account_email = google_service_account.tasks.email
      audience              = local.urls["deliver"]
    }
  }

  rate_limits {
    max_dispatches_per_second = 50
    max_concurrent_dispatches = 100
  }

  # A delivery's own tries, and the pauses between them, are the product's: these are for deliver itself.
  retry_config {
    max_attempts  = 20
    min_backoff   = "10s"
    max_backoff   = "120s"
    max_doublings = 4
  }

  depends_on = [google_project_service.service]
}

# It also takes what is due from Firestore, and queues it.
resource "google_cloud_tasks_queue_iam_member" "deliver" {
  project  = var.project_id
  location = google_cloud_tasks_queue.deliver.location
  name     = google_cloud_tasks_queue.deliver.name
  role     = "roles/cloudtasks.enqueuer"
  member   = google_service_account.function["deliver"].member
}

resource "google_service_account" "tasks" {
  project      = var.project_id
  account_id   = "${var.name_prefix}-tasks"
  display_name = "Calls deliver of ${var.name_prefix}"

  depends_on = [google_project_service.service]
}

resource "google_cloud_run_service_iam_member" "tasks" {
  project  = var.project_id
  location = var.region
  service  = google_cloudfunctions2_function.function["deliver"].name
  role     = "roles/run.invoker"
  member   = google_service_account.tasks.member
}

# The password of the mail relay, for who sends mail.
resource "google_secret_manager_secret_iam_member" "smtp" {
  for_each = var.smtp_password_secret == null ? toset([]) : local.senders

  project   = var.project_id
  secret_id = var.smtp_password_secret
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.function[each.key].member
}
