# The catalogue of list prices, charts and models: public facts, the same for every organisation. The operator loads it
# (`python -m local catalog load`); no function may write it.

locals {
  catalog_tables = {
    for file in fileset("${local.schemas}/catalog", "*.json") :
    trimsuffix(file, ".json") => jsondecode(file("${local.schemas}/catalog/${file}"))
  }
}

resource "google_bigquery_dataset" "catalog" {
  project                    = var.project_id
  dataset_id                 = var.catalog_dataset
  location                   = var.bigquery_location
  description                = "List prices, Helm charts and models that plans are made from. Nobody's own rows."
  delete_contents_on_destroy = false

  dynamic "default_encryption_configuration" {
    for_each = local.cmek_key_bigquery[*]

    content {
      kms_key_name = default_encryption_configuration.value
    }
  }

  # Access is given by resources of its own.
  lifecycle {
    ignore_changes = [access]
  }

  depends_on = [google_project_service.service, google_kms_crypto_key_iam_member.agent]
}

resource "google_bigquery_table" "catalog" {
  for_each = local.catalog_tables

  project             = var.project_id
  dataset_id          = google_bigquery_dataset.catalog.dataset_id
  table_id            = each.key
  description         = each.value.description
  schema              = jsonencode(each.value.schema)
  clustering          = try(each.value.clustering, null)
  deletion_protection = var.deletion_protection

  dynamic "encryption_configuration" {
    for_each = local.cmek_key_bigquery[*]

    content {
      kms_key_name = encryption_configuration.value
    }
  }

  # Columns are only ever added, by `python -m local tables`, as those of the shared tables are.
  lifecycle {
    ignore_changes = [schema]
  }
}

resource "google_bigquery_dataset_iam_member" "catalog_reader" {
  for_each = toset([for name, function in local.functions : name if function.catalog])

  project    = var.project_id
  dataset_id = google_bigquery_dataset.catalog.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = google_service_account.function[each.value].member
}
