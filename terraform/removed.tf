# Earlier versions held organisations in this state. They stay as they are, and are no longer this state's: the operator's
# commands make organisations, and organization/ keeps one apart by IAM.

removed {
  from = google_bigquery_dataset.tenant

  lifecycle {
    destroy = false
  }
}

removed {
  from = google_bigquery_table.tenant

  lifecycle {
    destroy = false
  }
}

removed {
  from = google_bigquery_dataset_iam_member.tenant_reader

  lifecycle {
    destroy = false
  }
}

removed {
  from = google_service_account.organization

  lifecycle {
    destroy = false
  }
}

removed {
  from = google_service_account_iam_member.impersonation

  lifecycle {
    destroy = false
  }
}

removed {
  from = google_project_iam_member.organization_jobs

  lifecycle {
    destroy = false
  }
}

removed {
  from = google_bigquery_dataset_iam_member.organization

  lifecycle {
    destroy = false
  }
}

removed {
  from = google_bigquery_dataset.views

  lifecycle {
    destroy = false
  }
}

removed {
  from = google_bigquery_table.view

  lifecycle {
    destroy = false
  }
}

removed {
  from = google_bigquery_dataset_access.views

  lifecycle {
    destroy = false
  }
}
