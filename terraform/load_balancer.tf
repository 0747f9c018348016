# One host for all functions. Internal and external are the same but for the scheme: a cross-region internal, or a
# global external Application Load Balancer.

locals {
  balanced = var.load_balancer == "none" ? {} : { for name in local.served : name => local.functions[name] }
  balancer = var.load_balancer == "none" ? toset([]) : toset(["this"])
  external = var.load_balancer == "external"
  scheme   = local.external ? "EXTERNAL_MANAGED" : "INTERNAL_MANAGED"

  # Rules are tried by priority; no path is matched by two of them.
  priorities = { for index, name in sort(keys(local.balanced)) : name => index + 1 }
}

resource "google_compute_region_network_endpoint_group" "function" {
  for_each = local.balanced

  project               = var.project_id
  region                = var.region
  name                  = local.names[each.key]
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = google_cloudfunctions2_function.function[each.key].name
  }

  depends_on = [google_project_service.service]
}

# A serverless backend has neither a health check nor a timeout of its own: the function's counts, up to 60 minutes.
resource "google_compute_backend_service" "function" {
  for_each = local.balanced

  project               = var.project_id
  name                  = local.names[each.key]
  description           = each.value.description
  load_balancing_scheme = local.scheme
  protocol              = "HTTPS"
  security_policy       = local.external ? google_compute_security_policy.edge["this"].id : null

  backend {
    group = google_compute_region_network_endpoint_group.function[each.key].id
  }

  log_config {
    enable      = true
    sample_rate = 1
  }
}

resource "google_compute_url_map" "chat" {
  for_each = local.balancer

  project         = var.project_id
  name            = var.name_prefix
  default_service = google_compute_backend_service.function["health"].id

  host_rule {
    hosts        = [var.domain]
    path_matcher = "functions"
  }

  path_matcher {
    name = "functions"
    # It answers 404, as JSON, to every path but its own.
    default_service = google_compute_backend_service.function["health"].id

    dynamic "route_rules" {
      for_each = local.balanced

      content {
        priority = local.priorities[route_rules.key]
        service  = google_compute_backend_service.function[route_rules.key].id

        dynamic "match_rules" {
          # A slash at the end of a path changes nothing.
          for_each = flatten([for path in route_rules.value.routes : [path, "${path}/"]])

          content {
            path_template_match = replace(match_rules.value, "/\\{[a-z_]+\\}/", "*")
          }
        }
      }
    }
  }
}

resource "google_certificate_manager_dns_authorization" "chat" {
  for_each = local.balancer

  project     = var.project_id
  name        = var.name_prefix
  description = "Proves that the domain is ours; its record is an output."
  domain      = var.domain

  depends_on = [google_project_service.service]
}

resource "google_certificate_manager_certificate" "chat" {
  for_each = local.balancer

  project = var.project_id
  name    = var.name_prefix
  scope   = local.external ? "DEFAULT" : "ALL_REGIONS"

  managed {
    domains            = [var.domain]
    dns_authorizations = [google_certificate_manager_dns_authorization.chat[each.key].id]
  }
}

resource "google_certificate_manager_certificate_map" "chat" {
  count = local.external ? 1 : 0

  project = var.project_id
  name    = var.name_prefix

  depends_on = [google_project_service.service]
}

resource "google_certificate_manager_certificate_map_entry" "chat" {
  count = local.external ? 1 : 0

  project      = var.project_id
  name         = var.name_prefix
  map          = google_certificate_manager_certificate_map.chat[0].name
  certificates = [google_certificate_manager_certificate.chat["this"].id]
  hostname     = var.domain
}

resource "google_compute_ssl_policy" "chat" {
  count = local.external ? 1 : 0

  project         = var.project_id
  name            = var.name_prefix
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"

  depends_on = [google_project_service.service]
}

resource "google_compute_target_https_proxy" "chat" {
  for_each = local.balancer

  project                          = var.project_id
  name                             = var.name_prefix
  url_map                          = google_compute_url_map.chat[each.key].id
  ssl_policy                       = local.external ? google_compute_ssl_policy.chat[0].id : null
  certificate_map                  = local.external ? "//certificatemanager.googleapis.com/${google_certificate_manager_certificate_map.chat[0].id}" : null
  certificate_manager_certificates = local.external ? null : [google_certificate_manager_certificate.chat[each.key].id]
}

resource "google_compute_global_address" "chat" {
  count = local.external ? 1 : 0

  project = var.project_id
  name    = var.name_prefix

  depends_on = [google_project_service.service]
}

resource "google_compute_global_forwarding_rule" "chat" {
  for_each = local.balancer

  project               = var.project_id
  name                  = var.name_prefix
  load_balancing_scheme = local.scheme
  target                = google_compute_target_https_proxy.chat[each.key].id
  port_range            = "443"
  ip_address            = local.external ? google_compute_global_address.chat[0].id : null
  network               = local.external ? null : local.network_id
  subnetwork            = local.external ? null : local.subnet_id

  depends_on = [google_compute_subnetwork.proxies]
}
