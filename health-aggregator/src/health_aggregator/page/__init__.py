"""The status page: HTML and SVG from what is known, for people with any browser."""
