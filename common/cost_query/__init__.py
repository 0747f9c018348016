"""The semantic layer over the costs: dimensions, filters, periods and metrics, made into fixed SQL and bound values."""
