# Who read data and used keys, in Cloud Audit Logs; writes are always logged. It is billed by what is logged.
resource "google_project_iam_audit_config" "data" {
  for_each = var.audit_data_access ? toset(["bigquery.googleapis.com", "cloudkms.googleapis.com", "datastore.googleapis.com"]) : toset([])

  project = var.project_id
  service = each.value

  dynamic "audit_log_config" {
    for_each = toset(["DATA_READ", "DATA_WRITE"])

    content {
      log_type = audit_log_config.value
    }
  }
}
