"""What all services share: settings, logs, traces, metrics, lifecycle, HTTP, gRPC, Postgres, events."""
