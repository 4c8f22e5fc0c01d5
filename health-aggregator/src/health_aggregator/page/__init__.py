"""The status page, the metrics page and badges, as HTML and SVG for any browser."""
