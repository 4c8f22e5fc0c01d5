"""Traces: W3C trace context always, OpenTelemetry spans where an endpoint is set and a trace is sampled."""
