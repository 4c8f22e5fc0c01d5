"""What the aggregator does, one verb a file."""
