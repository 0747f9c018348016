# A page of how it runs, of two columns: what people notice, then what it rests on. And a page of what it costs.

locals {
  # List prices on demand, in USD; the bill has an organisation's own.
  usd_per_tib           = 6.25
  usd_per_instance_hour = 0.0864 + 0.009 # one vCPU and one GiB, while requests are answered

  runs = [
    {
      title = "Requests per second, by function"
      unit  = "1/s"
      query = "sum by (function) (rate(${local.metric.requests}{${local.from}}[5m]))"
    },
    {
      title = "Share of failed requests, by function"
      unit  = "1"
      query = "sum by (function) (rate(${local.metric.requests}{${local.from},status=\"5\"}[5m])) / sum by (function) (rate(${local.metric.requests}{${local.from}}[5m]))"
    },
    {
      title = "Time to the first token, 95th percentile, by provider"
      unit  = "ms"
      query = "histogram_quantile(0.95, sum by (le, provider) (rate(${local.metric.first_token_ms}_bucket{${local.from}}[10m])))"
    },
    {
      title = "Time of a turn, 95th percentile, by provider"
      unit  = "ms"
      query = "histogram_quantile(0.95, sum by (le, provider) (rate(${local.metric.turn_ms}_bucket{${local.from}}[10m])))"
    },
    {
      title = "Turns per minute, by how they ended"
      unit  = "1/min"
      query = "60 * sum by (finish) (rate(${local.metric.turns}{${local.from}}[5m]))"
    },
    {
      title = "Estimated model cost per hour (USD), by provider"
      unit  = "USD"
      query = "sum by (provider) (increase(${local.metric.estimated_cost_usd}_sum{${local.from}}[1h]))"
    },
    {
      title = "Bytes billed by BigQuery per hour"
      unit  = "By"
      query = "sum(increase(${local.metric.bytes_billed}_sum{${local.from}}[1h]))"
    },
    {
      title = "Age of the oldest entry in the outbox"
      unit  = "s"
      query = "histogram_quantile(0.99, sum by (le) (rate(${local.metric.outbox_age_seconds}_bucket{${local.from}}[10m])))"
    },
    {
      title = "Rows that BigQuery refused, by table"
      unit  = "1"
      query = "sum by (table) (increase(${local.metric.rejected_rows}{${local.from}}[10m]))"
    },
    {
      title = "Failures of Cloud KMS, by function"
      unit  = "1"
      query = "sum by (function) (increase(${local.metric.key_failures}{${local.from}}[10m]))"
    },
    {
      title = "Instances, by function"
      unit  = "1"
      query = "sum by (service_name) (run_googleapis_com:container_instance_count{${local.from},service_name=~\"${join("|", values(local.names))}\"})"
    },
    {
      title = "Memory in use, 99th percentile, by function"
      unit  = "10^2.%"
      query = "histogram_quantile(0.99, sum by (le, service_name) (rate(run_googleapis_com:container_memory_utilizations_bucket{${local.from},service_name=~\"${join("|", values(local.names))}\"}[5m])))"
    },
  ]

  costs = [
    {
      title = "Models, estimated, a day (USD), by provider: billed to the organisations' own keys"
      unit  = "USD"
      query = "sum by (provider) (increase(${local.metric.estimated_cost_usd}_sum{${local.from}}[1d]))"
    },
    {
      title = "Models, estimated, a turn (USD), median, by provider"
      unit  = "USD"
      query = "histogram_quantile(0.5, sum by (le, provider) (rate(${local.metric.estimated_cost_usd}_bucket{${local.from}}[1d])))"
    },
    {
      title = "BigQuery, all queries of the project, a day (USD)"
      unit  = "USD"
      query = "sum(increase(bigquery_googleapis_com:query_statement_scanned_bytes_billed[1d])) / 2^40 * ${local.usd_per_tib}"
    },
    {
      title = "BigQuery, the questions' share of it, a day (USD)"
      unit  = "USD"
      query = "sum(increase(${local.metric.bytes_billed}_sum{${local.from}}[1d])) / 2^40 * ${local.usd_per_tib}"
    },
    {
      title = "BigQuery, sign-in: keys, profiles and settings read anew, a day (USD)"
      unit  = "USD"
      query = "sum(increase(${local.metric.directory_bytes_billed}_sum{${local.from}}[1d])) / 2^40 * ${local.usd_per_tib}"
    },
    {
      title = "BigQuery, the record: merges with the days that they update (sync), and reads, a day (USD)"
      unit  = "USD"
      query = "sum by (function) (increase(${local.metric.record_bytes_billed}_sum{${local.from}}[1d])) / 2^40 * ${local.usd_per_tib}"
    },
    {
      title = "Instances, billed time a day (USD, at one vCPU and one GiB), by function"
      unit  = "USD"
      query = "sum by (service_name) (increase(run_googleapis_com:container_billable_instance_time{${local.from},service_name=~\"${join("|", values(local.names))}\"}[1d])) / 3600 * ${local.usd_per_instance_hour}"
    },
    {
      title = "Turns a day"
      unit  = "1"
      query = "sum(increase(${local.metric.turns}{${local.from}}[1d]))"
    },
    {
      title = "Firestore, documents read, written and deleted a day"
      unit  = "1"
      query = "sum by (__name__) (increase({__name__=~\"firestore_googleapis_com:document_(read|write|delete)_ops_count\",monitored_resource=\"firestore_instance\"}[1d]))"
    },
    {
      title = "Logs, taken in a day"
      unit  = "By"
      query = "sum(increase(logging_googleapis_com:billing_bytes_ingested[1d]))"
    },
  ]

  dashboards = {
    runs = {
      name   = "${var.name_prefix} (${var.environment})"
      charts = local.runs
    }
    costs = {
      name   = "${var.name_prefix} (${var.environment}): costs"
      charts = local.costs
    }
  }
}

moved {
  from = google_monitoring_dashboard.chat
  to   = google_monitoring_dashboard.chat["runs"]
}

resource "google_monitoring_dashboard" "chat" {
  for_each = local.dashboards

  project = var.project_id

  dashboard_json = jsonencode({
    displayName = each.value.name
    labels      = { (var.name_prefix) = "" }
    mosaicLayout = {
      columns = 48
      tiles = [
        for index, chart in each.value.charts : {
          xPos   = 24 * (index % 2)
          yPos   = 16 * floor(index / 2)
          width  = 24
          height = 16
          widget = {
            title = chart.title
            xyChart = {
              dataSets = [{
                plotType        = "LINE"
                timeSeriesQuery = { prometheusQuery = chart.query, unitOverride = chart.unit }
              }]
            }
          }
        }
      ]
    }
  })

  depends_on = [google_project_service.service]
}
