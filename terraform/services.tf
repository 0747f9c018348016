locals {
  services = toset(concat(
    [
      "artifactregistry.googleapis.com",
      "bigquery.googleapis.com",
      "cloudbuild.googleapis.com",
      "cloudfunctions.googleapis.com",
      "cloudkms.googleapis.com",
      "cloudscheduler.googleapis.com",
      "aiplatform.googleapis.com",
      "cloudtasks.googleapis.com",
      "eventarc.googleapis.com",
      "firestore.googleapis.com",
      "iam.googleapis.com",
      "iamcredentials.googleapis.com",
      "logging.googleapis.com",
      "monitoring.googleapis.com",
      "pubsub.googleapis.com",
      "run.googleapis.com",
      "storage.googleapis.com",
    ],
    var.smtp_password_secret == null ? [] : ["secretmanager.googleapis.com"],
    var.tracing ? ["cloudtrace.googleapis.com", "telemetry.googleapis.com"] : [],
    var.egress == null ? [] : ["compute.googleapis.com", "vpcaccess.googleapis.com"],
    var.budget == null ? [] : ["billingbudgets.googleapis.com"],
    var.load_balancer == "none" ? [] : ["compute.googleapis.com", "certificatemanager.googleapis.com"],
  ))
}

resource "google_project_service" "service" {
  for_each = local.services

  project = var.project_id
  service = each.value

  # Others in the project may use it too.
  disable_on_destroy = false
}

# Its number names the accounts of Google's services.
data "google_project" "project" {
  count = var.cmek || var.budget != null ? 1 : 0

  project_id = var.project_id
}
