# The shared dataset; its tables come from the schema files that the code reads, too. Organisations' own datasets are made
# by the operator's commands: nothing here grows with their number.

locals {
  schemas = "${local.root}/common/warehouse/schemas"

  shared_schemas = {
    for file in fileset("${local.schemas}/organizations", "*.json") :
    trimsuffix(file, ".json") => jsondecode(file("${local.schemas}/organizations/${file}"))
  }

  shared_tables = {
    for name, table in local.shared_schemas : name => table
    if var.shared_dataset.create_tables == null || contains(coalesce(var.shared_dataset.create_tables, []), name)
  }

  shared_dataset_id = var.shared_dataset.create_dataset ? google_bigquery_dataset.shared[0].dataset_id : var.shared_dataset.id

  # Those whose agents or clients ask the organisations' data.
  tenant_readers = [for name, function in local.functions : name if function.tenants]

  table_writes = merge([
    for name, function in local.functions : {
      for table in function.writes : "${name}/${table}" => { function = name, table = table }
    }
  ]...)
}

resource "google_bigquery_dataset" "shared" {
  count = var.shared_dataset.create_dataset ? 1 : 0

  project                    = var.project_id
  dataset_id                 = var.shared_dataset.id
  location                   = var.bigquery_location
  description                = "What the platform knows of its organisations, and the record of their chats."
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

resource "google_bigquery_table" "shared" {
  for_each = local.shared_tables

  project             = var.project_id
  dataset_id          = local.shared_dataset_id
  table_id            = each.key
  description         = each.value.description
  schema              = jsonencode(each.value.schema)
  clustering          = try(each.value.clustering, null)
  deletion_protection = var.deletion_protection

  dynamic "time_partitioning" {
    for_each = try([each.value.time_partitioning], [])

    content {
      type  = time_partitioning.value.type
      field = time_partitioning.value.field
    }
  }

  dynamic "encryption_configuration" {
    for_each = local.cmek_key_bigquery[*]

    content {
      kms_key_name = encryption_configuration.value
    }
  }

  # Columns are only ever added, by `python -m local tables`: an older commit must not drop what a newer one has filled,
  # nor this one what somebody else's pipeline has added.
  lifecycle {
    ignore_changes = [schema]
  }
}

resource "google_project_iam_member" "jobs" {
  for_each = local.functions

  project = var.project_id
  role    = "roles/bigquery.jobUser"
  member  = google_service_account.function[each.key].member
}

resource "google_bigquery_dataset_iam_member" "shared_reader" {
  for_each = toset([for name, function in local.functions : name if function.shared])

  project    = var.project_id
  dataset_id = local.shared_dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = google_service_account.function[each.value].member
}

resource "google_bigquery_table_iam_member" "writer" {
  for_each = local.table_writes

  project    = var.project_id
  dataset_id = local.shared_dataset_id
  table_id   = each.value.table
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.function[each.value.function].member

  depends_on = [google_bigquery_table.shared]
}
