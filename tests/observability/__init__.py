"""Tests of what operators look at: boards, alerts, runbooks."""
