"""A page that follows runs, and figures for Prometheus: a small web server beside them, which only reads what they write."""
