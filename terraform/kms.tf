# The keys that wrap the organisations' provider keys, and the secrets of their token issuers.

locals {
  # Regional, so that no policy on locations stands in the way, and one key ring per deployment: none is ever deleted.
  provider_location = coalesce(var.provider_key.location, var.provider_key.create ? var.region : "global")
  provider_keyring  = coalesce(var.provider_key.keyring, var.provider_key.create ? "${var.name_prefix}-provider-keys" : "cloudact-keyring")
  provider_key_name = join("/", [
    "projects", var.project_id, "locations", local.provider_location,
    "keyRings", local.provider_keyring, "cryptoKeys", var.provider_key.key,
  ])

  # Another key: what proves a person's token never opens an organisation's provider key.
  token_key_name = join("/", [
    "projects", var.project_id, "locations", local.provider_location,
    "keyRings", local.provider_keyring, "cryptoKeys", "token-secret-encryption",
  ])

  key_grants = merge([
    for name, function in local.functions : {
      for role in function.key : "${name}/${role}" => { function = name, role = role }
    }
  ]...)
}

resource "google_kms_key_ring" "provider" {
  count = var.provider_key.create ? 1 : 0

  project  = var.project_id
  location = local.provider_location
  name     = local.provider_keyring

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_project_service.service]
}

resource "google_kms_crypto_key" "provider" {
  # checkov:skip=CKV_GCP_43:The variable refuses more than 90 days; checkov does not multiply.
  count = var.provider_key.create ? 1 : 0

  key_ring                   = google_kms_key_ring.provider[0].id
  name                       = var.provider_key.key
  purpose                    = "ENCRYPT_DECRYPT"
  rotation_period            = "${var.key_rotation_days * 86400}s"
  destroy_scheduled_duration = "2592000s"

  version_template {
    algorithm        = "GOOGLE_SYMMETRIC_ENCRYPTION"
    protection_level = var.provider_key.protection
  }

  # Without it no organisation's key opens again.
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "function" {
  for_each = local.key_grants

  crypto_key_id = local.provider_key_name
  role          = each.value.role
  member        = google_service_account.function[each.value.function].member

  depends_on = [google_kms_crypto_key.provider]
}

resource "google_kms_crypto_key" "token" {
  # checkov:skip=CKV_GCP_43:The variable refuses more than 90 days; checkov does not multiply.
  key_ring                   = trimsuffix(local.token_key_name, "/cryptoKeys/token-secret-encryption")
  name                       = "token-secret-encryption"
  purpose                    = "ENCRYPT_DECRYPT"
  rotation_period            = "${var.key_rotation_days * 86400}s"
  destroy_scheduled_duration = "2592000s"

  version_template {
    algorithm        = "GOOGLE_SYMMETRIC_ENCRYPTION"
    protection_level = var.provider_key.protection
  }

  # Without it no token of an issuer with a secret is accepted.
  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_kms_key_ring.provider]
}

# Every function that knows its callers proves their tokens; access also registers issuers. destinations wraps
# the secrets of those, and reads them to change a part; deliver sends with them.
resource "google_kms_crypto_key_iam_member" "token" {
  for_each = {
    for name, function in local.functions : name => function
    if name == "deliver" || function.shared && length(function.routes) > 0
  }

  crypto_key_id = local.token_key_name
  role          = contains(["access", "destinations"], each.key) ? "roles/cloudkms.cryptoKeyEncrypterDecrypter" : "roles/cloudkms.cryptoKeyDecrypter"
  member        = google_service_account.function[each.key].member

  depends_on = [google_kms_crypto_key.token]
}
