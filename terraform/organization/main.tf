# One organisation kept apart by IAM as well, below the guard: an account that reads its data and its own views only.
# Its state is its own: no plan of it, and none of the deployment, concerns another organisation.

locals {
  account = var.service_account[*]
  reads   = var.service_account == null ? [] : var.data_viewer_on
  actors  = var.service_account == null ? [] : var.readers
}

resource "google_service_account" "organization" {
  count = length(local.account)

  project      = var.project_id
  account_id   = split("@", var.service_account)[0]
  display_name = "Reads for the organisation ${var.org_slug}"
}

resource "google_bigquery_dataset" "views" {
  project     = var.project_id
  dataset_id  = var.view_dataset
  location    = var.bigquery_location
  description = "Views of the shared tables with the rows of ${var.org_slug} only."
  labels      = { org = var.org_slug }

  dynamic "default_encryption_configuration" {
    for_each = var.kms_key_name[*]

    content {
      kms_key_name = default_encryption_configuration.value
    }
  }

  # Access is given by resources of its own.
  lifecycle {
    ignore_changes = [access]
  }
}

resource "google_bigquery_table" "view" {
  # checkov:skip=CKV_GCP_80:A view holds no data.
  # checkov:skip=CKV_GCP_121:A view holds no data, and goes when the organisation leaves.
  for_each = var.views

  project             = var.project_id
  dataset_id          = google_bigquery_dataset.views.dataset_id
  table_id            = each.key
  deletion_protection = false

  view {
    query          = each.value.query
    use_legacy_sql = false
  }
}

# The views of this dataset may read behind themselves; whoever reads the views may not. The dataset is authorised, not
# each view: a dataset takes 2,500 entries. Nobody else makes views in it.
resource "google_bigquery_dataset_access" "views" {
  project    = var.project_id
  dataset_id = var.authorized_on

  dataset {
    dataset {
      project_id = var.project_id
      dataset_id = google_bigquery_dataset.views.dataset_id
    }
    target_types = ["VIEWS"]
  }
}

resource "google_bigquery_dataset_iam_member" "organization" {
  for_each = toset(local.reads)

  project    = var.project_id
  dataset_id = each.value
  role       = "roles/bigquery.dataViewer"
  member     = google_service_account.organization[0].member

  depends_on = [google_bigquery_dataset.views]
}

resource "google_project_iam_member" "jobs" {
  count = length(local.account)

  project = var.project_id
  role    = "roles/bigquery.jobUser"
  member  = google_service_account.organization[0].member
}

# Tokens of the account, for the functions whose tools or bills read what organisations own.
resource "google_service_account_iam_member" "reader" {
  for_each = toset(local.actors)

  service_account_id = google_service_account.organization[0].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = "serviceAccount:${each.value}"
}
