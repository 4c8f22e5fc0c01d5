"""Tests of the health aggregator."""
