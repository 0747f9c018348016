# Keys of this project for what Google keeps for it, where var.cmek says so: one per location, for its services' agents.

locals {
  firestore_location = coalesce(var.firestore.location, var.region)
  # Firestore's multi-regions are named otherwise in KMS.
  firestore_key_location = lookup({ nam5 = "us", nam7 = "us", eur3 = "europe" }, local.firestore_location, local.firestore_location)
  bigquery_key_location  = lookup({ us = "us", eu = "europe" }, lower(var.bigquery_location), lower(var.bigquery_location))

  cmek_locations = var.cmek ? toset([var.region, local.firestore_key_location, local.bigquery_key_location]) : toset([])

  number = var.cmek ? data.google_project.project[0].number : ""
  agents = {
    artifactregistry = { location = var.region, email = "service-${local.number}@gcp-sa-artifactregistry.iam.gserviceaccount.com" }
    bigquery         = { location = local.bigquery_key_location, email = try(data.google_bigquery_default_service_account.agent[0].email, "") }
    cloudfunctions   = { location = var.region, email = "service-${local.number}@gcf-admin-robot.iam.gserviceaccount.com" }
    firestore        = { location = local.firestore_key_location, email = "service-${local.number}@gcp-sa-firestore.iam.gserviceaccount.com" }
    run              = { location = var.region, email = "service-${local.number}@serverless-robot-prod.iam.gserviceaccount.com" }
    storage          = { location = var.region, email = try(data.google_storage_project_service_account.agent[0].email_address, "") }
  }

  cmek_key           = var.cmek ? google_kms_crypto_key.data[var.region].id : null
  cmek_key_firestore = var.cmek ? google_kms_crypto_key.data[local.firestore_key_location].id : null
  cmek_key_bigquery  = var.cmek ? google_kms_crypto_key.data[local.bigquery_key_location].id : null
}

# Reading them makes them: BigQuery's and Storage's accounts are not made by `gcloud beta services identity create`.
data "google_bigquery_default_service_account" "agent" {
  count = var.cmek ? 1 : 0

  project = var.project_id

  depends_on = [google_project_service.service]
}

data "google_storage_project_service_account" "agent" {
  count = var.cmek ? 1 : 0

  project = var.project_id

  depends_on = [google_project_service.service]
}

resource "google_kms_key_ring" "data" {
  for_each = local.cmek_locations

  project  = var.project_id
  location = each.value
  name     = "${var.name_prefix}-data"

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_project_service.service]
}

resource "google_kms_crypto_key" "data" {
  # checkov:skip=CKV_GCP_43:The variable refuses more than 90 days; checkov does not multiply.
  for_each = local.cmek_locations

  key_ring                   = google_kms_key_ring.data[each.value].id
  name                       = "data"
  purpose                    = "ENCRYPT_DECRYPT"
  rotation_period            = "${var.key_rotation_days * 86400}s"
  destroy_scheduled_duration = "2592000s"

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "agent" {
  for_each = var.cmek ? local.agents : {}

  crypto_key_id = google_kms_crypto_key.data[each.value.location].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value.email}"
}
