terraform {
  required_version = ">= 1.9, < 2.0"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50, < 8.0"
    }
  }

  # One prefix is one organisation: -backend-config=bucket=… -backend-config=prefix=chat/organizations/ORG
  backend "gcs" {}
}

provider "google" {
  project = var.project_id
}
