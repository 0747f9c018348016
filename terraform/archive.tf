# One archive per function: its main.py at the top, common/ beside it, and the locked requirements. Nothing else.

locals {
  root = "${path.module}/.."

  common_files = sort([
    for file in fileset(local.root, "common/**") : file
    if !strcontains(file, "__pycache__/") && !endswith(file, ".pyc")
  ])

  # Name in the archive -> file in the repository.
  archive_files = {
    for name in keys(local.functions) : name => merge(
      { for file in local.common_files : file => file },
      { "main.py" = "functions/${name}/main.py", "requirements.txt" = "requirements.txt" },
    )
  }

  # By what the files hold, not by when or where they were packed.
  archive_hashes = {
    for name, files in local.archive_files : name => sha256(jsonencode({
      for inside, file in files : inside => filesha256("${local.root}/${file}")
    }))
  }
}

data "archive_file" "function" {
  for_each = local.archive_files

  type             = "zip"
  output_path      = "${path.module}/.archives/${each.key}-${local.archive_hashes[each.key]}.zip"
  output_file_mode = "0644"

  dynamic "source" {
    for_each = each.value

    content {
      filename = source.key
      content  = file("${local.root}/${source.value}")
    }
  }
}

resource "google_storage_bucket" "sources" {
  # checkov:skip=CKV_GCP_62:Holds the product's own source only, in objects that are named by what they hold and never change.
  project  = var.project_id
  name     = "${var.project_id}-${var.name_prefix}-sources"
  location = var.region

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  # An object that a new archive took the place of stays long enough to roll back to.
  lifecycle_rule {
    condition {
      days_since_noncurrent_time = 90
    }
    action {
      type = "Delete"
    }
  }

  dynamic "encryption" {
    for_each = local.cmek_key[*]

    content {
      default_kms_key_name = encryption.value
    }
  }

  depends_on = [google_project_service.service, google_kms_crypto_key_iam_member.agent]
}

resource "google_storage_bucket_object" "archive" {
  for_each = local.functions

  bucket = google_storage_bucket.sources.name
  name   = "${local.names[each.key]}/${local.archive_hashes[each.key]}.zip"
  source = data.archive_file.function[each.key].output_path
}
