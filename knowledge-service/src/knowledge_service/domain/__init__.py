"""The rules about documents and retrieval, without a database, and the ports that the use cases need."""
