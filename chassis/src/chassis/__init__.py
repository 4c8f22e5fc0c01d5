"""What every service stands on: settings, logs, traces, metrics, lifecycle, Postgres, Redis, events."""
