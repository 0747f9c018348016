# Each function acts as itself, and is built as somebody else; nobody has a key file.

resource "google_service_account" "function" {
  for_each = local.functions

  project      = var.project_id
  account_id   = local.names[each.key]
  display_name = "Function ${local.names[each.key]}"
  description  = each.value.description

  depends_on = [google_project_service.service]
}

resource "google_service_account" "build" {
  project      = var.project_id
  account_id   = "${var.name_prefix}-build"
  display_name = "Builds the functions of ${var.name_prefix}"

  depends_on = [google_project_service.service]
}

resource "google_service_account" "scheduler" {
  project      = var.project_id
  account_id   = "${var.name_prefix}-scheduler"
  display_name = "Calls sync, alerts, ingest, deliver and health of ${var.name_prefix}"

  depends_on = [google_project_service.service]
}

resource "google_project_iam_member" "build_logs" {
  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = google_service_account.build.member
}

# Builds read our bucket, and the copy that Cloud Functions makes of it in a bucket of its own.
resource "google_project_iam_member" "build_sources" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = google_service_account.build.member

  condition {
    title      = "sources of functions"
    expression = "resource.name.startsWith(\"projects/_/buckets/${google_storage_bucket.sources.name}\") || resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-\") || resource.name.startsWith(\"projects/_/buckets/gcf-v2-uploads-\")"
  }
}

resource "google_artifact_registry_repository" "images" {
  project       = var.project_id
  location      = var.region
  repository_id = "${var.name_prefix}-functions"
  description   = "Images that Cloud Functions builds."
  format        = "DOCKER"
  kms_key_name  = local.cmek_key

  cleanup_policies {
    id     = "keep the newest"
    action = "KEEP"

    most_recent_versions {
      keep_count = 10
    }
  }

  cleanup_policies {
    id     = "delete the old"
    action = "DELETE"

    condition {
      older_than = "7776000s"
    }
  }

  depends_on = [google_project_service.service, google_kms_crypto_key_iam_member.agent]
}

resource "google_artifact_registry_repository_iam_member" "build" {
  project    = var.project_id
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.build.member
}

resource "google_project_iam_member" "spans" {
  for_each = var.tracing ? local.functions : {}

  project = var.project_id
  role    = "roles/cloudtrace.agent"
  member  = google_service_account.function[each.key].member
}
