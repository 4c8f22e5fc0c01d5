"""The wire: protobuf in, use case, protobuf out."""
