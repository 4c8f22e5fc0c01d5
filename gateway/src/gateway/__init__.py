"""The API gateway: serves as HTTP what the protos declare, and calls the services by gRPC."""
