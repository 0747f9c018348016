# The organisations' documents: the bucket of their bytes, who does what with it, and how an upload reaches ingest.

locals {
  # Functions that embed a question or a passage: with the organisation's own provider, or else with Vertex AI.
  embedders = ["send", "copilotkit", "completions", "a2a", "mcp", "knowledge", "ingest"]
}

resource "google_storage_bucket" "documents" {
  # checkov:skip=CKV_GCP_62:Each access is in the audit log of Cloud Storage's data, which audit.tf switches on.
  # checkov:skip=CKV_GCP_78:What an organisation deletes is gone; the file that a document was made of can be sent again.
  project  = var.project_id
  name     = "${var.project_id}-${var.name_prefix}-documents"
  location = var.region

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = false
  }

  soft_delete_policy {
    retention_duration_seconds = 0
  }

  # Pages send a document to its signed address themselves.
  cors {
    origin          = var.cors_origins
    method          = ["PUT"]
    response_header = ["Content-Type", "x-goog-content-length-range", "x-goog-if-generation-match"]
    max_age_seconds = 3600
  }

  dynamic "encryption" {
    for_each = local.cmek_key[*]

    content {
      default_kms_key_name = encryption.value
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_project_service.service, google_kms_crypto_key_iam_member.agent]
}

resource "google_storage_bucket_iam_member" "documents" {
  for_each = toset(["knowledge", "ingest"])

  bucket = google_storage_bucket.documents.name
  role   = "roles/storage.objectUser"
  member = google_service_account.function[each.key].member
}

# An address for an upload is signed by IAM in the function's own name: nobody has a key.
resource "google_service_account_iam_member" "signer" {
  service_account_id = google_service_account.function["knowledge"].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = google_service_account.function["knowledge"].member
}

resource "google_project_iam_member" "vertex" {
  for_each = toset(local.embedders)

  project = var.project_id
  role    = "roles/aiplatform.user"
  member  = google_service_account.function[each.key].member
}

# Eventarc calls ingest as this account.
resource "google_service_account" "events" {
  project      = var.project_id
  account_id   = "${var.name_prefix}-events"
  display_name = "Tells ingest of ${var.name_prefix} of uploads"

  depends_on = [google_project_service.service]
}

resource "google_project_iam_member" "events" {
  project = var.project_id
  role    = "roles/eventarc.eventReceiver"
  member  = google_service_account.events.member
}

resource "google_cloud_run_service_iam_member" "events" {
  project  = var.project_id
  location = var.region
  service  = google_cloudfunctions2_function.function["ingest"].name
  role     = "roles/run.invoker"
  member   = google_service_account.events.member
}

# Cloud Storage publishes what happens in its buckets as an account of its own.
data "google_storage_project_service_account" "publisher" {
  project = var.project_id

  depends_on = [google_project_service.service]
}

resource "google_project_iam_member" "storage_events" {
  project = var.project_id
  role    = "roles/pubsub.publisher"
  member  = data.google_storage_project_service_account.publisher.member
}
