# Below the guard, where it is wanted: per organisation an account that reads its own data and its own views only.

locals {
  boundary_accounts = { for slug, each in var.boundary : slug => each.service_account if each.service_account != null }

  boundary_views = merge([
    for slug, each in var.boundary : {
      for name, view in each.views : "${slug}/${name}" => { slug = slug, name = name, query = view.query }
    }
  ]...)
  boundary_reads = merge([
    for slug in keys(local.boundary_accounts) : {
      for dataset in var.boundary[slug].data_viewer_on : "${slug}/${dataset}" => { slug = slug, dataset = dataset }
    }
  ]...)
}

resource "google_service_account" "organization" {
  for_each = local.boundary_accounts

  project      = var.project_id
  account_id   = split("@", each.value)[0]
  display_name = "Reads for the organisation ${each.key}"

  depends_on = [google_project_service.service]
}

resource "google_bigquery_dataset" "views" {
  for_each = var.boundary

  project     = var.project_id
  dataset_id  = each.value.view_dataset
  location    = var.bigquery_location
  description = "Views of the shared tables with the rows of ${each.key} only."
  labels      = { org = each.key }

  dynamic "default_encryption_configuration" {
    for_each = local.cmek_key_bigquery[*]

    content {
      kms_key_name = default_encryption_configuration.value
    }
  }

  lifecycle {
    ignore_changes = [access]
  }

  depends_on = [google_project_service.service, google_kms_crypto_key_iam_member.agent]
}

resource "google_bigquery_table" "view" {
  # checkov:skip=CKV_GCP_80:A view holds no data.
  for_each = local.boundary_views

  project             = var.project_id
  dataset_id          = google_bigquery_dataset.views[each.value.slug].dataset_id
  table_id            = each.value.name
  deletion_protection = var.deletion_protection

  view {
    query          = each.value.query
    use_legacy_sql = false
  }

  depends_on = [google_bigquery_table.shared]
}

# The views of an organisation's dataset may read behind themselves; whoever reads the views may not. The dataset is
# authorised, not each view: a dataset takes 2,500 entries. Nobody but this deployment makes views in it.
resource "google_bigquery_dataset_access" "views" {
  for_each = var.boundary

  project    = var.project_id
  dataset_id = each.value.authorized_on

  dataset {
    dataset {
      project_id = var.project_id
      dataset_id = google_bigquery_dataset.views[each.key].dataset_id
    }
    target_types = ["VIEWS"]
  }

  # One after the other: both change the same list of the dataset.
  depends_on = [google_bigquery_dataset_iam_member.shared_reader]
}

resource "google_bigquery_dataset_iam_member" "organization" {
  for_each = local.boundary_reads

  project    = var.project_id
  dataset_id = each.value.dataset
  role       = "roles/bigquery.dataViewer"
  member     = google_service_account.organization[each.value.slug].member

  depends_on = [google_bigquery_dataset.tenant, google_bigquery_dataset.views]
}

resource "google_project_iam_member" "organization_jobs" {
  for_each = local.boundary_accounts

  project = var.project_id
  role    = "roles/bigquery.jobUser"
  member  = google_service_account.organization[each.key].member
}
