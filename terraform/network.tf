# The network of an internal load balancer, where none is given.

locals {
  internal     = var.load_balancer == "internal"
  makes_net    = local.internal && var.network == null
  network_id   = local.makes_net ? google_compute_network.chat[0].id : try(var.network.id, null)
  subnet_id    = local.makes_net ? google_compute_subnetwork.chat[0].id : try(var.network.subnetwork, null)
  proxy_range  = local.makes_net ? "10.129.0.0/23" : try(var.network.proxy_range, null)
  makes_proxy  = local.internal && local.proxy_range != null
  own_net_cidr = "10.128.0.0/24"
}

resource "google_compute_network" "chat" {
  # checkov:skip=CKV2_GCP_18:No machine is in it, and without a rule nothing may enter.
  count = local.makes_net ? 1 : 0

  project                 = var.project_id
  name                    = var.name_prefix
  auto_create_subnetworks = false

  depends_on = [google_project_service.service]
}

resource "google_compute_subnetwork" "chat" {
  count = local.makes_net ? 1 : 0

  project                  = var.project_id
  region                   = var.region
  name                     = var.name_prefix
  network                  = google_compute_network.chat[0].id
  ip_cidr_range            = local.own_net_cidr
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_subnetwork" "proxies" {
  # checkov:skip=CKV_GCP_26:A proxy-only subnet has no flow logs; the load balancer logs each request.
  # checkov:skip=CKV_GCP_74:A proxy-only subnet has no machines.
  # checkov:skip=CKV_GCP_76:A proxy-only subnet has no IPv6.
  count = local.makes_proxy ? 1 : 0

  project       = var.project_id
  region        = var.region
  name          = "${var.name_prefix}-proxies"
  network       = local.network_id
  ip_cidr_range = local.proxy_range
  purpose       = "GLOBAL_MANAGED_PROXY"
  role          = "ACTIVE"
}
