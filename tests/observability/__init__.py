"""Tests of what operators use: boards, alerts, runbooks."""
