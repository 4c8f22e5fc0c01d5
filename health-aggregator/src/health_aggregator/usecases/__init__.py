"""What the aggregator does: one file per noun."""
