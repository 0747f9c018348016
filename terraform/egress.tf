# The way out to model providers and private gateways, where var.egress wants another than Google's own: through a
# network, from addresses that a provider or a gateway can let in.

locals {
  # Who calls models, and who sends to the organisations' destinations.
  callers = var.egress == null ? [] : [
    for name, function in local.functions : name if contains(function.key, "roles/cloudkms.cryptoKeyDecrypter") || contains(local.senders, name)
  ]
  makes_connector = var.egress != null && try(var.egress.connector, null) == null
  connector       = local.makes_connector ? google_vpc_access_connector.egress[0].id : try(var.egress.connector, null)
}

resource "google_vpc_access_connector" "egress" {
  count = local.makes_connector ? 1 : 0

  project       = var.project_id
  region        = var.region
  name          = "${var.name_prefix}-egress"
  network       = var.egress.network
  ip_cidr_range = var.egress.range
  machine_type  = "e2-micro"
  min_instances = 2
  max_instances = 10

  depends_on = [google_project_service.service]
}

resource "google_compute_router" "egress" {
  count = local.makes_connector ? 1 : 0

  project = var.project_id
  region  = var.region
  name    = "${var.name_prefix}-egress"
  network = var.egress.network

  depends_on = [google_project_service.service]
}

resource "google_compute_address" "egress" {
  count = local.makes_connector ? 1 : 0

  project     = var.project_id
  region      = var.region
  name        = "${var.name_prefix}-egress"
  description = "What model providers and gateways see; it stays."

  depends_on = [google_project_service.service]
}

resource "google_compute_router_nat" "egress" {
  count = local.makes_connector ? 1 : 0

  project                            = var.project_id
  region                             = var.region
  name                               = "${var.name_prefix}-egress"
  router                             = google_compute_router.egress[0].name
  nat_ip_allocate_option             = "MANUAL_ONLY"
  nat_ips                            = [google_compute_address.egress[0].self_link]
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}
